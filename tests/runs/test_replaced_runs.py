"""A finished run gives its place to another one in one step, whenever that is killed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from killed_anywhere import killed_before_every_step

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
