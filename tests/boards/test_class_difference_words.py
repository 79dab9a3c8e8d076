"""What is shown of differences by class: both ends of many, the direction of a score, and how p was adjusted."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from segbench.boards.class_difference_words import about_classes, class_tables
from segbench.boards.class_differences import ClassDifference
from segbench.boards.comparison_document import ComparedGroup, ComparedRun
from segbench.cli.class_difference_output import class_differences


def row(name: str, value: float | None, *, higher: bool = True, few: bool = False) -> ClassDifference:
    about: dict[str, Any] = {"a": "one", "b": "two", "name": name, "higher_is_better": higher, "few": few}
    about |= {"score": "iou" if higher else "hausdorff95", "value": value, "low": value, "high": value}
    about |= {"value_a": value, "value_b": 0.0, "p_adjusted": value and 0.04, "significant": value is not None}
    return ClassDifference.model_construct(None, **about, units=3 if few else 30)


def group(rows: list[ClassDifference], smallest_p: float = 0.001) -> ComparedGroup:
    runs = [ComparedRun.model_construct(label=label) for label in ("one", "two")]
    about: dict[str, Any] = {"runs": runs, "by_class": rows, "drawn": "samples", "smallest_p": smallest_p}
    return ComparedGroup.model_construct(None, **about)


def printed(found: ComparedGroup, width: int = 80) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        class_differences(console, found)
    return captured.get()


def test_of_many_classes_gains_and_losses_are_shown() -> None:
    rows = [row(f"class{n:02}", (50 - n) / 100) for n in range(101)] + [row("nowhere", None)]
    (table,) = class_tables(rows, "one")
    names = [cells[0] for cells in table.cells]
    assert names == [*(f"class{n:02}" for n in range(20)), "…", *(f"class{n:02}" for n in range(81, 101))]
    text = printed(group(rows))
    assert "class00" in text
    assert "-0.5000" in text
    assert "nowhere" not in text
    assert "20 from each end of 102 classes; all with --out or --json" in text


def test_few_classes_are_all_shown_and_a_long_name_takes_a_line() -> None:
    rows = [row("x" * 300, 0.25), row("[bold]sky", -0.5, few=True)]
    (table,) = class_tables(rows, "one")
    assert [cells[0] for cells in table.cells] == ["x" * 27 + "…", "[bold]sky*"]
    lines = printed(group(rows)).splitlines()
    assert sum("xxx" in line for line in lines) == 1
    assert any("[bold]sky*" in line for line in lines)
    assert "* has true pixels in fewer than 5 samples: its intervals say little" in lines


@pytest.mark.parametrize("higher", [True, False])
def test_the_title_says_which_way_is_better(higher: bool) -> None:
    (table,) = class_tables([row("cell", 0.5, higher=higher)], "one")
    assert table.title == ("one (a) less two (b), " + ("iou" if higher else "hausdorff95 (lower is better)"))


@pytest.mark.parametrize(
    ("classes", "smallest_p", "said"),
    [
        (2, 0.001, "adjusted for all 2 classes and pairs together (step-down)"),
        (2, 1 / 64, "adjusted for all 2 classes and pairs together (Holm's procedure)"),
        (2, 1 / 128, "adjusted for all 2 classes and pairs together (step-down)"),
        (1, 1 / 64, "not adjusted, as it is one class of one pair"),
    ],
)
def test_the_caption_says_how_p_was_adjusted(classes: int, smallest_p: float, said: str) -> None:
    rows = [row(f"class{n}", 0.5) for n in range(classes)] + [row("nowhere", None)]
    found = group(rows, smallest_p)
    assert said in " ".join(printed(found).split())
    assert found.about_classes == about_classes(rows, "samples", found.correction, 1)
