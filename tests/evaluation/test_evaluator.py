"""The Evaluator: the same numbers as `bench evaluate`, its laws, and real processes of torch.distributed."""

from __future__ import annotations

import json
import math
import pickle
import re
import subprocess
import sys
import warnings
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


def _scores_of(prediction: Any, target: Any, **arguments: Any) -> tuple[Evaluator, dict[str, float]]:
    evaluator = Evaluator(**arguments)
    evaluator.update(prediction, target)
    return evaluator, evaluator.compute()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16", "float64"])
def test_tensors_arrays_logits_and_labels_are_one(kind: str) -> None:
    import torch

    generator = torch.Generator().manual_seed(1)
    logits = (20 * torch.randn(2, 3, 5, 4, generator=generator)).to(getattr(torch, kind)).requires_grad_()
    target = torch.randint(0, 3, (2, 5, 4), generator=generator)
    labels = logits.argmax(1).numpy().astype(np.uint8)
    set_ = {"num_classes": 3}
    _, expected = _scores_of(labels, target.numpy(), **set_)
    assert _scores_of(logits, target, **set_)[1] == expected
    assert _scores_of(logits.detach().float().numpy(), target[:, None], **set_)[1] == expected
    if torch.cuda.is_available():
        assert _scores_of(logits.cuda(), target.cuda(), **set_)[1] == expected
    one = Evaluator(num_classes=3)
    for image, truth in zip(logits, target, strict=True):
        one.update(image, truth.to(torch.uint8))  # (C, H, W) and (H, W)
    assert one.compute() == expected
    assert len(one) == 2


def test_class_positions_of_logits_become_label_values_of_the_dataset() -> None:
    evaluator = Evaluator("cityscapes")
    positions = np.arange(19).reshape(1, 19)
    logits = np.eye(19, dtype=np.float32)[positions].transpose(2, 0, 1)
    target = np.array([[c.id for c in evaluator.info.classes]], np.uint8)
    evaluator.update(logits, target, "aachen_000000_000019")
    assert evaluator.compute()["iou_class"] == 1.0
    assert math.isnan(evaluator.compute()["iiou_class"])  # no instances were given


@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5), (3, 1, 4, 5)])
def test_binary_probabilities_masks_and_logits(shape: tuple[int, ...]) -> None:
    import torch

    logits = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    target = (torch.randn(shape, generator=torch.Generator().manual_seed(1)) > 0).long()
    _, expected = _scores_of((logits > 0).numpy(), target, num_classes=1)
    assert 0 < expected["dice"] < 1
    for form in (logits.sigmoid(), (logits > 0).to(torch.int32), logits.sigmoid().double().numpy()):
        assert _scores_of(form, target, classes=["cell"])[1] == expected
    with pytest.raises(UserError, match=r"sigmoid.*logits > 0"):
        _scores_of(logits, target, num_classes=1)


def test_exactly_one_half_is_background_in_every_precision() -> None:
    import torch

    half = torch.full((1, 2), 0.5, dtype=torch.bfloat16)
    assert _scores_of(half, torch.ones(1, 2, dtype=torch.long), num_classes=1)[1]["dice"] == 0.0


