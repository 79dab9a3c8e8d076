"""The rule by which parameters are chosen: objectives, budget, halving, and honesty towards the images it judges by."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import Field

from segbench.datasets.isbi2012 import ISBI2012
from segbench.errors import UserError
from segbench.methods.classical.method import ClassicalMethod, ClassicalSettings
from segbench.methods.classical.objectives import (
    RAND_THRESHOLDS,
    Budget,
    box_of,
    confusion_of,
    cross_fitted,
    dice,
    frequencies,
    mean_iou,
    mean_score,
    objective_of,
    oracle_scores,
    product,
    spread,
    v_rand,
)
from segbench.methods.classical.region_classes import VOID, Segmentation, Table
from segbench.methods.classical.working_image import WorkingImage
from segbench.metrics.partition import slice_counts
from segbench.registry import methods
from segbench.runs.presets import load_preset
from segbench.settings import Choices, Fraction
from segbench.types import FitContext, MethodInfo
from small_stack import context, samples, write_stack


class LevelsSettings(ClassicalSettings):
    level: Choices[Fraction] = Field(default=[0.1, 0.2, 0.45, 0.6, 0.7, 0.9])


class Levels(ClassicalMethod):
    """Values above a level of which one is right; counts what is asked of it."""

    info = MethodInfo("levels", "classical", "a test", "a test", settings=LevelsSettings)
    asked: Mapping[float, int] = {}
    nap = 0.0

    def segment(self, image: WorkingImage, params: Mapping[str, Any]) -> Segmentation:
        self.asked = {**self.asked, params["level"]: self.asked.get(params["level"], 0) + 1}
        time.sleep(self.nap)
        return Segmentation((image.channel("grey") > params["level"]).astype(np.float32))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ISBI2012:
    return write_stack(tmp_path_factory.mktemp("isbi2012"))


def situation(dataset: ISBI2012, folder: Path) -> FitContext:
    made = context(dataset, folder)
    made.dataset = replace(dataset.info, main_score="dice")
    return made


def test_the_better_half_goes_on_and_the_best_is_chosen(dataset: ISBI2012, tmp_path: Path) -> None:
    method = Levels({**Levels.info.defaults, "max_images": 5, "classes": "rule"})
    method.fit(samples(dataset, "train"), samples(dataset, "val", 0), situation(dataset, tmp_path))
    assert method.chosen["level"] == 0.45
    assert method.chosen["candidates"] == 6
    assert sorted(method.asked.values()) == [1, 1, 5, 5, 5, 5]  # four survive the first image
    assert method.asked[0.45] == 5


def test_the_earlier_of_equals_is_chosen(dataset: ISBI2012, tmp_path: Path) -> None:
    method = Levels({**Levels.info.defaults, "level": [0.451, 0.45, 0.452], "max_images": 1, "classes": "rule"})
    method.fit(samples(dataset, "train", 1), samples(dataset, "val", 0), situation(dataset, tmp_path))
    assert method.chosen["level"] == 0.451


def test_a_search_that_is_cut_says_so_and_keeps_what_it_has(dataset: ISBI2012, tmp_path: Path) -> None:
    method = Levels({**Levels.info.defaults, "max_seconds": 0.3, "classes": "rule"})
    method.nap = 0.4
    warned: list[str] = []
    made = situation(dataset, tmp_path)
    made.warn = warned.append
    method.fit(samples(dataset, "train"), samples(dataset, "val", 0), made)
    assert method.chosen["candidates"] == 1
    assert "1 of 6 candidates were tried on 1 of 6 images" in warned[0]


def test_a_search_without_any_candidate_is_a_message(dataset: ISBI2012, tmp_path: Path) -> None:
    class Picky(Levels):
        def accepts(self, params: Mapping[str, Any], colored: bool) -> bool:
            return params["level"] > 0.9 and not colored

    with pytest.raises(UserError, match="leave no candidate to try"):
        Picky({}).fit(samples(dataset, "train"), samples(dataset, "val", 0), situation(dataset, tmp_path))


def test_a_stop_ends_the_search(dataset: ISBI2012, tmp_path: Path) -> None:
    made = situation(dataset, tmp_path)
    made.stop = lambda: True
    with pytest.raises(KeyboardInterrupt):
        Levels(Levels.info.defaults).fit(samples(dataset, "train"), samples(dataset, "val", 0), made)
    with pytest.raises(KeyboardInterrupt):
        assert Budget(1.0, made).over


def test_every_classical_method_has_the_same_budget_in_every_preset() -> None:
    budget = ("max_images", "fit_images", "max_seconds", "max_pixels")
    every = {name: cls.info for name, cls in methods().items() if cls.info.family == "classical"}
    own = {name: info for name, info in every.items() if issubclass(info.settings, ClassicalSettings)}
    assert len(own) >= 11
    for preset in ("quick", "standard", "paper"):
        layers = load_preset(preset)["methods"]
        complete = {name: {**info.defaults, **layers.get(name, {}).get("all", {})} for name, info in own.items()}
        budgets = {name: [config[key] for key in budget] for name, config in complete.items()}
        assert all(found == budgets["threshold"] for found in budgets.values()), (preset, budgets)


def test_the_objective_is_the_datasets_own() -> None:
    from segbench.registry import datasets

    found = {name: objective_of(cls.info) for name, cls in datasets().items() if cls.info.classes}
    wanted = {"isbi2012": "v_rand", "medaka": "dice", "voc2012": "miou", "cityscapes": "miou", "cocostuff": "miou"}
    assert wanted.items() <= found.items()


def test_places_are_evenly_spread() -> None:
    assert spread(1, 5) == [0]
    assert spread(5, 5) == [0, 1, 2, 3, 4]
    assert spread(100, 3) == [0, 49, 99]
    assert spread(7, 1) == [0]


def test_dice_by_hand() -> None:
    target = np.array([[1, 1, 0, VOID]], np.uint8)
    assert dice(np.array([[True, False, False, True]]), target) == pytest.approx(2 / 3)
    assert np.isnan(dice(np.zeros((1, 4), bool), np.zeros((1, 4), np.uint8)))
    assert mean_score([np.array([0.5]), np.array([np.nan]), np.array([1.0])]) == 0.75
    assert mean_score([np.array([np.nan])]) == -1
    assert mean_score([np.array([0.2, 0.9]), np.array([0.8, 0.3])]) == pytest.approx(0.6)


def test_v_rand_is_the_official_one_at_its_thresholds() -> None:
    random = np.random.default_rng(0)
    truth = np.ones((40, 40), bool)
    truth[:, 20] = truth[13] = False
    values = np.clip(truth * 0.6 + random.random((40, 40)) * 0.4, 0, 1).astype(np.float32)
    official = [counts.v_rand for counts in slice_counts(truth, values)]
    mine = v_rand(values, truth.astype(np.uint8))
    assert np.array_equal(mine, official[2:9])
    assert len(RAND_THRESHOLDS) == len(mine)


def test_mean_iou_is_over_the_classes_that_occur() -> None:
    confusion = np.array([[8, 0, 2], [0, 0, 0], [0, 0, 10]])
    assert mean_iou(confusion) == pytest.approx((8 / 10 + 10 / 12) / 2)
    assert mean_iou(np.zeros((3, 3), np.int64)) == -1


def tables(count: int) -> list[Table]:
    random = np.random.default_rng(0)
    made = []
    for _ in range(count):
        features = random.normal(size=(60, 2)).astype(np.float32)
        truth = (features[:, 0] > 0).astype(np.int64)
        made.append(Table(features, np.eye(2, dtype=np.int64)[truth] * 10))
    return made


def test_confusion_and_oracle_count_pixels() -> None:
    table = Table(np.zeros((2, 1), np.float32), np.array([[3, 1], [0, 5]]))
    assert np.array_equal(confusion_of(table, np.array([1, 1])), [[0, 3], [0, 6]])
    assert np.array_equal(confusion_of(table, np.array([0, 1])), [[3, 0], [1, 5]])
    assert oracle_scores([table]) == pytest.approx((3 / 4 + 5 / 6) / 2)


def test_a_classifier_is_never_judged_on_an_image_that_it_saw() -> None:
    random = np.random.default_rng(1)
    noise = []
    for _ in range(4):
        counts = np.eye(2, dtype=np.int64)[random.integers(0, 2, 200)]
        noise.append(Table(random.normal(size=(200, 4)).astype(np.float32), counts))
    judged = zip(cross_fitted(noise, 0), noise, strict=True)
    right = [(model.shares(t.features).argmax(axis=1) == t.counts.argmax(axis=1)).mean() for model, t in judged]
    assert max(right) < 0.65  # nothing can be learned from noise, and nothing is remembered
    seen = cross_fitted(noise[:1], 0)[0]
    assert (seen.shares(noise[0].features).argmax(axis=1) == noise[0].counts.argmax(axis=1)).mean() > 0.8
    assert len(cross_fitted(tables(3), 0)) == 3


def test_frequencies_and_the_box_of_the_foreground() -> None:
    target = np.zeros((128, 64), np.uint8)
    target[32:64, 16:32] = 1
    other = target.copy()
    other[:8] = VOID
    prior = frequencies(iter([target, other]), 2)
    assert np.allclose(prior.sum(axis=0), 1)
    assert prior[1, 20, 20] == 1
    assert prior[1, 40, 40] == 0
    assert box_of(prior[1]) == pytest.approx((14 / 64, 14 / 64, 34 / 64, 34 / 64))
    assert box_of(np.zeros((8, 8), np.float32)) == (0, 0, 1, 1)


def test_a_product_of_nothing_is_one_candidate() -> None:
    assert product({}) == [{}]
    assert len(product({"a": [1, 2, 3], "b": [4, 5]})) == 6
