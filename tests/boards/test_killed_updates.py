"""Baselines, lists of results and boards: killed anywhere, they are as they were or new, and can be written again."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from killed_anywhere import killed_before_every_step

from places import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="it forks")]
NAME = "isbi2012-threshold-146d703e"
UPDATED = """
import cv2, pandas, pyarrow.compute, pyarrow.parquet  # once, and not after every fork
from pathlib import Path
from segbench.boards.baseline import update_baseline
from segbench.runs.find import run_folders
from segbench.runs.stored import open_run

def change(folder):
    update_baseline(folder / "baseline", folder / "runs", print)

def check(folder):
    if (folder / "baseline").exists():
        found = run_folders(folder / "baseline")
        assert len(found) == 1
        open_run(found[0])
"""
LISTED = """
import pandas, pyarrow.compute, pyarrow.parquet
from pathlib import Path
from segbench.boards.board import write_boards
from segbench.runs.results_index import INDEX, ResultsIndex, write_index

PAGES = {"README.md": "front\\n", "isbi2012.md": "board\\n"}

def change(folder):
    write_index(folder / "runs")
    write_boards(PAGES, folder / "boards")

def check(folder):
    if (folder / "runs" / INDEX).exists():
        assert len(ResultsIndex.model_validate_json((folder / "runs" / INDEX).read_bytes()).runs) == 1
    for path in (folder / "boards").glob("[!.]*"):
        assert path.read_text() == PAGES[path.name]
"""


@pytest.mark.parametrize(("code", "least"), [(UPDATED, 8), (LISTED, 5)], ids=["baseline", "index and boards"])
def test_killed_anywhere_a_folder_of_results_is_whole(tmp_path: Path, code: str, least: int) -> None:
    shutil.copytree(ROOT / "leaderboards" / "records" / NAME, tmp_path / "runs" / NAME)
    assert killed_before_every_step(code, tmp_path) >= least
