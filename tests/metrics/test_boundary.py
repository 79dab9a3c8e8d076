"""Boundary scores: hand-counted squares, the authors' and MONAI's numbers, brute force, laws."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from scipy.spatial.distance import cdist

from segbench.datasets.medaka import Medaka
from segbench.datasets.voc2012 import VOC2012
from segbench.errors import UserError
from segbench.metrics.boundary import Boundary
from segbench.registry import metrics
from segbench.testing import check_metric
from segbench.types import DatasetInfo, Prediction, Sample, Statistic

pytestmark = pytest.mark.usefixtures("engine")

BINARY, VOC = Medaka.info, VOC2012.info
METRIC = Boundary()
COUNTS = ("intersection", "union", "tp_pred", "n_pred", "tp_true", "n_true")
Masks = hnp.arrays(np.uint8, (9, 11), elements=st.integers(0, 1))
Maps = hnp.arrays(np.uint8, (7, 8), elements=st.integers(0, 3))
MapsWithVoid = hnp.arrays(np.uint8, (7, 8), elements=st.sampled_from([0, 1, 2, 3, 255]))

laws = settings(max_examples=40)


def _measure(truth: Any, predicted: Any, info: DatasetInfo = BINARY, name: str = "a") -> Statistic:
    return METRIC.measure(
        Sample(name, "g", 0, labels=np.asarray(truth)), Prediction(labels=np.asarray(predicted)), info
    )


def _scores(truth: Any, predicted: Any, info: DatasetInfo = BINARY) -> dict[str, float]:
    return METRIC.compute([_measure(truth, predicted, info)], info)


def _box(top: int, left: int, bottom: int, right: int, shape: tuple[int, int] = (40, 40)) -> Any:
    mask = np.zeros(shape, np.uint8)
    mask[top:bottom, left:right] = 1
    return mask


def _ellipse(shape: tuple[int, int], row: int, column: int, height: int, width: int) -> Any:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (((y - row) / height) ** 2 + ((x - column) / width) ** 2 <= 1).astype(np.uint8)


def _counts(statistic: Statistic) -> tuple[int, ...]:
    assert len(statistic.columns["label"]) == 1
    return tuple(int(statistic.columns[name][0]) for name in COUNTS)


def _same(first: Any, second: Any) -> bool:
    return np.array_equal(list(first.values()), list(second.values()), equal_nan=True)


def test_a_square_that_is_shifted_by_three_pixels() -> None:
    # Of the 36 boundary pixels 14 are 3 away: the far side (10), and 4 in the middle of the near side.
    truth, predicted = _box(10, 10, 20, 20), _box(10, 13, 20, 23)
    assert _counts(_measure(truth, predicted)) == (14, 58, 22, 36, 22, 36)
    assert _scores(truth, predicted) == {
        "boundary_iou": 14 / 58,
        "boundary_f1": pytest.approx(22 / 36, abs=1e-15),
        "hausdorff95": 3.0,
        "hausdorff95_um": 3 * 1.115,
        "nsd": 44 / 72,
    }


def test_concentric_squares() -> None:
    # From outside 24 pixels are 2 away, 8 sqrt(5), and the corners sqrt(8); from inside all 20 are 2 away.
    truth, predicted = _box(10, 10, 20, 20), _box(12, 12, 18, 18)
    assert _counts(_measure(truth, predicted)) == (0, 56, 20, 20, 24, 36)
    scores = _scores(truth, predicted)
    assert scores["boundary_f1"] == pytest.approx(0.8, abs=1e-15)
    assert scores["hausdorff95"] == math.sqrt(8)
    assert scores["nsd"] == 44 / 56


def test_the_image_border_ends_a_mask() -> None:
    full = np.ones((40, 40), np.uint8)
    assert _counts(_measure(full, full)) == (156, 156, 156, 156, 156, 156)


def test_micrometres_follow_height_and_width_of_a_pixel() -> None:
    truth, predicted = _box(5, 5, 6, 6), _box(8, 9, 9, 10)
    scores = _scores(truth, predicted, replace(BINARY, pixel_size_um=(2.0, 1.0)))
    assert (scores["hausdorff95"], scores["hausdorff95_um"]) == (5.0, math.sqrt(6**2 + 4**2))
    unknown = replace(BINARY, pixel_size_um=None)
    assert math.isnan(_scores(truth, predicted, unknown)["hausdorff95_um"])


def test_images_where_one_or_both_sides_are_empty() -> None:
    empty, square = np.zeros((40, 40), np.uint8), _box(10, 10, 20, 20)
    nothing = _measure(empty, empty, name="nothing")
    assert len(nothing.columns["label"]) == 0
    assert all(math.isnan(value) for value in METRIC.compute([nothing], BINARY).values())
    assert all(math.isnan(value) for value in METRIC.compute([], BINARY).values())
    for pair in ((square, empty), (empty, square)):
        scores = _scores(*pair)
        assert (scores["boundary_iou"], scores["boundary_f1"], scores["nsd"]) == (0, 0, 0)
        assert math.isnan(scores["hausdorff95"])
    missed = _measure(square, empty, name="missed")
    shifted = _measure(square, _box(10, 13, 20, 23), name="shifted")
    scores = METRIC.compute([missed, nothing, shifted], BINARY)
    assert (scores["nsd"], scores["hausdorff95"]) == (44 / 72 / 2, 3.0)
    row = METRIC.per_class([missed, nothing, shifted], BINARY)["ventricle"]
    assert row == {name: v for name, v in scores.items() if name != "hausdorff95_um"} | {"one_sided_images": 1.0}


def test_counts_are_pooled_over_images() -> None:
    pairs = [(_box(10, 10, 20, 20), _box(10, 13, 20, 23)), (_box(0, 0, 40, 40), _box(0, 0, 40, 40))]
    scores = METRIC.compute([_measure(*pair, name=str(n)) for n, pair in enumerate(pairs)], BINARY)
    assert scores["boundary_iou"] == (14 + 156) / (58 + 156)
    assert scores["boundary_f1"] == pytest.approx((22 + 156) / (36 + 156), abs=1e-15)
    assert scores["nsd"] == (44 / 72 + 1) / 2
    assert scores["hausdorff95"] == 1.5


def test_classes_are_averaged_and_void_belongs_to_none() -> None:
    truth = np.zeros((40, 40), np.uint8)
    truth[10:20, 10:20] = 3
    truth[10:20, 20:23] = 255
    predicted = np.zeros((40, 40), np.uint8)
    predicted[10:20, 10:23] = 3
    statistics = [_measure(truth, predicted, VOC)]
    table = METRIC.per_class(statistics, VOC)
    assert list(table) == [c.name for c in VOC.classes]
    assert table["bird"] == table["background"]
    assert table["bird"]["boundary_iou"] == 1.0
    assert math.isnan(table["cat"]["nsd"])
    predicted[30:33, 30:33] = 8
    scores = METRIC.compute([_measure(truth, predicted, VOC)], VOC)
    table = METRIC.per_class([_measure(truth, predicted, VOC)], VOC)
    assert (table["bird"]["nsd"], table["cat"]["nsd"], table["cat"]["one_sided_images"]) == (1.0, 0.0, 1.0)
    assert scores["nsd"] == (1 + 0) / 2
    assert 0 < table["background"]["nsd"] < 1


def test_a_background_is_in_no_mean_and_a_class_of_that_label_is() -> None:
    """It has as long a boundary as all else together, which is counted with the other classes already."""
    random = np.random.default_rng(2)
    pairs = [
        (np.where(random.random((20, 30)) < 0.7, 0, labels).astype(np.uint8), labels)
        for labels in random.integers(0, 4, (3, 20, 30), dtype=np.uint8)
    ]
    no_background = replace(VOC, classes=(replace(VOC.classes[0], kind="stuff"), *VOC.classes[1:]))
    tables = []
    for info, names in ((VOC, ["aeroplane", "bicycle", "bird"]), (no_background, [c.name for c in VOC.classes[:4]])):
        statistics = [_measure(*pair, info, str(n)) for n, pair in enumerate(pairs)]
        scores, table = METRIC.compute(statistics, info), METRIC.per_class(statistics, info)
        drawn = METRIC.resample(statistics, info, np.ones((1, 3), np.int64))
        for name in ("boundary_iou", "boundary_f1", "hausdorff95", "nsd"):
            assert scores[name] == pytest.approx(np.mean([table[each][name] for each in names]), abs=1e-12)
            assert drawn[name][0] == pytest.approx(scores[name], abs=1e-12)
        tables.append(table)
    assert all(_same(tables[0][name], row) for name, row in tables[1].items())
    assert tables[0]["background"]["nsd"] != tables[0]["bird"]["nsd"]
    truth, predicted = np.full((6, 6), 3, np.uint8), np.full((6, 6), 3, np.uint8)
    predicted[:2], predicted[4:] = 0, 2
    absent = METRIC.absent_classes([_measure(truth, predicted, VOC)], VOC, "nsd")
    assert absent is not None
    assert (set(absent.pixels), absent.share) == ({"bicycle"}, 1 / 2)


# Intersection and union of the regions that mask_to_boundary of the authors' code finds at dilation_ratio 0.02
# (bowenc0221/boundary-iou-api, boundary_iou/utils/boundary_utils.py, commit 8006aa9, OpenCV 4).
OFFICIAL = [
    ((480, 640), (240, 300, 80, 110), (247, 309, 75, 118), 7318, 14966),
    ((375, 500), (180, 470, 150, 120), (200, 460, 140, 130), 4259, 16099),
    ((40, 30), (20, 15, 12, 9), (22, 13, 12, 8), 16, 140),
    ((1024, 2048), (500, 1000, 400, 700), (480, 1050, 380, 720), 99141, 287909),
]


@pytest.mark.parametrize(("shape", "truth", "predicted", "both", "either"), OFFICIAL)
def test_boundary_iou_equals_the_authors_code(
    shape: tuple[int, int], truth: Any, predicted: Any, both: int, either: int
) -> None:
    statistic = _measure(_ellipse(shape, *truth), _ellipse(shape, *predicted))
    assert _counts(statistic)[:2] == (both, either)


def _blobs(seed: int, shape: tuple[int, int] = (70, 90)) -> tuple[Any, Any]:
    """Two smooth random masks that partly agree; some touch the border."""
    random = np.random.default_rng(seed)
    first, second = (ndimage.gaussian_filter(random.standard_normal(shape), 5) for _ in range(2))
    return (first > 0.02).astype(np.uint8), (0.7 * first + 0.3 * second > 0.02).astype(np.uint8)


@pytest.mark.slow
def test_equal_to_monai() -> None:
    import torch
    from monai.metrics.hausdorff_distance import compute_hausdorff_distance
    from monai.metrics.surface_dice import compute_surface_dice

    spacing = (1.5, 0.7)
    info = replace(BINARY, pixel_size_um=spacing, ignore_label=255)
    for seed in range(16):
        truth, predicted = _blobs(seed)
        hidden = (_blobs(100 + seed)[0] > 0) & (seed % 2 == 1)
        ours = _scores(np.where(hidden, 255, truth).astype(np.uint8), predicted, info)
        y, y_pred = (torch.from_numpy(np.where(hidden, 0, m))[None, None] for m in (truth, predicted))
        pair: dict[str, Any] = {"y_pred": y_pred, "y": y, "include_background": True}
        # MONAI rounds distances and scores to float32, and so the rank 0.95 (n - 1): here by up to 3e-5 of a pixel.
        for name, step in (("hausdorff95", None), ("hausdorff95_um", spacing)):
            theirs = float(compute_hausdorff_distance(**pair, percentile=95, spacing=step))
            assert ours[name] == pytest.approx(theirs, rel=1e-6, abs=3e-5)
        assert np.float32(ours["nsd"]) == np.float32(compute_surface_dice(**pair, class_thresholds=[2.0]))
        assert 0 < ours["nsd"] < 1


def _edges(mask: Any) -> Any:
    return mask & ~ndimage.binary_erosion(mask)


def _brute_force(true: Any, found: Any, width: int, spacing: tuple[float, float]) -> list[float]:
    """A row of the statistic from definitions: morphology of SciPy, all pairs of boundary pixels."""
    regions = [m & ~ndimage.binary_erosion(m, np.ones((3, 3)), iterations=width) for m in (true, found)]
    row: list[float] = [np.sum(regions[0] & regions[1]), np.sum(regions[0] | regions[1])]
    a, b = (np.argwhere(_edges(m)).astype(float) for m in (true, found))
    if not (len(a) and len(b)):
        return [*row, 0, len(b), 0, len(a), math.nan, math.nan]
    px, um = cdist(b, a), cdist(b * spacing, a * spacing)
    row += [np.sum(px.min(axis=1) <= 2), len(b), np.sum(px.min(axis=0) <= 2), len(a)]
    return row + [max(np.percentile(d.min(axis=axis), 95) for axis in (0, 1)) for d in (px, um)]


@laws
@given(MapsWithVoid, Maps)
def test_every_row_equals_brute_force(truth: Any, predicted: Any) -> None:
    spacing = (1.25, 0.5)
    columns = _measure(truth, predicted, replace(VOC, pixel_size_um=spacing)).columns
    for label in range(4):
        true, found = truth == label, (predicted == label) & (truth != 255)
        assert (label in columns["label"]) == (true.any() or found.any())
        if label in columns["label"]:
            row = [column[columns["label"] == label][0] for name, column in columns.items() if name != "label"]
            np.testing.assert_allclose(row, _brute_force(true, found, 1, spacing), rtol=1e-12, atol=0)


@laws
@given(MapsWithVoid, Maps, Maps)
def test_what_is_predicted_on_void_changes_nothing(truth: Any, predicted: Any, other: Any) -> None:
    changed = np.where(truth == 255, other, predicted)
    first, second = _measure(truth, predicted, VOC), _measure(truth, changed, VOC)
    assert all(np.array_equal(first.columns[c], second.columns[c], equal_nan=True) for c in METRIC.columns)


@laws
@given(MapsWithVoid, Maps, st.sampled_from([np.int16, np.uint16, np.int64]))
def test_type_and_memory_layout_of_labels_do_not_matter(truth: Any, predicted: Any, kind: Any) -> None:
    first = _measure(truth, predicted, VOC)
    turned = truth[::-1, ::-1].copy()[::-1, ::-1]
    turned.flags.writeable = False
    for second in (_measure(truth.astype(kind), predicted.astype(kind), VOC), _measure(turned, predicted, VOC)):
        assert all(np.array_equal(first.columns[c], second.columns[c], equal_nan=True) for c in METRIC.columns)


@pytest.mark.parametrize(("void", "kind"), [(-1, np.int16), (1000, np.uint16), (254, np.uint8)])
def test_void_may_have_any_value_and_so_may_predictions_on_it(void: int, kind: Any) -> None:
    info = replace(VOC, ignore_label=void)
    truth = np.zeros((12, 12), kind)
    truth[3:7, 3:7] = 20
    predicted = truth.copy()
    truth[0], predicted[0] = void, 99
    assert set(_measure(truth, predicted, info).columns["label"].tolist()) == {0, 20}
    assert _scores(truth, predicted, info)["nsd"] == 1.0


def test_more_than_255_classes() -> None:
    classes = tuple(replace(VOC.classes[0], id=n, name=str(n)) for n in range(400))
    truth = np.arange(400).repeat(9).reshape(40, 90)
    statistic = _measure(truth, np.where(truth == 399, 300, truth), replace(VOC, classes=classes, ignore_label=None))
    assert statistic.columns["label"].tolist() == list(range(400))
    assert statistic.columns["n_true"].tolist() == [9] * 400
    assert statistic.columns["n_pred"][[255, 256, 300, 399]].tolist() == [9, 9, 18, 0]


@laws
@given(MapsWithVoid, Maps)
def test_swapping_truth_and_prediction_keeps_the_scores(truth: Any, predicted: Any) -> None:
    void = truth == 255
    back = np.where(void, 255, predicted), np.where(void, 0, truth)
    assert _same(_scores(truth, predicted, VOC), _scores(*back, VOC))


@laws
@given(MapsWithVoid, Maps)
def test_a_perfect_prediction_has_the_best_scores(truth: Any, anything: Any) -> None:
    truth[0, 0] = 2
    info = replace(VOC, pixel_size_um=(2.0, 3.0))
    scores = _scores(truth, np.where(truth == 255, anything, truth), info)
    assert list(scores.values()) == [1, 1, 0, 0, 1]


@laws
@given(Masks, Masks, st.integers(1, 40), st.integers(1, 50))
def test_moving_both_keeps_the_scores(truth: Any, predicted: Any, down: int, right: int) -> None:
    fixed, moved = np.zeros((2, 60, 80), np.uint8), np.zeros((2, 60, 80), np.uint8)
    fixed[:, 20:29, 30:41] = truth, predicted
    moved[:, down : down + 9, right : right + 11] = truth, predicted
    assert _same(_scores(*fixed), _scores(*moved))


@laws
@given(Maps, Maps, st.permutations(range(4)))
def test_renaming_classes_permutes_the_table(truth: Any, predicted: Any, order: list[int]) -> None:
    """Those beside the background, which is in no mean."""
    truth, predicted, names = truth + 1, predicted + 1, 1 + np.array([0, *order], np.uint8)
    before = METRIC.per_class([_measure(truth, predicted, VOC)], VOC)
    after = METRIC.per_class([_measure(names[truth], names[predicted], VOC)], VOC)
    classes = [c.name for c in VOC.classes]
    assert all(_same(before[classes[n]], after[classes[names[n]]]) for n in range(1, 5))
    assert _same(_scores(truth, predicted, VOC), _scores(names[truth], names[predicted], VOC))


def _random_pairs(count: int, classes: int, void: bool) -> list[tuple[Sample, Prediction]]:
    random = np.random.default_rng(3)
    pairs = []
    for n in range(count):
        truth, predicted = random.integers(0, classes, (2, 14, 17), dtype=np.uint8)
        predicted = np.where(random.random(truth.shape) < 0.6, truth, predicted).astype(np.uint8)
        if void:
            truth[random.random(truth.shape) < 0.1] = 255
        truth[truth == n], predicted[predicted == n + 1] = 0, 0
        pairs.append((Sample(f"s{n}", f"g{n}", 0, labels=truth), Prediction(labels=predicted)))
    nothing = Sample("empty", "g", 0, labels=np.zeros((14, 17), np.uint8))
    return [*pairs, (nothing, Prediction(labels=np.zeros((14, 17), np.uint8)))]


@pytest.mark.parametrize(("info", "classes"), [(BINARY, 2), (VOC, 4)], ids=["binary", "multiclass"])
def test_the_laws_of_every_metric(info: DatasetInfo, classes: int, tmp_path: Path) -> None:
    check_metric(METRIC, _random_pairs(6, classes, info is VOC), info, tmp_path)


@pytest.mark.parametrize(("info", "classes"), [(BINARY, 2), (VOC, 4)], ids=["binary", "multiclass"])
def test_resampling_is_computing_on_what_was_drawn(info: DatasetInfo, classes: int) -> None:
    statistics = [METRIC.measure(*pair, info) for pair in _random_pairs(5, classes, info is VOC)]
    weights = np.random.default_rng(1).integers(0, 3, (20, 6))
    weights[0] = [0, 0, 0, 0, 0, 1]
    found = METRIC.resample(statistics, info, weights)
    for n, row in enumerate(weights):
        drawn = [s for s, times in zip(statistics, row, strict=True) for _ in range(times)]
        for name, value in METRIC.compute(drawn, info).items():
            assert found[name][n] == pytest.approx(value, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize(
    ("info", "values", "message"),
    [
        (BINARY, np.zeros((3, 2), np.uint8), "3 x 2"),
        (BINARY, np.full((2, 3), 7, np.uint8), "label value 7"),
        (VOC, np.full((2, 3), 30, np.uint8), "label value 30"),
    ],
)
def test_impossible_predictions_are_refused_by_name(info: DatasetInfo, values: Any, message: str) -> None:
    sample = Sample("frame-7", "g", 0, labels=np.zeros((2, 3), np.uint8))
    with pytest.raises(UserError, match=message) as caught:
        METRIC.measure(sample, Prediction(labels=values), info)
    assert "frame-7" in str(caught.value)


def test_probabilities_are_foreground_above_one_half() -> None:
    truth = _box(2, 2, 6, 6, (9, 9))
    values = np.where(truth > 0, 0.6, 0.5).astype(np.float32)
    statistic = METRIC.measure(Sample("a", "g", 0, labels=truth), Prediction(probabilities=values), BINARY)
    assert METRIC.compute([statistic], BINARY)["hausdorff95"] == 0


def test_it_is_found_with_its_constants() -> None:
    found = metrics()["boundary"]
    assert found == Boundary(tolerance_px=2.0, dilation_ratio=0.02)
    assert {score.name: score.unit for score in found.scores if not score.higher_is_better} == {
        "hausdorff95": "px",
        "hausdorff95_um": "µm",
    }
