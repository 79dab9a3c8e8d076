"""ISBI 2012 with `context=1`: a slice between its neighbours, scored and compared as the slice alone is."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import tifffile

from commands import Run, printed_json
from segbench.datasets.isbi2012 import ISBI2012
from segbench.registry import make_dataset

TINY = "epochs=1 iterations_per_epoch=2 batch_size=2 crop=32 base_channels=2 depth=1 tta=none elastic=0 ema=0"
ISBI = ("run", "-d", "isbi2012", "-m", "unet", "--no-plots", "--json", "--set", TINY)


def test_a_slice_stands_between_its_neighbours(stacks: Path) -> None:
    volume = tifffile.imread(stacks / "train-volume.tif")
    alone, between = ISBI2012(stacks), make_dataset("isbi2012", stacks, {"context": 1})
    for page in (0, 19, 29):
        sample, same = (data.load(f"slice-{page:02d}") for data in (between, alone))
        assert sample.image is not None
        assert sample.image.shape == (*volume.shape[1:], 3)
        assert sample.image.dtype == np.uint8
        for channel, near in enumerate((max(page - 1, 0), page, min(page + 1, 29))):
            np.testing.assert_array_equal(sample.image[..., channel], volume[near])
        np.testing.assert_array_equal(sample.labels, same.labels)
        assert same.image is not None
        assert same.image.ndim == 2


@pytest.mark.slow
def test_such_a_run_is_ranked_beside_those_of_single_slices(bench: Run, stacks: Path, tmp_path: Path) -> None:
    mixed = bench(*ISBI, "--root", stacks, "--set", "context=1", "--out", "runs/mixed")
    assert mixed.returncode == 2
    assert "add --set input=rgb" in " ".join(mixed.stderr.split())
    wide = printed_json(bench(*ISBI, "--root", stacks, "--set", "context=1 input=rgb", "--out", "runs/wide"))
    alone = printed_json(bench(*ISBI, "--root", stacks, "--out", "runs/alone"))
    assert (wide["dataset"]["options"], alone["dataset"]["options"]) == ({"context": 1}, {})
    assert wide["dataset"]["data_sha256"] == alone["dataset"]["data_sha256"]
    compared = printed_json(bench("compare", "runs", "--json"))
    assert len(compared["runs"]) == 2
    assert bench("leaderboard", "runs", "--out", "boards").returncode == 0
    board = (tmp_path / "boards" / "isbi2012.md").read_text()
    assert len(re.findall(r"^\| [\d–() ]+\| ● unet", board, re.MULTILINE)) == 2
    assert "context=1" in board
    assert bench("verify", "runs/wide", "--root", stacks).returncode == 0
    checked = bench("leaderboard", "--validate", "runs/wide", "--root", stacks)
    assert checked.returncode == 0, checked.stdout
    refused = bench("predict", "runs/wide", stacks / "test-volume.tif", "--out", "masks")
    assert refused.returncode == 2
    assert "sees more than the single images" in " ".join(refused.stderr.split())
