"""The compiled part is optional: it is built where it can be, and `SEGBENCH_NATIVE` turns it off."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from segbench.io.native import SWITCH


def _engine(value: str | None) -> str:
    code = "from segbench.io.native import engine; print(engine())"
    environment = {name: text for name, text in os.environ.items() if name != SWITCH}
    environment |= {} if value is None else {SWITCH: value}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.slow
def test_the_switch_chooses_the_engine() -> None:
    assert _engine("0") == "numpy"
    found = _engine(None)
    assert _engine("portable") == ("numpy" if found == "numpy" else "native (portable)")


@pytest.mark.slow
def test_it_is_there_where_it_can_be_compiled() -> None:
    """An installation on a machine with a compiler has it; else no test would see that its build broke."""
    headers = Path(sysconfig.get_path("include")) / "Python.h"
    if sys.platform != "linux" or shutil.which("gcc") is None or not headers.is_file():
        pytest.skip("no C compiler, or no headers of Python, on this machine")
    assert _engine(None).startswith("native")
