"""The gate in CI: `bench check` closes for what got worse beyond tolerance and noise, and names it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from commands import Run, printed_json
from noisy_predictions import INFO, METRIC, MIOU, measured, noisy
from segbench.commands.check import CheckRequest, check
from segbench.commands.run import RunRequest, run
from segbench.evaluation.comparison import Paired
from segbench.io.reporter import Reporter
from small_stack import write_stack

SETTINGS = {"kind": ["otsu"], "sigma": [1.0]}


def make(root: Path, out: Path, **changes: object) -> Path:
    """A run of `threshold` on all slices by cross-validation."""
    settings = SETTINGS | changes
    run(RunRequest("isbi2012", "threshold", folds=2, root=root, out=out, settings=settings), Reporter(quiet=True))
    return out


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("stack")
    write_stack(root)
    return root


@pytest.fixture(scope="module")
def baseline(stack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gate")
    make(stack, folder / "runs" / "sound")
    request = CheckRequest(folder / "baseline", folder / "runs", update=True)
    assert len(check(request, Reporter(quiet=True)).updated or []) == 1
    return folder / "baseline"


@pytest.fixture(scope="module")
def broken(stack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same method, smoothing so much that its threshold no longer lies at the cells' edges."""
    folder = tmp_path_factory.mktemp("broken")
    make(stack, folder / "moved", sigma=[5.0])
    return folder


def gate(bench: Run, baseline: Path, runs: Path, *more: str | Path) -> tuple[int, str, str]:
    done = bench("check", "--baseline", baseline, "--runs", runs, "--metric", "dice", *more)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_an_unchanged_method_passes(bench: Run, baseline: Path, stack: Path, tmp_path: Path) -> None:
    make(stack, tmp_path / "runs" / "again")
    code, out, _ = gate(bench, baseline, tmp_path / "runs")
    assert code == 0
    assert "no loss beyond tolerance and noise" in out
    assert "would have been seen" in out


@pytest.mark.slow
def test_a_broken_method_closes_the_gate_and_its_samples_are_named(
    bench: Run, baseline: Path, broken: Path, tmp_path: Path
) -> None:
    junit, summary = tmp_path / "report" / "junit.xml", tmp_path / "summary.md"
    summary.write_text("# Steps before\n", encoding="utf-8")
    code, out, _ = gate(bench, baseline, broken, "--junit", junit, "--summary", summary)
    assert code == 1
    assert "worse" in out
    assert out.count("slice-") >= 10
    suite = ElementTree.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert "Lost most: slice-" in str(failure.get("message"))
    assert str(failure.text).count("slice-") == 10
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("# Steps before\n## ❌ 1 run of 1 got worse")
    assert "| slice-" in text
    assert "| cell" in text


