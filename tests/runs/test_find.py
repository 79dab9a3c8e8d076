"""What one run is: every command that reads run folders takes copies of a run once, as it was made last."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import segbench
from commands import Run, printed_json
from places import ROOT
from segbench.commands.check import CheckRequest, check
from segbench.errors import UserError
from segbench.io.reporter import Reporter
from segbench.runs.find import find_runs, run_folders

RECORDS = ROOT / "leaderboards" / "records"
FIRST, OTHER = "isbi2012-unet-0b805e1a", "isbi2012-unet-c3c9d2fc"
LATER = "2099-01-01T00:00:00+00:00"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs, the first of them twice: as it is and, in a folder that comes before it, made again later."""
    folder = tmp_path / "runs"
    for name in (FIRST, OTHER):
        shutil.copytree(RECORDS / name, folder / name)
    again = folder / "again" / FIRST
    shutil.copytree(RECORDS / FIRST, again)
    record = json.loads((again / "record.json").read_text(encoding="utf-8"))
    record["created"] = LATER
    record["cost"]["device"] = "the later one"
    (again / "record.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def test_the_latest_of_several_copies_is_the_run(runs: Path) -> None:
    said: list[str] = []
    (first, _) = found = find_runs([runs], said.append)
    assert [run.record.run_id for run in found] == [FIRST, OTHER]
    assert first.folder == runs / "again" / FIRST
    assert first.record.created == LATER
    assert len(said) == 1
    assert f"{FIRST} is there 2 times" in said[0]
    assert str(first.folder) in said[0]


def test_equal_copies_are_one_run_without_a_word(runs: Path) -> None:
    said: list[str] = []
    found = find_runs([runs / OTHER, RECORDS / OTHER, runs / OTHER / "record.json"], said.append)
    assert [run.folder for run in found] == [runs / OTHER]
    assert said == []


def test_a_run_folder_is_one_run_whatever_lies_in_it(runs: Path) -> None:
    shutil.copytree(runs / OTHER, runs / FIRST / "predictions" / OTHER)
    assert [run.record.run_id for run in find_runs([runs / FIRST])] == [FIRST]


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        find_runs([tmp_path / "nowhere"])
    with pytest.raises(UserError, match="no run folders below"):
        find_runs([tmp_path])
    assert find_runs([tmp_path], may_be_none=True) == []


def _run(folder: Path) -> Path:
    folder.mkdir(parents=True)
    shutil.copy(RECORDS / FIRST / "record.json", folder)
    return folder


def test_folders_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    """Part by part, so that `a/b` comes before `a-b`, though the slash comes after the dash."""
    made = [_run(tmp_path / name) for name in ("a-b", "a/z", "a/b/c", "B", "a b", "ä", "a.b")]
    assert run_folders(tmp_path) == sorted(made, key=lambda folder: folder.parts)
    assert run_folders(tmp_path)[:3] == [tmp_path / "B", tmp_path / "a" / "b" / "c", tmp_path / "a" / "z"]


def test_linked_folders_are_followed_each_folder_once(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    one, two = _run(tmp_path / "elsewhere" / "one"), _run(tmp_path / "elsewhere" / "two")
    own = _run(runs / "z" / "own")
    (runs / "all").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (runs / "first").symlink_to(one, target_is_directory=True)
    (runs / "a").symlink_to("z/own", target_is_directory=True)  # found without it
    (tmp_path / "elsewhere" / "loop").symlink_to(runs, target_is_directory=True)
    (runs / "gone").symlink_to(tmp_path / "gone", target_is_directory=True)
    (runs / ".hidden").symlink_to(two, target_is_directory=True)
    found = run_folders(runs)
    assert own in found
    assert sorted(folder.resolve() for folder in found) == [one, two, own]


def test_hidden_folders_and_those_found_already_are_no_runs(tmp_path: Path) -> None:
    seen = _run(tmp_path / "runs" / "seen")
    _run(tmp_path / "runs" / ".hidden")
    _run(tmp_path / "runs" / "deep" / ".hidden" / "run")
    (tmp_path / "runs" / "again").symlink_to(seen, target_is_directory=True)
    (tmp_path / "runs" / "back").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "runs" / "named" / "record.json").mkdir(parents=True)
    inner = _run(tmp_path / "runs" / "named" / "record.json" / "inner")
    linked = tmp_path / "runs" / "linked"
    linked.mkdir()
    (linked / "record.json").symlink_to(seen / "record.json")
    assert run_folders(tmp_path / "runs") == [linked, inner, seen]
    assert run_folders(tmp_path / "runs" / "again") == [tmp_path / "runs" / "again"]


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _run(tmp_path / "seen")
    (tmp_path / "closed").mkdir(mode=0o000)
    if os.access(tmp_path / "closed", os.R_OK):  # root reads everything
        real = os.scandir

        def scandir(place: str) -> Any:
            if place.endswith("closed"):
                raise PermissionError(13, "Permission denied", place)
            return real(place)

        monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(UserError, match=r"closed' may not be read \(Permission denied\), so that runs could be missed"):
        run_folders(tmp_path)


def test_leaderboard_ranks_it_once(bench: Run, runs: Path) -> None:
    done = bench("leaderboard", runs, "--json", "-q")
    assert f"{FIRST} is there 2 times" in done.stderr
    (group,) = printed_json(done)
    assert sorted(row["run_id"] for row in group["rows"]) == [FIRST, OTHER]
    (first,) = (row for row in group["rows"] if row["run_id"] == FIRST)
    assert first["created"] == LATER


def test_compare_takes_it_once(bench: Run, runs: Path) -> None:
    done = bench("compare", runs, "--json", "-q", "--resamples", "100")
    assert f"{FIRST} is there 2 times" in done.stderr
    assert sorted(row["run_id"] for row in printed_json(done)["runs"]) == [FIRST, OTHER]


@pytest.mark.slow
def test_report_shows_it_once(bench: Run, runs: Path, tmp_path: Path) -> None:
    done = bench("report", runs, "--out", "page", "--json", "-q")
    assert f"{FIRST} is there 2 times" in done.stderr
    assert printed_json(done)["runs"] == 2
    assert "the later one" in (tmp_path / "page" / "index.html").read_text(encoding="utf-8")


def test_check_holds_it_against_its_baseline(runs: Path, tmp_path: Path) -> None:
    baseline = tmp_path / "baseline"
    shutil.copytree(RECORDS / FIRST, baseline / FIRST)
    shutil.rmtree(runs / OTHER)
    reporter = Reporter(quiet=True)
    (each,) = check(CheckRequest(baseline, runs), reporter).checks
    assert (each.run_id, each.verdict) == (FIRST, "ok")
    assert any(f"{FIRST} is there 2 times" in text for text in reporter.warnings)


def test_the_table_has_it_once(runs: Path) -> None:
    with pytest.warns(UserWarning, match=f"{FIRST} is there 2 times"):
        table = segbench.load_runs(runs)
    assert table.is_main.sum() == 2
    assert set(table[table.run_id == FIRST].device) == {"the later one"}
