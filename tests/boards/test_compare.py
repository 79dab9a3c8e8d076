"""Paired comparison: the statistics by hand and by simulation, and `bench compare`."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluated_runs import evaluated, truth
from scipy import stats

from commands import Run, printed_json
from noisy_predictions import INFO, METRIC, MIOU, measured, noisy
from segbench.boards.labels import comparison_labels
from segbench.boards.labels_needed import labels_needed
from segbench.boards.pareto import pareto_front
from segbench.commands.run import RunRequest, run
from segbench.evaluation.comparison import Paired, holm
from segbench.io.reporter import Reporter
from segbench.runs.record import Cost, read_record
from segbench.runs.stored import open_run
from segbench.types import ScoreInfo
from small_stack import write_stack


def paired(errors: Sequence[float], n: int = 30, groups: int | None = None, seed: int = 0) -> Paired:
    random = np.random.default_rng(seed)
    truths = [random.integers(0, 3, (12, 12)) for _ in range(n)]
    names = [f"g{k % groups}" if groups else "one" for k in range(n)]
    runs = [measured(noisy(truths, e, 100 * seed + k), truths, names) for k, e in enumerate(errors, 1)]
    return Paired(METRIC, INFO, MIOU, tuple(runs), resamples=400)


MIOU_AS_ERROR = replace(MIOU, higher_is_better=False)


def test_holm_by_hand() -> None:
    # 3 x 0.01, 2 x 0.02 (not below the one before), 1 x 0.03 (likewise).
    assert holm([0.02, 0.01, 0.03]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    adjusted = holm([math.nan, 0.01])
    assert math.isnan(adjusted[0])
    assert adjusted[1] == 0.01
    assert holm([]) == []


def test_a_difference_is_that_of_the_pooled_score() -> None:
    comparison = paired([0.05, 0.3])
    found = comparison.difference(0, 1)
    pooled = [METRIC.compute(run, INFO)["miou"] for run in comparison.runs]
    assert found.value == pytest.approx(pooled[0] - pooled[1], abs=1e-15)
    assert found.low < found.value < found.high
    assert 0 < found.p < 1 / 401
    assert found.wins + found.ties + found.losses == 30
    assert found.wins > 25
    assert found.effect > 1


def test_the_effect_has_the_sign_of_the_difference_whatever_is_better() -> None:
    for higher in (True, False):
        score = MIOU if higher else MIOU_AS_ERROR
        both = replace(paired([0.05, 0.3]), score=score)
        found = both.difference(0, 1)
        assert found.value > 0
        assert found.effect > 1
        assert (found.wins > found.losses) == higher


def test_few_samples_are_permuted_exactly() -> None:
    comparison = paired([0.05, 0.4], n=6)
    # Every permutation by hand: 2^6 ways to credit the two runs with each other's samples.
    a, b = comparison.runs
    observed = abs(METRIC.compute(a, INFO)["miou"] - METRIC.compute(b, INFO)["miou"])
    apart = []
    for swap in itertools.product((False, True), repeat=6):
        one = [y if s else x for x, y, s in zip(a, b, swap, strict=True)]
        other = [x if s else y for x, y, s in zip(a, b, swap, strict=True)]
        apart.append(abs(METRIC.compute(one, INFO)["miou"] - METRIC.compute(other, INFO)["miou"]))
    expected = sum(value >= observed - 1e-12 for value in apart) / len(apart)
    assert expected == comparison.smallest_p == 2 / 2**6
    # None is as extreme as what was observed, so the t test of the jackknife has the last word.
    noise = comparison.noise(0, 1)
    by_t = 2 * stats.t.sf(observed / noise.error, noise.t.freedom)
    assert comparison.difference(0, 1).p == pytest.approx(by_t)
    assert 0 < by_t < expected


def test_a_permutation_that_is_as_extreme_has_the_last_word() -> None:
    comparison = paired([0.2, 0.21], n=6, seed=3)
    assert comparison.smallest_p < comparison.p_value(0, 1) <= 1
    assert round(comparison.p_value(0, 1) * 2**6) == pytest.approx(comparison.p_value(0, 1) * 2**6)


def test_whole_groups_are_swapped() -> None:
    assert paired([0.1, 0.2], n=30, groups=6).units == 6
    assert paired([0.1, 0.2], n=30, groups=6).smallest_p == 2 / 2**6
    assert paired([0.1, 0.2], n=30, groups=3).units == 30


def test_a_run_against_itself_is_no_difference() -> None:
    comparison = paired([0.2])
    twice = Paired(METRIC, INFO, MIOU, comparison.runs * 2, resamples=200)
    found = twice.difference(0, 1)
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)
    assert (found.wins, found.ties, found.losses) == (0, 30, 0)
    assert math.isnan(found.effect)


def test_one_sample_shows_no_difference() -> None:
    found = paired([0.05, 0.4], n=1).difference(0, 1)
    assert found.p == 1
    assert found.value > 0


def test_equal_methods_differ_as_often_as_the_level_says() -> None:
    found = [paired([0.2, 0.2], n=20, seed=seed).p_value(0, 1) < 0.1 for seed in range(60)]
    # 6 of 60 expected; 14 or more have a probability below 0.2 %.
    assert sum(found) <= 13
    assert sum(paired([0.2, 0.35], n=20, seed=seed).p_value(0, 1) < 0.1 for seed in range(20)) >= 18


def test_ranks_span_what_cannot_be_told_apart() -> None:
    comparison = paired([0.05, 0.051, 0.4])
    assert comparison.rank_intervals(comparison.differences()) == [(1, 2), (1, 2), (3, 3)]
    whole, quick = comparison.differences(), comparison.tested()
    assert [(d.a, d.b, d.value, d.p, d.p_adjusted) for d in whole] == [
        (d.a, d.b, d.value, d.p, d.p_adjusted) for d in quick
    ]
    lower = ScoreInfo("miou", "as an error", higher_is_better=False)
    turned = Paired(METRIC, INFO, lower, comparison.runs, resamples=400)
    assert turned.rank_intervals(turned.differences()) == [(2, 3), (2, 3), (1, 1)]


def test_the_same_bits_in_any_order_of_samples_in_memory() -> None:
    comparison = paired([0.1, 0.2])
    again = Paired(METRIC, INFO, MIOU, tuple(tuple(run) for run in comparison.runs), resamples=400)
    assert comparison.differences() == again.differences()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small stack, and a folder with three runs on all of its slices."""
    folder = tmp_path_factory.mktemp("compare")
    root = folder / "stack"
    root.mkdir()
    write_stack(root)
    for method, settings in (("threshold", {"kind": ["otsu"], "sigma": [1.0]}), ("constant", {}), ("mean-shape", {})):
        name = folder / "runs" / method
        run(RunRequest("isbi2012", method, folds=2, root=root, out=name, settings=settings), Reporter(quiet=True))
    return root, folder / "runs"


