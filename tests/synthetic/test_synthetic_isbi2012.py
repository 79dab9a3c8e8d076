"""Synthetic ISBI 2012: stacks, labels, repeatability, and likeness to the real stack."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from scipy.ndimage import label

from segbench.data.locations import MARKER
from segbench.datasets.isbi2012 import ISBI2012
from segbench.errors import UserError
from segbench.synthetic.isbi2012 import FULL, SMALL, Plan, section, synthesize
from segbench.testing import check_dataset

pytestmark = pytest.mark.slow

Stack = NDArray[np.uint8]
STACKS = ("train-volume.tif", "train-labels.tif", "test-volume.tif")
TINY = Plan(slices=2)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("synthetic") / "isbi2012"
    synthesize(root, seed=3, plan=TINY, workers=1)
    return root


@pytest.fixture(scope="module")
def pages() -> tuple[Stack, Stack]:
    """Every third slice of the labelled volume: images and labels."""
    made = [section(0, 0, page, SMALL.slices) for page in range(0, SMALL.slices, 3)]
    return np.stack([image for image, _ in made]), np.stack([labels for _, labels in made])


def digests(root: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(root.iterdir())}


def test_bytes_depend_on_the_seed_alone(tiny: Path, tmp_path: Path) -> None:
    synthesize(tmp_path / "again", seed=3, plan=TINY, workers=2)
    assert digests(tmp_path / "again") == digests(tiny)
    synthesize(tmp_path / "again", seed=4, plan=TINY, workers=1)
    assert all(digests(tmp_path / "again")[name] != digests(tiny)[name] for name in STACKS)


def test_it_conforms_and_every_file_is_sound(tiny: Path) -> None:
    dataset = ISBI2012(tiny)
    check_dataset(dataset)
    assert dataset.check() == []
    assert dataset.info.synthesizable
    assert len(dataset.ids("challenge")) == len(dataset.ids("all")) == TINY.slices
    assert SMALL.slices == FULL.slices == 30


def test_stacks_and_marker(tiny: Path) -> None:
    assert sorted(path.name for path in tiny.iterdir()) == sorted((*STACKS, MARKER))
    for name in STACKS:
        stack = tifffile.imread(tiny / name)
        assert stack.shape == (2, 512, 512)
        assert stack.dtype == np.uint8
        assert len(tifffile.TiffFile(tiny / name).pages) == 2
    assert set(np.unique(tifffile.imread(tiny / "train-labels.tif"))) == {0, 255}
    marker = json.loads((tiny / MARKER).read_text(encoding="utf-8"))
    assert marker["origin"] == "synthetic"
    assert marker["generator"] == "segbench.synthetic.isbi2012"
    assert (marker["seed"], marker["n_files"]) == (3, 3)


def test_only_earlier_synthetic_data_is_replaced(tiny: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    (root / "train-volume.tif").write_bytes((tiny / "train-volume.tif").read_bytes())
    with pytest.raises(UserError, match="was not made by segbench"):
        synthesize(root, plan=TINY, workers=1)
    assert [path.name for path in root.iterdir()] == ["train-volume.tif"]


def test_neighbouring_slices_are_alike() -> None:
    near, next_to_it, far = (section(0, 0, page, 30)[1] > 0 for page in (10, 11, 25))
    likeness, chance = ((near == other).mean() for other in (next_to_it, far))
    assert likeness > chance + 0.08
    # Not the same either: the real stack's neighbours agree on 72 % of pixels.
    assert likeness < 0.9


def piece_sizes(labels: Stack) -> NDArray[np.int64]:
    """Areas of the connected pieces of cell of every slice."""
    return np.concatenate([np.bincount(label(page > 0)[0].ravel())[1:] for page in labels])


def test_membranes_are_dark_and_closed(pages: tuple[Stack, Stack]) -> None:
    images, labels = pages
    for image, truth in zip(images, labels, strict=True):
        inside, border = image[truth > 0].astype(float), image[truth == 0].astype(float)
        spread = np.sqrt((inside.var() + border.var()) / 2)
        # Darker by more than a standard deviation, yet no threshold separates them.
        assert 1.0 < (inside.mean() - border.mean()) / spread < 3.0
        assert label(truth > 0)[1] > 60
    assert piece_sizes(labels).min() >= 30


def test_the_stack_is_like_the_real_one(pages: tuple[Stack, Stack], real_isbi: Path) -> None:
    real_images, real_labels = (tifffile.imread(real_isbi / name) for name in STACKS[:2])
    images, labels = pages
    share, real_share = (labels == 0).mean(), (real_labels == 0).mean()
    assert share == pytest.approx(real_share, abs=0.04)
    assert len(piece_sizes(labels)) / len(labels) == pytest.approx(len(piece_sizes(real_labels)) / 30, rel=0.2)
    levels = [0.25, 0.5, 0.75, 0.9, 0.95]
    ratio = np.quantile(piece_sizes(labels), levels) / np.quantile(piece_sizes(real_labels), levels)
    assert (np.abs(np.log2(ratio)) < 0.75).all(), ratio
    grey = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]
    for inside in (True, False):
        made, real = images[(labels > 0) == inside], real_images[(real_labels > 0) == inside]
        difference = np.quantile(made, grey) - np.quantile(real, grey)
        assert (np.abs(difference) < 22).all(), (inside, difference)
    for distance, most in ((1, 0.1), (4, 0.12), (16, 0.1)):
        made_near, real_near = (correlation(stack, distance) for stack in (images, real_images))
        assert made_near == pytest.approx(real_near, abs=most)
    assert images.mean(axis=(1, 2)).std() > 4


def correlation(stack: Stack, distance: int) -> float:
    """Correlation of grey levels of pixels so far apart in a row."""
    left, right = stack[..., :-distance].ravel()[::7], stack[..., distance:].ravel()[::7]
    return float(np.corrcoef(left, right)[0, 1])
