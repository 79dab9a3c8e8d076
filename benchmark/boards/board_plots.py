"""The plots of the boards: scores with their costs, and learning curves, a file per group of comparable runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..figures.score_cost import timed
from ..figures.score_plots import write_learning_curve, write_score_against_cost
from ..runs.record import Record
from .comparable import Comparable, whole_n
from .people import People
from .ranking import board_groups, people_on_board, ranked_rows
from .seed_groups import SeedGroup, curves_of, plotted


def rivals(rows: Sequence[SeedGroup]) -> Sequence[SeedGroup]:
    """Those fitted on all labels: what was fitted on a part is no rival. All, where there are no others."""
    return [row for row in rows if not row.partial] or rows


def drawn(rows: Sequence[SeedGroup]) -> Sequence[SeedGroup]:
    """The rivals that a plot of score against cost shows; none where fewer than two have a known cost."""
    scored = [row for row in rivals(rows) if row.record.main_value is not None]
    return scored if sum(timed(row.record.cost.model_dump()) for row in scored) > 1 else []


def plot_name(name: str, number: int) -> str:
    """The file of the plot of a dataset's n-th group of comparable records."""
    return f"{name}{f'-{number + 1}' if number else ''}.svg"


def curve_name(name: str, number: int) -> str:
    """The file of the learning curves of a dataset's n-th group of comparable records."""
    return f"{name}{f'-{number + 1}' if number else ''}-labels.svg"


def write_plots(records: Iterable[Record], folder: Path) -> list[Path]:
    """Draw score against cost for every group of two rows or more, and its learning curves; the files' paths."""
    written = []
    numbers: dict[str, int] = {}
    every = list(records)
    for key, rows in board_groups(every):
        human = _band(people_on_board(key, rows, every))
        number = numbers.get(key.dataset, 0)
        numbers[key.dataset] = number + 1
        if whole := drawn(rows):
            path = folder / plot_name(key.dataset, number)
            write_score_against_cost(path, plotted_section(key, [row for _, row in ranked_rows(whole)]) | human)
            written.append(path)
        if curves := curves_of(rows):
            path = folder / curve_name(key.dataset, number)
            write_learning_curve(path, plotted_section(key, [row for curve in curves for row in curve]) | human)
            written.append(path)
    return written


def _band(people: People | None) -> dict[str, Any]:
    """The human range as a plot takes it."""
    return {} if people is None or people.low is None else {"human": (people.low, people.high)}


def plotted_section(key: Comparable, rows: Sequence[SeedGroup]) -> dict[str, Any]:
    """Comparable records in the form that suites are plotted in."""
    return {
        **vars(key),
        "main_score": rows[0].record.main_score,
        "n": rows[0].record.dataset.n,
        "whole_n": whole_n(row.record for row in rows),
        "rows": plotted(rows),
    }
