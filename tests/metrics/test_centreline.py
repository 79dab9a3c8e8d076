"""clDice: against the definition pixel by pixel, by hand, and skeletons that may not change unseen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.morphology import skeletonize

from segbench.datasets.folder import Folder
from segbench.evaluation.class_scores import find_score
from segbench.metrics.centreline import Centreline
from segbench.metrics.skeletons import skeletons
from segbench.registry import dataset_class
from segbench.testing import check_metric
from segbench.types import Array, ClassInfo, DatasetInfo, Prediction, Sample, Statistic, UserError

pytestmark = pytest.mark.usefixtures("engine")

METRIC = Centreline()
BINARY = replace(dataset_class("medaka").info, ignore_label=255)
CLASSES = (
    ClassInfo(0, "background", (0, 0, 0), "background"),
    ClassInfo(4, "artery", (255, 0, 0)),
    ClassInfo(2, "vein", (0, 255, 0)),
    ClassInfo(9, "never", (0, 0, 255)),
)
MANY = replace(Folder.info, classes=CLASSES, ignore_label=255)
Pair = tuple[Array, Array]


def measured(pairs: Sequence[Pair], info: DatasetInfo = BINARY) -> list[Statistic]:
    return [
        METRIC.measure(Sample(f"s{n:03}", f"g{n % 5}", n, labels=truth), Prediction(labels=found), info)
        for n, (truth, found) in enumerate(pairs)
    ]


def scores(*pairs: Pair, info: DatasetInfo = BINARY) -> dict[str, float]:
    return METRIC.compute(measured(pairs, info), info)


def ridges(seed: int, labels: Sequence[int] = (1,), shape: tuple[int, int] = (40, 50), void: bool = False) -> Pair:
    """Winding lines of a few pixels, and the same moved, thickened and broken here and there."""
    random = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(random.normal(size=shape), 4)
    other = field + 0.4 * ndimage.gaussian_filter(random.normal(size=shape), 3)
    kinds = np.take(labels, random.integers(0, len(labels), shape[1]))
    truth, found = (np.where(np.abs(each) < 0.25 * field.std(), kinds, 0) for each in (field, other))
    if void:
        truth = np.where(random.random(shape) < 0.03, 255, truth)
    return truth.astype(np.uint8), found.astype(np.uint8)


def skeleton(mask: Array) -> Array:
    return np.asarray(skeletons(mask.astype(np.uint8)) > 0)


def by_scikit_image(mask: Array) -> Array:
    return np.asarray(skeletonize(mask))  # type: ignore[no-untyped-call]


def by_definition(truth: Array, found: Array, label: int) -> dict[str, float]:
    """Equations 1 and 2 of the paper, over sets of places."""
    masks = [{(int(y), int(x)) for y, x in np.argwhere((each == label) & (truth != 255))} for each in (truth, found)]
    lines = [
        {(int(y), int(x)) for y, x in np.argwhere(by_scikit_image((each == label) & (truth != 255)))}
        for each in (truth, found)
    ]
    sensitivity = len(lines[0] & masks[1]) / len(lines[0]) if lines[0] else math.nan
    precision = len(lines[1] & masks[0]) / len(lines[1]) if lines[1] else math.nan
    if not lines[0] and not lines[1]:
        cldice = math.nan
    elif not lines[0] or not lines[1] or precision + sensitivity == 0:
        cldice = 0.0
    else:
        cldice = 2 * precision * sensitivity / (precision + sensitivity)
    return {"cldice": cldice, "topology_precision": precision, "topology_sensitivity": sensitivity}


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_an_image_has_the_clDice_of_the_paper(seed: int, height: int, width: int, void: bool) -> None:  # noqa: N802
    pair = ridges(seed, shape=(height, width), void=void)
    found, expected = scores(pair), by_definition(*pair, 1)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-15, nan_ok=True)
    assert found["cldice_per_image"] == pytest.approx(expected["cldice"], abs=1e-15, nan_ok=True)


def test_pooled_scores_are_those_of_all_images_side_by_side() -> None:
    pairs = [ridges(seed) for seed in range(5)]
    gap = np.zeros((40, 3), np.uint8)
    beside = [np.concatenate([part for each in pairs for part in (each[side], gap)], axis=1) for side in (0, 1)]
    found, whole = scores(*pairs), scores((beside[0], beside[1]))
    for name in ("cldice", "topology_precision", "topology_sensitivity"):
        assert found[name] == pytest.approx(whole[name], abs=1e-15)
    assert found["cldice_per_image"] == pytest.approx(np.mean([scores(pair)["cldice"] for pair in pairs]), abs=1e-15)
    assert found["cldice_per_image"] != found["cldice"]


def test_classes_are_scored_by_themselves_and_averaged_without_background() -> None:
    pairs = [ridges(seed, (4, 2) if seed else (4,), void=True) for seed in range(4)]
    table = METRIC.per_class(measured(pairs, MANY), MANY)
    assert list(table) == ["artery", "vein", "never"]
    assert all(math.isnan(value) for value in table["never"].values())
    for label, name in ((4, "artery"), (2, "vein")):
        images = [by_definition(*pair, label)["cldice"] for pair in pairs]
        assert table[name]["cldice_per_image"] == pytest.approx(np.nanmean(images), abs=1e-15)
    assert math.isnan(by_definition(*pairs[0], 2)["cldice"])
    for name, value in scores(*pairs, info=MANY).items():
        assert value == pytest.approx((table["artery"][name] + table["vein"][name]) / 2, abs=1e-15)


def test_a_background_that_is_something_by_itself_is_in_the_table_alone() -> None:
    """Membranes lie between cells: thin, and not the foreground of the dataset."""
    info = replace(dataset_class("isbi2012").info, ignore_label=255)
    pairs = [ridges(seed, void=True) for seed in range(3)]
    turned = [tuple(np.where(each == 255, 255, each == 0).astype(np.uint8) for each in pair) for pair in pairs]
    cells = [(truth, found) for truth, found in turned]
    table = METRIC.per_class(measured(cells, info), info)
    assert list(table) == ["membrane", "cell"]
    assert table["membrane"] == pytest.approx(scores(*pairs), abs=1e-15)
    assert table["cell"] == pytest.approx(scores(*cells, info=info), abs=1e-15)
    assert table["cell"] == pytest.approx(scores(*cells), abs=1e-15)
    known = find_score([METRIC], info, "cldice_per_image@membrane")
    assert known is not None
    assert known[0].compute(measured(cells, info), info)["cldice_per_image@membrane"] == pytest.approx(
        scores(*pairs)["cldice_per_image"], abs=1e-15
    )
    soil = tuple(replace(each, name="soil") if each.id == 0 else each for each in CLASSES)
    assert [each.name for each in METRIC.classes_of(replace(MANY, classes=soil))] == ["soil", "artery", "vein", "never"]


def test_width_costs_a_free_end_at_most_and_a_gap_costs_its_length() -> None:
    thick = np.zeros((15, 60), np.uint8)
    thick[5:10] = 1
    thin = np.zeros_like(thick)
    thin[7] = 1
    found = scores((thick, thin))
    assert found["topology_precision"] == 1
    # a wide line is thinned to its middle but for two pixels at a corner of its free end
    lines = skeleton(thick > 0)
    assert (int(lines.sum()), int(lines[7].sum())) == (57, 55)
    assert found["topology_sensitivity"] == 55 / 57
    assert scores((thick, thick)) == dict.fromkeys(found, 1.0)
    broken = thin.copy()
    broken[:, 20:30] = 0
    found = scores((thin, broken))
    assert found["topology_precision"] == 1
    assert found["topology_sensitivity"] == 50 / 60
    assert found["cldice"] == pytest.approx(2 * 50 / 110, abs=1e-15)
    beside = np.zeros_like(thin)
    beside[8] = 1
    assert scores((thin, beside))["cldice"] == 0


def test_empty_sides() -> None:
    line, empty = np.zeros((9, 9), np.uint8), np.zeros((9, 9), np.uint8)
    line[4] = 1
    assert all(math.isnan(value) for value in scores((empty, empty)).values())
    missed, invented = scores((line, empty)), scores((empty, line))
    assert (missed["cldice"], missed["cldice_per_image"], missed["topology_sensitivity"]) == (0, 0, 0)
    assert math.isnan(missed["topology_precision"])
    assert (invented["cldice"], invented["cldice_per_image"], invented["topology_precision"]) == (0, 0, 0)
    assert math.isnan(invented["topology_sensitivity"])
    found = scores((line, line), (empty, empty), (line, empty))
    assert (found["cldice_per_image"], found["topology_sensitivity"]) == (0.5, 0.5)
    absent = METRIC.absent_classes(measured([(empty, line)]), BINARY, "cldice")
    assert absent is not None
    assert list(absent.pixels.values()) == [9]
    assert all(math.isnan(value) for value in METRIC.compute([], BINARY).values())


def test_what_is_predicted_on_void_changes_nothing() -> None:
    truth, found = ridges(3, void=True)
    other = np.where(truth == 255, 1 - found, found)
    assert scores((truth, found)) == scores((truth, other))


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.floats(0.1, 0.9), st.floats(0, 2.5))
def test_a_skeleton_hangs_together_as_its_mask_does(seed: int, part: float, sigma: float) -> None:
    """As many pieces and holes, each in its piece; no pixel outside; and the same in any image that holds the mask."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(24, 24)), sigma)
    mask = field < np.quantile(field, part)
    lines = skeleton(mask)
    assert not (lines & ~mask).any()
    pieces, number = ndimage.label(mask, np.ones((3, 3)))
    assert len(np.unique(pieces[lines])) == number == ndimage.label(lines, np.ones((3, 3)))[1]
    holes = [ndimage.label(np.pad(~each, 1, constant_values=True))[1] for each in (mask, lines)]
    assert holes[0] == holes[1]
    assert np.array_equal(skeleton(np.pad(mask, 4))[4:-4, 4:-4], lines)


