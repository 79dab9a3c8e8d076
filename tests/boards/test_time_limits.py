"""Wherever a run is shown beside others it is said that a time limit ended its training, and how early."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from committed_records import RECORDS

import segbench
from commands import Run, printed_json
from places import ROOT
from segbench.runs.record import read_record
from segbench.runs.time_limit import trained_part

CUT = RECORDS / "isbi2012-deeplabv3-1394f66a"  # 610 of 2,500 iterations in 8.5 minutes
WHOLE = RECORDS / "isbi2012-threshold-146d703e"
ABOUT = "(%): a time limit ended training after that part of its iterations"


def test_the_part_is_that_of_the_warning() -> None:
    cut, whole = read_record(CUT), read_record(WHOLE)
    assert trained_part([cut]) == 610 / 2500
    assert trained_part([whole]) is None
    assert trained_part([cut, whole]) == (610 / 2500 + 1) / 2
    assert trained_part([]) is None


@pytest.mark.parametrize("told", ["(1 of 0 iterations)", "(many of 5 iterations)", f"(1 of {'9' * 5000} iterations)"])
def test_what_nobody_warned_of_so_is_no_part(told: str) -> None:
    warning = f"the time limit of 1 minutes shaped the training {told}: the result depends on this machine's speed"
    assert trained_part([read_record(WHOLE).model_copy(update={"warnings": [warning]})]) is None


def test_boards_say_it(bench: Run, tmp_path: Path) -> None:
    assert bench("leaderboard", str(CUT), str(WHOLE), "--out", "boards").returncode == 0
    board = (tmp_path / "boards" / "isbi2012.md").read_text(encoding="utf-8")
    assert "| 8.6 min (24 %) |" in board
    assert f"**Beside a time to fit**, {ABOUT}" in board


def test_comparisons_say_it(bench: Run) -> None:
    both = ("compare", str(CUT), str(WHOLE))
    said = bench(*both)
    assert "(24 %)" in said.stdout
    assert ABOUT in " ".join(said.stdout.split())
    costs = {row["method"]: row["cost"] for row in printed_json(bench(*both, "--json"))["runs"]}
    assert {name: cost["trained_part"] for name, cost in costs.items()} == {"deeplabv3": 0.244, "threshold": None}


def test_tables_of_papers_say_it() -> None:
    found = segbench.table(CUT, WHOLE, progress=False)
    assert "A time limit ended training after this part of the iterations: deeplabv3 (24 %)." in str(found)


def test_reports_say_it(bench: Run, tmp_path: Path) -> None:
    assert bench("report", str(CUT), str(WHOLE), "--out", "report").returncode == 0
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "(24 %)" in page
    assert ABOUT in page


def test_no_board_of_the_project_is_silent_on_it() -> None:
    cut = [
        path.parent.name
        for path in RECORDS.glob("*/record.json")
        if any("shaped the training" in each for each in json.loads(path.read_text(encoding="utf-8"))["warnings"])
    ]
    assert len(cut) >= 16
    assert all(trained_part([read_record(RECORDS / name)]) is not None for name in cut)
    for dataset in {name.split("-")[0] for name in cut}:
        assert ABOUT in (ROOT / "leaderboards" / f"{dataset}.md").read_text(encoding="utf-8")
