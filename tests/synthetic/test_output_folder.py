"""Synthetic data come to their place whole, and with the marker that says what they are."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from killed_anywhere import killed_before_every_step

REPLACED = """
import json
from dataclasses import dataclass
from pathlib import Path
from segbench.data.locations import MARKER
from segbench.synthetic.output_folder import Mark, building

@dataclass
class Plan:
    n: int = 2

def change(folder):
    with building(folder / "data", frozenset({"images"}), Mark("a test", "1", "synthetic"), 0, Plan()) as new:
        (new / "images").mkdir()
        for name in ("a", "b"):
            (new / "images" / name).write_text(name)

def check(folder):
    root = folder / "data"
    if root.exists():
        marker = json.loads((root / MARKER).read_text())
        assert marker["n_files"] == sum(path.is_file() for path in root.rglob("*")) - 1 == 2
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it forks")
def test_killed_anywhere_it_leaves_no_data_without_marker_and_begins_again(tmp_path: Path) -> None:
    assert killed_before_every_step(REPLACED, tmp_path) > 12
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
