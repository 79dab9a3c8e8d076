"""What `bench compare` prints of very many runs."""

from __future__ import annotations

import pytest
from rich.console import Console

from segbench.boards.class_winners import ClassWinners
from segbench.boards.comparison_document import ComparedGroup, ComparedRun
from segbench.boards.per_sample import PerSample
from segbench.cli import compare_output


@pytest.mark.parametrize(("runs", "shown"), [(4, "m1 1, m2 2, m3 3"), (1000, "m999 999, m998 998")])
def test_of_many_runs_those_are_named_that_are_best_on_most_samples(runs: int, shown: str) -> None:
    wins = PerSample(wins={f"m{k}": k for k in range(runs)}, furthest_apart=[])
    console = Console(record=True, width=300, quiet=False)
    with console.capture() as captured:
        compare_output._samples(console, ComparedGroup.model_construct(n=499_500, per_sample=wins))
    (line,) = captured.get().splitlines()
    assert f"of 499500: {shown}" in line
    assert line.endswith("m985 985, and 984 others" if runs == 1000 else "m3 3")


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ((0.99811, 0.99802), "0.9981 > 0.9980"),
        ((0.9981, 0.8), "0.998 > 0.800"),
        ((0.9981, 0.9981), "0.998 = 0.998"),
    ],
)
def test_scores_of_a_class_are_equal_only_where_there_is_no_winner(values: tuple[float, float], shown: str) -> None:
    labels = ("one", "two")
    winners = [label for label, value in zip(labels, values, strict=True) if value == max(values)]
    row = ClassWinners.model_validate(
        {"class": "cell", "by": "dice", "winners": winners, **dict(zip(labels, values, strict=True))}
    )
    rows = [ComparedRun.model_construct(label=label) for label in labels]
    console = Console(width=300)
    with console.capture() as captured:
        console.print(compare_output._classes(ComparedGroup.model_construct(runs=rows, per_class=[row])))
    line = next(line for line in captured.get().splitlines() if "cell" in line)
    assert " ".join(line.split()) == f"cell {', '.join(winners)} {shown}"


def test_the_runner_up_of_several_winners_is_shown_with_its_score() -> None:
    values = {"one": 0.933, "two": 0.933, "three": 0.933, "four": 0.931, "five": 0.5}
    row = ClassWinners.model_validate({"class": "sky", "by": "iou", "winners": ["one", "two", "three"], **values})
    rows = [ComparedRun.model_construct(label=label) for label in values]
    console = Console(width=300)
    with console.capture() as captured:
        console.print(compare_output._classes(ComparedGroup.model_construct(runs=rows, per_class=[row])))
    line = next(line for line in captured.get().splitlines() if "sky" in line)
    assert " ".join(line.split()) == "sky one, two, three four 0.933 > 0.931 > 0.500"
