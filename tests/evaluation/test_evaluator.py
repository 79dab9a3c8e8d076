"""The Evaluator: the same numbers as `bench evaluate`, its laws, and real processes of torch.distributed."""

from __future__ import annotations

import json
import math
import pickle
import re
import subprocess
import sys
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commands import Run, printed_json
from distributed_process import evaluate_in_a_process, model, run_example, training_data
from places import GOLDEN, ROOT, SHARED
from segbench import Evaluator
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.errors import UserError
from segbench.io.reporter import Reporter
from segbench.metrics.overlap import Overlap
from segbench.predictions.find import find_predictions
from segbench.registry import make_dataset
from segbench.testing import check_metric
from segbench.types import Prediction, Sample

LABELS = np.zeros((2, 4, 5), np.int64)


def _golden(name: str) -> Path:
    place = next((p for p in (GOLDEN / name, SHARED / "golden" / name) if p.is_dir()), None)
    if place is None:
        pytest.skip(f"golden data of {name} is not there")
    return place


def _filled(name: str, root: Path, predictions: Path, split: str, partial: bool) -> Evaluator:
    """An Evaluator that was given what the files of a dataset and of predictions hold, in reverse order."""
    dataset = make_dataset(name, root)
    evaluator = Evaluator(name)
    found = find_predictions(dataset, dataset.ids(split), predictions, partial=partial)
    for sample_id in reversed(list(found.files)):
        sample = dataset.load(sample_id, ("labels", "instances"))
        prediction = found.files[sample_id].read(dataset)
        values = prediction.labels if prediction.labels is not None else prediction.probabilities
        wants = any("instances" in metric.parts for metric in evaluator._metrics)
        instances = sample.instances if wants else None
        evaluator.update(values, sample.labels, sample_id, instances=instances, groups=sample.group)
    return evaluator


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value


def _same_as_the_command_line(
    name: str, root: Path, predictions: Path, out: Path, split: str, partial: bool = False
) -> Evaluator:
    evaluator = _filled(name, root, predictions, split, partial)
    request = EvaluateRequest(name, predictions, split=split, root=root, partial=partial, out=out, plots=False)
    _, record = evaluate_files(request, Reporter(quiet=True))
    assert evaluator.scores() == record.scores
    assert {key: _plain(value) for key, value in evaluator.compute().items()} == {
        key: score.value for key, score in record.scores.items()
    }
    table = {c: {key: _plain(value) for key, value in row.items()} for c, row in evaluator.per_class().items()}
    assert table == record.per_class
    return evaluator


def test_voc2012_golden_through_the_command_line(bench: Run) -> None:
    root = GOLDEN / "voc2012"
    official = json.loads((root / "official.json").read_text())
    record = printed_json(bench("evaluate", "-d", "voc2012", "--root", root, "-p", root / "predictions", "--json"))
    assert record["scores"]["miou"]["value"] == pytest.approx(official["mean_percent"] / 100, abs=1e-9)
    assert record["scores"]["miou_defined"]["value"] == record["scores"]["miou"]["value"]
    found = [row["iou"] for row in record["per_class"].values()]
    assert found == pytest.approx([value / 100 for value in official["iou_percent"]], abs=1e-9)
    pixels = [row["pixels"] for row in record["per_class"].values()]
    assert pixels == [sum(row) for row in official["confusion_counts_rows_gt_cols_pred"]]


def test_voc2012_golden(tmp_path: Path) -> None:
    root = GOLDEN / "voc2012"
    evaluator = _same_as_the_command_line("voc2012", root, root / "predictions", tmp_path / "run", "val")
    official = json.loads((root / "official.json").read_text())
    assert evaluator.compute()["miou"] == pytest.approx(official["mean_percent"] / 100, abs=1e-9)


def test_cityscapes_golden_with_instances(tmp_path: Path) -> None:
    root = _golden("cityscapes")
    evaluator = _same_as_the_command_line("cityscapes", root, root / "predictions", tmp_path / "run", "val")
    official = json.loads((root / "pixel_results.json").read_text())
    scores = evaluator.compute()
    assert scores["iou_class"] == pytest.approx(official["averageScoreClasses"], abs=1e-9)
    assert scores["iou_category"] == pytest.approx(official["averageScoreCategories"], abs=1e-9)
    assert scores["iiou_class"] == pytest.approx(official["averageScoreInstClasses"], abs=1e-9)
    assert scores["iiou_category"] == pytest.approx(official["averageScoreInstCategories"], abs=1e-9)


