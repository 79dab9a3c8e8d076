"""`bench explain`: every row is what the library that it names computes from the same label maps."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from volumes import LABELS, case, data_set, save

from commands import Run, printed_json
from places import GOLDEN
from segbench.cli.explain_output import explanation
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.commands.explain import explain, explain_runs
from segbench.commands.import_data import ImportRequest, import_data
from segbench.datasets.cityscapes import Cityscapes
from segbench.datasets.cocostuff import COCOStuff
from segbench.datasets.medaka import Medaka
from segbench.datasets.voc2012 import VOC2012
from segbench.errors import UserError
from segbench.evaluation.conventions import Convention, value
from segbench.evaluation.library_conventions import CASES, OFFICIAL, OFFICIAL_BINARY, changes, conventions, official
from segbench.evaluation.statistics import Statistics
from segbench.io.reporter import Reporter
from segbench.metrics.overlap import BinaryOverlap, CityscapesOverlap, COCOStuffOverlap, Overlap, VOC2012Overlap
from segbench.metrics.partition import Partition
from segbench.registry import metrics
from segbench.runs.record import write_record
from segbench.runs.stored import open_run
from segbench.runs.stored_requests import ExplainRequest
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


def test_predicted_labels_without_a_class_are_noted(tmp_path: Path) -> None:
    """COCO-Stuff with a removed id predicted; 171 classes and 182 ids are both official."""
    folder, predictions = tmp_path / "stuffthingmaps" / "val2017", tmp_path / "predictions"
    folder.mkdir(parents=True)
    predictions.mkdir()
    removed = COCOStuff.info.unscored[0].id
    truth = np.array([[0, 0, 1, 1, 255, removed]], np.uint8)
    Image.fromarray(truth).save(folder / "000000000001.png")
    Image.fromarray(np.array([[0, removed, 1, 0, removed, removed]], np.uint8)).save(predictions / "000000000001.png")
    request = EvaluateRequest("cocostuff", predictions, root=tmp_path, out=tmp_path / "run")
    run, record = evaluate_files(request, Reporter(quiet=True))
    found = explain(run)
    assert [row.name for row in found.rows[:2]] == ["miou_171", "miou_182"]
    assert [row.value for row in found.rows[:2]] == pytest.approx([(1 / 3 + 1 / 2) / 2, (1 / 3 + 1 / 2 + 1 / 2) / 3])
    assert [row.value for row in found.rows[:2]] == [record.scores[n].value for n in ("miou_171", "miou_182")]
    assert found.notes[0].startswith("1 counted pixels are predicted as labels that are no scored class")
    assert ("void", "unscored_ids") in {(rule.rule, rule.to) for rule in found.rules}


Labels = hnp.arrays(np.uint8, (3, 4, 5), elements=st.sampled_from([0, 1, 2, VOID]))


@settings(deadline=None, max_examples=40)
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


def _spread_voc(root: Path) -> tuple[Path, Path]:
    """A SYNTHETIC VOC 2012: six images of one big class each beside the background, with void borders.

    Each prediction gets the big things nearly right, misses what is small, and sprinkles a few pixels of classes that
    are in no image; so one score is high and its neighbour low, by convention alone.
    """
    random = np.random.default_rng(5)
    predictions = root / "predictions"
    for folder in (root / "SegmentationClass", root / "ImageSets" / "Segmentation", predictions):
        folder.mkdir(parents=True)
    names = [f"2007_{n:06d}" for n in range(6)]
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("\n".join(names))
    for n, name in enumerate(names):
        truth = np.zeros((40, 40), np.uint8)
        truth[4:36, 4:30] = VOID
        truth[6:34, 6:28] = 1 + n % 3
        truth[37:39, 34:38] = 8 + n % 2
        predicted = np.where(truth == VOID, 1 + n % 3, truth)
        predicted[37:39, 34:38] = 0
        predicted[0, : 2 + n % 2] = 15
        noise = random.random(truth.shape) < 0.03
        predicted[noise] = 0
        Image.fromarray(truth).save(root / "SegmentationClass" / f"{name}.png")
        Image.fromarray(predicted.astype(np.uint8)).save(predictions / f"{name}.png")
    return root, predictions


@pytest.fixture
def voc_run(tmp_path: Path) -> Path:
    root, predictions = _spread_voc(tmp_path / "voc")
    request = EvaluateRequest("voc2012", predictions, root=root, out=tmp_path / "run")
    evaluate_files(request, Reporter(quiet=True))
    shutil.rmtree(root)  # neither images nor labels are needed again
    return tmp_path / "run"


def test_one_set_of_predictions_scores_more_than_20_points_apart(voc_run: Path) -> None:
    found = explain(voc_run)
    record = json.loads((voc_run / "record.json").read_text())
    assert found.run_id == record["run_id"]
    assert (found.dataset, found.main_score, found.explained) == ("voc2012", "miou_defined", "miou_defined")
    assert found.official is not None
    assert found.official == record["scores"]["miou_defined"]["value"] == found.rows[0].value
    rows = {row.name: row for row in found.rows}
    assert rows["miou"].value is None
    assert rows["miou"].difference_points is None
    assert rows["miou"].used_by == ["VOCevalseg"]
    assert rows["miou_defined"].used_by[0] == "VOCevalseg, over defined classes"
    assert "scikit-learn jaccard_score(average='macro') of the counted pixels" in rows["miou_defined"].used_by
    assert [name for name, row in rows.items() if row.official] == ["miou_defined", "miou"]
    assert not any("cityscapes" in call for row in found.rows for call in row.used_by)
    values = [row.value for row in found.rows if row.value is not None and row.value >= 0]
    assert 100 * (max(values) - min(values)) > 20
    for row in found.rows:
        if row.value is not None:
            assert row.difference_points == pytest.approx(100 * (row.value - found.official), abs=1e-12)
    points = [abs(rule.points) for rule in found.rules if rule.points is not None]
    assert len(points) == len(found.rules)
    assert points == sorted(points, reverse=True)
    assert {rule.rule for rule in found.rules} == {"average", "absent", "void", "background"}
    zero = next(rule for rule in found.rules if (rule.rule, rule.to) == ("absent", "0"))
    assert zero.from_ == "out"
    assert zero.points == pytest.approx(rows["pooled, absent classes count 0"].difference_points, abs=1e-12)
    # Images lack classes where the pool of all has them: in each image the rule for absent ones moves more.
    one = next(rule for rule in found.rules if (rule.rule, rule.to) == ("absent", "1"))
    left, counted = (rows[f"per image, absent classes {what}"].value for what in ("left out", "count 1"))
    assert left is not None
    assert counted is not None
    assert one.points_per_image == pytest.approx(100 * (counted - left), abs=1e-12)
    assert counted > left + 0.1
    assert {rule.rule for rule in found.rules if rule.points_per_image is None} == {"average"}


def test_for_people(bench: Run, voc_run: Path) -> None:
    done = bench("explain", voc_run)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    assert "miou_defined under every convention" in lines[0]
    assert "miou_defined (official)" in lines[3]
    assert "VOCevalseg, over defined classes" in lines[4]
    assert "MONAI MeanIoU(ignore_index=void)" in done.stdout
    worst = next(n for n, line in enumerate(lines) if line.startswith("The worst of 6 samples by miou_defined:"))
    assert "points apart" in lines[worst - 1]
    assert lines[-1].startswith("Each sample is scored alone, as if it were all of the data; miou_defined: mean IoU")
    assert "false positives  " in done.stdout


@pytest.mark.parametrize("columns", [80, 120])
def test_no_name_is_broken_within_a_word(columns: int, bench: Run, voc_run: Path) -> None:
    done = bench("explain", voc_run, COLUMNS=str(columns))
    lines = done.stdout.splitlines()
    start = next(n for n, line in enumerate(lines) if "value" in line)
    end = next(n for n, line in enumerate(lines) if line.split()[:2] == ["rule", "from"])
    assert all(len(line) <= columns for line in lines[:end])
    words = {word for line in lines[start:end] for word in line.split()}
    expected = {word for row in explain(voc_run).rows for text in (row.name, *row.used_by) for word in text.split()}
    assert expected <= words


def _golden_run(name: str, tmp_path: Path) -> tuple[Path, dict[str, float]]:
    """A run of the golden predictions, and the official tools' numbers by score."""
    root, predictions = GOLDEN / name, tmp_path / "predictions"
    shutil.copytree(root / "predictions", predictions)
    if name == "voc2012":
        mean = json.loads((root / "official.json").read_text())["mean_percent"] / 100
        expected = {"miou": mean, "miou_defined": mean}
    elif name == "cocostuff":
        (predictions / "pair5.png").unlink()  # the official scores are of the pairs 0 to 4
        scores = json.loads((root / "results.json").read_text())["pairs0_4"]
        expected = {"miou_171": scores["mmseg_171"]["mIoU"], "miou_182": scores["thing_stuff_182"]["Mean IoU"]}
    else:
        expected = {"iou_class": json.loads((root / "pixel_results.json").read_text())["averageScoreClasses"]}
    request = EvaluateRequest(name, predictions, root=root, out=tmp_path / "run", partial=True)
    return evaluate_files(request, Reporter(quiet=True))[0], expected


