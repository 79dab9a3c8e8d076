"""Thresholds: what the training split decides, and what they do with hard input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from places import SHARED
from segbench.baselines.threshold import Threshold
from segbench.datasets.isbi2012 import ISBI2012
from segbench.errors import UserError
from segbench.types import Array, Method
from small_stack import context, samples, write_stack

REAL = SHARED / "data" / "isbi2012"
SMALL: dict[str, Any] = {"kind": ["otsu"], "max_images": 4}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ISBI2012:
    return write_stack(tmp_path_factory.mktemp("isbi2012"))


def fit(dataset: ISBI2012, folder: Path, count: int | None = None, **values: Any) -> Threshold:
    """Fitted for Dice, as on a dataset that V_Rand does not rank."""
    method = Threshold({**Threshold.info.defaults, **SMALL, **values})
    situation = context(dataset, folder)
    situation.dataset = replace(dataset.info, main_score="dice")
    method.fit(samples(dataset, "train", count), samples(dataset, "val", 0), situation)
    return method


def labels_of(method: Threshold, image: Array) -> Array:
    labels = method.predict([image])[0].labels
    assert labels is not None
    return labels


def without_seconds(chosen: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in chosen.items() if not key.endswith("_seconds")}


def test_it_is_a_method() -> None:
    assert isinstance(Threshold(Threshold.info.defaults), Method)


def test_bright_cells_on_a_dark_ground(dataset: ISBI2012, tmp_path: Path) -> None:
    method = fit(dataset, tmp_path)
    assert method.chosen["side"] == "brighter"
    assert method.chosen["training_score"] > 0.95
    sample = samples(dataset, "val")[0]
    labels = labels_of(method, sample.image)
    assert labels.dtype == np.uint8
    assert (labels == sample.labels).mean() > 0.98


def test_dark_cells_on_a_bright_ground(dataset: ISBI2012, tmp_path: Path) -> None:
    (tmp_path / "dark").mkdir()
    for name in ("train-volume.tif", "train-labels.tif"):
        pages = tifffile.imread(dataset.root / name)
        tifffile.imwrite(tmp_path / "dark" / name, 255 - pages if "volume" in name else pages)
    method = fit(ISBI2012(tmp_path / "dark"), tmp_path / "f")
    assert method.chosen["side"] == "darker"
    assert method.chosen["training_score"] > 0.95


def test_red_foreground_of_the_same_grey_value_is_found_by_colour(tmp_path: Path, dataset: ISBI2012) -> None:
    """Foreground and ground have one luminance, so only a colour channel separates them."""

    class Coloured(ISBI2012):
        def load(self, sample_id: str, parts: Sequence[Any] = ("image", "labels")) -> Any:
            sample = super().load(sample_id, parts)
            red, ground = np.array([200, 40, 40], np.uint8), np.array([88, 88, 88], np.uint8)
            if sample.labels is None or sample.image is None:
                return sample
            return replace(sample, image=np.where(sample.labels[..., None] == 1, red, ground))

    method = fit(Coloured(dataset.root), tmp_path, 5)
    assert method.chosen["channel"] != "grey"
    assert method.chosen["training_score"] == 1


@pytest.mark.parametrize("kind", ["otsu", "li", "yen", "fixed-0.5", "sauvola"])
def test_every_kind_separates_two_grey_values(kind: str) -> None:
    from segbench.methods.classical.working_image import WorkingImage

    image = np.full((60, 60), 30, np.uint8)
    image[20:30, 20:40] = 220
    params = {"kind": kind, "channel": "grey", "sigma": 0.0}
    values = Threshold(Threshold.info.defaults).segment(WorkingImage(image), params).map(WorkingImage(image))
    assert (values[image == 220] > 0.5).all()
    assert (values[image == 30] < 0.5).mean() > 0.9


def test_the_choice_is_deterministic_and_bounded(dataset: ISBI2012, tmp_path: Path) -> None:
    first, again = fit(dataset, tmp_path, max_images=3), fit(dataset, tmp_path, max_images=3)
    assert without_seconds(first.chosen) == without_seconds(again.chosen)
    assert first.chosen["training_images"] == 3


def test_a_value_can_be_fixed(dataset: ISBI2012, tmp_path: Path) -> None:
    method = fit(dataset, tmp_path, sigma=4.0, kind="li")
    assert (method.chosen["kind"], method.chosen["sigma"], method.chosen["candidates"]) == ("li", 4.0, 1)


def test_a_reached_time_limit_is_warned_of(dataset: ISBI2012, tmp_path: Path) -> None:
    warnings: list[str] = []
    situation = context(dataset, tmp_path)
    situation.warn = warnings.append
    method = Threshold({**Threshold.info.defaults, "max_images": 5, "max_seconds": 1e-9})
    method.fit(samples(dataset, "train"), samples(dataset, "val", 0), situation)
    assert method.chosen["training_images"] == 1
    assert method.chosen["candidates"] == 1
    assert "1 of 40 candidates were tried on 1 of 5 images" in warnings[0]


def test_one_training_image_is_enough(dataset: ISBI2012, tmp_path: Path) -> None:
    assert fit(dataset, tmp_path, 1).chosen["training_score"] > 0.95


def test_no_training_image_is_a_message(dataset: ISBI2012, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no threshold can be chosen"):
        fit(dataset, tmp_path, 0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (17, 23), (17, 23, 3)])
def test_every_size_has_labels_of_its_own_size(dataset: ISBI2012, tmp_path: Path, shape: tuple[int, ...]) -> None:
    method = fit(dataset, tmp_path, 2)
    assert not labels_of(method, np.full(shape, 99, np.uint8)).any()
    noise = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    assert labels_of(method, noise).shape == shape[:2]


def test_a_saved_one_predicts_the_same(dataset: ISBI2012, tmp_path: Path) -> None:
    method = fit(dataset, tmp_path, 3)
    method.save(tmp_path)
    other = Threshold(Threshold.info.defaults)
    other.load(tmp_path, dataset.info, "cpu")
    image = samples(dataset, "val")[0].image
    assert np.array_equal(labels_of(method, image), labels_of(other, image))
    assert other.chosen == method.chosen


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_image": 1}, "Did you mean"),
        ({"max_images": 0}, "above 0"),
        ({"max_images": True}, "whole number above 0"),
        ({"max_seconds": "1"}, "above 0"),
    ],
)
def test_wrong_settings_are_messages(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Threshold({**Threshold.info.defaults, **change})


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason=f"the real ISBI 2012 stack is not at {REAL}")
def test_cells_of_the_real_stack_are_the_brighter_side(tmp_path: Path) -> None:
    method = fit(ISBI2012(REAL), tmp_path, max_images=2)
    assert method.chosen["side"] == "brighter"
    assert method.chosen["training_score"] > 0.75
