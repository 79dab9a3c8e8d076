"""The notebook of the documentation, executed as Jupyter does; what is stored of it is of these cells."""

from __future__ import annotations

from pathlib import Path

import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import reads

from places import ROOT

NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


def read() -> NotebookNode:
    """The notebook as it is stored."""
    stored: NotebookNode = reads(NOTEBOOK.read_text(encoding="utf-8"))
    return stored


def test_it_is_stored_with_its_output() -> None:
    cells = [cell for cell in read().cells if cell.cell_type == "code"]
    assert len([cell for cell in cells if cell.outputs]) >= len(cells) - 1
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    assert NOTEBOOK.stat().st_size < 200_000
    assert "/tmp/" not in NOTEBOOK.read_text(encoding="utf-8")


@pytest.mark.slow
def test_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("SEGBENCH_CACHE", str(tmp_path / "cache"))
    made = read()
    NotebookClient(made, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    table = made.cells[-1].outputs[0]["data"]["text/plain"]
    assert {"threshold", "mean-shape", "others"} <= set(table.split())
