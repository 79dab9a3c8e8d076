"""Families that measure whole cases: the case is what is drawn, however few there are and however many slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, replace

import numpy as np
import pytest

from segbench.datasets.folder import Folder
from segbench.evaluation.class_comparison import PairedClasses
from segbench.evaluation.class_intervals import intervals_with_classes
from segbench.evaluation.comparison import Paired
from segbench.evaluation.intervals import score_intervals
from segbench.evaluation.sample_size import planned
from segbench.evaluation.scoring import score
from segbench.evaluation.slicing import Slice, SlicedScores
from segbench.evaluation.statistics import Statistics
from segbench.metrics.overlap import Overlap
from segbench.metrics.surface_distance import SurfaceDistance
from segbench.metrics.volume_topology import VolumeTopology
from segbench.types import ClassInfo, Metric, Statistic, UserError, VolumeSlices

INFO = replace(
    Folder.info,
    classes=(
        ClassInfo(0, "background", (0, 0, 0), "background"),
        ClassInfo(1, "liver", (255, 0, 0)),
        ClassInfo(2, "tumour", (0, 255, 0)),
    ),
    volumes=VolumeSlices(),
)
FAMILIES = [SurfaceDistance(), VolumeTopology()]
by_family = pytest.mark.parametrize("metric", FAMILIES, ids=lambda family: family.name)


def case_rows(metric: Metric, random: np.random.Generator) -> dict[str, list[float]]:
    """The columns of one case: a row for each class of the foreground."""
    rows: dict[str, list[float]] = {name: [1, 2] for name in metric.columns}
    if metric.name == "volume-topology":
        return rows | {"pieces_pred": random.integers(1, 9, 2).tolist()}
    near, far = random.integers(20, 100, 2).tolist(), random.uniform(1, 9, 2).tolist()
    return (
        rows
        | {"n_true": [100, 100], "n_pred": [100, 100], "near_true": near, "near_pred": near}
        | dict.fromkeys(("sum_true_mm", "hd95_mm"), far)
    )


def cases(metric: Metric, count: int, slices: int, seed: int = 0) -> tuple[Statistic, ...]:
    """Statistics of cases as `of_group` gives them: all of a case at its first slice."""
    random, found = np.random.default_rng(seed), []
    for number in range(count):
        rows = case_rows(metric, random)
        for z in range(slices):
            columns = {name: np.array([] if z else rows[name], kind) for name, kind in metric.columns.items()}
            found.append(Statistic(metric.name, f"case{number}_{z:02d}", f"case{number}", z, columns))
    return tuple(found)


def paired(metric: Metric, count: int, slices: int, blocks: int | None = None) -> Paired:
    runs = tuple(cases(metric, count, slices, seed) for seed in (1, 2, 3))
    return Paired(metric, INFO, metric.scores[0], runs, resamples=300, blocks=blocks)


@by_family
@pytest.mark.parametrize("count", [2, 3, 4, 6])
def test_a_case_of_many_slices_says_what_a_case_of_one_does(metric: Metric, count: int) -> None:
    """Intervals, those of classes too, differences and their tests, and plans."""
    sliced, whole = (cases(metric, count, slices) for slices in (7, 1))
    found, wanted = (intervals_with_classes(metric, each, INFO) for each in (sliced, whole))
    assert np.isfinite(found[0][metric.scores[0].name]).all()
    for name, ends in wanted[0].items():
        assert found[0][name] == pytest.approx(ends, rel=1e-12)
    for name, row in wanted[1].items():
        assert found[1][name] == pytest.approx(row, rel=1e-12)
    several, single = (paired(metric, count, slices) for slices in (7, 1))
    assert (several.units, several.unit, several.few_groups) == (count, "groups", None)
    assert several.smallest_p == single.smallest_p == 2.0 ** (1 - count)
    for one, other in zip(several.differences(), single.differences(), strict=True):
        assert astuple(one) == pytest.approx(astuple(other), rel=1e-12, nan_ok=True)
    for plan, other_plan in zip(*(planned(each, [5, 20], 300) for each in (several, single)), strict=True):
        assert astuple(plan.width) == pytest.approx(astuple(other_plan.width), rel=1e-12, nan_ok=True)
        assert astuple(plan.visible) == pytest.approx(astuple(other_plan.visible), rel=1e-12, nan_ok=True)
    classes = [
        PairedClasses(*(metric, INFO, metric.class_scores[0], each.runs), resamples=300, places=(0, 1))
        for each in (several, single)
    ]
    assert classes[0].intervals == pytest.approx(classes[1].intervals, rel=1e-12)
    for one, other in zip(*(each.differences() for each in classes), strict=True):
        assert astuple(one) == pytest.approx(astuple(other), rel=1e-12, nan_ok=True)


@by_family
def test_one_case_says_nothing_of_others(metric: Metric) -> None:
    scored = score(Statistics(cases(metric, 1, 9)), [metric], INFO)
    for each in scored.scores.values():
        assert (each.low, each.high, each.resampled, each.n) == (None, None, None, 9)
    assert scored.class_intervals == {}
    alone = paired(metric, 1, 9)
    assert (alone.units, alone.smallest_p) == (1, 1.0)
    assert np.isnan([alone.interval(0), *((each.low, each.high) for each in alone.differences())]).all()


@by_family
def test_slices_of_a_case_make_no_blocks(metric: Metric) -> None:
    with pytest.raises(UserError, match=f"--blocks: {metric.name} measures whole groups, which are drawn as they are"):
        assert paired(metric, 3, 20, blocks=5).units


@by_family
def test_properties_of_few_cases_are_permuted_by_case(metric: Metric) -> None:
    runs = (cases(metric, 4, 6),)
    first = Slice("scanner", "a", np.array([each.group == "case0" for each in runs[0]]))
    found = SlicedScores(metric, INFO, metric.scores[0], runs, (first, Slice("scanner", "b", ~first.member)))
    assert found.permuted == {"scanner": "groups"}
    assert found.smallest_p == 1 / 4
    assert min(each.p for row in found.scores() for each in row) >= 1 / 4 - 0.03


def overlap(held: Sequence[bool], slices: int) -> list[Statistic]:
    """Label maps of cases of which some hold the tumour, in every slice."""
    found = []
    for number, there in enumerate(held):
        for z in range(slices):
            right, wrong = 40 + number + z, 5 + z
            columns = {
                "truth": np.array([1, 1, *([2] if there else [])]),
                "prediction": np.array([1, 2, *([2] if there else [])]),
                "pixels": np.array([right, wrong, *([right] if there else [])]),
            }
            found.append(Statistic("overlap", f"case{number}_{z:02d}", f"case{number}", z, columns))
    return found


@by_family
def test_other_families_of_the_same_slices_draw_slices(metric: Metric) -> None:
    """A tumour of one of three cases has an interval over its slices, and none over cases."""
    families = [Overlap(), metric]
    scored = score(Statistics([*overlap([True, False, False], 6), *cases(metric, 3, 6)]), families, INFO)
    assert scored.scores["miou"].resampled == "samples"
    assert {scored.scores[each.name].resampled for each in metric.scores} == {"groups"}
    tumour, name = scored.class_intervals["tumour"], metric.class_scores[0].name
    assert tumour["units"] == 6
    assert tumour["iou_low"] is not None
    assert tumour[f"{name}_low"] is tumour[f"{name}_high"] is None
    assert scored.class_intervals["liver"][f"{name}_low"] is not None
    assert score_intervals(metric, cases(metric, 3, 6), INFO)[name][0] == scored.scores[name].low