@pytest.mark.parametrize(
    ("name", "tools"),
    [
        ("voc2012", {"miou": "VOCevalseg", "miou_defined": "VOCevalseg, over defined classes"}),
        ("cocostuff", {"miou_171": "MMSegmentation (IoUMetric)", "miou_182": "deeplab-pytorch"}),
        ("cityscapes", {"iou_class": "cityscapesScripts"}),
    ],
)
def test_every_official_row_is_the_number_of_the_tool_that_it_names(
    name: str, tools: dict[str, str], tmp_path: Path
) -> None:
    run, expected = _golden_run(name, tmp_path)
    rows = {row.name: row for row in explain(run).rows if row.official}
    assert {key: row.used_by[0] for key, row in rows.items()} == tools
    assert {key: row.value for key, row in rows.items()} == pytest.approx(expected, abs=1e-9)


def test_the_plain_miou_of_any_label_set_has_no_official_tool() -> None:
    """Unlike VOC's it is defined where a class is absent."""
    random = np.random.default_rng(2)
    truth, predicted = random.integers(0, 5, (2, 3, 20, 20)).astype(np.uint8)
    statistics = _statistics(Overlap(), VOC2012.info, truth, predicted)
    (own,) = official(VOC2012.info, [score.name for score in Overlap.scores]).values()
    assert (own.name, own.used_by) == ("miou", ())
    expected = Overlap().compute(statistics, VOC2012.info)["miou"]
    assert value(statistics, VOC2012.info, own) == pytest.approx(expected, abs=1e-14)