def test_every_small_mask_has_the_skeleton_of_scikit_image() -> None:
    for code in range(512):
        mask = (code >> np.arange(9) & 1).astype(bool).reshape(3, 3)
        assert np.array_equal(skeleton(mask), by_scikit_image(mask)), code
    for mask in (np.zeros((3, 0), bool), np.zeros((0, 3), bool), np.ones((1, 1), bool)):
        assert np.array_equal(skeleton(mask), mask)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.floats(0, 3), st.integers(1, 300), st.tuples(st.integers(1, 60), st.integers(1, 60)))
def test_classes_that_lie_beside_each_other_are_thinned_each_by_itself(
    seed: int, sigma: float, classes: int, shape: tuple[int, int]
) -> None:
    random = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(random.random(shape), sigma)
    ranks = field.ravel().argsort().argsort().reshape(shape) * (classes + 1) // field.size
    places = ranks.astype(np.uint8 if classes < 256 else np.uint16)
    found = skeletons(places)
    for place in np.unique(places[places > 0]).tolist():
        assert np.array_equal(found == place, by_scikit_image(places == place))
    assert not found[places == 0].any()


def test_a_mask_that_fills_the_image_has_the_skeleton_of_scikit_image() -> None:
    for shape in ((37, 80), (64, 64), (1, 50), (50, 2)):
        assert np.array_equal(skeleton(np.ones(shape, bool)), by_scikit_image(np.ones(shape, bool)))


