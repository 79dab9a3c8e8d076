"""Records of strangers: whatever their strings say, it is shown and does nothing, on boards and in a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from places import ROOT
from segbench.boards.board import boards
from segbench.boards.robustness import RobustnessLine, RobustnessPoint, robustness
from segbench.cli import compare_output, output
from segbench.runs.record import Record, read_record
from segbench.runs.stored import open_run

RUN = ROOT / "leaderboards" / "records" / "isbi2012-unet-0b805e1a"
HOSTILE = "\x1b[31m\u202e<img src=x onerror=alert(1)>|`](javascript:alert(1)) [/b] @somebody"
MARKUP = re.compile(r"(?<!\\)<img|(?<!\\)\]\(javascript|[\x1b\u202e]|@somebody")


def in_block(block: str, **changes: Any) -> Callable[[Record], Record]:
    """What sets these values in a block of a record."""
    return lambda record: record.model_copy(update={block: getattr(record, block).model_copy(update=changes)})


def main_score_of_that_name(record: Record) -> Record:
    return record.model_copy(update={"main_score": HOSTILE, "scores": {HOSTILE: record.main, **record.scores}})


@pytest.mark.parametrize(
    "changed",
    [
        in_block("method", corruption=HOSTILE),
        in_block("method", name=HOSTILE, preset=HOSTILE, config={HOSTILE: HOSTILE}),
        in_block("cost", device=HOSTILE),
        in_block("environment", commit=HOSTILE, hardware={"processor": HOSTILE, "accelerator": HOSTILE}),
        in_block("dataset", split=HOSTILE, version=HOSTILE, options={HOSTILE: HOSTILE}),
        main_score_of_that_name,
    ],
    ids=("corruption", "method", "device", "environment", "dataset", "main score"),
)
def test_boards_hold_no_markup_of_a_record(changed: Callable[[Record], Record]) -> None:
    pages = boards([changed(read_record(RUN))])
    assert set(pages) == {"README.md", "isbi2012.md"}
    for name, page in pages.items():
        listed = re.sub(r"<pre>.*?</pre>", "", page, flags=re.DOTALL)  # HTML, where backslashes and brackets do nothing
        assert MARKUP.search(listed) is None, name
    assert "\\<i" in "".join(pages.values())


def test_a_table_in_a_terminal_takes_names_for_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    numbers: Mapping[str, float] = {"value": 0.5, "low": 0.4, "high": 0.6}
    drops = {"relative_drop": 0.1, "drop_low": 0.0, "drop_high": 0.2}
    point = RobustnessPoint(run_id="b", corruption=HOSTILE, level=3, **numbers, **drops)
    line = RobustnessLine(label=HOSTILE, run_id="a", mean_relative_drop=0.1, points=[point], **numbers)
    output.stdout().print(compare_output._robustness([line]))
    printed = capsys.readouterr().out
    assert "[/b]" in printed
    assert re.search("[\x1b\u202e]", printed) is None


@pytest.mark.parametrize("level", ["²", "9" * 5000, "-1", ""])
def test_a_level_that_is_no_level_is_none(level: str) -> None:
    run = open_run(RUN)
    worse = replace(run, record=in_block("method", corruption=f"noise:{level}")(run.record))
    (line,) = robustness([("unet", run)], [worse], "v_rand")
    assert [point.level for point in line.points] == [0]