def test_for_machines(bench: Run, voc_run: Path) -> None:
    found = printed_json(bench("explain", voc_run, "--json"))
    assert found == json.loads(explain_runs(ExplainRequest(voc_run), Reporter(quiet=True)).to_json())
    alone = json.loads(explain(voc_run).to_json())
    assert found | {key: alone[key] for key in ("worst_samples", "left_out")} == alone
    keys = {"name", "used_by", "average", "absent", "void", "background", "value", "difference_points"}
    assert all(keys <= row.keys() for row in found["rows"])
    assert all(rule.keys() == {"rule", "from", "to", "points", "points_per_image"} for rule in found["rules"])


def test_isbi_explains_its_dice(stacks: Path) -> None:
    labels = tifffile.imread(stacks / "train-labels.tif")[25:].copy()
    labels[:, :10] = 0
    tifffile.imwrite(stacks / "p.tif", labels, photometric="minisblack")
    request = EvaluateRequest("isbi2012", stacks / "p.tif", root=stacks, out=stacks.parent / "run")
    run, record = evaluate_files(request, Reporter(quiet=True))
    found = explain(run)
    assert (found.main_score, found.explained) == ("v_rand", "dice")
    assert found.official == record.scores["dice"].value
    assert "V_Rand has one convention only" in found.notes[0]
    rows = {row.name: row.value for row in found.rows}
    assert rows["dice_per_image"] == record.scores["dice_per_image"].value
    assert {rule.rule for rule in found.rules} == {"average", "absent", "background"}