def test_void_of_a_binary_task_is_dropped() -> None:
    _, scores = _scores_of(np.array([[1, 1, 0]]), np.array([[1, -100, 0]]), num_classes=1, ignore_index=-100)
    assert scores["dice"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "exactly one"),
        ({"num_classes": 3, "classes": ["a"]}, "exactly one"),
        ({"dataset": "citiscapes"}, "Did you mean 'cityscapes'"),
        ({"dataset": "voc2012", "ignore_index": 255}, "its own classes"),
        ({"num_classes": 0}, "from 1"),
        ({"num_classes": 2.0}, "from 1"),
        ({"classes": []}, "classes is empty"),
        ({"classes": "cat"}, "sequence of names"),
        ({"classes": ["a", "a"]}, "different names"),
        ({"num_classes": 3, "task": "binary"}, "does not fit 3 classes"),
        ({"num_classes": 3, "ignore_index": 2}, "is a class"),
        ({"num_classes": 3, "metrics": ("overlop",)}, "Did you mean 'overlap'"),
        ({"num_classes": 3, "metrics": ("partition",)}, "scores binary tasks"),
        ({"num_classes": 3, "metrics": "overlap"}, "expected a sequence"),
    ],
    ids=str,
)
def test_no_evaluator_of_nonsense(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Evaluator(**arguments)


LABELS = np.zeros((2, 4, 5), np.int64)


@pytest.mark.parametrize(
    ("prediction", "target", "more", "words"),
    [
        (np.zeros((2, 4, 6), int), LABELS, {}, r"4 x 6.*4 x 5"),
        (np.zeros((3, 4, 5), int), LABELS, {}, "3 x 4 x 5.*N = 2"),
        (np.zeros((2, 4, 5)), LABELS, {}, "float64 of shape 2 x 4 x 5.*integer labels"),
        (np.zeros((2, 3, 4, 5), int), LABELS, {}, "int64 of shape 2 x 3 x 4 x 5"),
        (np.zeros((2, 7, 4, 5)), LABELS, {}, "3 classes along axis 1"),
        (np.full((2, 3, 4, 5), np.nan), LABELS, {}, "NaN"),
        (np.full((2, 4, 5), 3), LABELS, {}, "label value 3"),
        (LABELS, LABELS + 3, {}, "ground truth.*label value 3"),
        (LABELS, LABELS.astype(float), {}, "target holds float64"),
        (LABELS, np.zeros(5, int), {}, "target has shape 5"),
        (LABELS, LABELS, {"ids": ["a"]}, "1 ids for 2 samples"),
        (LABELS, LABELS, {"ids": ["a", "a"]}, "'a' was counted before"),
        (LABELS, LABELS, {"ids": [1.5, 2]}, "an id is a text or a whole number"),
        (LABELS, LABELS, {"instances": LABELS[:1]}, "instances are of shape"),
        (LABELS, LABELS, {"groups": ["g"]}, "1 groups for 2 samples"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_of_it_is_counted(
    prediction: Any, target: Any, more: dict[str, Any], words: str
) -> None:
    evaluator = Evaluator(num_classes=3)
    with pytest.raises(UserError, match=words):
        evaluator.update(prediction, target, **more)
    assert len(evaluator) == 0
    assert len(evaluator.statistics) == 0
    evaluator.update(LABELS, LABELS, ["a", "b"])
    assert evaluator.compute()["miou"] == 1.0


@pytest.mark.parametrize("whole", [np.int64, np.uint8, np.array])
def test_whole_numbers_of_numpy_are_whole_numbers(whole: Any) -> None:
    evaluator = Evaluator(num_classes=whole(3), ignore_index=whole(255))
    assert evaluator.info == Evaluator(num_classes=3, ignore_index=255).info
    evaluator.update(LABELS, LABELS)
    assert evaluator.compute()["miou"] == 1.0


@pytest.mark.parametrize("odd", [True, np.True_, 3.0, np.float64(3), "3", 0, np.int64(-1)])
def test_other_numbers_of_classes_are_refused(odd: Any) -> None:
    with pytest.raises(UserError, match=r"num_classes is .*; expected a whole number"):
        Evaluator(num_classes=odd)


def test_a_sample_counts_once() -> None:
    import torch

    evaluator = Evaluator(num_classes=3)
    evaluator.update(LABELS, LABELS, torch.tensor([7, 8]))
    assert 7 in evaluator
    assert "8" in evaluator
    assert 9 not in evaluator
    with pytest.raises(UserError, match="'8' was counted before"):
        evaluator.update(LABELS, LABELS, [9, 8])
    assert 9 not in evaluator
    with pytest.raises(UserError, match="some samples were given with ids"):
        evaluator.update(LABELS, LABELS)
    evaluator.reset()
    assert len(evaluator) == 0
    assert all(math.isnan(value) for value in evaluator.compute().values())
    assert evaluator.per_class() == {}
    with pytest.raises(UserError, match="no sample"):
        evaluator.scores()
    evaluator.update(LABELS, LABELS)
    assert len(evaluator) == 2


def test_without_the_instances_of_every_sample_their_scores_are_undefined() -> None:
    evaluator = Evaluator("cityscapes")
    labels = np.full((2, 3), 26, np.uint8)
    evaluator.update(labels, labels, "a", instances=np.full((2, 3), 26001, np.int32))
    assert evaluator.compute()["iiou_class"] == 1.0
    evaluator.update(labels, labels, "b")
    assert math.isnan(evaluator.compute()["iiou_class"])
    assert evaluator.compute()["iou_class"] == 1.0


def test_numbers_of_predicted_instances_are_taken_where_the_true_ones_are_given() -> None:
    true = np.kron(np.arange(1, 5).reshape(2, 2), np.ones((6, 6), int))
    true[:, 5] = true[5] = 0
    predicted = np.where(true == 4, 3, true)  # two that are one
    evaluator = Evaluator(num_classes=2, task="binary", metrics=["binary-overlap", "instance-matching"])
    evaluator.update(predicted[None], (true > 0)[None].astype(int), ["a"], instances=true[None])
    found = evaluator.compute()
    assert found["dice"] == 1
    assert (found["precision_50"], found["recall_50"], found["count_error"]) == (1, 3 / 4, 1)
    evaluator.reset()
    with pytest.raises(UserError, match="prediction"):
        evaluator.update(predicted, (true > 0).astype(int), "a")


TWO_PIECES = np.array([[1, 0, 1]])


@pytest.mark.parametrize("number", [1, 2, 255])
def test_numbers_of_one_instance_are_no_mask_where_that_is_said(number: int) -> None:
    evaluator = Evaluator(num_classes=1, metrics=["instance-matching"])
    evaluator.update(TWO_PIECES * number, TWO_PIECES, instances=TWO_PIECES, numbered=True)
    assert evaluator.compute()["f1_50"] == 1


@pytest.mark.parametrize("number", [1, 2, 255])
def test_numbers_of_a_batch_are_told_by_all_of_its_images(number: int) -> None:
    several = np.array([[3, 0, 4]])
    evaluator = Evaluator(num_classes=1, metrics=["instance-matching"])
    truth = np.stack([TWO_PIECES, several])
    evaluator.update(np.stack([TWO_PIECES * number, several]), (truth > 0).astype(int), instances=truth)
    found = evaluator.compute()
    assert (found["f1_50"], found["count_error"]) == (1, 0)


def test_masks_are_masks_and_what_was_assumed_of_integers_is_said() -> None:
    def f1(prediction: Any, **values: Any) -> float:
        evaluator = Evaluator(num_classes=1, metrics=["instance-matching"])
        evaluator.update(prediction, TWO_PIECES, instances=TWO_PIECES, **values)
        return evaluator.compute()["f1_50"]

    with pytest.warns(UserWarning, match="numbered=True"):
        as_mask = f1(TWO_PIECES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f1(TWO_PIECES > 0) == f1(TWO_PIECES, numbered=False) == as_mask < 1
        assert f1(TWO_PIECES.astype(float)) == as_mask
    with pytest.raises(UserError, match="numbered=True: the prediction holds float64; expected integers"):
        f1(TWO_PIECES.astype(float), numbered=True)
    with pytest.raises(UserError, match="label value 255"):
        f1(TWO_PIECES * 255)
    with pytest.raises(UserError, match="label values 3-4"):
        f1(np.array([[3, 0, 4]]), numbered=False)
    with pytest.raises(UserError, match="labels of several classes"):
        Evaluator(num_classes=3).update(LABELS, LABELS, numbered=True)


def _random(ids: list[int], seed: int = 0) -> Evaluator:
    evaluator = Evaluator(num_classes=4, ignore_index=9)
    for number in ids:
        random = np.random.default_rng((seed, number))
        truth = random.integers(0, 5, (5, 6))
        evaluator.update(random.integers(0, 4, (5, 6)), np.where(truth == 4, 9, truth), number)
    return evaluator


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
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
