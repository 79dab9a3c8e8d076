"""Foreground family: equal to nnU-Net's rule written out in NumPy, and to MONAI's DiceMetric."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.metrics.meandice import DiceMetric
from PIL import Image

from segbench.datasets.folder import Folder
from segbench.evaluation import resampling
from segbench.evaluation.comparison import Paired
from segbench.evaluation.evaluator import Evaluator
from segbench.evaluation.resampling import Units, bootstrap_weights, jackknife_weights
from segbench.metrics.foreground_overlap import MIN_CASES, ForegroundOverlap
from segbench.metrics.overlap import Overlap
from segbench.metrics.pooled import drawn
from segbench.registry import dataset_class, families, metrics_of
from segbench.testing import check_metric
from segbench.types import Array, ClassInfo, DatasetInfo, Prediction, Sample, Statistic, UserError

CLASSES = (
    ClassInfo(0, "background", (0, 0, 0), "background"),
    ClassInfo(1, "liver", (255, 0, 0)),
    ClassInfo(2, "tumour", (0, 255, 0)),
    ClassInfo(7, "vessel", (0, 0, 255)),
)
INFO = replace(Folder.info, classes=CLASSES, ignore_label=255)
METRIC = ForegroundOverlap()
LABELS = [c.id for c in CLASSES]
FOREGROUND = LABELS[1:]
Volumes = Sequence[tuple[Array, Array]]


def volumes(count: int, *, slices: int = 4, void: bool = False, seed: int = 0) -> Volumes:
    """True and predicted label maps (slices, 8, 8); of every third case a class is absent, of others only predicted."""
    random = np.random.default_rng(seed)
    found = []
    for case in range(count):
        held = [label for label in LABELS if case % 3 or label != 2]
        truth = random.choice(held, (slices, 8, 8))
        noise = random.choice(held if case % 2 else LABELS, truth.shape)
        predicted = np.where(random.random(truth.shape) < 0.3, noise, truth)
        found.append((np.where(random.random(truth.shape) < 0.1, 255, truth) if void else truth, predicted))
    return found


def measured(cases: Volumes, info: DatasetInfo = INFO) -> list[Statistic]:
    """A statistic of every slice, whose group is its case."""
    return [
        METRIC.measure(Sample(f"{n:03d}-{z}", f"case {n:03d}", z, labels=t), Prediction(labels=p), info)
        for n, (truth, predicted) in enumerate(cases)
        for z, (t, p) in enumerate(zip(truth, predicted, strict=True))
    ]


def pairs_of(cases: Volumes, quantity: str = "dice") -> Array:
    """Dice or IoU (cases, classes) of whole volumes as nnU-Net's `compute_metrics` has it: NaN where TP+FP+FN = 0."""
    table = np.full((len(cases), len(FOREGROUND)), np.nan)
    for row, (truth, predicted) in zip(table, cases, strict=True):
        counted = truth != 255
        for place, label in enumerate(FOREGROUND):
            true, found = (truth == label)[counted], (predicted == label)[counted]
            tp, fp, fn = (true & found).sum(), (~true & found).sum(), (true & ~found).sum()
            if tp + fp + fn:
                row[place] = 2 * tp / (2 * tp + fp + fn) if quantity == "dice" else tp / (tp + fp + fn)
    return table


def monai_dice(cases: Volumes, *, ignore_empty: bool, reduction: str) -> Array:
    """MONAI's Dice of whole volumes without background, of maps in which classes are numbered."""
    metric = DiceMetric(include_background=False, reduction=reduction, ignore_empty=ignore_empty, num_classes=4)
    for truth, predicted in cases:
        maps = (torch.from_numpy(np.searchsorted(LABELS, each))[None, None] for each in (predicted, truth))
        metric(*maps)
    return np.asarray(metric.aggregate())


