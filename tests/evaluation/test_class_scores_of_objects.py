"""AP and iIoU of single classes have all that other scores of classes have: intervals, paired tests, all at once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

import random_coco
from segbench.datasets.cityscapes import Cityscapes
from segbench.evaluation.class_comparison import PairedClasses, by_place
from segbench.evaluation.class_intervals import intervals_with_classes
from segbench.evaluation.class_scores import find_score
from segbench.evaluation.comparison import Paired
from segbench.evaluation.intervals import score_intervals
from segbench.evaluation.scoring import scores_of
from segbench.metrics.cityscapes_ap import CityscapesAP
from segbench.metrics.coco import COCOAveragePrecision
from segbench.metrics.instances import CityscapesInstances
from segbench.types import DatasetInfo, Metric, Object, Prediction, Sample, Statistic

SHAPE = (40, 60)
STREETS = Cityscapes.info


def coco(seed: int) -> tuple[Statistic, ...]:
    """Fourteen images; a run keeps another three quarters of the detections."""
    metric, random = COCOAveragePrecision(), np.random.default_rng(seed)
    found = []
    for number, (sample, prediction) in enumerate(random_coco.random_pairs(3, 14, classes=2, most=6, size=(24, 32))):
        objects = tuple(each for each in prediction.objects or () if random.random() < 0.75)
        sample = replace(sample, group=f"g{number}")
        found.append(metric.measure(sample, Prediction(objects=objects), random_coco.INFO))
    return tuple(found)


def streets(metric: Metric, seed: int) -> tuple[Statistic, ...]:
    """Fourteen scenes with cars and people, some of which a run misses or moves."""
    truth, random = np.random.default_rng(1), np.random.default_rng(seed)
    found = []
    for number in range(14):
        instances = np.full(SHAPE, 7, np.int32)
        for place, label in enumerate(truth.choice([24, 26], 4).tolist()):
            instances[:14, 15 * place : 15 * place + truth.integers(9, 14)] = 1000 * label + place
        labels = np.where(instances < 1000, instances, instances // 1000).astype(np.uint8)
        moved = np.where(random.random() < 0.5, np.roll(labels, random.integers(1, 4), axis=1), labels)
        moved[:, : random.integers(0, 20)] = 7
        objects = tuple(
            Object(int(value) // 1000, np.roll(instances == value, random.integers(-3, 4), axis=1), random.random())
            for value in np.unique(instances[instances >= 1000])
            if random.random() < 0.8
        )
        sample = Sample(f"s{number:02}", f"g{number}", number, labels=labels, instances=instances)
        prediction = Prediction(objects=objects) if isinstance(metric, CityscapesAP) else Prediction(labels=moved)
        found.append(metric.measure(sample, prediction, STREETS))
    return tuple(found)


IIOU, AP, COCO = CityscapesInstances(), CityscapesAP(), COCOAveragePrecision()
Case = tuple[Metric, DatasetInfo, Sequence[tuple[Statistic, ...]]]


@pytest.fixture(scope="module", params=[IIOU, AP, COCO], ids=lambda metric: metric.name)
def case(request: pytest.FixtureRequest) -> Case:
    """A family, its dataset, and two runs."""
    metric = request.param
    if metric is COCO:
        return metric, random_coco.INFO, [coco(seed) for seed in (5, 6)]
    return metric, STREETS, [streets(metric, seed) for seed in (5, 6)]


def defined(case: Case) -> list[int]:
    """The places of the classes that both runs have scores of."""
    metric, info, runs = case
    name = metric.class_scores[0].name
    tables = [metric.per_class(run, info) for run in runs]
    classes = metric.classes_of(info)
    return [n for n, each in enumerate(classes) if all(not np.isnan(table[each.name][name]) for table in tables)]


def called(case: Case, score: str, place: int) -> tuple[Metric, str]:
    metric, info, _ = case
    name = f"{score}@{metric.classes_of(info)[place].name}"
    known = find_score([metric], info, name)
    assert known is not None
    return known[0], name


def test_there_are_classes_to_look_at(case: Case) -> None:
    assert len(defined(case)) == 2


def test_intervals_of_all_classes_are_those_of_each_alone(case: Case) -> None:
    metric, info, (run, _) = case
    of_scores, by_class = intervals_with_classes(metric, run, info)
    np.testing.assert_equal(of_scores, score_intervals(metric, run, info))
    assert list(by_class) == [each.name for each in metric.classes_of(info)]
    for place, what in itertools.product(defined(case), metric.class_scores):
        family, name = called(case, what.name, place)
        alone = scores_of(family, run, info)[name]
        assert alone.low is not None
        assert alone.value is not None
        assert alone.high is not None
        assert alone.low <= alone.value <= alone.high
        row = by_class[metric.classes_of(info)[place].name]
        assert [row[f"{what.name}_low"], row[f"{what.name}_high"]] == pytest.approx([alone.low, alone.high], abs=1e-12)


def test_the_mean_over_classes_is_the_familys_score_on_every_resample(case: Case) -> None:
    metric, info, (run, _) = case
    weights = np.random.default_rng(0).multinomial(14, [1 / 14] * 14, 30)
    drawn, by_class = metric.resample(run, info, weights), metric.resample_classes(run, info, weights)
    for what in metric.class_scores:
        whole = "iiou_class" if what.name == "iiou" else what.name
        np.testing.assert_allclose(np.nanmean(by_class[what.name], axis=1), drawn[whole], rtol=1e-12)


def test_classes_that_are_compared_together_are_compared_as_each_alone(case: Case) -> None:
    metric, info, runs = case
    places = tuple(defined(case))
    what = metric.class_scores[0]
    together = PairedClasses(metric, info, what, tuple(runs), resamples=60, places=places)
    differences = by_place(together.differences(), len(places))
    assert set(differences) == {(0, 1, k) for k in range(len(places))}
    for k, place in enumerate(places):
        family, _ = called(case, what.name, place)
        alone = Paired(family, info, family.scores[0], tuple(runs), resamples=60).difference(0, 1)
        mine = differences[0, 1, k]
        assert (mine.value, mine.low, mine.high) == pytest.approx((alone.value, alone.low, alone.high), abs=1e-12)
        assert (mine.p, mine.effect) == pytest.approx((alone.p, alone.effect), nan_ok=True)
        assert (mine.wins, mine.ties, mine.losses) == (alone.wins, alone.ties, alone.losses)
        assert mine.wins + mine.losses > 0
        assert mine.p_adjusted >= mine.p
