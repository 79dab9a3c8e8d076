"""`bench check --update`: what is written lies in the baseline, and nobody's update is lost."""

from __future__ import annotations

import shutil
import sys
import threading
from pathlib import Path

import pytest
from forged_records import change

from places import ROOT
from segbench.boards.baseline import update_baseline
from segbench.io.atomic import replace_folder
from segbench.runs.find import run_folders
from segbench.runs.record import read_record
from segbench.types import UserError

RECORDS = ROOT / "leaderboards" / "records"
ONE, OTHER = "isbi2012-threshold-146d703e", "isbi2012-canny-e3c52ecd"
needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links")


def put(name: str, *places: Path) -> None:
    for place in places:
        shutil.copytree(RECORDS / name, place)


def ids(folder: Path) -> set[str]:
    return {read_record(run).run_id for run in run_folders(folder)}


def ignore(_: str) -> None:
    pass


@pytest.mark.parametrize("run_id", ["../../evil", "/evil", "..", ".hidden", "a/b", "a\\b", "", "x" * 201, "a\n"])
def test_a_run_whose_id_names_another_place_is_refused(tmp_path: Path, run_id: str) -> None:
    """Folders of one name are called by the ids of their runs."""
    put(ONE, tmp_path / "m" / "a" / "run")
    put(OTHER, tmp_path / "m" / "b" / "run")
    change(tmp_path / "m" / "b" / "run", run_id=run_id)
    with pytest.raises(
        UserError, match=r"'run_id' is wrong: (?s:.*) is no name of a folder; expected 1 to 200 letters"
    ):
        update_baseline(tmp_path / "deep" / "er" / "baseline", tmp_path / "m", ignore)
    assert {path.name for path in tmp_path.iterdir()} == {"m"}


def test_of_two_updates_at_once_none_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(ONE, tmp_path / "first" / "one")
    put(OTHER, tmp_path / "second" / "other")
    (tmp_path / "baseline").mkdir()
    copied, waits = threading.Event(), threading.Event()

    def slowly(new: Path, target: Path) -> None:
        """The first one has made its copy, and waits for the second one to have read the baseline too, or to wait."""
        if not copied.is_set():
            copied.set()
            waits.wait(timeout=60)
        else:
            waits.set()
        replace_folder(new, target)

    monkeypatch.setattr("segbench.boards.baseline.replace_folder", slowly)
    told: list[str] = []

    def wait(text: str) -> None:
        told.append(text)
        waits.set()

    first = threading.Thread(target=update_baseline, args=(tmp_path / "baseline", tmp_path / "first", ignore))
    first.start()
    assert copied.wait(timeout=60)
    update_baseline(tmp_path / "baseline", tmp_path / "second", wait)
    first.join(timeout=60)
    assert ids(tmp_path / "baseline") == {ONE, OTHER}
    assert {path.name for path in tmp_path.iterdir()} == {"first", "second", "baseline"}
    assert [text.split(" of ")[0] for text in told] == ["waiting for another 'bench check --update'"]


@needs_links
def test_a_linked_run_of_the_baseline_is_replaced_and_stays_where_it_is(tmp_path: Path) -> None:
    put(ONE, tmp_path / "elsewhere" / "one", tmp_path / "new" / "one")
    put(OTHER, tmp_path / "elsewhere" / "other")
    (tmp_path / "baseline").mkdir()
    for name in ("one", "other"):
        (tmp_path / "baseline" / name).symlink_to(f"../elsewhere/{name}")
    change(tmp_path / "new" / "one", run_id="isbi2012-threshold-00000001")
    update_baseline(tmp_path / "baseline", tmp_path / "new", ignore)
    assert ids(tmp_path / "baseline") == {"isbi2012-threshold-00000001", OTHER}
    assert ids(tmp_path / "elsewhere") == {ONE, OTHER}
    assert not (tmp_path / "baseline" / "one").is_symlink()


@needs_links
def test_a_run_deeper_in_a_linked_folder_is_not_written_over(tmp_path: Path) -> None:
    put(ONE, tmp_path / "elsewhere" / "one", tmp_path / "new" / "one")
    (tmp_path / "baseline").mkdir()
    (tmp_path / "baseline" / "all").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="'all' of the baseline is a link to a folder of runs"):
        update_baseline(tmp_path / "baseline", tmp_path / "new", ignore)
    assert ids(tmp_path / "elsewhere") == {ONE}


@needs_links
def test_a_link_that_is_called_as_the_new_run_is_not_followed(tmp_path: Path) -> None:
    put(ONE, tmp_path / "new" / "one")
    (tmp_path / "outside").mkdir()
    (tmp_path / "baseline").mkdir()
    (tmp_path / "baseline" / "one").symlink_to("../outside")
    update_baseline(tmp_path / "baseline", tmp_path / "new", ignore)
    assert not list((tmp_path / "outside").iterdir())
    assert ids(tmp_path / "baseline") == {ONE}
