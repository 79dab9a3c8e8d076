"""Results as a notebook shows them: a title, a table, notes below, and a plot."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from tabulate import tabulate

from ..text import between, counted, number, p_value

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .comparison import Comparison

_RANKS = ("rank", "run", "value", "95 % interval", "fit s", "ms/image")
_PAIRS = ("a", "b", "a less b", "95 % interval", "p")


def html_table(title: str, headers: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> str:
    """Markup of a table of text; everything in it is escaped.

    >>> html_table("t", ["a"], [["<b>"]]).splitlines()[0]
    '<p><strong>t</strong></p>'
    """
    parts = [f"<p><strong>{escape(title)}</strong></p>"] if title else []
    if rows:
        # Escapes its cells itself.
        parts.append(str(tabulate(rows, headers, tablefmt="html", disable_numparse=True)))
    parts += [f"<p>{escape(note)}</p>" for note in notes]
    return "\n".join(parts)


def comparison_title(found: Comparison) -> str:
    """What was compared on what, in one line."""
    direction = "higher" if found.higher_is_better else "lower"
    origin = " (SYNTHETIC)" if found.origin == "synthetic" else ""
    samples = counted(found.n, "sample")
    return f"{found.score} ({direction} is better) on {found.dataset}{origin}, split {found.split}, {samples}"


def comparison_html(found: Comparison) -> str:
    """Ranks, then pairs."""
    pairs = [
        [each.a, each.b, number(each.value, "+.4f"), between(each.low, each.high, "+.4f"), p_value(each.p_adjusted)]
        for each in found.differences
    ]
    adjusted = f"p adjusted for {counted(len(pairs), 'pair')}"
    ranks = html_table(comparison_title(found), _RANKS, _rank_rows(found), [found.answer])
    return ranks + html_table("", _PAIRS, pairs, [adjusted])


def comparison_text(found: Comparison) -> str:
    """The answer, and a line for each run."""
    table = tabulate(_rank_rows(found), _RANKS, tablefmt="plain", disable_numparse=True)
    return f"{comparison_title(found)}\n{found.answer}\n{table}"


def plot_comparison(found: Comparison) -> Figure:
    """Every run's score with its interval, the best on top."""
    from ..figures.score_intervals import Interval, score_intervals

    rows = [Interval(run.label, run.value, run.low, run.high, run.family) for run in found.runs]
    return score_intervals(rows, comparison_title(found), f"{found.score} ({found.unit}), with 95 % interval")


def _rank_rows(found: Comparison) -> list[list[str]]:
    return [
        [
            str(run.rank_low) if run.rank_low == run.rank_high else f"{run.rank_low}–{run.rank_high}",
            *(run.label, number(run.value, ".4f"), between(run.low, run.high)),
            *(number(run.cost.train_s, ".0f"), number(run.cost.predict_ms_per_image, ".0f")),
        ]
        for run in found.runs
    ]
