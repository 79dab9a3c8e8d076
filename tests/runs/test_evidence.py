"""A record says complete only while its statistics lie beside it: nobody reads another, and `--resume` mends it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from evaluated_runs import evaluated, truth

import segbench
from commands import Run, printed_json
from places import ROOT
from segbench.commands.run import RunRequest, run
from segbench.errors import UserError
from segbench.io.reporter import Reporter
from segbench.runs import fit_and_predict
from segbench.runs.find import find_runs
from segbench.runs.record import read_record
from segbench.runs.stored import open_run, read_whole_record
from synthetic_roots import write_stacks

RECORDS = ROOT / "leaderboards" / "records"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Evaluations of one folder that may be compared, and the first of them as a baseline."""
    folder = tmp_path_factory.mktemp("evidence")
    root = truth(folder / "root", 8)
    for number, part in enumerate((0.05, 0.1, 0.2)):
        evaluated(root, folder / "runs" / f"m{number}", [part] * 8, f"m{number}", seed=number, save_predictions=True)
    shutil.copytree(folder / "runs" / "m0", folder / "baseline" / "m0")
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "place"))


def _gone(run: Path) -> None:
    (run / "statistics.parquet").unlink()


def _cut(run: Path) -> None:
    whole = (run / "statistics.parquet").read_bytes()
    (run / "statistics.parquet").write_bytes(whole[: len(whole) // 2])


def _empty(run: Path) -> None:
    (run / "statistics.parquet").write_bytes(b"")


def _foreign(run: Path) -> None:
    shutil.copyfile(run.parent / "m1" / "statistics.parquet", run / "statistics.parquet")


LOSSES: dict[str, tuple[Callable[[Path], None], str]] = {
    "gone": (_gone, "it has no statistics.parquet"),
    "cut": (_cut, "statistics.parquet: cannot be read"),
    "empty": (_empty, "statistics.parquet: cannot be read"),
    "foreign": (_foreign, "its statistics.parquet is not that of its record.json"),
}
COMMANDS = {
    "leaderboard": "leaderboard runs",
    "compare": "compare runs/m0 runs/m1 runs/m2",
    "report": "report runs --out report",
    "check": "check --baseline baseline --runs runs/m0",
    "check the baseline": "check --baseline runs/m0 --runs baseline",
    "check --update": "check --baseline new --runs runs --update",
    "explain": "explain runs/m0",
    "plan": "plan runs/m0 runs/m1",
}


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_reads_a_run_without_its_evidence(bench: Run, place: Path, loss: str, command: str) -> None:
    lose, words = LOSSES[loss]
    lose(place / "runs" / "m0")
    done = bench(*COMMANDS[command].split(), cwd=place)
    assert done.returncode == 2, done.stdout
    assert words in done.stderr
    assert "Nothing proves its scores. Make it whole: bench evaluate" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (place / "report").exists()
    assert not (place / "new").exists()


@pytest.mark.parametrize("loss", LOSSES)
def test_nor_does_python(place: Path, loss: str) -> None:
    lose, words = LOSSES[loss]
    run = place / "runs" / "m0"
    lose(run)
    readers = (open_run, read_whole_record, segbench.load_run, segbench.load_runs, lambda path: find_runs([path]))
    for read in readers:
        with pytest.raises(UserError, match=words.replace(".", r"\.")):
            read(run)


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_verify_says_what_is_wrong(bench: Run, place: Path, loss: str) -> None:
    """It opens the statistics of another run to name what differs; what cannot be read has nothing to verify."""
    LOSSES[loss][0](place / "runs" / "m0")
    done = bench("verify", "runs/m0", cwd=place)
    assert done.returncode == (1 if loss == "foreign" else 2)
    assert ("evidence: statistics.parquet is not that of this record" in done.stdout) == (loss == "foreign")


@pytest.mark.parametrize("loss", ["gone", "cut", "foreign"])
def test_an_older_record_has_to_have_its_statistics_too(tmp_path: Path, loss: str) -> None:
    for name, copy in (("unet-0b805e1a", "m0"), ("unet-9a4e8a9c", "m1")):
        shutil.copytree(RECORDS / f"isbi2012-{name}", tmp_path / copy)
    find_runs([tmp_path])
    lose, words = LOSSES[loss]
    lose(tmp_path / "m0")
    with pytest.raises(UserError, match=words.replace(".", r"\.")):
        find_runs([tmp_path])


@pytest.mark.slow
def test_in_a_folder_of_runs_compare_names_it_and_compares_the_rest(bench: Run, place: Path) -> None:
    _foreign(place / "runs" / "m0")
    found = printed_json(bench("compare", "runs", "--json", cwd=place))
    assert [run["label"] for run in found["runs"]] == ["m1", "m2"]
    (alone,) = found["alone"]
    assert "is not that of its record.json" in alone["why"]


SMALL = "epochs=2 iterations_per_epoch=2 batch_size=2 crop=32 base_channels=4 depth=2 tta=none elastic=0 ema=0"
UNET = "run -d isbi2012 -m unet --device cpu --no-plots --root stack --out made --save-predictions --json --set"


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["statistics.parquet", "predictions", "both"])
def test_resume_makes_it_whole_without_training_again(bench: Run, tmp_path: Path, lost: str) -> None:
    write_stacks(tmp_path / "stack")
    first = printed_json(bench(*UNET.split(), SMALL, cwd=tmp_path))
    table = (tmp_path / "made" / "statistics.parquet").read_bytes()
    for name in ("statistics.parquet", "predictions") if lost == "both" else (lost,):
        path = tmp_path / "made" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    done = bench(*UNET.split(), SMALL, "--resume", cwd=tmp_path)
    again = printed_json(done)
    assert "is not complete, though its record says so: it has no" in done.stderr
    assert "resumed after epoch 2" in (tmp_path / "made" / "log.txt").read_text(encoding="utf-8")
    assert again["complete"]
    assert again["scores"] == first["scores"]
    assert again["evidence"] == first["evidence"]
    assert (tmp_path / "made" / "statistics.parquet").read_bytes() == table
    assert bench("verify", "made", "--root", "stack", cwd=tmp_path).returncode == 0
    assert "complete: nothing to resume" in bench(*UNET.split(), SMALL, "--resume", cwd=tmp_path).stderr


@pytest.mark.slow
def test_what_is_mended_says_meanwhile_that_it_is_not_complete(
    bench: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The incomplete record is written before anything is made again."""
    write_stacks(tmp_path / "stack")
    words = [*UNET.replace("unet", "constant").replace("--set", "").split()]
    first = printed_json(bench(*words, cwd=tmp_path))
    _gone(tmp_path / "made")
    seen: list[bool] = []
    real = fit_and_predict.fit_and_predict

    def watched(*given: Any) -> Any:
        seen.append(read_record(tmp_path / "made").complete)
        return real(*given)

    monkeypatch.setattr("segbench.commands.run.fit_and_predict", watched)
    monkeypatch.chdir(tmp_path)
    request = RunRequest("isbi2012", "constant", root=Path("stack"), out=Path("made"), plots=False)
    _, again = run(replace(request, save_predictions=True, resume=True), Reporter(quiet=True))
    assert seen == [False]
    assert again.model_dump(mode="json")["scores"] == first["scores"]


@pytest.mark.slow
def test_a_suite_takes_no_cell_without_evidence_for_done(bench: Run, tmp_path: Path) -> None:
    write_stacks(tmp_path / "stack")
    (tmp_path / "grid.yaml").write_text("datasets: [isbi2012]\nmethods: [constant]\nseeds: [0, 1]\n")
    words = ["suite", "grid.yaml", "--out", "made", "--root", "isbi2012=stack"]
    first = printed_json(bench(*words, "--json", cwd=tmp_path))
    assert first["done"] == 2
    lost = min(path.parent for path in (tmp_path / "made").rglob("record.json"))
    _gone(lost)
    done = bench(*words, "--resume", "--json", cwd=tmp_path)
    assert "cells: 1 done, 1 unfinished" in done.stderr
    assert json.loads(done.stdout)["done"] == 2
    assert read_whole_record(lost).complete
