"""The page on hearts compares groups of fish: what it says to type gives one row for each fish."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from commands import Run, printed_json
from documented_commands import blocks
from places import ROOT

RATE_BPM, FPS = 120.0, 30.0


def write_film(file: Path, shortening: float, interval_s: float | None = None) -> None:
    """SYNTHETIC masks of an ellipse whose axes shorten by this part, 90 frames, as Fiji writes them."""
    rows, columns = np.mgrid[:60, :80]
    phase = (1 - np.cos(2 * np.pi * np.arange(90) * RATE_BPM / 60 / FPS)) / 2
    masks = [
        255
        * (((rows - 30) / (14 * (1 - shortening * x))) ** 2 + ((columns - 40) / (20 * (1 - shortening * x))) ** 2 < 1)
        for x in phase
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    about = {"axes": "TYX"} | ({} if interval_s is None else {"finterval": interval_s})
    tifffile.imwrite(file, np.stack(masks).astype(np.uint8), imagej=True, metadata=about)


@pytest.mark.slow
def test_there_is_one_row_for_each_fish(
    bench: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    films = {"control/a": 0.2, "control/b": 0.22, "treated/a": 0.1, "treated/b": 0.12}
    for film, shortening in films.items():
        write_film(tmp_path / "hearts" / f"{film}.tif", shortening)
    done = bench("cardiac", "hearts", "--fps", "30", "--pixel-size-um", "1", "--no-plots", "--out", "measured")
    assert done.returncode == 0, done.stderr
    (script,) = [block.text for block in blocks(ROOT / "docs" / "hearts.md") if block.name == "python"]
    monkeypatch.chdir(tmp_path)
    exec(compile(script, "docs/hearts.md", "exec"), {})
    assert "MannwhitneyuResult(statistic=" in capsys.readouterr().out
    fish = pd.read_csv(tmp_path / "measured" / "sequences.csv")
    assert [f"{row.group}/{row.film}" for row in fish.itertuples()] == list(films)
    assert fish.heart_rate_bpm.tolist() == pytest.approx([RATE_BPM] * 4, abs=1)
    # A volume of the ellipse goes with the cube of its axes.
    assert fish.ef_mean.tolist() == pytest.approx([1 - (1 - part) ** 3 for part in films.values()], abs=0.04)


def test_a_folder_of_stacks_is_of_one_kind(bench: Run, tmp_path: Path) -> None:
    for name, seconds in (("a", 1 / 30), ("b", 1 / 60)):
        write_film(tmp_path / "hearts" / f"{name}.tif", 0.2, seconds)
    done = bench("cardiac", "hearts", "--pixel-size-um", "1", "--no-plots")
    assert done.returncode == 2
    assert "the films differ in their frames per second: 'hearts/a.tif' says 30, 'hearts/b.tif' 60" in done.stderr
    given = printed_json(bench("cardiac", "hearts", "--fps", "30", "--pixel-size-um", "1", "--no-plots", "--json"))
    assert [each["name"] for each in given["sequences"]] == ["a", "b"]
    Image.fromarray(np.zeros((60, 80), np.uint8)).save(tmp_path / "hearts" / "c01.png")
    mixed = bench("cardiac", "hearts", "--fps", "30", "--no-plots")
    assert mixed.returncode == 2
    assert "'hearts/c01.png' is a single image, and 'hearts/a.tif' beside it a stack" in mixed.stderr
