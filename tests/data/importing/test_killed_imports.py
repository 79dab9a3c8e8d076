"""An import that is killed leaves the earlier folder or the new one, and can be typed again."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from killed_anywhere import killed_before_every_step

from places import GOLDEN
from segbench.commands.import_data import ImportRequest, import_data
from segbench.io.reporter import Reporter

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


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_of_a_link_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    """The folder of results may lie on another disk."""
    (tmp_path / "disk" / "data").mkdir(parents=True)
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "data")
    request = ImportRequest(GOLDEN / "imports" / "datumaro_voc", tmp_path / "out", copy=True, overwrite=True)
    for _ in range(2):
        import_data(request, Reporter(quiet=True))
        assert (tmp_path / "out").is_symlink()
        assert (tmp_path / "disk" / "data" / "import.json").is_file()
        assert {path.name for path in tmp_path.iterdir()} == {"disk", "out"}
        assert [path.name for path in (tmp_path / "disk").iterdir()] == ["data"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="it forks")
def test_killed_anywhere_an_import_is_whole_and_can_be_made_again(tmp_path: Path) -> None:
    code = IMPORTED.format(source=str(GOLDEN / "imports" / "datumaro_voc"))
    assert killed_before_every_step(code, tmp_path) > 12
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