@pytest.mark.parametrize("void", [False, True])
@pytest.mark.parametrize("count", [4, 9])
def test_scores_are_those_of_nnunet_on_whole_volumes(count: int, void: bool) -> None:
    cases = volumes(count, void=void)
    found = METRIC.compute(measured(cases), INFO)
    for quantity in ("dice", "iou"):
        table = pairs_of(cases, quantity)
        assert np.isnan(table).any()
        assert (table == 0).any()
        assert found[f"foreground_{quantity}"] == pytest.approx(np.mean(np.nanmean(table, axis=0)), abs=1e-12)
    per_class = METRIC.per_class(measured(cases), INFO)
    assert list(per_class) == ["liver", "tumour", "vessel"]
    for place, row in enumerate(per_class.values()):
        assert row["dice_per_case"] == pytest.approx(np.nanmean(pairs_of(cases)[:, place]), abs=1e-12)
        assert row["iou_per_case"] == pytest.approx(np.nanmean(pairs_of(cases, "iou")[:, place]), abs=1e-12)
        assert row["cases"] == (~np.isnan(pairs_of(cases)[:, place])).sum()


@pytest.mark.parametrize("slices", [1, 4])
def test_scores_are_those_of_monai(slices: int) -> None:
    """MONAI computes in 32-bit floats, whose rounding is below 1e-6 here."""
    cases = volumes(12, slices=slices, seed=3)
    statistics = measured(cases)
    strict, lenient = (monai_dice(cases, ignore_empty=empty, reduction="none") for empty in (False, True))
    # Without `ignore_empty` MONAI counts 1 where a class is neither true nor predicted, and 0 where it is predicted.
    absent = np.isnan(lenient) & (strict == 1)
    assert absent.any()
    assert (np.isnan(lenient) & (strict == 0)).any()
    per_class = np.nanmean(np.where(absent, np.nan, strict).astype(np.float64), axis=0)
    found = METRIC.compute(statistics, INFO)
    assert found["foreground_dice"] == pytest.approx(per_class.mean(), abs=1e-6)
    rows = METRIC.per_class(statistics, INFO).values()
    assert [row["dice_per_case"] for row in rows] == pytest.approx(per_class.tolist(), abs=1e-6)
    mean = monai_dice(cases, ignore_empty=True, reduction="mean").item()
    assert found["foreground_dice_true"] == pytest.approx(mean, abs=1e-6)


def test_a_class_that_is_absent_is_left_out_and_one_that_is_only_predicted_counts_0() -> None:
    nothing, liver = np.zeros((1, 4, 4), int), np.ones((1, 4, 4), int)
    tumour = np.full((1, 4, 4), 2)
    found = METRIC.compute(measured([(liver, liver), (nothing, nothing)]), INFO)
    assert found == {"foreground_dice": 1.0, "foreground_iou": 1.0, "foreground_dice_true": 1.0}
    found = METRIC.compute(measured([(liver, liver), (nothing, liver)]), INFO)
    assert found == {"foreground_dice": 0.5, "foreground_iou": 0.5, "foreground_dice_true": 1.0}
    found = METRIC.compute(measured([(liver, liver), (nothing, tumour)]), INFO)
    assert found == {"foreground_dice": 0.5, "foreground_iou": 0.5, "foreground_dice_true": 1.0}
    absent = METRIC.absent_classes(measured([(liver, liver), (nothing, tumour)]), INFO, "foreground_dice")
    assert absent is not None
    assert (dict(absent.pixels), absent.share) == ({"tumour": 16}, 0.5)
    assert all(math.isnan(value) for value in METRIC.compute(measured([(nothing, nothing)]), INFO).values())
    assert all(math.isnan(value) for value in METRIC.compute([], INFO).values())


def test_of_a_binary_data_set_the_foreground_counts_per_case() -> None:
    info = dataset_class("medaka").info
    cases = [(t == 1, p == 1) for t, p in volumes(6)]
    cases = [(t.astype(np.uint8), p.astype(np.uint8)) for t, p in cases]
    table = pairs_of(cases)[:, 0]
    assert METRIC.compute(measured(cases, info), info)["foreground_dice"] == pytest.approx(np.nanmean(table), abs=1e-12)


@pytest.mark.parametrize(("count", "slices"), [(9, 4), (3, 5), (9, 1), (3, 1), (1, 8)])
def test_the_laws_of_a_metric_hold(count: int, slices: int, tmp_path: Path) -> None:
    pairs = [
        (Sample(f"{n}-{z}", f"{n}", z, labels=t), Prediction(labels=p))
        for n, (truth, predicted) in enumerate(volumes(count, slices=slices, void=True))
        for z, (t, p) in enumerate(zip(truth, predicted, strict=True))
    ]
    check_metric(METRIC, pairs, INFO, tmp_path)


