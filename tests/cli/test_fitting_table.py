"""Tables of the terminal at any width: no number is cut or folded, and what has no room stands row by row."""

from __future__ import annotations

import io
import re

import pytest
from committed_records import RECORDS
from rich.console import Console

from commands import Run
from segbench.cli.output import class_table, new_table

ROWS = (
    ("fcn (epochs=30)", "0.4991", "0.4878 to 0.5109", "< 0.001", "225/0/8"),
    ("a much longer name of a method (with=settings)", "0.3789", "0.3730 to 0.3854", "0.022", "–"),
)
RUNS = [RECORDS / name for name in ("camvid-fcn-85543f97", "camvid-unet-338ebb1f", "camvid-fcn-faa777cd")]


def shown(width: int) -> str:
    table = new_table("method", "miou", "95 % interval", "p", "w/t/l")
    for row in ROWS:
        table.add_row(*row)
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.mark.parametrize("width", [*range(36, 100, 3), 160])
def test_every_number_is_whole_at_every_width(width: int) -> None:
    text = shown(width)
    assert all(len(line) <= width for line in text.splitlines())
    for row in ROWS:
        assert all(cell in text for cell in row[1:])
    assert "…" not in text


def test_rows_stand_alone_only_where_a_table_has_no_room() -> None:
    assert "(a row for each value" not in shown(80)
    narrow = shown(40)
    assert "the table takes a terminal of 62 columns" in " ".join(narrow.split())
    assert re.search(r"^95 % interval +0\.4878 to 0\.5109 *$", narrow, re.MULTILINE)


@pytest.mark.parametrize("width", [*range(44, 130, 6), 200])
def test_a_table_of_named_rows_is_cut_between_columns(width: int) -> None:
    heads = ("iou", "95 % interval", "dice", "95 % interval", "topology_sensitivity", "pixels")
    table = new_table("class", *heads, keys=1)
    rows = {name: [f"0.{n}{place}46" for place in range(len(heads))] for n, name in enumerate(("car", "person"), 1)}
    for name, cells in rows.items():
        table.add_row(name, *cells)
    console = Console(file=(file := io.StringIO()), width=width)
    console.print(table)
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    below = {name: [line.split()[1:] for line in lines if line.startswith(f" {name}")] for name in rows}
    assert {name: [cell for part in cells for cell in part] for name, cells in below.items()} == rows
    assert [len(cells) for cells in below["car"]] == [len(cells) for cells in below["person"]]
    assert all(line.split()[:2] != ["class", "95"] for line in lines), "an interval stands beside its value"


@pytest.mark.parametrize(("classes", "turned"), [(2, True), (4, True), (5, False), (60, False)])
def test_few_classes_are_columns_with_all_their_intervals(classes: int, turned: bool) -> None:
    rows = {f"c{n}": {"iou": n / 100, "dice": n / 50, "pixels": 1000.0 * n} for n in range(1, classes + 1)}
    ends = {name: {"iou_low": 0.001, "iou_high": 0.999, "dice_low": 0.002, "dice_high": 0.998} for name in rows}
    console = Console(file=(file := io.StringIO()), width=120)
    console.print(class_table("class", rows, ends))
    text = file.getvalue()
    first = "c1" if turned else "iou"
    assert text.split()[:5] == ["class", first, "95", "%", "interval"]
    assert text.count("0.0010 – 0.9990") == classes
    assert text.count("0.0020 – 0.9980") == (classes if turned else 0)
    for name, row in rows.items():
        assert f"{row['pixels']:,.0f}" in text
        assert name in text


def test_a_row_alone_says_what_it_shares_with_the_row_above() -> None:
    table = new_table("by", "part", "run", "95 % interval")
    for row in (("size", "100", "1", "0.1 to 0.2"), ("", "", "2", "0.3 to 0.4"), ("", "225", "1", "0.5 to 0.6")):
        table.add_row(*row)
    console = Console(file=io.StringIO(), width=24)
    console.print(table)
    file = console.file
    assert isinstance(file, io.StringIO)
    blocks = [" ".join(block.split()) for block in file.getvalue().split("\n\n")]
    assert blocks[1].startswith("by size part 100 run 2 95 % interval 0.3 to 0.4")
    assert blocks[2].startswith("by size part 225 run 1 95 % interval 0.5 to 0.6")


@pytest.mark.slow
@pytest.mark.parametrize("columns", ["60", "80"])
@pytest.mark.parametrize(
    "command",
    [
        ("compare", *RUNS, "--by-class", "--resamples", "200"),
        ("plan", *RUNS[:2], "--seconds-per-label", "60"),
        ("slice", *RUNS, "--by", "group", "--permutations", "200"),
        ("explain", RUNS[0]),
    ],
    ids=lambda command: str(command[0]),
)
def test_commands_print_the_same_numbers_in_narrow_terminals(
    bench: Run, command: tuple[str, ...], columns: str
) -> None:
    number = re.compile(r"[+-]?[0-9]+\.[0-9]+")
    wide, narrow = (set(number.findall(bench(*command, COLUMNS=width).stdout)) for width in ("250", columns))
    assert wide == narrow
