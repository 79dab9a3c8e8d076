"""`suite.json` and its journal: what is written at a change, and what a reader finds after any kill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from segbench.runs.suite.state import CELLS_PER_NOTE, JOURNAL, STATE, CellState, SuiteState, now, read_state
from segbench.types import UserError


def _state(cells: int) -> SuiteState:
    names = [f"cell-{number}" for number in range(cells)]
    return SuiteState(
        suite="mine",
        file="mine.yaml",
        created=now(),
        updated=now(),
        cells={name: CellState(name=name) for name in names},
    )


def _statuses(folder: Path) -> dict[str, str]:
    state = read_state(folder)
    assert state is not None
    return {name: cell.status for name, cell in state.cells.items() if cell.status != "waiting"}


def _change(state: SuiteState, folder: Path, name: str, status: str = "running") -> None:
    cell = state.cells[name] = state.cells[name].model_copy(update={"status": status})
    state.note(folder, cell)


def test_a_small_suite_has_no_journal(tmp_path: Path) -> None:
    state = _state(CELLS_PER_NOTE)
    state.write(tmp_path)
    _change(state, tmp_path, "cell-3")
    assert not (tmp_path / JOURNAL).exists()
    assert json.loads((tmp_path / STATE).read_text())["cells"]["cell-3"]["status"] == "running"


def test_a_change_of_a_large_suite_is_one_line_and_readers_see_it(tmp_path: Path) -> None:
    state = _state(10 * CELLS_PER_NOTE)
    state.write(tmp_path)
    before = (tmp_path / STATE).read_bytes()
    for number in range(9):
        _change(state, tmp_path, f"cell-{number}")
    assert (tmp_path / STATE).read_bytes() == before
    assert len((tmp_path / JOURNAL).read_bytes()) < len(before) / 10
    assert _statuses(tmp_path) == {f"cell-{number}": "running" for number in range(9)}
    _change(state, tmp_path, "cell-0", "done")
    # The tenth change writes the whole, so that a program that knows `suite.json` alone is never far behind.
    assert not (tmp_path / JOURNAL).exists()
    assert json.loads((tmp_path / STATE).read_text())["cells"]["cell-0"]["status"] == "done"
    assert _statuses(tmp_path)["cell-8"] == "running"


@pytest.mark.parametrize("cut", range(1, 400, 7))
def test_a_journal_that_was_cut_off_says_what_its_whole_lines_say(cut: int, tmp_path: Path) -> None:
    state = _state(10 * CELLS_PER_NOTE)
    state.write(tmp_path)
    _change(state, tmp_path, "cell-1")
    _change(state, tmp_path, "cell-2")
    journal = (tmp_path / JOURNAL).read_bytes()
    (tmp_path / JOURNAL).write_bytes(journal[:-cut])
    whole = journal[:-cut].count(b"\n")
    assert _statuses(tmp_path) == {f"cell-{number}": "running" for number in range(1, max(1, whole))}
    # Whoever goes on from there folds it into the whole, and nothing of the cut line is left.
    again = read_state(tmp_path)
    assert again is not None
    again.write(tmp_path)
    _change(again, tmp_path, "cell-3", "failed")
    assert _statuses(tmp_path)["cell-3"] == "failed"


def test_the_journal_of_an_older_state_says_nothing(tmp_path: Path) -> None:
    """A kill between writing the whole and taking the journal away: the whole is newer."""
    state = _state(10 * CELLS_PER_NOTE)
    state.write(tmp_path)
    _change(state, tmp_path, "cell-1")
    old = (tmp_path / JOURNAL).read_bytes()
    state.cells["cell-1"].status = "interrupted"
    state.write(tmp_path)
    (tmp_path / JOURNAL).write_bytes(old)
    assert _statuses(tmp_path) == {"cell-1": "interrupted"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"suite": "a", "suite": "b"}', "'the file' is wrong: the key \"suite\" is given twice"),
        ("[" * 100_000, "'the file' is wrong: "),
        ("\xff", "'the file' is wrong: "),
        ("{}", "'suite' is wrong: Field required"),
    ],
)
def test_a_state_that_cannot_be_read_is_named(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / STATE).write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=words):
        read_state(tmp_path)


def test_a_state_of_before_the_journal_is_read(tmp_path: Path) -> None:
    cells = {"a": {"name": "a", "status": "done", "new-key": 1}}
    content = {"schema_version": 1, "suite": "s", "file": "s.yaml", "created": "", "updated": "", "cells": cells}
    (tmp_path / STATE).write_text(json.dumps(content))
    state = read_state(tmp_path)
    assert state is not None
    assert (state.cells["a"].status, state.revision, state.driver) == ("done", 0, None)