def test_images_of_a_data_set_without_groups_are_cases() -> None:
    """Their group is called as the data set; frames of a film that are called so are one case."""
    cases = volumes(7, slices=1)
    alone = [replace(s, group=INFO.name) for s in measured(cases)]
    assert METRIC.compute(alone, INFO) == METRIC.compute(measured(cases), INFO)
    film = replace(INFO, frames_per_second=15.0)
    whole = [(np.concatenate([t for t, _ in cases]), np.concatenate([p for _, p in cases]))]
    assert METRIC.compute(alone, film)["foreground_dice"] == pytest.approx(np.nanmean(pairs_of(whole)), abs=1e-12)


def test_intervals_draw_cases() -> None:
    """A case that is drawn twice counts twice, whole; with one left out the rest is scored."""
    cases = volumes(8)
    statistics = measured(cases)
    units = Units.of(METRIC, statistics)
    for weights in (*bootstrap_weights(units, 50), jackknife_weights(units)):
        found = METRIC.resample(statistics, INFO, weights)
        for row, values in enumerate(zip(*found.values(), strict=True)):
            whole = [case for case, often in zip(cases, weights[row, ::4].tolist(), strict=True) for _ in range(often)]
            again = METRIC.compute(measured(whole), INFO)
            assert list(values) == pytest.approx(list(again.values()), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("count", [2, 8])
def test_parts_of_cases_score_as_if_there_were_nothing_else(count: int) -> None:
    statistics = measured(volumes(count))
    random = np.random.default_rng(1)
    weights = (random.random((30, len(statistics))) < 0.4).astype(np.int64)
    found = METRIC.resample(statistics, INFO, weights)
    for row, values in enumerate(zip(*found.values(), strict=True)):
        part = [s for s, often in zip(statistics, weights[row].tolist(), strict=True) if often]
        wanted = METRIC.compute(part, INFO)
        assert list(values) == pytest.approx(list(wanted.values()), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize(("count", "slices"), [(3, 4), (9, 1)])
def test_sums_give_the_scores_bit_for_bit(count: int, slices: int) -> None:
    statistics = measured(volumes(count, slices=slices))
    weights = np.random.default_rng(1).multinomial(len(statistics), np.full(len(statistics), 1 / len(statistics)), 40)
    scored = METRIC.resample(statistics, INFO, weights)
    for score in METRIC.scores:
        sums = METRIC.sums(statistics, INFO, score.name)
        assert sums.alone is None
        assert np.array_equal(drawn(sums, weights), scored[score.name], equal_nan=True)


def test_sums_of_whole_cases_give_the_scores_and_each_sample_has_its_own() -> None:
    statistics = measured(volumes(8))
    units = Units.of(METRIC, statistics)
    for score in METRIC.scores:
        sums = METRIC.sums(statistics, INFO, score.name)
        assert sums.alone is not None
        for weights in bootstrap_weights(units, 50):
            wanted = METRIC.resample(statistics, INFO, weights)[score.name]
            assert np.allclose(drawn(sums, weights), wanted, rtol=0, atol=1e-12, equal_nan=True)
        own = [METRIC.compute([each], INFO)[score.name] for each in statistics]
        assert sums.value(sums.alone.astype(np.float64)).tolist() == pytest.approx(own, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("count", [3, 8])
def test_runs_are_compared_by_cases(count: int) -> None:
    cases = volumes(count, slices=6)
    perfect = [(truth, truth) for truth, _ in cases]
    paired = Paired(METRIC, INFO, METRIC.scores[0], (tuple(measured(perfect)), tuple(measured(cases))))
    found = paired.difference(0, 1)
    assert found.value == pytest.approx(1 - METRIC.compute(measured(cases), INFO)["foreground_dice"], abs=1e-12)
    assert found.low < found.value < found.high
    assert found.p < 0.05
    assert paired.units == (8 if count == 8 else 18)


@pytest.mark.parametrize("count", [4, 7])
def test_a_case_may_be_called_as_the_data_set(count: int) -> None:
    """A subfolder called `folder` is a case like the others, drawn and compared as one."""
    cases = volumes(count, slices=3)
    plain = measured(cases)
    named = [replace(s, group=INFO.name) if s.group == "case 001" else s for s in plain]
    assert METRIC.compute(named, INFO) == pytest.approx(
        METRIC.compute(plain, INFO), abs=1e-12
    )  # summed in another order
    weights = next(bootstrap_weights(Units.of(METRIC, named), 50))
    found = METRIC.resample(named, INFO, weights)
    for score in METRIC.scores:
        sums = drawn(METRIC.sums(named, INFO, score.name), weights)
        np.testing.assert_allclose(sums, found[score.name], rtol=0, atol=1e-12)


def test_a_folder_of_backgrounds_alone_is_scored_as_before(tmp_path: Path) -> None:
    rows = [f"  - {{id: {n}, name: {name}, kind: background}}\n" for n, name in enumerate(("sky", "wall", "sea"))]
    (tmp_path / "classes.yaml").write_text("".join(["name: mine\nclasses:\n", *rows]))
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "masks" / "a.png")
    info = Folder(tmp_path).info
    assert "foreground-overlap" not in {family.name for family in metrics_of(info)}
    with pytest.raises(UserError, match="no class beside it"):
        families(info, ["foreground-overlap"])


def test_fewer_cases_than_these_are_not_drawn() -> None:
    assert resampling.MIN_GROUPS == MIN_CASES


def test_a_data_set_without_background_is_refused() -> None:
    with pytest.raises(UserError, match="scores the classes beside a background, and cityscapes has none"):
        families(dataset_class("cityscapes").info, ["foreground-overlap"])
    with pytest.raises(UserError, match="an Evaluator has it where a class is called 'background'"):
        Evaluator(num_classes=3, metrics=["foreground-overlap"])


def test_an_evaluator_takes_cases_as_groups() -> None:
    cases = volumes(3)
    evaluator = Evaluator(classes=["background", "liver", "tumour", "vessel"], metrics=["foreground-overlap"])
    for number, maps in enumerate(cases):
        truth, predicted = (np.searchsorted(LABELS, each) for each in maps)
        evaluator.update(predicted, truth, groups=[str(number)] * len(truth))
    wanted = np.mean(np.nanmean(pairs_of(cases), axis=0))
    assert evaluator.compute()["foreground_dice"] == pytest.approx(wanted, abs=1e-12)


def test_pixels_are_counted_once_for_all_families(monkeypatch: pytest.MonkeyPatch) -> None:
    from segbench.metrics import joint_counts

    times: list[int] = []
    plain = joint_counts.joint_counts

    def counted(first: Array, second: Array) -> Any:
        times.append(first.size)
        return plain(first, second)

    monkeypatch.setattr(joint_counts, "joint_counts", counted)
    evaluator = Evaluator(classes=["background", "a", "b"], metrics=["overlap", "foreground-overlap", "boundary"])
    truth = np.random.default_rng(0).integers(0, 3, (4, 8, 8))
    evaluator.update(truth[:, ::-1], truth)
    assert len(times) == 4
    sample, prediction = Sample("x", "x", 0, labels=truth[0]), Prediction(labels=truth[1])
    for family in (Overlap(), METRIC):
        family.measure(sample, prediction, INFO)
    assert len(times) == 6


@pytest.mark.parametrize("per_case", [1, 50])
def test_memory_grows_with_the_classes_that_samples_hold_and_not_with_those_that_there_are(per_case: int) -> None:
    """Two of 300 classes in each of 4 000 images: laid out, their counts alone would be 29 MB."""
    many = range(1, 301)
    info = replace(INFO, classes=(CLASSES[0], *(ClassInfo(each, f"class {each}", (0, 0, 0)) for each in many)))
    statistics = []
    for number in range(4000):
        labels = np.array([0, 1 + number % 300, 1 + number * 7 % 300])
        columns = {"truth": labels, "prediction": labels[[0, 2, 1]], "pixels": np.array([50, 30, 20])}
        statistics.append(Statistic(METRIC.name, f"{number:04d}", f"{number // per_case:04d}", 0, columns))
    METRIC.compute(statistics[:10], info)
    tracemalloc.start()
    METRIC.compute(statistics, info)
    METRIC.per_class(statistics, info)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12e6
