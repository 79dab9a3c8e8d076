"""The notebook of the tutorial, as it is printed there, on a small SYNTHETIC folder of images and masks."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import segbench
from places import ROOT

pytestmark = pytest.mark.slow


def block(path: Path, name: str) -> str:
    """A page's code block that stands below a comment of this name."""
    found = re.search(rf"<!-- {name} -->\n```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None, f"{path} has no block '{name}'"
    return found[1]


def write_folder(folder: Path) -> None:
    """Bright discs on a dark, noisy ground with their masks, and masks of somebody who cut a stripe off each."""
    for name in ("mine/images", "mine/masks", "my_masks"):
        (folder / name).mkdir(parents=True)
    random = np.random.default_rng(0)
    y, x = np.mgrid[:40, :48]
    for number in range(10):
        disc = (y - 20) ** 2 + (x - 16 - number) ** 2 < (9 + number % 3) ** 2
        grey = np.where(disc, 170, 70) + random.normal(0, 30, disc.shape)
        Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).save(folder / f"mine/images/{number:03d}.png")
        Image.fromarray(np.where(disc, 255, 0).astype(np.uint8)).save(folder / f"mine/masks/{number:03d}.png")
        Image.fromarray(np.where(disc & (x > 14), 255, 0).astype(np.uint8)).save(folder / f"my_masks/{number:03d}.png")
    (folder / "mine/classes.yaml").write_text("classes: {0: ground, 1: disc}\n", encoding="utf-8")


def test_the_tutorials_notebook_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_folder(tmp_path)
    monkeypatch.chdir(tmp_path)
    code = block(ROOT / "docs" / "tutorial.md", "notebook")
    assert len([line for line in code.splitlines() if line]) <= 10
    names: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", segbench.SegbenchWarning)
        exec(compile(code, "docs/tutorial.md", "exec"), names)
    printed = capsys.readouterr().out
    found = names["found"]
    assert {run.label for run in found.runs} == {"threshold", "mean-shape"}
    assert found.runs[0].value > 0.8
    assert found.answer in printed
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")
    assert set(names["table"].method) == {"threshold", "mean-shape", "my_masks"}
    assert [run.record.dataset.folds for run in names["runs"]] == [5, 5]
