"""A score of a class by name is the one in the table by class, and is resampled as the statistics it is made of."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from committed_records import RECORDS

import segbench
from segbench.evaluation.class_comparison import PairedClasses, by_place
from segbench.evaluation.class_intervals import intervals_with_classes, units_that_hold
from segbench.evaluation.class_scores import find_score
from segbench.evaluation.comparison import Paired
from segbench.evaluation.confusion_table import confusion_table
from segbench.evaluation.intervals import score_intervals
from segbench.evaluation.resampling import Units, bootstrap_weights
from segbench.evaluation.scoring import score, scores_of
from segbench.evaluation.statistics import Statistics
from segbench.metrics.coco_curves import BITS
from segbench.registry import metrics
from segbench.types import ClassInfo, DatasetInfo, Float64, Int64, Metric, SplitInfo, Statistic, UserError

CLASSES = (
    ClassInfo(0, "background", (0, 0, 0), "background"),
    ClassInfo(4, "car", (1, 0, 0), "thing"),
    ClassInfo(2, "person", (2, 0, 0), "thing"),
    ClassInfo(9, "traffic light", (3, 0, 0), "stuff"),
    ClassInfo(7, "rare", (4, 0, 0), "stuff"),
)
INFO = DatasetInfo(
    name="streets",
    version="1",
    summary="made up",
    task="multiclass",
    classes=CLASSES,
    splits={"val": SplitInfo(None, "")},
    default_split="val",
    ignore_label=255,
    licence="",
    citation="",
    homepage="",
    layout="",
)
FAMILIES = [metrics()[name] for name in ("overlap", "foreground-overlap")]


def statistics(metric: Metric, seed: int, samples: int = 12, groups: int = 12, rare: int = 1) -> list[Statistic]:
    """Confusion matrices of a method; the truth is the same for every seed. `rare` samples hold the last class."""
    truth_of, found_of = np.random.default_rng(1), np.random.default_rng(seed)
    found = []
    for n in range(samples):
        labels = [0, *truth_of.permutation([2, 4, 9])[: truth_of.integers(1, 4)].tolist(), *[7] * (n < rare), 255]
        rows = {}
        for label in labels:
            rest = int(truth_of.integers(50, 400))
            for other in found_of.permutation([0, 2, 4, 9])[:2].tolist():
                rows[label, other] = int(found_of.integers(1, rest // 2 + 1))
            right = label if label != 255 else 0
            rows[label, right] = rows.get((label, right), 0) + rest
        truth, predicted = np.array(sorted(rows), np.int64).T
        columns = {"truth": truth, "prediction": predicted, "pixels": np.array([rows[k] for k in sorted(rows)])}
        found.append(Statistic(metric.name, f"s{n:03}", f"g{n % groups:02}", n, columns))
    return found


def found(name: str, families: list[Metric] = FAMILIES) -> Metric:
    known = find_score(families, INFO, name)
    assert known is not None
    assert known[1].name == name
    return known[0]


@pytest.mark.parametrize("groups", [12, 6, 2], ids=["alone", "in groups", "in few groups"])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_score_of_every_class_is_that_of_the_table(family: Metric, groups: int) -> None:
    mine = statistics(family, 5, groups=groups)
    table = family.per_class(mine, INFO)
    weights = np.concatenate([np.ones((1, 12), np.int64), *bootstrap_weights(Units.of(family, mine), 40)])
    for each, what in itertools.product(family.classes_of(INFO), family.class_scores):
        name = f"{what.name}@{each.name}"
        metric = found(name)
        assert metric.compute(mine, INFO) == pytest.approx({name: table[each.name][what.name]}, abs=0, nan_ok=True)
        drawn = metric.resample(mine, INFO, weights)[name]
        assert drawn[0] == pytest.approx(table[each.name][what.name], abs=1e-14)
        sums = metric.sums(mine, INFO, name)
        assert sums is not None
        by_sums = sums.value(weights.astype(np.float64) @ sums.terms.astype(np.float64))
        np.testing.assert_allclose(by_sums, drawn, rtol=1e-12)


@pytest.mark.parametrize("groups", [12, 6, 2, 1], ids=["alone", "in groups", "in few groups", "in one"])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_intervals_are_the_same_when_sizes_are_added_up_in_parts(
    family: Metric, groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = statistics(family, 5, groups=groups)
    whole = intervals_with_classes(family, mine, INFO)
    monkeypatch.setattr("segbench.evaluation.unit_sizes._AT_ONCE", 5)
    assert intervals_with_classes(family, mine, INFO) == whole


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_sample_that_is_drawn_twice_counts_twice(family: Metric) -> None:
    """As the statistics of a data set that holds it twice."""
    mine = statistics(family, 5)
    (weights, *_) = bootstrap_weights(Units.of(family, mine), 5)

    def drawn(row: list[int]) -> list[Statistic]:
        pairs = [(s, k) for s, n in zip(mine, row, strict=True) for k in range(n)]
        return [replace(s, sample_id=f"{s.sample_id}-{k}", group=f"{s.group}-{k}") for s, k in pairs]

    resampled = family.resample_classes(mine, INFO, weights)
    assert list(resampled) == [what.name for what in family.class_scores]
    for row, often in enumerate(weights.tolist()):
        table = family.per_class(drawn(often), INFO)
        for place, each in enumerate(family.classes_of(INFO)):
            for name, values in resampled.items():
                assert values[row, place] == pytest.approx(table[each.name][name], nan_ok=True)


def test_the_mean_over_all_classes_is_the_familys_own() -> None:
    mine = statistics(FAMILIES[0], 5)
    every = ",".join(each.name for each in CLASSES)
    assert found(f"iou@{every}").compute(mine, INFO)[f"iou@{every}"] == pytest.approx(
        FAMILIES[0].compute(mine, INFO)["miou"], abs=1e-15
    )
    cases = statistics(FAMILIES[1], 5, groups=6)
    name = "dice_per_case@things,stuff"
    with pytest.raises(UserError, match="Unknown class 'things'"):
        found(name)
    foreground = "dice_per_case@" + ",".join(each.name for each in CLASSES[1:])
    assert found(foreground).compute(cases, INFO)[foreground] == pytest.approx(
        FAMILIES[1].compute(cases, INFO)["foreground_dice"], abs=1e-15
    )


def test_a_kind_stands_for_its_classes_and_an_undefined_class_is_left_out() -> None:
    mine = statistics(FAMILIES[0], 5, rare=0)
    table = FAMILIES[0].per_class(mine, INFO)
    assert math.isnan(table["rare"]["iou"])
    assert found("iou@things").compute(mine, INFO)["iou@things"] == (table["car"]["iou"] + table["person"]["iou"]) / 2
    assert found("iou@stuff").compute(mine, INFO)["iou@stuff"] == table["traffic light"]["iou"]
    assert math.isnan(found("iou@rare").compute(mine, INFO)["iou@rare"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "iou@cra",
            "Unknown class 'cra'. Did you mean 'car'? Available: background, car, person, rare, traffic light.",
        ),
        ("iou@", "the name of a class is missing after '@', or beside a comma. Classes: background, car, person, "),
        ("iou@car,", "the name of a class is missing after '@', or beside a comma. Classes: background, car, person, "),
        (
            "iou@stuff,car",
            "Unknown class 'stuff'. It stands alone, for all classes of its kind; give it by itself, or ",
        ),
        ("iou@car,persn", "Unknown class 'persn'. Did you mean 'person'?"),
        ("io@car", "'io@car': Unknown score of a class 'io'. Did you mean 'iou'? Available: accuracy, dice, "),
        ("miou@car", "'miou@car': Unknown score of a class 'miou'. Did you mean 'iou'?"),
        ("dice_per_case@background", "Unknown class 'background'."),
    ],
)
def test_what_is_not_there_is_told_with_the_nearest(name: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        find_score(FAMILIES, INFO, name)
    assert str(error.value).startswith(said)


def test_a_name_without_a_class_is_a_familys_score_or_none() -> None:
    with pytest.raises(UserError, match="'f1_50@cell': these runs have no scores of single classes"):
        find_score([metrics()["partition"], metrics()["calibration"]], INFO, "f1_50@cell")
    known = find_score(FAMILIES, INFO, "miou")
    assert known is not None
    assert known[0] is FAMILIES[0]
    assert find_score(FAMILIES, INFO, "iou") is None


@pytest.mark.parametrize("groups", [12, 6], ids=["alone", "in groups"])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_intervals_of_all_classes_are_those_of_each_alone(family: Metric, groups: int) -> None:
    mine = statistics(family, 5, groups=groups, rare=7)
    of_scores, by_class = intervals_with_classes(family, mine, INFO)
    np.testing.assert_equal(of_scores, score_intervals(family, mine, INFO))
    for each, what in itertools.product(family.classes_of(INFO), family.class_scores):
        name = f"{what.name}@{each.name}"
        alone = scores_of(found(name), mine, INFO)[name]
        row = by_class[each.name]
        assert [row[f"{what.name}_low"], row[f"{what.name}_high"]] == pytest.approx([alone.low, alone.high], abs=1e-12)
        assert alone.low is not None
        assert alone.high is not None
        assert alone.value is not None
        assert 0 <= alone.low <= alone.value <= alone.high <= 1


def test_a_class_that_is_predicted_but_never_true_has_no_interval() -> None:
    truth, predicted = np.array([0, 0], np.int64), np.array([0, 4], np.int64)
    columns = {"truth": truth, "prediction": predicted, "pixels": np.array([90, 10])}
    mine = [Statistic("overlap", f"s{n}", f"g{n}", n, columns) for n in range(8)]
    row = intervals_with_classes(FAMILIES[0], mine, INFO)[1]["car"]
    assert FAMILIES[0].per_class(mine, INFO)["car"]["iou"] == 0
    assert (row["iou_low"], row["iou_high"]) == (None, None)
    assert scores_of(found("iou@car"), mine, INFO)["iou@car"].high is None


def test_how_many_units_truly_hold_a_class() -> None:
    mine = statistics(FAMILIES[0], 5, rare=3)
    scored = score(Statistics(mine), FAMILIES[:1], INFO)
    expected = {each.name: sum(each.id in s.columns["truth"] for s in mine) for each in CLASSES}
    assert {name: row["units"] for name, row in scored.class_intervals.items()} == expected
    assert expected["rare"] == 3
    grouped = statistics(FAMILIES[0], 5, groups=6, rare=7)
    held = units_that_hold(lambda _: grouped, FAMILIES[:1], INFO, Units.of(FAMILIES[0], grouped))
    assert held["rare"] == 6  # the first and the seventh are of one group


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_classes_that_are_compared_together_are_compared_as_each_alone(family: Metric) -> None:
    runs = tuple(tuple(statistics(family, seed, samples=30, groups=30, rare=9)) for seed in (5, 6))
    what, places = family.class_scores[0], tuple(range(len(family.classes_of(INFO))))
    together = PairedClasses(family, INFO, what, runs, resamples=300, places=places)
    differences = by_place(together.differences(), len(places))
    adjusted = []
    for place in places:
        name = f"{what.name}@{family.classes_of(INFO)[place].name}"
        metric = found(name)
        alone = Paired(metric, INFO, metric.scores[0], runs, resamples=300).difference(0, 1)
        mine = differences[0, 1, place]
        assert (mine.value, mine.low, mine.high) == pytest.approx((alone.value, alone.low, alone.high), abs=1e-12)
        assert (mine.p, mine.effect) == pytest.approx((alone.p, alone.effect))
        assert (mine.wins, mine.ties, mine.losses) == (alone.wins, alone.ties, alone.losses)
        assert mine.p_adjusted >= mine.p
        adjusted.append((mine.p, mine.p_adjusted))
    assert [each for _, each in sorted(adjusted)] == sorted(each for _, each in adjusted)  # step-down keeps the order
    assert any(both > single for single, both in adjusted)


def test_a_class_that_one_run_has_no_score_of_is_not_tested() -> None:
    runs = tuple(tuple(statistics(FAMILIES[0], seed, rare=0)) for seed in (5, 6))
    found = PairedClasses(FAMILIES[0], INFO, FAMILIES[0].class_scores[0], runs, resamples=100, places=(1, 4))
    assert list(by_place(found.differences(), 2)) == [(0, 1, 0)]


def test_a_confusion_matrix_holds_every_pixel_once() -> None:
    mine = statistics(FAMILIES[0], 5)
    table = confusion_table(mine, INFO)
    assert table.truth == ("background", "car", "person", "traffic light", "rare", "(ignored)")
    assert table.predicted == ("background", "car", "person", "traffic light", "rare")
    assert table.pixels.sum() == sum(int(s.columns["pixels"].sum()) for s in mine)
    place = {each.id: n for n, each in enumerate(CLASSES)} | {255: 5}
    expected = np.zeros((6, 5), np.int64)
    for each in mine:
        rows = zip(*(each.columns[key].tolist() for key in ("truth", "prediction", "pixels")), strict=True)
        for truth, predicted, pixels in rows:
            expected[place[truth], place[predicted]] += pixels
    np.testing.assert_array_equal(table.pixels, expected)
    recall = [row["accuracy"] for row in FAMILIES[0].per_class(mine, INFO).values()]
    np.testing.assert_allclose(np.diag(table.shares), recall, rtol=1e-15)
    np.testing.assert_allclose(table.shares.sum(axis=1), 1)


def test_a_confusion_matrix_tells_labels_that_are_no_class_apart() -> None:
    columns = {"truth": np.array([0, 0, 4]), "prediction": np.array([0, 255, 4]), "pixels": np.array([5, 2, 3])}
    table = confusion_table([Statistic("overlap", "s", "g", 0, columns)], INFO)
    assert table.predicted[-1] == "(other)"
    assert "(ignored)" not in table.truth
    assert table.pixels[0].tolist() == [5, 0, 0, 0, 0, 2]
    assert np.isnan(table.shares[2]).all()


def test_a_class_that_one_sample_truly_holds_has_no_interval() -> None:
    """False pixels elsewhere do not make it two."""
    family = FAMILIES[0]
    for held in (1, 2):
        made = Statistics(statistics(family, 2, rare=held))
        row = score(made, [family], INFO).class_intervals["rare"]
        assert row["units"] == held
        assert (row["iou_low"] is None, row["iou_high"] is None) == (held < 2, held < 2)


def test_no_interval_of_a_difference_is_wider_than_scores_can_differ() -> None:
    """Three of the 80 images hold the class, and say little: corrected, the interval would end beyond 1."""
    runs = [RECORDS / name for name in ("cocostuff-fcn-12f9d07f", "cocostuff-kmeans-1971d8d9")]
    (pair,) = segbench.compare(*runs, score="iou@clothes", resamples=200, progress=False).differences
    assert pair.high == 1
    assert pair.low == pytest.approx(-0.3962200942)


CROWD = int(BITS.sum())
TRULY_HELD = {
    "coco-ap": ({"label": 4, "rank": -1, "ignored": 0}, {"label": 4, "rank": -1, "ignored": CROWD}, {"label": 4}),
    "cityscapes-ap": (
        {"label": 4, "instance": 4000, "instance_pixels": 500},
        {"label": 4, "instance": 4, "instance_pixels": 500},
        {"label": 4, "object_pixels": 90},
    ),
    "panoptic": ({"category": 4, "fn": 1}, {"category": 4, "fp": 1}, {"category": 4, "fp": 1}),
}
"""A row of a true object or segment, one of a crowd or group, and one of what is only predicted."""


@pytest.mark.parametrize("name", TRULY_HELD)
def test_how_many_units_hold_a_class_of_objects_or_segments(name: str) -> None:
    """Two of five groups hold a car: a crowd and a false positive are none."""
    family = metrics()[name]
    true, crowd, predicted = TRULY_HELD[name]
    rows = [("a", true), ("a", true), ("b", true), ("c", crowd), ("d", predicted), ("e", None)]

    def table(row: dict[str, int] | None) -> dict[str, Int64 | Float64]:
        values = {column: [] if row is None else [row.get(column, 0)] for column in family.columns}
        return {column: np.array(values[column], kind) for column, kind in family.columns.items()}

    made = [Statistic(name, f"s{n}", group, n, table(row)) for n, (group, row) in enumerate(rows)]
    held = units_that_hold(lambda _: made, [family], INFO, Units.of(family, made))
    assert held == {each.name: 2 if each.name == "car" else 0 for each in family.classes_of(INFO)}
