"""Surface distances of volumes: equal to MONAI's in each case and class, and to distances taken one by one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.metrics.hausdorff_distance import compute_hausdorff_distance
from monai.metrics.surface_dice import compute_surface_dice
from monai.metrics.surface_distance import compute_average_surface_distance
from scipy import ndimage
from scipy.spatial.distance import cdist
from volumes import SPACING, data_set, save

import segbench
from segbench.boards.compare_runs import compare_stored
from segbench.boards.paper_scores import class_score
from segbench.boards.seed_groups import resampled, seed_groups
from segbench.commands.evaluate import evaluate_files
from segbench.commands.import_data import ImportRequest, import_data
from segbench.commands.slice import slice_by_all, slice_runs
from segbench.datasets.folder import Folder
from segbench.evaluation.evaluator import Evaluator
from segbench.evaluation.whole_groups import of_whole_groups
from segbench.io.reporter import Reporter
from segbench.metrics.surface_distance import SurfaceDistance
from segbench.registry import families, metrics_of
from segbench.runs.request import EvaluateRequest
from segbench.runs.stored import StoredRun, open_run
from segbench.runs.stored_requests import SliceRequest
from segbench.testing import check_metric
from segbench.types import Array, ClassInfo, DatasetInfo, Prediction, Sample, Statistic, UserError, VolumeSlices

CLASSES = (
    ClassInfo(0, "background", (0, 0, 0), "background"),
    ClassInfo(1, "liver", (255, 0, 0)),
    ClassInfo(2, "tumour", (0, 255, 0)),
    ClassInfo(7, "vessel", (0, 0, 255)),
)
LABELS = [each.id for each in CLASSES]
STEP = (5.0, 0.8, 0.7)
METRIC = SurfaceDistance()
Pair = tuple[Array, Array]


def about(spacing: Mapping[str, tuple[float, float, float]], void: int | None = None) -> DatasetInfo:
    return replace(Folder.info, classes=CLASSES, ignore_label=void, volumes=VolumeSlices(spacing_mm=spacing))


def volume(seed: int, shape: tuple[int, int, int] = (9, 26, 21)) -> Pair:
    """True and predicted labels (N, H, W) of smooth regions, some at the edges."""
    random = np.random.default_rng(seed)
    true = ndimage.gaussian_filter(random.normal(size=shape), 3)
    found = true + 0.3 * ndimage.gaussian_filter(random.normal(size=shape), 2)
    cuts = [np.quantile(true, part) for part in (0.5, 0.75, 0.9)]
    return np.take(LABELS, np.digitize(true, cuts)), np.take(LABELS, np.digitize(found, cuts))


def pairs_of(case: str, pair: Pair) -> list[tuple[Sample, Prediction]]:
    return [
        (Sample(f"{case}-{z:02d}", case, z, labels=t), Prediction(labels=p))
        for z, (t, p) in enumerate(zip(*pair, strict=True))
    ]


def measured(cases: Mapping[str, Pair], info: DatasetInfo, workers: int | None = 0) -> list[Statistic]:
    parts = [METRIC.measure(s, p, info) for case, pair in cases.items() for s, p in pairs_of(case, pair)]
    return list(of_whole_groups(parts, [METRIC], info, workers))


def monai(pair: Pair, step: Sequence[float]) -> dict[str, Array]:
    """Every score of each class of the foreground in a case, NaN where it has none."""
    true, found = (torch.stack([torch.from_numpy(each == n) for n in LABELS])[None].float() for each in pair)
    table = {
        "surface_dice": compute_surface_dice(found, true, [2.0] * 3, spacing=step),
        "assd_mm": compute_average_surface_distance(found, true, symmetric=True, spacing=step),
        "hd95_mm": compute_hausdorff_distance(found, true, percentile=95, spacing=step),
    }
    # an average of no distance is infinite there
    return {name: np.where(np.isinf(values[0]), np.nan, values[0]) for name, values in table.items()}


@pytest.mark.filterwarnings("ignore")  # MONAI's, of classes that are on one side alone
def test_scores_are_the_means_of_monais() -> None:
    cases = {f"case {n}": volume(n) for n in range(4)}
    cases["case 1"][1][cases["case 1"][1] == 7] = 0
    for side in cases["case 2"]:
        side[side == 2] = 0
    info = about(dict.fromkeys(cases, STEP))
    statistics = measured(cases, info)
    theirs = [monai(pair, STEP) for pair in cases.values()]
    found, rows = METRIC.compute(statistics, info), METRIC.per_class(statistics, info)
    for name in found:
        table = np.stack([each[name] for each in theirs])
        assert np.isnan(table).any()
        assert found[name] == pytest.approx(np.mean(np.nanmean(table, axis=0)), abs=1e-6)
        assert [row[name] for row in rows.values()] == pytest.approx(np.nanmean(table, axis=0).tolist(), abs=1e-6)
    assert [row["one_sided_cases"] for row in rows.values()] == [0, 0, 1]
    assert list(rows) == ["liver", "tumour", "vessel"]


def by_hand(true: Array, found: Array, step: Sequence[float]) -> list[float]:
    """The columns of one class from every distance between its surface voxels."""
    points = []
    for mask in (true, found):
        padded = np.pad(mask, 1)
        inner = np.all([np.roll(padded, by, axis) for axis in range(3) for by in (-1, 1)], axis=0)
        points.append(np.argwhere((padded & ~inner)[1:-1, 1:-1, 1:-1]))
    every = cdist(points[0] * np.array(step), points[1] * np.array(step))
    one, other = every.min(axis=1), every.min(axis=0)
    near = [(each <= 2.0 + 1e-9).sum() for each in (one, other)]
    far = max(np.percentile(one, 95), np.percentile(other, 95))
    return [*map(len, points), *near, one.sum(), other.sum(), far]


def test_every_column_is_as_by_hand_and_void_belongs_to_nothing() -> None:
    true, found = volume(3, (6, 14, 12))
    true[:, 4:7, 3:9] = 255
    info = about({"c": STEP}, void=255)
    (first, *others) = measured({"c": (true, found)}, info)
    assert all(not len(each.columns["label"]) for each in others)
    kept = np.where(true == 255, 0, found)
    assert first.columns["label"].tolist() == LABELS[1:]
    for row, label in enumerate(LABELS[1:]):
        columns = [first.columns[name][row] for name in METRIC.columns][1:8]
        assert columns == pytest.approx(by_hand(true == label, kept == label, STEP), rel=1e-12)
    assert [first.columns[name][0] for name in ("slice_mm", "row_mm", "column_mm")] == list(STEP)


@pytest.mark.parametrize("start", range(8))
def test_a_distance_of_the_tolerance_is_within_it_wherever_it_lies(start: int) -> None:
    """Five steps of 0.4 mm are 2 mm, which differences of their places are not: 12 * 0.4 - 7 * 0.4 > 2."""
    true, found = (np.zeros((1, 3, 20), int) for _ in range(2))
    true[0, 1, start], found[0, 1, start + 5] = 1, 1
    (only,) = measured({"c": (true, found)}, about({"c": (5.0, 0.4, 0.4)}))
    assert only.columns["hd95_mm"].tolist() == [2.0]
    assert only.columns["near_true"].tolist() == only.columns["near_pred"].tolist() == [1]


def test_neither_order_nor_threads_nor_the_rest_of_the_picture_change_anything() -> None:
    """Regions that touch no edge, so that a wider picture changes no surface."""
    cases = {
        name: (_inside(t), _inside(p))
        for name, (t, p) in zip(["b", "a", "train/c"], map(volume, range(3)), strict=True)
    }
    info = about(dict.fromkeys(["a", "b", "c"], STEP))
    plain = measured(cases, info)
    parts = [METRIC.measure(s, p, info) for case, pair in cases.items() for s, p in pairs_of(case, pair)]
    wide = {name: (_wider(true), _wider(found)) for name, (true, found) in cases.items()}
    for other in (of_whole_groups(parts[::-1], [METRIC], info, None), measured(wide, info)):
        again = {each.sample_id: each.columns for each in other}
        for each in plain:
            found = again[each.sample_id]
            assert {k: v.tobytes() for k, v in each.columns.items()} == {k: v.tobytes() for k, v in found.items()}


def _inside(labels: Array) -> Array:
    return np.pad(labels[:, 1:-1, 1:-1], ((0, 0), (1, 1), (1, 1)))


def _wider(labels: Array) -> Array:
    return np.pad(labels, ((0, 0), (5, 2), (1, 9)))


def test_it_keeps_the_laws_of_metrics(tmp_path: Path) -> None:
    cases = {f"c{n}": volume(n, (5, 12, 10)) for n in range(6)}
    info = about(dict.fromkeys(cases, STEP))
    check_metric(METRIC, [each for name, pair in cases.items() for each in pairs_of(name, pair)], info, tmp_path)


def test_whole_cases_are_drawn() -> None:
    cases = {f"c{n}": volume(n, (5, 12, 10)) for n in range(3)}
    info = about(dict.fromkeys(cases, STEP))
    statistics = measured(cases, info)
    weights = np.repeat([[2, 0, 1], [1, 1, 0]], 5, axis=1)
    drawn = METRIC.resample(statistics, info, weights)
    alone = [METRIC.compute(measured({name: pair}, info), info) for name, pair in cases.items()]
    for name, values in drawn.items():
        per_case = [one[name] for one in alone]
        assert values.tolist() == pytest.approx([(2 * per_case[0] + per_case[2]) / 3, sum(per_case[:2]) / 2], rel=1e-12)


def test_a_slice_that_is_not_there_is_empty_on_both_sides() -> None:
    true, found = volume(1)
    info = about({"c": STEP})
    parts = [METRIC.measure(s, p, info) for s, p in pairs_of("c", (true, found)) if s.index not in (3, 4)]
    gap = METRIC.of_group(parts, info)[0]
    for side in (true, found):
        side[3:5] = 0
    whole = measured({"c": (true, found)}, info)[0]
    assert {k: v.tolist() for k, v in gap.columns.items()} == {k: v.tolist() for k, v in whole.columns.items()}


def test_a_perfect_prediction_and_an_empty_case() -> None:
    true, _ = volume(0)
    info = about({"a": STEP, "b": STEP})
    assert METRIC.compute(measured({"a": (true, true)}, info), info) == {
        "surface_dice": 1.0, "assd_mm": 0.0, "hd95_mm": 0.0
    }  # fmt: skip
    nothing = np.zeros_like(true)
    found = METRIC.compute(measured({"b": (nothing, nothing)}, info), info)
    assert all(math.isnan(value) for value in found.values())
    both = measured({"a": (true, true), "b": (nothing, nothing)}, info)
    assert METRIC.compute(both, info)["surface_dice"] == 1.0


def test_what_is_missing_is_said() -> None:
    pair = volume(0)
    with pytest.raises(UserError, match=r"the spacing of case 'b' is not known. Write it into classes\.yaml"):
        measured({"b": pair}, about({"a": STEP}))
    info = about({"a": STEP})
    mixed = [METRIC.measure(s, p, info) for s, p in (pairs_of("a", pair)[3], pairs_of("a", volume(0, (9, 20, 21)))[4])]
    with pytest.raises(UserError, match="case 'a': its slices are of 20 x 21 and 26 x 21"):
        METRIC.of_group(mixed, info)
    with pytest.raises(UserError, match=r"measures volumes in mm, and .* says no spacing"):
        families(replace(info, volumes=VolumeSlices()), ["surface-distance"])
    with pytest.raises(UserError, match="measures whole volumes, an Evaluator slices"):
        Evaluator(info, metrics=["overlap", "surface-distance"])
    assert "surface-distance" not in repr(Evaluator(replace(info, further_metrics=("surface-distance",))))


def stored(root: Path, predictions: Path, out: Path) -> StoredRun:
    request = EvaluateRequest("folder", predictions, "mine", root=root, split="test", out=out, save_predictions=True)
    evaluate_files(request, Reporter(quiet=True))
    return open_run(out)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIL"])
def test_imported_volumes_are_measured_by_default_whatever_their_axes(codes: str, tmp_path: Path) -> None:
    truths = data_set(tmp_path / "source", codes=codes)
    import_data(ImportRequest(tmp_path / "source", tmp_path / "own"), Reporter(quiet=True))
    theirs = []
    for name, truth in truths.items():
        found = np.roll(truth, (1, 2, 0), (0, 1, 2))
        save(tmp_path / "predicted" / f"{name}.nii.gz", found, codes)
        found_classes, true_classes = (
            torch.from_numpy(np.stack([each == label for label in (0, 1, 2)])[None]) for each in (found, truth)
        )
        theirs.append(compute_hausdorff_distance(found_classes, true_classes, percentile=95, spacing=SPACING)[0])
    run = stored(tmp_path / "own", tmp_path / "predicted", tmp_path / "run")
    assert run.record.scores["hd95_mm"].value == pytest.approx(np.mean(theirs), abs=1e-6)
    assert "surface-distance" in {family.name for family in metrics_of(run.info)}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:folds cut")
def test_a_case_that_folds_cut_is_measured_as_one_volume(tmp_path: Path) -> None:
    """With fewer cases than folds slices of one are predicted by several networks; it is still one volume."""
    data_set(tmp_path / "source", train=2, test=0)
    import_data(ImportRequest(tmp_path / "source", tmp_path / "own"), Reporter(quiet=True))
    run = segbench.run(
        *("folder", "mean-shape"),
        root=tmp_path / "own",
        folds=3,
        out=tmp_path / "folds",
        save_predictions=True,
        plots=False,
        progress=False,
    )
    again = segbench.evaluate(
        *("folder", tmp_path / "folds" / "predictions"),
        name="again",
        root=tmp_path / "own",
        split="all",
        out=tmp_path / "again",
        progress=False,
    )
    scores = [{name: each.value for name, each in record.scores.items()} for record in (run, again)]
    assert scores[0] == scores[1]
    assert scores[0]["assd_mm"] is not None


def test_surfaces_that_a_distance_leaves_out_are_told(tmp_path: Path) -> None:
    """Of a case that is predicted empty there is no distance, so that missing it costs nothing."""
    truths = data_set(tmp_path / "source")
    import_data(ImportRequest(tmp_path / "source", tmp_path / "own"), Reporter(quiet=True))
    for number, (name, truth) in enumerate(truths.items()):
        save(tmp_path / "whole" / f"{name}.nii.gz", np.roll(truth, 1, 0))
        save(tmp_path / "lazy" / f"{name}.nii.gz", np.roll(truth, 1, 0) * (number > 0))
    runs = {name: stored(tmp_path / "own", tmp_path / name, tmp_path / "runs" / name) for name in ("whole", "lazy")}
    found = compare_stored(list(runs.values()), Reporter(quiet=True), score="hd95_mm")
    assert (found.n, found.units, found.drawn, found.few_groups, found.smallest_p) == (12, 2, "groups", None, 0.5)
    recorded = runs["whole"].record.scores
    assert (recorded["hd95_mm"].resampled, recorded["foreground_dice"].resampled) == ("groups", "samples")
    over = "groups or single samples (fewer than 5 groups: too narrow where those of a group are alike)"
    rows = seed_groups(run.record for run in runs.values())
    assert resampled(rows, few_groups=True) == over
    assert resampled(rows, few_groups=False, shown=("hd95_mm",)) == "groups"
    left_out = {run.run_id: run.left_out for run in found.runs}
    assert left_out == {runs["whole"].record.run_id: 0, runs["lazy"].record.run_id: 2}, "liver and tumour of one case"
    assert "hd95_mm leaves out surfaces that were missed or invented whole (2 of " in found.not_counted
    with pytest.raises(UserError, match="one_sided_cases"):  # which is no score
        class_score([run.record for run in runs.values()], ["one_sided_cases"])


def test_the_unit_of_a_header_counts(tmp_path: Path) -> None:
    import nibabel

    from segbench.io.images.nifti import open_volume

    library: Any = nibabel
    for unit, factor in (("micron", 0.001), ("meter", 1000.0), ("mm", 1.0), ("unknown", 1.0)):
        image = library.Nifti1Image(np.zeros((4, 5, 6), np.uint8), np.diag([0.75, 0.5, 2.5, 1.0]))
        image.header.set_xyzt_units(unit)
        library.save(image, tmp_path / "one.nii.gz")
        assert open_volume(tmp_path / "one.nii.gz").spacing_mm == pytest.approx([v * factor for v in (2.5, 0.5, 0.75)])


def test_slices_of_a_volume_are_not_told_apart_by_what_is_measured_on_all_of_it(tmp_path: Path) -> None:
    truths = data_set(tmp_path / "source", test=6)
    import_data(ImportRequest(tmp_path / "source", tmp_path / "own"), Reporter(quiet=True))
    for number, (name, truth) in enumerate(truths.items()):
        save(tmp_path / "predicted" / f"{name}.nii.gz", np.roll(truth, number % 3, 0))
    run = stored(tmp_path / "own", tmp_path / "predicted", tmp_path / "run")
    request = SliceRequest((tmp_path / "run",), ("group",), "hd95_mm", root=tmp_path / "own")
    per_case = {row.slice: row.scores[0].value for row in slice_runs(request, Reporter(quiet=True)).slices}
    assert per_case.keys() == truths.keys()
    assert np.mean(list(per_case.values())) == pytest.approx(run.record.scores["hd95_mm"].value)
    with pytest.raises(UserError, match=r"--by size: hd95_mm is measured on whole volumes.* Use --by group"):
        slice_runs(replace(request, by=("size",)), Reporter(quiet=True))
    every = slice_by_all(request, Reporter(quiet=True))
    assert [table.by for table in every.tables] == [["group"]]
    assert "measured on whole volumes" in every.left_out["brightness"]
