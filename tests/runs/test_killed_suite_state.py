"""The state of a suite that is killed while it writes says what was written before, or that and the change."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from killed_anywhere import killed_before_every_step

NOTED = """
from pathlib import Path
from segbench.runs.suite.state import CELLS_PER_NOTE, CellState, SuiteState, now, read_state

NAMES = [f"cell-{number}" for number in range(3 * CELLS_PER_NOTE)]
NOTED = NAMES[:4]

def change(folder):
    state = read_state(folder) or SuiteState(suite="mine", file="mine.yaml", created=now(), updated=now())
    for name in NAMES:
        state.cells.setdefault(name, CellState(name=name))
    state.write(folder)
    for name in NOTED:
        state.cells[name] = state.cells[name].model_copy(update={"status": "done"})
        state.note(folder, state.cells[name])
    assert done(folder) == NOTED

def done(folder):
    return [cell.name for cell in read_state(folder).cells.values() if cell.status == "done"]

def check(folder):
    if (folder / "begun").exists():
        assert done(folder) == NOTED  # nothing that was ever noted is forgotten
    elif read_state(folder) is not None:
        found = done(folder)
        assert found == NOTED[: len(found)]
        if found == NOTED:
            (folder / "begun").touch()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="it forks")
def test_killed_anywhere_no_change_of_a_suite_is_forgotten(tmp_path: Path) -> None:
    assert killed_before_every_step(NOTED, tmp_path) > 5
