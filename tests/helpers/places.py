"""Where the project, the official scores and the real data lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
SHARED = Path(os.environ.get("SEGBENCH_TEST_DATA") or ROOT.parent / "shared")


def shared(name: str) -> Path:
    """A folder of real data; the test is skipped where it is not there."""
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: real data is not part of the project (set SEGBENCH_TEST_DATA)")
    return folder
