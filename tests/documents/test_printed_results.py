"""Results that the documentation shows are those of committed records, as the terminal prints them now."""

from __future__ import annotations

import pytest

from documented_commands import blocks
from places import ROOT
from segbench.cli import output
from segbench.runs.record import read_record

SHOWN = ROOT / "leaderboards" / "records" / "isbi2012-unet-0b805e1a"


@pytest.mark.parametrize("page", ["README.md", "docs/start.md"])
def test_what_a_run_prints_is_shown_as_it_is_printed(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    output.record(SHOWN, read_record(SHOWN), as_json=False, be_quiet=False)
    printed = capsys.readouterr().out.partition("v_rand 0.9812 [")[0].split()
    (shown,) = (block.text.split() for block in blocks(ROOT / page) if block.text.startswith("unet on isbi2012, "))
    # The README shows the beginning alone.
    assert shown == (printed if page != "README.md" else printed[: len(shown)])
    assert len(shown) > 25
