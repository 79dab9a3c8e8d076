"""`bench publish`: killed anywhere, a results repository holds the whole of a run or nothing of it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from committed_records import on_whole_split
from killed_anywhere import killed_before_every_step

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="it forks")]
PUBLISHED = """
import time
from pathlib import Path
import cv2, pandas, pyarrow.compute, pyarrow.parquet  # once, and not after every fork
from segbench.commands.publish import PublishRequest, publish
from segbench.io.reporter import Reporter
from segbench.runs.find import run_folders
from segbench.runs.results_index import INDEX, ResultsIndex
from segbench.runs.stored import open_run

FILES = {"record.json", "statistics.parquet"}

def change(folder):
    records = folder / "records"
    for run in run_folders(records) if records.exists() else []:  # so that every one publishes it anew
        run.rename(folder / f"published-{time.time_ns()}")
    made = publish(PublishRequest(runs=(folder / "mine",), to=records, index=records), Reporter(quiet=True))
    assert made.ok, made
    assert Path(made.runs[0].folder).is_dir()
    assert len(ResultsIndex.model_validate_json((records / INDEX).read_bytes()).runs) == 1

def check(folder):
    records = folder / "records"
    visible = {path.name for path in records.glob("[!.]*")}
    runs = visible - {INDEX}
    assert len(runs) <= 1, runs
    for name in runs:
        assert {path.name for path in (records / name).iterdir()} == FILES
        open_run(records / name)
    if INDEX in visible:
        ResultsIndex.model_validate_json((records / INDEX).read_bytes())
"""


def test_killed_anywhere_a_results_repository_is_whole(tmp_path: Path) -> None:
    shutil.copytree(on_whole_split("isbi2012-*")[0], tmp_path / "mine")
    assert killed_before_every_step(PUBLISHED, tmp_path) >= 10
