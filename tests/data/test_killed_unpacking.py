"""An unpacking that is killed leaves no half file among the data, and is done by the next one."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest
from killed_anywhere import killed_before_every_step

FILES = {"set/a.txt": "alpha", "set/deep/b.txt": "beta", "set/deep/c.txt": "gamma", "top.txt": "delta"}
UNPACKED = """
from pathlib import Path
from segbench.data.download.unpack import unpack

FILES = %r

def change(folder):
    (folder / "data" / "top.txt").unlink(missing_ok=True)
    unpack(folder / "all.zip", folder / "data", folder / "staging")
    assert {path for path in (folder / "data").rglob("*.*")} == {folder / "data" / name for name in FILES}

def check(folder):
    for path in (folder / "data").rglob("*.*"):
        assert path.read_text() == FILES[path.relative_to(folder / "data").as_posix()]
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="it forks")
def test_killed_anywhere_no_file_is_cut_and_the_next_one_finishes(tmp_path: Path) -> None:
    (tmp_path / "data" / "set").mkdir(parents=True)  # files of an earlier archive lie there
    (tmp_path / "data" / "set" / "a.txt").write_text("alpha")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name, text in FILES.items():
            archive.writestr(name, text)
    assert killed_before_every_step(UNPACKED % FILES, tmp_path) > 12
    assert {path.name for path in tmp_path.iterdir()} == {"data", "all.zip"}
