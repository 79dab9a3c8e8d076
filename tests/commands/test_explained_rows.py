"""Every row of `bench explain` is what the library that it names computes from the same label maps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segbench.datasets.cityscapes import Cityscapes
from segbench.datasets.cocostuff import COCOStuff
from segbench.datasets.medaka import Medaka
from segbench.datasets.voc2012 import VOC2012
from segbench.evaluation.conventions import Convention, value
from segbench.evaluation.library_conventions import OFFICIAL, OFFICIAL_BINARY, changes, conventions, official
from segbench.metrics.overlap import BinaryOverlap, CityscapesOverlap, COCOStuffOverlap, Overlap, VOC2012Overlap
from segbench.types import Array, DatasetInfo, Metric, Prediction, Sample, Statistic

VOID = 255

ROWS = [(VOC2012.info, row, call) for row in conventions(VOC2012.info) for call in row.used_by]
ROWS += [(Medaka.info, row, call) for row in conventions(Medaka.info) for call in row.used_by]
ROWS += [(VOC2012.info, OFFICIAL["iou_class"], "cityscapesScripts")]  # its official functions, on VOC's label maps


def _maps(seed: int, classes: int) -> tuple[Array, Array]:
    """5 small label maps and predictions of blocks: classes missing in images and everywhere, or only predicted.

    Class 1 is missing everywhere, class 2 is only predicted, class 3 is only true; with 2 classes images 0 to 2 are
    empty in truth and prediction, in truth, and in the prediction.
    """
    random = np.random.default_rng(seed)
    binary = classes == 2
    some = [0, 1] if binary else [0, 4, 5, 6, 9, 18]
    truth = random.choice(some, (5, 4, 4)).repeat(5, axis=1).repeat(5, axis=2)
    predicted = np.where(random.random(truth.shape) < 0.75, truth, random.choice(some, truth.shape))
    if binary:
        truth[:2], predicted[[0, 2]] = 0, 0
        predicted[1, 0, 0] = truth[2, 0, 0] = 1
        return truth.astype(np.uint8), predicted.astype(np.uint8)
    predicted[1, :3] = 2
    truth[3, :2, 5:] = 3
    truth[:, -3:] = VOID
    truth[:, :, random.integers(0, 20, 2)] = VOID
    return truth.astype(np.uint8), predicted.astype(np.uint8)


def _statistics(metric: Metric, info: DatasetInfo, truth: Array, predicted: Array) -> list[Statistic]:
    pairs = enumerate(zip(truth, predicted, strict=True))
    return [metric.measure(Sample(f"{n:02d}", "g", n, labels=t), Prediction(labels=p), info) for n, (t, p) in pairs]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("info", "row", "call"), ROWS, ids=[call for *_, call in ROWS])
def test_each_row_is_what_its_library_computes(info: DatasetInfo, row: Convention, call: str) -> None:
    import library_scores

    binary = info.task == "binary"
    library = (library_scores.BINARY if binary else library_scores.MULTICLASS)[call]
    metric: Metric = BinaryOverlap() if binary else VOC2012Overlap()
    # scikit-learn and cityscapesScripts compute in double precision, the others in single.
    tolerance = 1e-12 if call.startswith(("scikit-learn", "cityscapesScripts")) else 1e-6
    for seed in range(3):
        truth, predicted = _maps(seed, len(info.classes))
        ours = value(_statistics(metric, info, truth, predicted), info, row)
        assert ours == pytest.approx(float(library(truth, predicted)), abs=tolerance)


@pytest.mark.slow
def test_every_row_names_a_library_that_is_run_here() -> None:
    from library_scores import BINARY, MULTICLASS

    assert {call for *_, call in ROWS} == MULTICLASS.keys() | BINARY.keys()
    assert all(row.used_by for row in OFFICIAL.values())
    for info in (VOC2012.info, Medaka.info, Cityscapes.info, COCOStuff.info):
        rows = conventions(info)
        assert all(row.used_by for row in rows)
        assert len({row.name for row in rows}) == len({row.rules for row in rows}) == len(rows)


def test_the_rows_of_the_test_data_are_told_apart() -> None:
    """Rows could be exchanged unnoticed if they scored the same on the maps above."""
    for info, metric in ((VOC2012.info, VOC2012Overlap()), (Medaka.info, BinaryOverlap())):
        statistics = _statistics(metric, info, *_maps(0, len(info.classes)))
        values = [value(statistics, info, row) for row in conventions(info)]
        gaps = np.diff(np.sort(values))
        assert gaps.min() > 1e-5


@pytest.mark.parametrize(
    ("info", "metric"),
    [
        (VOC2012.info, VOC2012Overlap()),
        (Cityscapes.info, CityscapesOverlap()),
        (COCOStuff.info, COCOStuffOverlap()),
        (Medaka.info, BinaryOverlap()),
    ],
    ids=["voc2012", "cityscapes", "cocostuff", "medaka"],
)
def test_official_conventions_are_the_official_scores(info: DatasetInfo, metric: Metric) -> None:
    random = np.random.default_rng(3)
    ids = [c.id for c in info.classes][: 12 if len(info.classes) > 12 else None]
    unscored = [c.id for c in info.unscored][:4]
    truth = random.choice([*ids, *info.void], (4, 30, 30)).astype(np.uint8)
    predicted = np.where(random.random(truth.shape) < 0.6, truth, random.choice([*ids, *unscored], truth.shape))
    predicted[np.isin(truth, list(info.void))] = random.choice(ids)
    statistics = _statistics(metric, info, truth, predicted)
    scores = metric.compute(statistics, info)
    known = OFFICIAL_BINARY if info.task == "binary" else OFFICIAL
    found = [name for name in scores if name in known]
    assert info.main_score in found
    for name in found:
        assert value(statistics, info, known[name]) == pytest.approx(scores[name], abs=1e-14, nan_ok=True)


@pytest.mark.slow
def test_cityscapes_own_rules_by_the_official_functions() -> None:
    """Label ids with ignored ones in truth and prediction."""
    from sklearn.metrics import jaccard_score

    import library_scores

    random = np.random.default_rng(1)
    truth = random.integers(0, 34, (2, 40, 40)).astype(np.uint8)
    predicted = np.where(random.random(truth.shape) < 0.7, truth, random.integers(0, 34, truth.shape)).astype(np.uint8)
    statistics = _statistics(CityscapesOverlap(), Cityscapes.info, truth, predicted)
    expected = library_scores.cityscapes_mean_iou(truth, predicted)
    assert value(statistics, Cityscapes.info, OFFICIAL["iou_class"]) == pytest.approx(expected, abs=1e-12)
    own = Convention("own", void="own")
    expected = jaccard_score(truth.ravel(), predicted.ravel(), average="macro")
    assert value(statistics, Cityscapes.info, own) == pytest.approx(expected, abs=1e-12)
    ids = [c.id for c in Cityscapes.info.classes]
    scored = np.isin(truth, ids)
    expected = jaccard_score(truth[scored], predicted[scored], labels=ids, average="macro")
    assert value(statistics, Cityscapes.info, Convention("0", absent="0")) == pytest.approx(expected, abs=1e-12)


Labels = hnp.arrays(np.uint8, (3, 4, 5), elements=st.sampled_from([0, 1, 2, VOID]))


@settings(max_examples=40)
@given(Labels, hnp.arrays(np.uint8, (3, 4, 5), elements=st.integers(0, 3)))
def test_laws(truth: Array, predicted: Array) -> None:
    """Micro is between the classes; with one image its pool is its own; absent classes only move the mean down."""
    info = VOC2012.info
    statistics = _statistics(VOC2012Overlap(), info, truth, predicted)
    rows = {name: value(statistics, info, change) for name, change in _one_rule(info)}
    pooled = value(statistics, info, Convention("pooled"))
    if math.isnan(pooled):
        assert (truth == VOID).all()
        return
    assert rows["absent: 0"] <= pooled <= rows["absent: 1"] + 1e-12
    assert rows["absent: -1"] <= rows["absent: 0"]
    for convention in (Convention("", average="image"), Convention("", average="pair")):
        one = statistics[:1]
        expected = value(one, info, Convention("pooled"))
        assert value(one, info, convention) == pytest.approx(expected, abs=1e-12, nan_ok=True)
    swapped = [statistics[n] for n in (2, 0, 1)]
    assert value(swapped, info, Convention("", average="image")) == value(
        statistics, info, Convention("", average="image")
    )


def _one_rule(info: DatasetInfo) -> list[tuple[str, Convention]]:
    return [(change.name, change) for _, change in changes(info, Convention("start"))]


def test_nothing_counted_is_undefined() -> None:
    truth = np.full((2, 3, 3), VOID, np.uint8)
    statistics = _statistics(VOC2012Overlap(), VOC2012.info, truth, np.zeros_like(truth))
    for average in ("pooled", "image", "class_image", "pair", "micro", "micro_image", "weighted"):
        assert math.isnan(value(statistics, VOC2012.info, Convention("", average=average)))


def test_the_plain_miou_of_any_label_set_has_no_official_tool() -> None:
    """Unlike VOC's it is defined where a class is absent."""
    random = np.random.default_rng(2)
    truth, predicted = random.integers(0, 5, (2, 3, 20, 20)).astype(np.uint8)
    statistics = _statistics(Overlap(), VOC2012.info, truth, predicted)
    (own,) = official(VOC2012.info, [score.name for score in Overlap.scores]).values()
    assert (own.name, own.used_by) == ("miou", ())
    expected = Overlap().compute(statistics, VOC2012.info)["miou"]
    assert value(statistics, VOC2012.info, own) == pytest.approx(expected, abs=1e-14)
