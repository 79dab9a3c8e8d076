"""Commands that write several files: killed anywhere, they can be typed again."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from killed_anywhere import killed_before_every_step

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="it forks")]
ASIDE = """
import time

def aside(made, last):
    if (made / last).exists():  # so that every one begins in a new folder, or in what a kill has left
        made.rename(made.with_name(f"made-{time.time_ns()}"))
"""
NEW = """
import os, shutil
from segbench.commands.new import new_plugin
from segbench.registry import origins

origins("dataset")  # imports once what is imported for it, and not after every fork

def change(folder):
    os.environ["SEGBENCH_PLUGINS"] = str(folder)
    if whole(folder):
        shutil.rmtree(folder / "datasets")
        shutil.rmtree(folder / "synthetic")
    new_plugin("dataset", "my-cells")
    assert whole(folder)

def whole(folder):
    return all((folder / part / "my_cells.py").is_file() for part in ("datasets", "synthetic"))

def check(folder):
    if (folder / "datasets" / "my_cells.py").is_file():
        assert whole(folder)  # its name is taken from now on
"""
REPORTED = """
from segbench.commands.report import PAGE, refuse_foreign
from segbench.io.atomic import write_text
from segbench.report.page import GENERATOR

TEXT = f'<meta name="generator" content="{GENERATOR}">'

def change(folder):
    aside(folder / "report", PAGE)
    refuse_foreign(folder / "report")
    write_text(folder / "report" / PAGE, TEXT)

def check(folder):
    if (folder / "report" / PAGE).exists():
        assert (folder / "report" / PAGE).read_text() == TEXT
"""
HEARTS = """
from segbench.commands.cardiac import RESULT, _refuse_foreign, _whole
from segbench.io.atomic import write_text

NAMES = ("sequences.csv", "beats.csv", "methods.txt", RESULT)

def change(folder):
    aside(folder / "beats", RESULT)
    _refuse_foreign(folder / "beats", folder / "film")
    with _whole(folder / "beats") as place:
        for name in NAMES:
            write_text(place / name, "{}")

def check(folder):
    if (folder / "beats").exists():
        assert {path.name for path in (folder / "beats").glob("[!.]*")} == set(NAMES)
"""


@pytest.mark.parametrize(("code", "least"), [(NEW, 6), (REPORTED, 3), (HEARTS, 12)], ids=["new", "report", "cardiac"])
def test_killed_anywhere_a_command_can_be_typed_again(tmp_path: Path, code: str, least: int) -> None:
    assert killed_before_every_step(ASIDE + code, tmp_path) >= least
