"""Synthetic never becomes real: origin rests on the marks of the samples in use, and on the folder's marker."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import Run, printed_json
from segbench.data.index import DataIndex
from segbench.data.locations import MARKER
from segbench.data.origin_in_use import origin_in_use
from segbench.datasets.folder import Folder
from segbench.datasets.isbi2012 import ISBI2012
from segbench.synthetic import voc2012
from segbench.synthetic.output_folder import Mark, save_picture
from segbench.types import Array, Uint8

MARK = Mark("segbench.synthetic.test", "1", "drawn for a test")


def own_folder(root: Path, count: int = 30) -> Path:
    """Pictures of one's own with masks, that nothing marks."""
    random = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for number in range(count):
        picture = random.integers(0, 256, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(picture).save(root / "images" / f"s{number:02d}.png")
        mask = np.asarray(picture[:, :, 0] > 128)
        Image.fromarray(mask.astype(np.uint8) * 255).save(root / "masks" / f"s{number:02d}.png")
    (root / "classes.yaml").write_text("name: Cells\nclasses: {0: ground, 1: cell}\n", encoding="utf-8")
    return root


def drawn(path: Path, values: Array) -> None:
    """Put a picture with the mark where a file was."""
    save_picture(path, np.asarray(values, np.uint8), MARK)


def marked_too(path: Path) -> None:
    """The same file with a mark."""
    drawn(path, np.asarray(Image.open(path)))


def origin_of_run(done: object) -> str:
    """What a record that was printed says."""
    return str(printed_json(done)["dataset"]["origin"])  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_synthetic_set_without_its_marker_stays_synthetic(bench: Run, tmp_path: Path) -> None:
    root = tmp_path / "voc"
    voc2012.synthesize(root, plan=voc2012.Plan(3, 3, 64), workers=1)
    (root / MARKER).unlink()
    run = ("run", "-d", "voc2012", "-m", "constant", "--root", root, "--no-plots", "--json")
    done = bench(*run, "--save-predictions", "--out", tmp_path / "out")
    assert origin_of_run(done) == "synthetic"
    assert "all 6 samples in use are SYNTHETIC" in done.stderr
    assert printed_json(bench("data", "describe", "voc2012", "--root", root, "--json"))["origin"] == "synthetic"
    assert json.loads(bench("data", "verify", "voc2012", "--root", root, "--json").stdout)["origin"] == "synthetic"
    evaluated = bench("evaluate", "-d", "voc2012", "-p", tmp_path / "out" / "predictions", "--root", root, "--json")
    assert origin_of_run(evaluated) == "synthetic"
    assert "origin" not in failed(bench("verify", tmp_path / "out", "--root", root, "--json").stdout)
    refused = bench(*run, "--source", "real", "--out", tmp_path / "other")
    assert (refused.returncode, "--source real was asked for, but" in refused.stderr) == (2, True)


def failed(printed: str) -> list[str]:
    """Names of the checks of a verification that were not passed."""
    return [check["name"] for check in json.loads(printed)["checks"] if check["ok"] is False]


@pytest.mark.parametrize("folder", ["images", "masks"])
def test_one_copied_picture_is_told_by_name(bench: Run, tmp_path: Path, folder: str) -> None:
    root = own_folder(tmp_path / "own")
    run = ("run", "-d", "folder", "-m", "constant", "--root", root, "--folds", "3", "--no-plots", "--json")
    assert origin_of_run(bench(*run, "--out", tmp_path / "real")) == "real"
    marked_too(root / folder / "s07.png")
    done = bench(*run, "--out", tmp_path / "mixed")
    assert origin_of_run(done) == "synthetic"
    assert (
        f"1 of 30 samples in use is SYNTHETIC (first 's07', by the mark in {root / folder / 's07.png'})" in done.stderr
    )
    assert any("s07" in warning for warning in printed_json(done)["warnings"])
    described = bench("data", "describe", "folder", "--root", root, "--json")
    assert (printed_json(described)["origin"], "s07" in described.stderr) == ("synthetic", True)
    verified = printed_json(bench("data", "verify", "folder", "--root", root, "--json"))
    assert verified["origin"] == "synthetic"
    assert any("'s07'" in warning for warning in verified["warnings"])
    # Its own run is confirmed by what lies there; the run from before is not.
    assert "origin" not in failed(bench("verify", tmp_path / "mixed", "--root", root, "--json").stdout)
    assert "origin" in failed(bench("verify", tmp_path / "real", "--root", root, "--json").stdout)


def test_only_the_samples_in_use_are_asked(bench: Run, tmp_path: Path) -> None:
    root = own_folder(tmp_path / "own")
    shutil.copytree(root / "masks", tmp_path / "predictions")
    evaluate = ("evaluate", "-d", "folder", "-p", tmp_path / "predictions", "--root", root, "--no-plots", "--json")
    train, test = (Folder(root).ids(split) for split in ("train", "test"))
    marked_too(root / "masks" / f"{train[0]}.png")
    assert origin_of_run(bench(*evaluate, "--out", tmp_path / "one")) == "real"
    marked_too(root / "masks" / f"{test[0]}.png")
    assert origin_of_run(bench(*evaluate, "--out", tmp_path / "two")) == "synthetic"


def test_pictures_that_were_saved_again_have_the_folder_s_word(stacks: Path) -> None:
    dataset = ISBI2012(stacks)
    index = DataIndex(dataset)
    assert origin_in_use(index, "real", dataset.ids("all")).origin == "real"
    assert origin_in_use(index, "synthetic", dataset.ids("all")).origin == "synthetic"
    values: Uint8 = np.zeros((30, 48, 48), np.uint8)
    drawn(stacks / "train-labels.tif", values)
    again = origin_in_use(DataIndex(dataset), "real", dataset.ids("all"))
    assert (again.origin, again.mixed) == ("synthetic", False)