@pytest.mark.slow
def test_the_command_says_which_is_better(bench: Run, runs: tuple[Path, Path]) -> None:
    _, folder = runs
    done = bench("compare", folder, "--metric", "dice", "-q")
    assert done.returncode == 0, done.stderr
    assert "threshold is better than every other, beyond chance" in done.stdout
    assert "30 samples" in done.stdout


@pytest.mark.slow
def test_runs_of_one_name_are_told_apart_by_where_their_predictions_lay(tmp_path: Path) -> None:
    root = truth(tmp_path / "mine", 6)
    runs = [evaluated(root, tmp_path / place / "run", [0.1] * 6, seed=seed) for seed, place in enumerate("ab")]
    records = [open_run(run).record for run in runs]
    assert comparison_labels(records) == ["model (from a-run)", "model (from b-run)"]
    same_end = ["bench evaluate -d folder -p old/maps", "bench evaluate -d folder -p 'new work/maps'"]
    moved = [record.model_copy(update={"command": command}) for record, command in zip(records, same_end, strict=True)]
    assert comparison_labels(moved) == ["model (from old/maps)", "model (from new work/maps)"]
    assert comparison_labels(records[:1]) == ["model"]


def test_an_undefined_score_is_said_to_be_one(bench: Run, runs: tuple[Path, Path]) -> None:
    # The last slice has no cell, and V_Rand of such a slice is undefined.
    done = bench("compare", runs[1])
    assert done.returncode == 0, done.stderr
    assert "v_rand is undefined for every run" in done.stdout


@pytest.mark.slow
def test_json_holds_everything(bench: Run, runs: tuple[Path, Path]) -> None:
    _, folder = runs
    found = printed_json(bench("compare", folder / "constant", folder / "threshold", "--metric", "dice", "--json"))
    assert [row["label"] for row in found["runs"]] == ["threshold", "constant"]
    assert [row["rank"] for row in found["runs"]] == [1, 2]
    (pair,) = found["differences"]
    assert pair["value"] == found["runs"][0]["value"] - found["runs"][1]["value"] > 0
    assert pair["significant"]
    assert pair["wins"] == found["per_sample"]["wins"]["threshold"] >= 29
    assert found["families"] is None
    assert found["score"] == "dice"
    assert {row["class"] for row in found["per_class"]} == {"membrane", "cell"}
    assert json.loads(json.dumps(found)) == found


