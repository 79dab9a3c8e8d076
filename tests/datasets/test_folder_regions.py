"""Pixels outside of a region count nowhere: not in a loss, not in a search, in no metric family and in no overlay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from foreign_layouts import blocks, disc, drive, photo, save
from segbench.datasets.folder import Folder
from segbench.errors import UserError
from segbench.methods.classical.objectives import dice, frequencies
from segbench.methods.targets import prepare_target
from segbench.methods.training.config import IGNORE, TrainingConfig
from segbench.registry import families, metrics
from segbench.report.overlays import errors, paint
from segbench.types import Array, Prediction, Sample

OUTSIDE = disc() == 0


@pytest.fixture
def binary(tmp_path: Path) -> Folder:
    text = (
        "name: retina\nimages: training/images/{name}_training.tif\nmasks: training/1st_manual/{name}_manual1.gif\n"
        "region: training/mask/{stem}_mask.gif\nclasses: {0: background, 1: vessel}\n"
    )
    drive(tmp_path)
    (tmp_path / "classes.yaml").write_text(text)
    return Folder(tmp_path)


@pytest.fixture
def several(tmp_path: Path) -> Folder:
    for n in range(4):
        save(tmp_path / "images" / f"{n}.png", photo(n))
        save(tmp_path / "masks" / f"{n}.png", blocks(n, 3))
        save(tmp_path / "instances" / f"{n}.png", blocks(n, 3))
        save(tmp_path / "fov" / f"{n}.png", disc())
    (tmp_path / "classes.yaml").write_text("region: fov/{stem}.png\nclasses: {0: soil, 1: crop, 2: weed}\n")
    return Folder(tmp_path)


def _pair(sample: Sample, seed: int, classes: int) -> tuple[Prediction, Prediction]:
    """Two predictions that differ outside of the region alone."""
    assert sample.labels is not None
    inside = np.random.default_rng(seed).integers(0, classes, sample.labels.shape).astype(np.uint8)
    other = np.where(OUTSIDE, (inside + 1) % classes, inside).astype(np.uint8)
    assert (inside != other).any()
    return Prediction(labels=inside), Prediction(labels=other)


@pytest.mark.parametrize("which", ["binary", "several"])
def test_no_metric_family_counts_what_lies_outside(which: str, request: pytest.FixtureRequest) -> None:
    dataset: Folder = request.getfixturevalue(which)
    scored, without_void = [], []
    for name in sorted(metrics()):
        try:
            (family,) = families(dataset.info, [name])
        except UserError as error:
            without_void += [name] if "knows no void label" in str(error) else []
            continue
        if name == "cardiac" or not {"labels", "instances"} >= set(family.parts):
            continue
        found = []
        for number in (0, 1):
            each = []
            for seed, sample_id in enumerate(dataset.ids("all")[:2]):
                sample = dataset.load(sample_id, ("labels", "instances"))
                try:
                    pair = _pair(sample, seed, len(dataset.info.classes))
                    each.append(family.measure(sample, pair[number], dataset.info))
                except UserError:  # it scores another kind of prediction
                    break
            found.append(family.compute(each, dataset.info) if each else {})
        if found[0]:
            scored.append(name)
            np.testing.assert_equal(found[0], found[1], err_msg=name)
    assert set(scored) >= ({"binary-overlap", "boundary", "overlap"} if which == "binary" else {"overlap", "boundary"})
    assert "partition" in without_void or which == "several"


def test_the_loss_and_the_search_leave_it_out(binary: Folder) -> None:
    labels = binary.load(binary.ids("all")[0]).labels
    assert labels is not None
    target = prepare_target(labels, TrainingConfig(size=None), binary.info)
    np.testing.assert_array_equal(target == IGNORE, OUTSIDE)
    everywhere = dice(np.ones(labels.shape, bool), target)
    assert everywhere == dice(~OUTSIDE, target)
    shares = frequencies(iter([target]), 2)
    corner = shares[:, 0, 0]
    assert not corner.any()


def test_overlays_show_it_as_void_and_no_mistake(several: Folder) -> None:
    sample = several.load("0")
    assert sample.labels is not None
    truth: Array = sample.labels
    wrong = (blocks(0, 3) + 1) % 3
    shown = paint(truth, several.info, several.info.void)
    assert len(np.unique(shown[OUTSIDE].reshape(-1, 4), axis=0)) == 1
    for predicted in (wrong, np.zeros_like(wrong)):
        painted = errors(truth, predicted.astype(np.uint8), several.info)
        np.testing.assert_array_equal(painted[OUTSIDE][:, :3], shown[OUTSIDE][:, :3])