def test_what_cannot_be_explained_ends_with_2(bench: Run, voc_run: Path, tmp_path: Path) -> None:
    record = json.loads((voc_run / "record.json").read_text())
    record["metrics"] = {"partition": "1"}
    (voc_run / "record.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="voc2012-overlap"):
        explain(voc_run)
    done = bench("explain", tmp_path)
    assert done.returncode == 2
    assert "no run folder" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def _only_v_rand(stacks: Path) -> Path:
    """A run that kept V_Rand alone: there is nothing that a convention could change."""
    request = EvaluateRequest("isbi2012", stacks / "train-labels.tif", root=stacks, out=stacks.parent / "run")
    run, record = evaluate_files(request, Reporter(quiet=True))
    kept = Statistics.from_parquet(run / "statistics.parquet", metrics()).of("partition")
    Statistics(kept).to_parquet(run / "statistics.parquet", [Partition()])
    update = {"metrics": {"partition": record.metrics["partition"]}, "statistics_sha256": Statistics(kept).sha256()}
    write_record(run, record.model_copy(update=update))
    return run


def test_a_run_without_pixel_counts_says_so(stacks: Path) -> None:
    run = _only_v_rand(stacks)
    with pytest.raises(UserError, match="no pixel counts to explain; it was scored by partition"):
        explain(run)


def test_a_run_without_pixel_counts_is_told_its_worst_samples(stacks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = _only_v_rand(stacks)
    found = explain_runs(ExplainRequest(run), Reporter(quiet=True))
    assert (found.rows, found.rules, found.explained) == ([], [], "v_rand")
    (left_out,) = found.left_out
    assert "no pixel counts to explain; it was scored by partition" in left_out
    assert found.worst_samples is not None
    assert found.worst_samples.score == "v_rand"
    explanation(found, as_json=False, be_quiet=True)
    printed = capsys.readouterr().out
    assert "on isbi2012: v_rand 1.0000" in printed
    assert "The worst of 5 samples by v_rand:" in printed
    assert "convention" not in printed


def test_rules_change_one_thing() -> None:
    start = OFFICIAL["miou_defined"]
    for rule, changed in changes(VOC2012.info, start):
        assert replace(changed, name="", used_by=(), **{rule: getattr(start, rule)}) == replace(
            start, name="", used_by=()
        )


@pytest.mark.parametrize("task", ["multiclass", "binary"])
def test_scores_of_cases_stand_beside_the_others(task: str, tmp_path: Path) -> None:
    """Those that the run has scored, whose value follows from its pixel counts too; and the rule of cases by itself."""
    classes = 3 if task == "multiclass" else 2
    labels = dict(list(LABELS.items())[:classes])
    names = data_set(tmp_path / "source", train=1, test=3, labels=labels)
    for path in (tmp_path / "source").rglob("labels*/*.nii.gz"):
        save(path, np.minimum(case(int(path.name[5:8]))[1], classes - 1))
    import_data(ImportRequest(tmp_path / "source", tmp_path / "mine"), Reporter(quiet=True))
    for place, (name, truth) in enumerate(names.items()):
        save(tmp_path / "predicted" / f"{name}.nii.gz", np.roll(np.minimum(truth, classes - 1), place, axis=1))
    request = EvaluateRequest(
        "folder", tmp_path / "predicted", root=tmp_path / "mine", split="test", out=tmp_path / "run", plots=False
    )
    folder, record = evaluate_files(request, Reporter(quiet=True))
    found = explain(folder)
    rows = {row.name: row for row in found.rows if row.scored}
    run = open_run(folder)
    assert run.info.task == task
    counted = run.statistics.of(run.metrics[0].name)
    for name, convention in CASES.items():
        assert rows[name].value == record.scores[name].value
        assert value(counted, run.info, convention) == pytest.approx(record.scores[name].value, abs=1e-12)
        assert (rows[name].average, rows[name].background) == (convention.average, "out")
        assert rows[name].official
    assert len({tuple(row.model_dump(exclude={"name", "used_by"}).items()) for row in found.rows}) == len(found.rows)
    assert any((rule.rule, rule.to) == ("average", "case") for rule in found.rules)
    beside = explain_runs(ExplainRequest(folder, folder, samples=0), Reporter(quiet=True))
    assert all(row.other_value == row.value for row in beside.rows)
