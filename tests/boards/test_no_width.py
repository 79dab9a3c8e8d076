"""An interval of a single point, as of a perfect score, is said to be no certainty wherever it is shown."""

from __future__ import annotations

import pytest
from committed_records import RECORDS

from segbench.boards.board import boards
from segbench.cli.output import record as show
from segbench.evaluation.scores import NO_WIDTH, has_no_width
from segbench.report.sections import Entry, Section
from segbench.report.table import board
from segbench.runs.record import Record, read_record

CONSTANT, UNET = (read_record(RECORDS / name) for name in ("drive-constant-58d9edc3", "drive-unet-fe46d630"))


def test_boards_say_so_of_main_scores_without_width() -> None:
    assert f"**An interval of no width** is no certainty. {NO_WIDTH}." in boards([CONSTANT, UNET])["drive.md"]
    assert "no width" not in boards([UNET])["drive.md"]


@pytest.mark.parametrize(("run", "names"), [(CONSTANT, "dice, dice_per_image, iou_foreground and 11 more"), (UNET, "")])
def test_the_terminal_names_them(run: Record, names: str, capsys: pytest.CaptureFixture[str]) -> None:
    show(RECORDS / run.run_id, run, False, False)
    said = " ".join(capsys.readouterr().out.split())
    assert (f"an interval of no width ({names}) is no certainty. {NO_WIDTH}" in said) == bool(names)
    assert ("no width" in said) == bool(names)


@pytest.mark.parametrize(("runs", "holds"), [((UNET, CONSTANT), True), ((UNET,), False)])
def test_the_table_of_a_report_says_so(runs: tuple[Record, ...], *, holds: bool) -> None:
    entries = tuple(Entry(RECORDS / run.run_id, run, run.run_id, rank) for rank, run in enumerate(runs, 1))
    page = str(board(Section("s", "t", "n", synthetic=False, entries=entries), 1))
    assert (f"t: n. An interval of no width is no certainty. {NO_WIDTH}" in page) == holds


def test_what_is_undefined_or_not_drawn_is_no_such_interval() -> None:
    dice = CONSTANT.scores["dice"]
    assert has_no_width(dice)
    assert not any(map(has_no_width, (None, dice.model_copy(update={"low": None, "high": None}), UNET.scores["dice"])))