def test_cocostuff_golden(tmp_path: Path) -> None:
    root = _golden("cocostuff")
    predictions = tmp_path / "predictions"
    predictions.mkdir()
    for number in range(5):
        (predictions / f"pair{number}.png").write_bytes((root / "predictions" / f"pair{number}.png").read_bytes())
    evaluator = _same_as_the_command_line("cocostuff", root, predictions, tmp_path / "run", "val", partial=True)
    official = json.loads((root / "results.json").read_text())["pairs0_4"]
    assert evaluator.compute()["miou_182"] == pytest.approx(official["thing_stuff_182"]["Mean IoU"], abs=1e-9)
    assert evaluator.compute()["miou_171"] == pytest.approx(official["mmseg_171"]["mIoU"], abs=1e-9)


@pytest.mark.slow
def test_isbi2012_golden(golden_isbi: Path, tmp_path: Path) -> None:
    import tifffile

    from segbench.datasets.isbi2012 import LABELS

    (case,) = (
        c for c in json.loads((golden_isbi / "scores.json").read_text())["cases"] if c["name"] == "prob_blur_noise"
    )
    labels = tifffile.imread(golden_isbi / LABELS)
    tifffile.imwrite(tmp_path / LABELS, labels, photometric="minisblack")
    stack = golden_isbi / case["files"]["prediction"]
    evaluator = _same_as_the_command_line("isbi2012", tmp_path, stack, tmp_path / "run", "all")
    official = case["official_stack"]
    assert evaluator.compute()["v_rand"] == pytest.approx(official["V_Rand_thinned"], abs=1e-12)
    assert evaluator.compute()["v_info"] == pytest.approx(official["V_Info_thinned"], abs=1e-12)


@pytest.mark.slow
def test_medaka_on_synthetic_hearts_with_groups(hearts: Path, tmp_path: Path) -> None:
    from PIL import Image

    dataset = make_dataset("medaka", hearts)
    (tmp_path / "masks").mkdir()
    for sample_id in dataset.ids("test"):
        labels = dataset.load(sample_id, ("labels",)).labels
        assert labels is not None
        shifted = np.roll(labels, 3, axis=1) * 255
        Image.fromarray(shifted.astype(np.uint8)).save(tmp_path / "masks" / f"{sample_id}.png")
    evaluator = _same_as_the_command_line("medaka", hearts, tmp_path / "masks", tmp_path / "run", "test")
    assert evaluator.scores()["dice"].resampled == "groups"


def test_labels_of_any_set_by_counting_one_by_one() -> None:
    random = np.random.default_rng(0)
    truth, predicted = random.integers(0, 4, (3, 6, 7)), random.integers(0, 5, (3, 6, 7))
    truth[0, :2] = 255
    evaluator = Evaluator(num_classes=6, ignore_index=255)
    evaluator.update(predicted, truth, ["a", "b", "c"])
    keep = truth != 255
    ious = []
    for c in range(5):  # class 4 is only predicted and counts 0, class 5 is absent from both and is left out
        union = (((truth == c) | (predicted == c)) & keep).sum()
        ious.append(((truth == c) & (predicted == c) & keep).sum() / union)
    assert ious[4] == 0
    scores = evaluator.compute()
    assert scores["miou"] == pytest.approx(np.mean(ious), abs=1e-15)
    assert scores["pixel_accuracy"] == pytest.approx((truth == predicted)[keep].mean(), abs=1e-15)
    table = evaluator.per_class()
    assert list(table) == [f"class-{n}" for n in range(6)]
    assert math.isnan(table["class-5"]["iou"])
    assert sum(row["pixels"] for row in table.values()) == keep.sum()
    interval = evaluator.compute(intervals=True)["miou"]
    assert interval.value == scores["miou"]
    assert interval.low is not None
    assert interval.low <= scores["miou"]


