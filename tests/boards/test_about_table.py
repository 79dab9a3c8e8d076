"""Above a board's table stands one line; what has to be known of it, and its plot, stand below."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from committed_records import RECORDS

from segbench.boards.board import boards
from segbench.boards.board_plots import write_plots
from segbench.boards.rank_spans import rank_spans
from segbench.runs.find import find_runs
from segbench.runs.record import Record, read_record

CHOSEN = ("fe46d630", "82be98ce", "e9d2f7e1")  # a network that a time limit ended, a classical method and a person


def _records(dataset: str) -> list[Record]:
    return [read_record(folder) for folder in sorted(RECORDS.glob(f"{dataset}-*"))]


def test_one_line_then_the_table_then_its_points_and_plot() -> None:
    found = [run for run in find_runs([RECORDS]) if run.record.run_id.rpartition("-")[2] in CHOSEN]
    page = boards([run.record for run in found], rank_spans(found))["drive.md"]
    _, section = page.split("\n## split test\n\n")
    above, table, head, points, plot, *_ = section.split("\n\n")
    assert above == "20 samples, ranked by dice. ● learned, ■ classical, ✚ human."
    assert table.startswith("| rank ")
    assert head == "**How to read this table**"
    bold = [re.match(r"- \*\*(.+?)\*\*", line) for line in points.splitlines()]
    assert [each[1] for each in bold if each] == [
        "Rank",
        "In brackets",
        "Against people",
        "Beside a time to fit",
        "Samples",
    ]
    assert None not in bold
    assert plot == "![dice of each method, and against its time to fit and to predict](drive.svg)"


@pytest.mark.parametrize(("higher", "said"), [(True, "above it *better"), (False, "below it *better")])
def test_better_than_people_is_on_the_side_of_better_scores(higher: bool, said: str) -> None:
    records = []
    for record in _records("drive"):
        if record.run_id.rpartition("-")[2] in CHOSEN:
            dice = record.scores["dice"].model_copy(update={"higher_is_better": higher})
            records.append(record.model_copy(update={"scores": {**record.scores, "dice": dice}}))
    page = boards(records)["drive.md"]
    assert said in page
    assert page.count("better than human") == 2  # in the list, and in the network's row or the classical method's


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["drive", "isbi2012"])
def test_pages_show_the_plots_that_are_drawn(dataset: str, tmp_path: Path) -> None:
    records = _records(dataset)
    drawn = [path.name for path in write_plots(records, tmp_path)]
    shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", boards(records)[f"{dataset}.md"])
    assert sorted(shown) == sorted(drawn)
    assert drawn
