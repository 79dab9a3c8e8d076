"""Predictions that replace stored ones: killed anywhere, there are the old ones or the new ones, and never none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from killed_anywhere import killed_before_every_step

from places import GOLDEN

STORED = """
import numpy as np
from dataclasses import dataclass
from pathlib import Path
from PIL import Image
from segbench.datasets.voc2012 import VOC2012
from segbench.predictions.matching import Found
from segbench.predictions.stored import store_found
from segbench.types import Prediction

@dataclass
class Drawn:
    value: int
    def read(self, dataset):
        return Prediction(labels=np.full((2, 3), self.value, np.uint8))

def change(folder):
    found = Found({"a": Drawn(1), "b": Drawn(2)})
    store_found(folder / "predictions", VOC2012(Path(__ROOT__)), found, "val", whole=True, soft=False)

def check(folder):
    if (folder / "predictions").exists() or (folder / "stored").exists():
        for name, value in (("a", 1), ("b", 2)):
            assert np.array(Image.open(folder / "predictions" / f"{name}.png")).tolist() == [[value] * 3] * 2
        (folder / "stored").touch()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="it forks")
def test_killed_anywhere_stored_predictions_are_whole(tmp_path: Path) -> None:
    assert killed_before_every_step(STORED.replace("__ROOT__", repr(str(GOLDEN / "voc2012"))), tmp_path) > 8
    assert {path.name for path in tmp_path.iterdir()} == {"predictions", "stored"}
