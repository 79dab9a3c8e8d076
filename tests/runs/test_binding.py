"""A record is bound: to the run that its id names, to what it said when it was made, and to the files beside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from evaluated_runs import evaluated, truth
from forged_records import change

import segbench
from places import ROOT
from segbench.boards.validation import validate
from segbench.commands.run import RunRequest, run
from segbench.io.reporter import Reporter
from segbench.runs.binding import BOUND_SINCE, content_sha256
from segbench.runs.record import read_record

RECORDS = ROOT / "leaderboards" / "records"
QUIET = Reporter(quiet=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two evaluations, and a run that kept its predictions."""
    folder = tmp_path_factory.mktemp("bound")
    root = truth(folder / "root", 8)
    for name, part in (("good", 0.05), ("bad", 0.2)):
        evaluated(root, folder / "runs" / name, [part] * 8, name, save_predictions=True)
    request = RunRequest("folder", "threshold", root=root, folds=2, out=folder / "runs" / "run", save_predictions=True)
    run(request, QUIET)
    return folder / "runs"


@pytest.fixture(params=["good", "run"])
def bound(request: pytest.FixtureRequest, made: Path, tmp_path: Path) -> Path:
    """A copy of a run, called as a board asks for."""
    name = read_record(made / request.param).run_id
    return Path(shutil.copytree(made / request.param, tmp_path / name))


def checks(folder: Path) -> dict[str, bool | None]:
    found = {check.name: check.ok for check in validate(folder, None, QUIET).checks}
    return {name: found.get(name) for name in ("run_id", "content", "evidence")}


def test_what_was_made_is_bound(bound: Path) -> None:
    assert checks(bound) == {"run_id": True, "content": True, "evidence": True}
    record = read_record(bound)
    assert record.content_bound
    assert set(record.evidence or {}) >= {"statistics.parquet", "config.yaml", "predictions"}
    assert segbench.load_runs(bound).content_bound.all()


def test_another_layout_of_the_same_json_is_the_same_record(bound: Path) -> None:
    content = json.loads((bound / "record.json").read_text(encoding="utf-8"))
    turned = dict(reversed(content.items()))
    (bound / "record.json").write_text(json.dumps(turned, indent=7, ensure_ascii=False), encoding="utf-8")
    assert checks(bound)["content"] is True


@pytest.mark.parametrize(
    "changes",
    [
        {"created": "2026-11-25T00:00:00+00:00"},
        {"cost__parameters": 12},
        {"environment__hardware": {}},
        {"environment__commit": "0" * 40},
        {"warnings": ["all is well"]},
        {"complete": False},
        {"dataset__whole_n": 4},
        {"evidence__predictions": "0" * 64},
        {"seen_by": "nobody"},
        {"statistics_sha256": "0" * 64},
    ],
)
def test_whatever_else_it_says_is_an_edit(bound: Path, changes: dict[str, object]) -> None:
    said = read_record(bound).model_dump(mode="json")
    (key,) = changes
    block, _, last = key.rpartition("__")
    assert (said[block] if block else said).get(last) != changes[key]
    change(bound, **changes)
    assert checks(bound)["content"] is False


def test_a_digest_of_its_own_does_not_hide_another_identity(bound: Path) -> None:
    """Whoever computes the digest again still has the id of another run."""
    change(bound, dataset__split="val")
    content = json.loads((bound / "record.json").read_text(encoding="utf-8"))
    change(bound, content_sha256=content_sha256(content))
    assert checks(bound) == {"run_id": False, "content": True, "evidence": True}


@pytest.mark.parametrize("name", ["seed", "preset", "train_fraction"])
def test_another_configuration_is_another_run(made: Path, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(made / "run", tmp_path / read_record(made / "run").run_id))
    change(folder, **{f"method__{name}": {"seed": 3, "preset": "paper", "train_fraction": 0.5}[name]})
    assert checks(folder)["run_id"] is False


@pytest.mark.parametrize("name", ["statistics.parquet", "config.yaml", "predictions"])
def test_evidence_of_another_run_is_refused(made: Path, bound: Path, name: str) -> None:
    source, target = made / "bad" / name, bound / name
    if source.is_dir():
        shutil.rmtree(target)
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)
    assert checks(bound) == {"run_id": True, "content": True, "evidence": False}


def test_evidence_that_came_later_is_refused(bound: Path) -> None:
    (bound / "checkpoint").mkdir(exist_ok=True)
    (bound / "checkpoint" / "weights.bin").write_bytes(b"trained elsewhere")
    assert checks(bound)["evidence"] is False


def test_a_submitted_folder_may_lack_all_but_the_statistics(bound: Path) -> None:
    for path in bound.iterdir():
        if path.name not in ("record.json", "statistics.parquet"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert checks(bound)["evidence"] is True
    assert validate(bound, None, QUIET).ok


def test_older_records_are_marked_and_taken() -> None:
    folder = RECORDS / "isbi2012-threshold-146d703e"
    assert checks(folder) == {"run_id": True, "content": None, "evidence": None}
    assert not read_record(folder).content_bound
    assert not segbench.load_runs(folder).content_bound.any()


def test_a_digest_is_not_lost_again(bound: Path) -> None:
    """Taking the digest out makes no older record of a new one."""
    content = json.loads((bound / "record.json").read_text(encoding="utf-8"))
    for key in ("content_sha256", "evidence"):
        del content[key]
    (bound / "record.json").write_text(json.dumps(content), encoding="utf-8")
    change(bound, created=BOUND_SINCE.isoformat())
    assert checks(bound)["content"] is False
