"""A finished run gives its place to another one in one step, whenever that is killed."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from killed_anywhere import killed_before_every_step

from places import ROOT
from segbench.io.atomic import machine
from segbench.io.locks import LOCK
from segbench.runs.writer import RunWriter

REPLACED = """
from pathlib import Path
from segbench.io.locks import LOCK
from segbench.runs.writer import RunWriter

FILES = ("log.txt", "record.json", "predictions/a.png")

def write(folder):
    for name in FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)

def change(folder):
    run = folder / "mine"
    with RunWriter(run, "mine", {}, "bench run", overwrite=True).replacing(finished=True) as making:
        making.clear()
        write(making.folder)

def check(folder):
    assert all((folder / "mine" / name).read_text() == name for name in FILES)

(Path(sys.argv[1]) / "mine").mkdir()
(Path(sys.argv[1]) / "mine" / LOCK).touch()
write(Path(sys.argv[1]) / "mine")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it forks")
def test_killed_anywhere_the_run_is_whole_and_can_be_replaced_again(tmp_path: Path) -> None:
    assert killed_before_every_step("import sys\n" + REPLACED, tmp_path) > 12
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be asked for there")
def test_a_run_that_a_kill_has_left_aside_is_found_by_the_next_command(tmp_path: Path) -> None:
    """Where two folders cannot be exchanged in one step, as on NFS; its process is none that Linux can have."""
    run_id = "isbi2012-threshold-146d703e"
    aside = tmp_path / f".mine.{machine()}-4194399-aside-x.tmp" / "mine"
    shutil.copytree(ROOT / "leaderboards" / "records" / run_id, aside)
    (aside / LOCK).touch()
    with RunWriter(tmp_path / "mine", run_id, {}, "bench run").locked() as earlier:
        assert earlier is not None
        assert earlier.run_id == run_id
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
