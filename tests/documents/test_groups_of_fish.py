"""The page on hearts compares groups of fish: what it says to type gives one row for each fish."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from commands import Run
from documented_commands import blocks
from places import ROOT

RATE_BPM, FPS = 120.0, 30.0


def write_film(file: Path, shortening: float) -> None:
    """SYNTHETIC masks of an ellipse whose axes shorten by this part, 90 frames."""
    rows, columns = np.mgrid[:60, :80]
    phase = (1 - np.cos(2 * np.pi * np.arange(90) * RATE_BPM / 60 / FPS)) / 2
    masks = [
        255
        * (((rows - 30) / (14 * (1 - shortening * x))) ** 2 + ((columns - 40) / (20 * (1 - shortening * x))) ** 2 < 1)
        for x in phase
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(file, np.stack(masks).astype(np.uint8), photometric="minisblack")


@pytest.mark.slow
def test_there_is_one_row_for_each_fish(
    bench: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    films = {"control/a": 0.2, "control/b": 0.22, "treated/a": 0.1, "treated/b": 0.12}
    for film, shortening in films.items():
        write_film(tmp_path / f"{film}.tif", shortening)
        words = ("--fps", "30", "--pixel-size-um", "1", "--no-plots", "--out", f"hearts/{film}")
        done = bench("cardiac", f"{film}.tif", *words)
        assert done.returncode == 0, done.stderr
    (script,) = [block.text for block in blocks(ROOT / "docs" / "hearts.md") if block.name == "python"]
    monkeypatch.chdir(tmp_path)
    exec(compile(script, "docs/hearts.md", "exec"), {})
    assert "MannwhitneyuResult(statistic=" in capsys.readouterr().out
    fish = pd.read_csv(tmp_path / "hearts" / "fish.csv")
    assert [f"{row.group}/{row.film}" for row in fish.itertuples()] == list(films)
    assert fish.beats_per_min.tolist() == pytest.approx([RATE_BPM] * 4, abs=1)
    # A volume of the ellipse goes with the cube of its axes.
    assert fish.ef.tolist() == pytest.approx([1 - (1 - part) ** 3 for part in films.values()], abs=0.04)
