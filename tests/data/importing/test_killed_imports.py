"""An import that is killed leaves the earlier folder or the new one, and can be typed again."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from killed_anywhere import killed_before_every_step

from places import GOLDEN

IMPORTED = """
from pathlib import Path
from segbench.commands.import_data import ImportRequest, import_data
from segbench.datasets.folder import Folder
from segbench.io.reporter import Reporter

def change(folder):
    import_data(ImportRequest(Path({source!r}), folder / "out", copy=True, overwrite=True), Reporter(quiet=True))

def check(folder):
    if (folder / "out").exists():
        assert len(Folder(folder / "out").ids("all")) == 3
        assert (folder / "out" / "import.json").is_file()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="it forks")
def test_killed_anywhere_an_import_is_whole_and_can_be_made_again(tmp_path: Path) -> None:
    code = IMPORTED.format(source=str(GOLDEN / "imports" / "datumaro_voc"))
    assert killed_before_every_step(code, tmp_path) > 12
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
