"""`bench explain`: what people and machines are told of a run under other conventions, and what it refuses."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from volumes import LABELS, case, data_set, save

from commands import Run, printed_json
from places import GOLDEN
from segbench.cli.explain_output import explanation
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.commands.explain import explain, explain_runs
from segbench.commands.import_data import ImportRequest, import_data
from segbench.datasets.cocostuff import COCOStuff
from segbench.datasets.voc2012 import VOC2012
from segbench.errors import UserError
from segbench.evaluation.conventions import value
from segbench.evaluation.library_conventions import CASES, OFFICIAL, changes
from segbench.evaluation.statistics import Statistics
from segbench.io.reporter import Reporter
from segbench.metrics.partition import Partition
from segbench.registry import metrics
from segbench.runs.record import write_record
from segbench.runs.stored import open_run
from segbench.runs.stored_requests import ExplainRequest

VOID = 255


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
