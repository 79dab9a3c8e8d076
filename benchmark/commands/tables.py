"""Cells of markdown tables: numbers, scores with their interval, and names from outside."""

from __future__ import annotations

from ..records import Score

UNDEFINED = "–"


def escape(text: str) -> str:
    """A name from outside must not break the table nor bring markup."""
    for character in "\\|`*<>[]":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())


def number(value: float | None, form: str) -> str:
    """A number, or a dash where there is none."""
    return UNDEFINED if value is None else format(value, form)


def interval(value: float | None, low: float | None, high: float | None) -> str:
    """`0.9123 [0.9011, 0.9234]`, without what is undefined."""
    if value is None:
        return UNDEFINED
    return f"{value:.4f}" if low is None or high is None else f"{value:.4f} [{low:.4f}, {high:.4f}]"


def with_interval(score: Score | None) -> str:
    """A score and its interval."""
    return UNDEFINED if score is None else interval(score.value, score.low, score.high)