@pytest.mark.slow
def test_json_says_how_small_a_drop_could_have_been_seen(bench: Run, baseline: Path, broken: Path) -> None:
    done = bench("check", "--baseline", baseline, "--runs", broken, "--metric", "dice", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    (each,) = found["checks"]
    assert found["ok"] is False
    assert each["failed"]
    assert each["loss"] == pytest.approx(each["baseline"] - each["value"])
    assert each["loss"] > each["noise"] > 0
    assert each["detectable"] > each["noise"]
    assert [row["loss"] for row in each["samples"]] == sorted((row["loss"] for row in each["samples"]), reverse=True)
    assert each["classes"][0]["class"] in ("cell", "membrane")


@pytest.mark.slow
def test_a_loss_within_the_tolerance_passes(bench: Run, baseline: Path, broken: Path) -> None:
    assert gate(bench, baseline, broken, "--tolerance", "0.9")[0] == 0


@pytest.mark.slow
def test_a_better_run_becomes_the_baseline(bench: Run, broken: Path, stack: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    assert bench("check", "--baseline", own, "--runs", broken, "--update").returncode == 0
    first = next(own.iterdir())
    make(stack, tmp_path / "runs" / "sound")
    code, out, _ = gate(bench, own, tmp_path / "runs")
    assert code == 0
    assert "better" in out
    done = bench("check", "--baseline", own, "--runs", tmp_path / "runs", "--update")
    assert done.returncode == 0, done.stderr
    assert not first.exists()
    (kept,) = own.iterdir()
    assert sorted(path.name for path in kept.iterdir()) == ["record.json", "statistics.parquet"]
    assert gate(bench, own, tmp_path / "runs")[0] == 0


@pytest.mark.slow
def test_cost_closes_the_gate_only_when_asked(bench: Run, baseline: Path, stack: Path, tmp_path: Path) -> None:
    folder = make(stack, tmp_path / "runs" / "slow")
    record = json.loads((folder / "record.json").read_text())
    record["cost"]["predict_ms_per_image"] *= 100
    (folder / "record.json").write_text(json.dumps(record))
    assert gate(bench, baseline, tmp_path / "runs")[0] == 0
    code, out, _ = gate(bench, baseline, tmp_path / "runs", "--slowdown", "20")
    assert code == 1
    assert "per image, ms" in out


@pytest.mark.slow
def test_what_cannot_be_compared_is_refused(bench: Run, baseline: Path, broken: Path, tmp_path: Path) -> None:
    other = tmp_path / "runs" / "other"
    shutil.copytree(broken / "moved", other)
    record = json.loads((other / "record.json").read_text())
    record["dataset"]["data_sha256"] = "0" * 64
    (other / "record.json").write_text(json.dumps(record))
    code, _, err = gate(bench, baseline, tmp_path / "runs")
    assert code == 2
    assert "the ground truth differs" in err


@pytest.mark.slow
def test_a_run_that_is_missing_or_one_of_two_is_refused(
    bench: Run, baseline: Path, broken: Path, tmp_path: Path
) -> None:
    (tmp_path / "none").mkdir()
    code, _, err = gate(bench, baseline, tmp_path / "none")
    assert code == 2
    assert "Run it first" in err
    for name, run_id in (("a", "isbi2012-threshold-0000000a"), ("b", "isbi2012-threshold-0000000b")):
        shutil.copytree(broken / "moved", tmp_path / "two" / name)
        path = tmp_path / "two" / name / "record.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"run_id": run_id}))
    code, _, err = gate(bench, baseline, tmp_path / "two")
    assert code == 2
    assert "2 runs of isbi2012" in err
    assert gate(bench, tmp_path / "nowhere", broken)[0] == 2


def test_noise_is_that_of_many_test_sets() -> None:
    """The jackknife's standard error is the spread of the difference over test sets drawn again."""
    differences, errors = [], []
    for seed in range(60):
        random = np.random.default_rng(seed)
        truths = [random.integers(0, 3, (12, 12)) for _ in range(25)]
        sides = (measured(noisy(truths, e, 10 * seed + k), truths, ["one"] * 25) for k, e in enumerate((0.2, 0.25), 1))
        paired = Paired(METRIC, INFO, MIOU, tuple(sides), resamples=100)
        differences.append(paired.values[0] - paired.values[1])
        errors.append(paired.noise(0, 1).error)
    # The spread of 60 draws is itself known to about 9 %.
    assert np.mean(errors) == pytest.approx(np.std(differences, ddof=1), rel=0.3)


@pytest.mark.slow
def test_few_samples_can_still_close_the_gate(bench: Run, baseline: Path, stack: Path, tmp_path: Path) -> None:
    """With 5 samples no permutation reaches the level, and the jackknife with its few degrees of freedom decides."""
    random = np.random.default_rng(0)
    truths = [random.integers(0, 3, (40, 40)) for _ in range(5)]
    good, bad = (measured(noisy(truths, e, k), truths, ["one"] * 5) for k, e in enumerate((0.02, 0.5), 1))
    paired = Paired(METRIC, INFO, MIOU, (bad, good), resamples=100)
    noise = paired.noise(0, 1)
    assert noise.t.freedom == 4
    assert paired.values[1] - paired.values[0] > 10 * noise.error
    make(stack, tmp_path / "runs" / "again")
    done = bench("check", "--baseline", baseline, "--runs", tmp_path / "runs", "--metric", "dice", "--json")
    assert printed_json(done)["ok"]
