"""Checkpoints and decoded examples: killed anywhere, a reader finds a whole one or none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from killed_anywhere import killed_before_every_step

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="it forks")]
CHECKPOINT = """
import torch
from segbench.methods.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

def change(folder):
    for epoch in (1, 2):
        save_checkpoint(folder, Checkpoint({"seed": 0}, epoch, {"model": {"w": torch.full((3,), float(epoch))}}, {}))

def check(folder):
    found = load_checkpoint(folder, {"seed": 0})
    if found is None:
        assert not (folder / "saved").exists()
        return
    (folder / "saved").touch()
    assert found.tensors["model"]["w"].tolist() == [found.epoch] * 3
"""
DECODED = """
import numpy as np
from segbench.methods.targets import Pair
from segbench.methods.training.cache import DecodedCache

PAIR = Pair(np.ones((2, 3, 1), np.uint8), np.ones((2, 3), np.uint8))
KEYS = ("aa01", "aa02", "bb03")

def change(folder):
    cache = DecodedCache(folder / "cache", 2_500)  # room for two of three
    for key in KEYS:
        cache.put(key, PAIR)

def check(folder):
    for path in (folder / "cache").glob("*/*.npz"):
        with np.load(path) as stored:
            assert stored["image"].sum() == stored["target"].sum() == 6
"""


@pytest.mark.parametrize("code", [CHECKPOINT, DECODED], ids=["checkpoint", "decoded"])
def test_killed_anywhere_what_is_kept_is_whole(tmp_path: Path, code: str) -> None:
    assert killed_before_every_step(code, tmp_path) >= 6