def test_the_family_of_any_label_set_conforms(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    pairs = [
        (Sample(name, "g", 0, labels=random.integers(0, 3, (4, 5))), Prediction(labels=random.integers(0, 3, (4, 5))))
        for name in "abcdef"
    ]
    check_metric(Overlap(), pairs, Evaluator(num_classes=3).info, tmp_path)


def _random(ids: list[int], seed: int = 0) -> Evaluator:
    evaluator = Evaluator(num_classes=4, ignore_index=9)
    for number in ids:
        random = np.random.default_rng((seed, number))
        truth = random.integers(0, 5, (5, 6))
        evaluator.update(random.integers(0, 4, (5, 6)), np.where(truth == 4, 9, truth), number)
    return evaluator


@pytest.mark.slow
@settings(max_examples=10)
@given(st.permutations(range(9)), st.integers(0, 9), st.integers(0, 9))
def test_any_shards_in_any_order_are_one_pass(order: list[int], first: int, second: int) -> None:
    low, high = sorted((first, second))
    shards = [_random(order[:low]), _random(order[low:high]), _random(order[high:])]
    expected = _random(list(range(9)))
    before = [pickle.dumps(shard.statistics) for shard in shards]
    for a, b, c in permutations(shards):
        for merged in (a.merge(b).merge(c), a.merge(b.merge(c))):
            assert merged.statistics == expected.statistics
            assert merged.compute() == expected.compute()
            assert merged.scores() == expected.scores()
    assert [pickle.dumps(shard.statistics) for shard in shards] == before


def test_pickled_and_computed_twice_it_is_the_same() -> None:
    evaluator = _random([1, 2, 3])
    copy = pickle.loads(pickle.dumps(evaluator))
    assert copy.compute() == evaluator.compute() == evaluator.compute()
    copy.update(np.zeros((2, 2), int), np.zeros((2, 2), int), 4)
    assert len(copy) == 4
    assert len(evaluator) == 3


def test_what_cannot_be_merged() -> None:
    with pytest.raises(UserError, match="1 samples are in two evaluators, for example '2'"):
        _random([1, 2]).merge(_random([2, 3]))
    numbered = Evaluator(num_classes=3)
    numbered.update(LABELS, LABELS)
    other = Evaluator(num_classes=3)
    other.update(LABELS, LABELS)
    with pytest.raises(UserError, match="Pass ids"):
        numbered.merge(other)
    assert numbered.merge(Evaluator(num_classes=3)).compute() == numbered.compute()
    for stranger in (Evaluator(num_classes=4), Evaluator(num_classes=3, metrics=["voc2012-overlap"])):
        with pytest.raises(UserError, match="different things"):
            numbered.merge(stranger)


@pytest.mark.parametrize(
    ("metrics", "found"),
    [
        ([_random], "the function _random"),
        (len, "the builtin_function_or_method len"),
        (["overlap", Overlap], "the ABCMeta Overlap"),
        (["overlap", 3], r"3 \(of type int\)"),
    ],
)
def test_a_metric_that_is_no_name_is_refused_with_the_way_to_make_one(metrics: Any, found: str) -> None:
    with pytest.raises(UserError, match=rf"metrics= holds {found}; .*'bench new metric NAME'"):
        Evaluator(num_classes=2, metrics=metrics)


def test_one_id_for_two_samples_is_an_error_also_where_repeats_are_dropped() -> None:
    first, second = Evaluator(num_classes=3), Evaluator(num_classes=3)
    first.update(LABELS[0], LABELS[0], 0)
    second.update(LABELS[0], LABELS[0] + 1, 0)
    for drop in (False, True):
        with pytest.raises(UserError, match="different targets have the id '0'"):
            first._union([first, second], drop)
    assert first._union([first, first], True).statistics == first.statistics


@pytest.mark.slow
def test_it_stays_light_and_imports_no_torch() -> None:
    code = (
        "import sys, segbench\n"
        "assert 'numpy' not in sys.modules\n"
        "from segbench import Evaluator\n"
        "import numpy as np\n"
        "e = Evaluator('cityscapes')\n"
        "e.update(np.full((2, 2), 7), np.full((2, 2), 7), 'a')\n"
        "assert e.gather() is e\n"
        "e.compute(), e.scores(), e.per_class()\n"
        "heavy = {'torch', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert not hasattr(segbench, 'nothing')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _documented_example() -> str:
    found = re.search(
        r"<!-- training loop -->\n```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(encoding="utf-8"), re.S
    )
    assert found is not None
    return found[1]


def _one_process() -> Evaluator:
    from torch.utils.data import DataLoader

    data: Any = training_data()
    loader: Any = DataLoader(data, batch_size=2)
    return run_example(_documented_example(), loader, model())


def test_the_documented_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    everything = _one_process()
    assert len(everything) == 5
    shown = capsys.readouterr().out.split()
    assert [float(word) for word in shown] == [everything.compute()["miou"], everything.scores()["miou"].low]


@pytest.mark.slow
def test_two_processes_of_torch_distributed(tmp_path: Path) -> None:
    from torch.multiprocessing.spawn import spawn

    spawn(evaluate_in_a_process, args=(2, str(tmp_path), _documented_example()), nprocs=2)  # type: ignore[no-untyped-call]
    first, second = (json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in range(2))
    assert set(first["seen_here"]) & set(second["seen_here"]) == {"image-0"}  # repeated by DistributedSampler
    expected = _one_process()
    for found in (first, second):
        assert found["ids"] == [f"image-{n}" for n in range(5)]
        assert found["scores"] == {name: score.model_dump() for name, score in expected.scores().items()}
        assert "for example 'image-0'" in found["repeated"]
        assert "drop_repeats=True" in found["repeated"]
        assert "Pass ids" in found["unnamed"]
        assert found["disjoint"] == expected.compute()