def test_skeletons_are_those_that_scores_were_made_with() -> None:
    """A release of scikit-image that thins otherwise changes scores: then the version of the family has to rise."""
    drawn = """
        ............................
        .####.......................
        .####..........#########....
        .####..........#########....
        .####..........##.....##....
        .####..........##.....##....
        .############..##.....##....
        .############..#########....
        .####..........#########....
        .####...#...................
        .####.......##..#######.....
        .####.......##..............
    """
    kept = """
        ............................
        ...#........................
        ...#............######......
        ..#............#......#.....
        ..#............#......#.....
        ..#............#......#.....
        ..###########..#......#.....
        ..#.............######......
        ..#.........................
        ..#.....#...................
        ..#.........##..#######.....
        ............................
    """
    mask, expected = (np.array([[c == "#" for c in row] for row in text.split()]) for text in (drawn, kept))
    assert np.array_equal(skeleton(mask), expected)


def test_laws(tmp_path: Path) -> None:
    for info, labels in ((BINARY, (1,)), (MANY, (4, 2))):
        pairs = [
            (Sample(f"s{n}", f"g{n % 3}", n, labels=truth), Prediction(labels=found))
            for n in range(6)
            for truth, found in [ridges(n, labels, void=bool(n % 2))]
        ]
        pairs.append((replace(pairs[0][0], id="s9", labels=np.zeros((40, 50), np.uint8)), pairs[0][1]))
        check_metric(METRIC, pairs, info, tmp_path)


def test_wrong_labels_are_refused_and_impossible_counts_are_faults() -> None:
    truth, found = ridges(0)
    with pytest.raises(UserError, match="prediction of sample 's000' holds label value 7"):
        measured([(truth, np.where(found > 0, 7, 0))])
    with pytest.raises(UserError, match="'s000' is 40 x 49, its ground truth is 40 x 50"):
        measured([(truth, found[:, 1:])])
    (right,) = measured([(truth, found)])
    assert METRIC.fault(right, BINARY) is None
    for name, value in (
        ("label", 0),
        ("true_covered", -1),
        ("pred_covered", 9999),
        ("skeleton_true", 0),
        ("skeleton_pred", 1 << 62),
    ):
        wrong = replace(right, columns={**right.columns, name: np.array([value])})
        assert METRIC.fault(wrong, BINARY) is not None, name