def test_an_unknown_cost_beats_nobody_and_is_not_judged() -> None:
    """The first has the best score at a cost that is not known; the third is worse than the second and costs more."""
    values = paired([0.1, 0.2, 0.3]).values

    def costing(*seconds: float | None) -> Cost:
        return Cost(train_s=seconds[0], predict_ms_per_image=seconds[1])

    assert pareto_front([costing(None, None), costing(5, 5), costing(6, 6)], values, 1) == [False, True, False]
    assert pareto_front([costing(None, 9), costing(None, 5), costing(None, 6)], values, 1) == [True, True, False]
    assert pareto_front([costing(None, None)] * 3, values, 1) == [False] * 3


@pytest.mark.slow
def test_a_cheaper_run_stands_on_the_front(bench: Run, runs: tuple[Path, Path]) -> None:
    found = printed_json(bench("compare", runs[1], "--metric", "dice", "--json"))
    front = {row["label"]: row["on_front"] for row in found["runs"]}
    assert front["threshold"]
    assert any(front[name] for name in ("constant", "mean-shape"))


@pytest.mark.slow
def test_labels_needed_are_read_off_the_learning_curve(runs: tuple[Path, Path]) -> None:
    record = read_record(runs[1] / "threshold")
    few, many = (
        record.model_copy(update={"method": record.method.model_copy(update={"n_train": n})}) for n in (10.0, 1000.0)
    )
    comparison = paired([0.3, 0.1])
    low, high = comparison.values
    found = labels_needed([few, many], comparison, float((low + high) / 2))
    assert found.methods == {"threshold": pytest.approx(100.0)}
    assert labels_needed([few, many], comparison, float(high) + 0.1).methods == {"threshold": None}
    assert labels_needed([few, many], comparison, float(low) - 0.1).methods == {"threshold": 10.0}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"ids_sha256": "0" * 64}, "the set of samples differs"),
        ({"origin": "synthetic"}, "the origin of the data (real or synthetic) differs"),
        ({"data_sha256": "0" * 64}, "the ground truth differs"),
    ],
)
def test_what_is_not_comparable_is_refused(
    bench: Run, runs: tuple[Path, Path], tmp_path: Path, change: dict[str, str], expected: str
) -> None:
    other = tmp_path / "other"
    shutil.copytree(runs[1] / "constant", other)
    content = json.loads((other / "record.json").read_text())
    content["dataset"] |= change
    content["run_id"] = "isbi2012-constant-00000000"
    (other / "record.json").write_text(json.dumps(content))
    done = bench("compare", runs[1] / "threshold", other)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_wrong_input_is_one_message(bench: Run, runs: tuple[Path, Path], tmp_path: Path) -> None:
    for args, expected in (
        ((runs[1] / "threshold",), "two runs or more"),
        ((runs[1], "--metric", "miou"), "is no score of these runs"),
        ((tmp_path / "nowhere",), "does not exist"),
    ):
        done = bench("compare", *args)
        assert done.returncode == 2
        assert expected in done.stderr


def test_a_name_of_bytes_that_are_no_text_is_compared(bench: Run, runs: tuple[Path, Path], tmp_path: Path) -> None:
    other = shutil.copytree(runs[1] / "constant", tmp_path / "other")
    record = json.loads((other / "record.json").read_text())
    record["method"]["name"] = "odd\udcff\ud800"
    (other / "record.json").write_text(json.dumps(record))
    assert "odd\ufffd\ufffd" in json.dumps(
        printed_json(bench("compare", runs[1] / "threshold", other, "--json")), ensure_ascii=False
    )


def test_nothing_is_tested_on_a_single_sample(bench: Run, tmp_path: Path) -> None:
    """It was said that small p values are those of a t test; there is none."""
    root = truth(tmp_path / "mine", 1)
    for name, part in (("one", 0.1), ("other", 0.3)):
        evaluated(root, tmp_path / "runs" / name, [part], name)
    done = bench("compare", tmp_path / "runs")
    assert done.returncode == 0, done.stderr
    assert "only 1 sample: no difference can be tested, and nothing is known of others." in done.stdout
    assert "t test" not in done.stdout
