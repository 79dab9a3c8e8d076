"""ISBI 2012 with `context=1`: a slice between its neighbours, scored and compared as the slice alone is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaml

from commands import Run, printed_json
from segbench.commands.predict import PredictRequest, predict
from segbench.commands.run import RunRequest
from segbench.commands.run import run as do_run
from segbench.datasets.isbi2012 import ISBI2012
from segbench.errors import UserError
from segbench.io.reporter import Reporter
from segbench.registry import make_dataset
from segbench.runs.predict_folder import Output, PredictDocument
from segbench.types import Prediction
from synthetic_roots import write_stacks

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


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Stacks, and a run of a tiny U-Net that sees each slice between its neighbours. SYNTHETIC."""
    base = tmp_path_factory.mktemp("wide")
    stacks = write_stacks(base / "cells")
    settings = {each.partition("=")[0]: yaml.safe_load(each.partition("=")[2]) for each in TINY.split()}
    request = RunRequest(
        "isbi2012", "unet", root=stacks, device="cpu", out=base / "run", save_predictions=True, plots=False,
        settings={**settings, "context": 1, "input": "rgb"},
    )  # fmt: skip
    do_run(request, Reporter(quiet=True))
    return stacks, base / "run"


def predicted(run: Path, stack: Path, out: Path, **more: Any) -> PredictDocument:
    return predict(PredictRequest(run, stack, out, device="cpu", **more), Reporter(quiet=True))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["tif", "npy", "npz", "colour"])
def test_the_stack_of_a_run_gives_the_predictions_of_the_run(
    form: str, wide: tuple[Path, Path], tmp_path: Path
) -> None:
    stacks, run = wide
    volume, stack = tifffile.imread(stacks / "train-volume.tif"), tmp_path / f"train-volume.{form}"
    if form == "tif":
        stack = stacks / "train-volume.tif"
    elif form == "npy":
        np.save(stack, volume)
    elif form == "npz":
        np.savez(stack, volume=volume)
    else:  # slices that were saved as colour images, by whatever program, are grey
        stack = stack.with_suffix(".tif")
        tifffile.imwrite(stack, np.repeat(volume[..., None], 3, axis=-1), photometric="rgb")
    document = predicted(run, stack, tmp_path / "cells", batch=4)
    found = tifffile.imread(tmp_path / "cells" / "train-volume.tif")
    assert found.shape == volume.shape
    np.testing.assert_array_equal(found[25:], tifffile.imread(run / "predictions" / "test.tif"))
    assert (document.complete, document.warnings) == (True, [])


@pytest.mark.slow
def test_what_was_interrupted_is_resumed_with_its_neighbours(
    wide: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slices that are there already are still read where they stand beside one that is not."""
    stacks, run = wide
    whole = predicted(run, stacks / "train-volume.tif", tmp_path / "whole")
    write = Output.write

    def short(self: Output, index: int, prediction: Prediction) -> None:
        if index == 13:
            raise KeyboardInterrupt
        write(self, index, prediction)

    with monkeypatch.context() as patched:
        patched.setattr(Output, "write", short)
        with pytest.raises(KeyboardInterrupt):
            predicted(run, stacks / "train-volume.tif", tmp_path / "cells", batch=5)
    (tmp_path / "cells" / ".pages" / "train-volume-000004.tif").unlink()
    rest = predicted(run, stacks / "train-volume.tif", tmp_path / "cells", resume=True)
    assert (rest.kept, rest.predicted, whole.predicted) == (12, 18, 30)
    one, other = (tifffile.imread(tmp_path / name / "train-volume.tif") for name in ("cells", "whole"))
    np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_what_is_no_stack_has_no_neighbours(wide: tuple[Path, Path], bench: Run, tmp_path: Path) -> None:
    stacks, run = wide
    volume = tifffile.imread(stacks / "train-volume.tif")
    (tmp_path / "slices").mkdir()
    for page in range(2):
        tifffile.imwrite(tmp_path / "slices" / f"{page}.tif", volume[page])
    for given, kind in (("slices/1.tif", "a single image"), ("slices", "one image of a folder")):
        refused = bench("predict", run, given, "--out", "masks")
        assert refused.returncode == 2
        words = " ".join(refused.stderr.split())
        assert "is a run with context, which sees each slice between its neighbours: give it a stack" in words
        assert words.endswith(f"is {kind}.")
        assert not (tmp_path / "masks").exists()
    with tifffile.TiffWriter(tmp_path / "odd.tif") as tif:
        for width in (24, 25):
            tif.write(np.zeros((24, width), np.uint8), contiguous=False)
    with pytest.raises(UserError, match=r"odd\.tif, slice 0 and its neighbours: are of 24 x 24 and 24 x 25 pixels"):
        predicted(run, tmp_path / "odd.tif", tmp_path / "masks")
    assert not (tmp_path / "masks").exists()
