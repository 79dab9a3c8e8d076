"""Runs as a tidy table."""

from __future__ import annotations

from pathlib import Path

import pytest

import segbench
from conftest import ROOT
from segbench.errors import UserError
from segbench.records import read_record

RECORDS = ROOT / "leaderboards" / "records"


def test_every_score_of_every_run_is_a_row() -> None:
    table = segbench.load_runs(RECORDS)
    records = [read_record(path.parent) for path in RECORDS.glob("*/record.json")]
    assert len(table) == sum(len(record.scores) for record in records)
    assert table.is_main.sum() == len(records)
    best = table[table.is_main & table.folds.isna() & (table.dataset == "isbi2012")].nlargest(1, "value").iloc[0]
    assert (best.method, best.score, best.family) == ("unet", "v_rand", "learned")
    assert best.low < best.value < best.high
    assert Path(best.folder).is_dir()


def test_paths_may_be_one_or_many() -> None:
    first, second, *_ = sorted(RECORDS.iterdir())
    assert segbench.load_runs(str(first)).run_id.nunique() == 1
    assert segbench.load_runs([first, second]).run_id.nunique() == 2


def test_no_runs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run folders"):
        segbench.load_runs(tmp_path)
