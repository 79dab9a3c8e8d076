"""`bench predict`: killed anywhere, it can be typed again, and no prediction is half a file."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from killed_anywhere import killed_before_every_step
from PIL import Image

from segbench import run
from synthetic_roots import write_hearts

PREDICTED = """
import json
from pathlib import Path
from PIL import Image
from segbench.io.reporter import Reporter
from segbench.runs.predict import predict
from segbench.runs.request import PredictRequest

AGAIN = {again}

def change(folder):
    if not AGAIN and (folder / "out" / "predict.json").exists() and whole(folder / "out"):
        (folder / "out").rename(folder / f"out-{len(list(folder.glob('out-*')))}")
    done = predict(PredictRequest(folder / "run", folder / "new", folder / "out"), Reporter(quiet=True))
    assert done.complete

def check(folder):
    out = folder / "out"
    names = {path.name for path in out.iterdir() if path.name[0] != "."} if out.exists() else set()
    assert names <= {"predict.json", "a.png", "b.png"}
    assert "predict.json" in names or not names
    for name in names - {"predict.json"}:
        assert Image.open(out / name).size == (80, 60)
    if names and whole(out):
        assert len(names) == 3

def whole(out):
    return json.loads((out / "predict.json").read_text())["complete"]
"""


@pytest.mark.slow
@pytest.mark.parametrize("again", [True, False], ids=["over earlier ones", "into a new folder"])
@pytest.mark.skipif(sys.platform == "win32", reason="it forks")
def test_killed_anywhere_predictions_are_whole_and_can_be_made_again(tmp_path: Path, again: bool) -> None:
    hearts = write_hearts(tmp_path / "hearts", sequences=1, frames=2)
    run("medaka", "constant", root=hearts, out=tmp_path / "run", plots=False, settings={"view": "lateral"})
    (tmp_path / "new").mkdir()
    for name in ("a", "b"):
        Image.fromarray(np.zeros((60, 80), np.uint8)).save(tmp_path / "new" / f"{name}.png")
    assert killed_before_every_step(PREDICTED.replace("{again}", str(again)), tmp_path) > 8
