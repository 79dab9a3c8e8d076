"""Figures of the page `bench report`: what each of them shows."""

from __future__ import annotations

import numpy as np
import pytest
from reported_runs import NAMES, RECORDS

from segbench.datasets.isbi2012 import ISBI2012
from segbench.datasets.voc2012 import VOC2012
from segbench.metrics.partition import Partition
from segbench.report.figures.classes import class_ious, classes, matrix_of
from segbench.report.figures.partition import threshold_scores
from segbench.report.figures.runs import front
from segbench.report.overlays import FALSE_NEGATIVE, FALSE_POSITIVE, ONE, OTHER, disagreement, errors, paint
from segbench.report.sections import Entry, Section
from segbench.runs.stored import open_run
from segbench.types import Prediction, Sample

pytestmark = pytest.mark.slow


def entry(name: str) -> Entry:
    run = open_run(RECORDS / f"isbi2012-{name}")
    return Entry(run.folder, run.record, name, 1, 1, run.info, run.metrics, run.statistics)


def test_the_threshold_curve_peaks_at_the_scores() -> None:
    for name in NAMES:
        run = entry(name)
        curve = threshold_scores(run.of(Partition()))
        assert curve.shape == (11, 7)
        assert curve[:, 1].max() == pytest.approx(run.record.scores["v_rand"].value, abs=1e-12)
        assert curve[:, 4].max() == pytest.approx(run.record.scores["v_info"].value, abs=1e-12)
        assert ((curve[:, 1:] >= 0) & (curve[:, 1:] <= 1 + 1e-12)).all()


def test_split_and_merge_scores_say_which_is_which() -> None:
    truth = np.zeros((8, 17), np.uint8)
    truth[:, :8] = truth[:, 9:] = 1
    merged, cut = np.ones_like(truth), truth.copy()
    cut[:, 4] = 0
    curves = []
    for labels in (merged, cut):
        sample = Sample("s-00", "s", 0, labels=truth)
        curves.append(threshold_scores([Partition().measure(sample, Prediction(labels=labels), ISBI2012.info)])[0])
    # Two true cells of 64 pixels as one of 128: S_A = S_AB = 2 * 64^2, S_B = 128^2.
    assert curves[0][2:4].tolist() == [1.0, 0.5]
    assert curves[1][3] == 1.0
    assert curves[1][2] < 0.7


def test_classes_and_confusion_are_those_of_the_record() -> None:
    run = entry("unet-0b805e1a")
    found = class_ious(run)
    assert list(found) == list(run.record.per_class)
    for name, (value, low, high) in found.items():
        assert value == pytest.approx(run.record.per_class[name]["iou"], abs=1e-15)
        assert value is not None
        assert low < value < high
    low, high = found["cell"][1:]
    score = run.record.scores["iou_foreground"]
    assert (low, high) == pytest.approx((score.low, score.high), abs=1e-12)
    matrix = matrix_of(run)
    assert matrix is not None
    recall = [run.record.per_class[name]["accuracy"] for name in found]
    assert (np.diag(matrix) / matrix.sum(axis=1)).tolist() == pytest.approx(recall)


def test_a_class_that_one_record_lacks_is_drawn_for_the_others() -> None:
    whole, part = entry("unet-0b805e1a"), entry("threshold-146d703e")
    part.record.per_class.pop("cell")
    drawing = classes(Section("s", "t", "n", synthetic=False, entries=(whole, part)))
    assert drawing is not None
    assert "IoU of 2 classes for 2 runs" in drawing.alt


def test_the_front_is_what_nothing_dominates() -> None:
    points = [(1.0, 5.0), (2.0, 3.0), (2.0, 4.0), (3.0, 3.0), (1.0, 5.0), (0.0, 9.0)]
    by_definition = [not any(o != p and o[0] <= p[0] and o[1] <= p[1] for o in points) for p in points]
    assert front(points) == by_definition
    assert front([]) == []


def test_errors_have_the_colours_of_the_key() -> None:
    info = ISBI2012.info
    truth, one, other = np.array([[1, 1, 0, 0]]), np.array([[1, 0, 1, 0]]), np.array([[0, 0, 0, 0]])
    clear = [0, 0, 0, 0]
    assert errors(truth, one, info)[0].tolist() == [clear, [*FALSE_NEGATIVE, 255], [*FALSE_POSITIVE, 255], clear]
    assert disagreement(truth, one, other, info)[0].tolist() == [[*ONE, 255], clear, [*OTHER, 255], clear]
    assert paint(truth, info)[0, :, 3].tolist() == [255, 255, 0, 0]


def test_several_classes_and_void() -> None:
    info = VOC2012.info
    truth, found = np.array([[0, 1, 2, 255, 2]]), np.array([[1, 0, 1, 1, 2]])
    layer = errors(truth, found, info)[0]
    assert layer[0, :3].tolist() == list(FALSE_POSITIVE)
    assert layer[1, :3].tolist() == list(FALSE_NEGATIVE)
    assert layer[2, :3].tolist() not in (list(FALSE_POSITIVE), list(FALSE_NEGATIVE))
    assert layer[3, 3] == 120
    assert layer[4, 3] == 0
