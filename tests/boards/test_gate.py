"""`bench check` is green only where a loss could have been seen: every way to green, and what closes it."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluated_runs import evaluated, truth
from gated_runs import BAD, GOOD, gate, pair
from populations import one_long_film
from scipy import stats

from commands import Run
from noisy_predictions import INFO, METRIC, MIOU, measured, noisy
from own_folders import QUIET
from segbench.boards.regression import GateComparison, Loss, loss_of, result_of
from segbench.evaluation.comparison import Paired
from segbench.evaluation.students_t import StudentsT


def only(found: Any) -> Any:
    (each,) = found["checks"]
    return each


@pytest.mark.slow
def test_a_run_that_did_not_change_passes(bench: Run, tmp_path: Path) -> None:
    code, found, _ = gate(bench, pair(tmp_path, [GOOD] * 8, [GOOD] * 8))
    assert (code, found["ok"], only(found)["verdict"]) == (0, True, "ok")
    assert found["unchecked"] == []


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 8, 20])
def test_a_destroyed_model_never_passes(bench: Run, tmp_path: Path, count: int) -> None:
    parts = np.random.default_rng(count).uniform(0.3, 0.9, count).tolist()
    code, found, _ = gate(bench, pair(tmp_path, [GOOD] * count, parts))
    assert (code, found["ok"]) == (1, False)
    assert only(found)["verdict"] == "worse" if count >= 5 else only(found)["verdict"] in ("worse", "inconclusive")


@pytest.mark.slow
def test_one_sample_shows_no_loss(bench: Run, tmp_path: Path) -> None:
    for now in (GOOD, BAD, 0.0):
        shutil.rmtree(tmp_path, ignore_errors=True)
        code, found, _ = gate(bench, pair(tmp_path, [GOOD], [now]))
        assert (code, found["ok"], only(found)["verdict"]) == (1, False, "inconclusive")
        assert (only(found)["noise"], only(found)["detectable"]) == (None, None)
        assert "one sample shows no loss" in only(found)["message"]


@pytest.mark.slow
def test_one_sample_is_no_baseline(bench: Run, tmp_path: Path) -> None:
    evaluated(truth(tmp_path / "root", 1), tmp_path / "runs" / "model", [GOOD])
    code, _, err = gate(bench, tmp_path, "--update")
    assert code == 2
    assert "no loss can be told from noise" in err
    assert not (tmp_path / "baseline").exists()


def test_a_loss_that_is_the_same_on_every_sample_closes_the_gate() -> None:
    """There is no noise then, and so few samples have no permutation that is rare enough."""
    random = np.random.default_rng(3)
    whole = random.integers(0, 3, (30, 30))
    half = np.where(np.arange(30) < 15, whole, (whole + 1) % 3)
    sides = tuple(measured([labels] * 4, [whole] * 4, ["one"] * 4) for labels in (half, whole))
    loss = loss_of(Paired(METRIC, INFO, MIOU, sides, resamples=100))
    assert loss.error == pytest.approx(0, abs=1e-12)
    assert loss.p == pytest.approx(0, abs=1e-9)
    assert loss.beyond(0.005, loss.p)


@pytest.mark.slow
def test_samples_that_hide_the_loss_of_half_the_score_say_nothing(bench: Run, tmp_path: Path) -> None:
    code, found, _ = gate(bench, pair(tmp_path, [0.0, 0.4, 0.0, 0.45], [0.45, 0.0, 0.4, 0.0]))
    each = only(found)
    assert (code, each["verdict"]) == (1, "inconclusive")
    assert each["detectable"] > 0.5 * each["baseline"]
    assert "these 4 samples show no loss below" in each["message"]


@pytest.mark.slow
def test_where_nothing_can_be_lost_nothing_is_said(bench: Run, tmp_path: Path) -> None:
    """A baseline of nothing but errors, and a tolerance that is larger than any loss."""
    folder = pair(tmp_path, [1.0] * 6, [1.0] * 6)
    code, found, _ = gate(bench, folder)
    assert (code, only(found)["verdict"], only(found)["baseline"]) == (1, "inconclusive", 0.0)
    assert "no loss can be larger than the tolerance" in only(found)["message"]
    shutil.rmtree(folder)
    folder = pair(tmp_path, [GOOD] * 6, [BAD] * 6)
    assert gate(bench, folder, "--tolerance", "0.99")[0] == 1


@pytest.mark.slow
def test_what_rose_from_nothing_is_better(bench: Run, tmp_path: Path) -> None:
    code, found, _ = gate(bench, pair(tmp_path, [1.0] * 6, [GOOD] * 6))
    assert (code, only(found)["verdict"]) == (0, "better")


def held(name: str, loss: Loss, baseline: float = 0.9) -> GateComparison:
    return GateComparison(name, name, "dice", baseline, baseline - loss.loss, loss, [], [], {}, [], [])


@pytest.mark.parametrize(
    ("loss", "baseline"),
    [
        (Loss(0.3, math.nan, StudentsT.of_equal(1), 0.2, 0.9, 8), 0.9),  # no noise is known
        (Loss(-0.3, math.nan, StudentsT.of_equal(1), 1.0, 0.9, 8), 0.6),  # not for a gain either
        (Loss(0.3, 0.01, StudentsT.of_equal(8), math.nan, 0.9, 8), 0.9),  # no permutation is defined
        (Loss(math.nan, math.nan, StudentsT.of_equal(1), 1.0, math.nan, 8), math.nan),  # no score of the baseline
        (Loss(0.0, 0.0, StudentsT.of_equal(8), 1.0, 0.9, 1), 0.9),  # one sample
    ],
)
def test_what_is_undefined_closes_the_gate(loss: Loss, baseline: float) -> None:
    found = result_of([held("a", loss, baseline)], [], 0.005)
    assert (found.ok, found.checks[0].verdict) == (False, "inconclusive")


def test_a_score_that_is_undefined_now_is_worse() -> None:
    found = result_of([held("a", Loss(math.nan, math.nan, StudentsT.of_equal(1), 1.0, 0.9, 8))], [], 0.005)
    assert (found.ok, found.checks[0].verdict) == (False, "worse")


def test_noise_is_that_of_all_runs_of_the_check_together() -> None:
    """What is said of noise is what the verdict went by: a loss beyond it is never called none."""
    losses = [
        Loss(0.01 * t, 0.01, StudentsT.of_equal(31), float(stats.t.sf(t, 30)), 0.9, 31)
        for t in (2.6, 2.7, 3.2, 3.3, 3.4, 9.0)
    ]
    assert [result_of([held("a", loss)], [], 0.005).checks[0].verdict for loss in losses] == ["worse"] * 6
    together = result_of([held(str(k), loss) for k, loss in enumerate(losses)], [], 0.005).checks
    assert [each.verdict for each in together] == ["ok", "ok", *["worse"] * 4]
    for each in together:
        assert each.noise is not None
        assert each.loss is not None
        assert (each.loss > each.noise) == (each.verdict == "worse")


def test_a_loss_that_is_left_to_chance_is_told() -> None:
    """Here the jackknife would call it a loss, and the permutations do not."""
    (each,) = result_of([held("a", Loss(0.1, 0.01, StudentsT.of_equal(31), 0.03, 0.9, 31))], [], 0.005).checks
    assert each.verdict == "ok"
    assert "a loss of 0.1000 that chance may give, p 0.030" in each.message


def test_a_loss_within_the_noise_is_not_called_none() -> None:
    for loss, said in ((0.1, "a loss of 0.1000, within the noise of these samples"), (0.004, "no loss beyond")):
        (each,) = result_of([held("a", Loss(loss, 0.06, StudentsT.of_equal(6), 0.07, 0.9, 6))], [], 0.005).checks
        assert each.verdict == "ok"
        assert said in each.message


@pytest.mark.slow
def test_undefined_main_scores_close_the_gate(bench: Run, tmp_path: Path) -> None:
    """The empty slice leaves V_Rand undefined for the baseline and for the run."""
    from segbench.commands.run import RunRequest, run
    from small_stack import write_stack

    (tmp_path / "stack").mkdir()
    write_stack(tmp_path / "stack")
    for place in ("baseline", "runs"):
        out, settings = tmp_path / place / "threshold", {"kind": ["otsu"], "sigma": [1.0]}
        how: Any = {"folds": 2, "root": tmp_path / "stack", "settings": settings, "out": out, "plots": False}
        run(RunRequest("isbi2012", "threshold", **how), QUIET)
    code, found, _ = gate(bench, tmp_path)
    assert (code, only(found)["verdict"]) == (1, "inconclusive")
    assert "v_rand of the baseline is undefined" in only(found)["message"]
    code, found, _ = gate(bench, tmp_path, "--metric", "dice")
    assert (code, only(found)["verdict"]) == (0, "ok")


@pytest.mark.slow
def test_a_run_that_the_baseline_lacks_is_named(bench: Run, tmp_path: Path) -> None:
    folder = pair(tmp_path, [GOOD] * 6, [GOOD] * 6)
    evaluated(folder / "root", folder / "runs" / "other", [BAD] * 6, name="other")
    code, found, err = gate(bench, folder)
    assert (code, found["ok"]) == (0, True)
    (stray,) = found["unchecked"]
    assert (stray["name"], stray["failed"]) == ("folder real all other", False)
    assert "the baseline has no such run" in err
    code, found, _ = gate(bench, folder, "--strict")
    assert (code, found["ok"], found["unchecked"][0]["failed"]) == (1, False, True)
    said = bench("check", "--baseline", folder / "baseline", "--runs", folder / "runs")
    assert (said.stdout + said.stderr).count("the baseline has no such run") == 1


@pytest.mark.slow
def test_a_run_that_is_not_whole_is_named(bench: Run, tmp_path: Path) -> None:
    folder = pair(tmp_path, [GOOD] * 6, [GOOD] * 6)
    part = evaluated(folder / "root", folder / "runs" / "part", [GOOD] * 6, name="part")
    record = json.loads((part / "record.json").read_text())
    (part / "record.json").write_text(json.dumps(record | {"complete": False}))
    code, found, err = gate(bench, folder)
    assert (code, [stray["name"] for stray in found["unchecked"]]) == (0, ["folder real all part"])
    assert "partial" in err
    assert gate(bench, folder, "--strict")[0] == 1
    shutil.move(part, folder / "baseline" / "part")
    code, _, err = gate(bench, folder)
    assert code == 2
    assert "no run can be compared with it" in err


@pytest.mark.slow
def test_a_run_is_not_its_own_baseline(bench: Run, tmp_path: Path) -> None:
    folder = pair(tmp_path, [GOOD] * 6, [GOOD] * 6)
    (folder / "linked").symlink_to(folder / "baseline")
    for runs in (folder / "baseline", folder / "linked", folder / "baseline" / "model"):
        code, _, err = gate(bench, folder, runs=runs)
        assert code == 2
        assert "nothing would be compared" in err
    shutil.copytree(folder / "baseline", folder / "copied")
    code, _, err = gate(bench, folder, runs=folder / "copied")
    assert code == 0
    assert "is the run that was made the baseline" in err


@pytest.mark.slow
def test_other_samples_than_the_baseline_are_refused(bench: Run, tmp_path: Path) -> None:
    folder = pair(tmp_path, [GOOD] * 6, [GOOD] * 6)
    evaluated(truth(tmp_path / "more" / "root", 7), folder / "other" / "model", [GOOD] * 7)
    code, _, err = gate(bench, folder, runs=folder / "other")
    assert code == 2
    assert "the set of samples differs" in err


@pytest.mark.slow
@pytest.mark.parametrize("side", ["baseline", "runs"])
def test_statistics_of_another_run_are_refused(bench: Run, tmp_path: Path, side: str) -> None:
    """A destroyed run under a good run's counts, or a baseline under a bad one's."""
    folder = pair(tmp_path, [GOOD] * 6, [BAD] * 6)
    other = "runs" if side == "baseline" else "baseline"
    shutil.copy(folder / other / "model" / "statistics.parquet", folder / side / "model")
    code, _, err = gate(bench, folder)
    assert code == 2
    assert "its statistics.parquet is not that of its record.json" in err


@pytest.mark.slow
def test_copies_with_different_results_are_refused(bench: Run, tmp_path: Path) -> None:
    folder = pair(tmp_path, [GOOD] * 6, [GOOD] * 6)
    bad = evaluated(folder / "root", folder / "runs" / "bad", [BAD] * 6)
    records = [json.loads((folder / "runs" / name / "record.json").read_text()) for name in ("model", "bad")]
    same = {key: records[0][key] for key in ("run_id", "created")}
    (bad / "record.json").write_text(json.dumps(records[1] | same))
    code, _, err = gate(bench, folder)
    assert code == 2
    assert "2 times with different results" in err


@pytest.mark.slow
def test_a_run_that_lost_its_files_is_refused(bench: Run, tmp_path: Path) -> None:
    folder = pair(tmp_path, [GOOD] * 6, [GOOD] * 6)
    lost = folder / "baseline" / "lost"
    shutil.copytree(folder / "baseline" / "model", lost)
    (lost / "record.json").unlink()
    code, _, err = gate(bench, folder)
    assert code == 2
    assert "no record.json" in err
    shutil.rmtree(lost)
    (folder / "runs" / "model" / "statistics.parquet").unlink()
    assert gate(bench, folder)[0] == 2


@pytest.mark.slow
def test_a_score_that_only_the_baseline_has_is_refused(bench: Run, tmp_path: Path) -> None:
    root = truth(tmp_path / "root", 6)
    evaluated(root, tmp_path / "baseline" / "model", [GOOD] * 6, metrics=("partition",))
    evaluated(root, tmp_path / "runs" / "model", [GOOD] * 6)
    code, _, err = gate(bench, tmp_path, "--metric", "v_rand")
    assert code == 2
    assert "has no score 'v_rand', but its baseline has" in err


@pytest.mark.slow
def test_a_time_that_is_gone_is_not_called_quick(bench: Run, tmp_path: Path) -> None:
    folder = pair(tmp_path, [GOOD] * 6, [GOOD] * 6)
    path = folder / "baseline" / "model" / "record.json"
    record = json.loads(path.read_text())
    record["cost"]["predict_ms_per_image"] = 3.0
    path.write_text(json.dumps(record))
    assert gate(bench, folder)[0] == 0
    code, found, _ = gate(bench, folder, "--slowdown", "2")
    assert (code, only(found)["verdict"]) == (1, "inconclusive")
    assert "the run does not" in only(found)["message"]


def test_few_noisy_samples_close_the_gate() -> None:
    """With 5 samples no permutation reaches the level, and the jackknife with its few degrees of freedom decides."""
    random = np.random.default_rng(0)
    truths = [random.integers(0, 3, (40, 40)) for _ in range(5)]
    good, bad = (measured(noisy(truths, e, k), truths, ["one"] * 5) for k, e in enumerate((0.02, 0.5), 1))
    loss = loss_of(Paired(METRIC, INFO, MIOU, (bad, good), resamples=100))
    assert (loss.t.freedom, loss.units) == (4, 5)
    assert loss.beyond(0.005, loss.p)
    assert not loss_of(Paired(METRIC, INFO, MIOU, (good, bad), resamples=100)).beyond(0.005, 1.0)


@pytest.mark.slow
def test_one_long_film_promises_no_loss_that_it_would_not_show() -> None:
    """With 5 degrees of freedom the gate named a loss that it found in fewer than 4 of 5 such test sets."""
    films, equal, found, sets = one_long_film(), 0, 0, 40
    for seed in range(sets):
        before, now, worse = films.methods(np.random.default_rng(seed), 6, [0.0, 0.0, -0.25])
        unchanged = loss_of(Paired(films.metric, films.info, films.score, (now, before), resamples=100))
        lost = loss_of(Paired(films.metric, films.info, films.score, (worse, before), resamples=100))
        equal += unchanged.beyond(0.0, unchanged.p)
        if lost.loss > lost.visible():
            found += 1
            assert lost.beyond(0.0, lost.p)
    assert equal == 0
    assert found
