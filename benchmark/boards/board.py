"""Markdown boards from run records; no dates, so equal records give equal bytes."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..io.atomic import write_text
from ..registry import dataset_class, hooks, metrics
from ..runs.record import Record
from ..runs.versions import not_of_today
from ..text import printable
from ..types import UserError
from .about_table import about_table
from .board_plots import curve_name, drawn, plot_name, rivals
from .comparable import Comparable, is_a_part, part_of, ranks, samples_together, why_not_ranked
from .front_page import front_page
from .headings import headings
from .labels import board_labels, run_hash
from .markdown import escape, with_interval
from .over_datasets import OverDatasets
from .people import HumanRange, people_beside
from .published import published_section
from .rank_spans import Spans
from .ranking import board_groups, ranked_rows
from .row_tables import detail_tables, legend, row_table
from .seed_groups import SeedGroup, curves_of


def boards(records: Iterable[Record], spans: Spans | None = None, over: Sequence[OverDatasets] = ()) -> dict[str, str]:
    """Markdown by file name: one board per dataset, and `README.md` as the front page.

    `spans` are the first and last rank of runs that were tested against each other, by run id; `over` the tables over
    several datasets. Raises UserError for a run of a dataset that is not known here.
    """
    by_dataset: dict[str, list[Record]] = {}
    for record in records:
        try:
            name = dataset_class(record.dataset.name).info.name
        except UserError as error:
            raise UserError(f"run {record.run_id}: {error}") from error
        by_dataset.setdefault(name, []).append(record)
    pages = {f"{name}.md": _board(name, mine, spans or {}) for name, mine in sorted(by_dataset.items())}
    pages["README.md"] = front_page(by_dataset, over, spans or {})
    return pages


def write_boards(pages: dict[str, str], folder: Path) -> None:
    """Write every page atomically."""
    for name, text in pages.items():
        write_text(folder / name, text)


def _board(name: str, records: Sequence[Record], spans: Spans) -> str:
    lines = [f"# {name}", ""]
    info = dataset_class(name).info
    lines += [f"{info.summary}. Licence: {info.licence}. Cite: {info.citation}.", ""]
    groups = board_groups(records)
    if not groups:
        lines += ["No complete runs yet.", ""]
    beside: set[str] = set()
    titles = headings([(key, [record for row in rows for record in row.records]) for key, rows in groups])
    for place, (key, rows) in enumerate(groups):
        people = people_beside(key, records, lambda record: record)
        beside |= {record.run_id for record in people}
        lines += [f"## {titles[place]}", "", *_section(key, rows, people, spans, place)]
    left_out = [record for record in records if not ranks(record) and record.run_id not in beside]
    if left_out:
        lines += ["## Not ranked", ""]
        lines += [f"- {escape(r.run_id)}: {_why_not(r)}" for r in sorted(left_out, key=lambda r: r.run_id)]
        lines.append("")
    each = [[record for row in rows for record in row.records] for _, rows in groups]
    lines += published_section(name, [samples_together(records) for records in each if part_of(records)])
    lines += ["Made by `bench leaderboard` from the run records; do not edit.", ""]
    return "\n".join(lines)


def _why_not(record: Record) -> str:
    scored = record.method.oracle and record.complete
    score = f": {escape(record.main_score)} {with_interval(record.main)}" if scored else ""
    return escape(why_not_ranked(record)) + score


def _section(
    key: Comparable, rows: Sequence[SeedGroup], people: Sequence[Record], spans: Spans, place: int
) -> list[str]:
    ranked = ranked_rows(rivals(rows))
    score = ranked[0][1].record.main_score
    human = HumanRange.of([record.scores.get(score) for record in people])
    names = board_labels([row.record for _, row in ranked])
    records = [(rank, row.record, name) for (rank, row), name in zip(ranked, names, strict=True)]
    records += [(0, record, f"{record.method.name} (human)") for record in people]
    extra = [line for _, section in hooks(metrics().values(), "board_section") for line in section(records)]
    fewer = _fewer(rows, curve_name(key.dataset, place)) if len(ranked) < len(rows) else []
    rows_shown = [*ranked, *((0, SeedGroup((record,))) for record in people)]
    lines = [_above(key, rows, people), "", row_table(rows_shown, spans, human), ""]
    lines += about_table(key, rows, people, spans)
    if drawn(rows):
        plot = plot_name(key.dataset, place)
        lines += [f"![{escape(score)} of each method, and against its time to fit and to predict]({plot})", ""]
    return [*lines, *_unfolded(rows_shown), *fewer, *extra]


def _above(key: Comparable, rows: Sequence[SeedGroup], people: Sequence[Record]) -> str:
    """The line above a table: on which samples, how it is ranked, and beside what it must not be read."""
    first = ranked_rows(rivals(rows))[0][1].record
    every = [record for row in rows for record in row.records]
    signs = legend([row.record for row in rows] + list(people))
    text = f"{samples_together(every)}, ranked by {escape(first.main_score)}. {signs}."
    if is_a_part(every):
        text += " Not to be read beside scores of the whole split."
    if key.origin == "synthetic":
        made = first.dataset.made_by
        by = "segbench" if made is None else f"version {escape(made.version)} of segbench's generator"
        text += f" Made by {by}, not real images: these rows are never ranked beside real ones."
    if aside := not_of_today(first):
        text += f" {escape(aside)}"
    return text


def _fewer(rows: Sequence[SeedGroup], plot: str) -> list[str]:
    """Rows fitted on a part of the labels, and the learning curves that they are part of."""
    lines = ["### With fewer labels", "", "Fitted on a part of the training labels; not ranked.", ""]
    if curves_of(rows):
        lines += [f"![score against the number of labelled samples]({plot})", ""]
    ranked = ranked_rows([row for row in rows if row.partial])
    ordered = sorted(ranked, key=lambda pair: (pair[1].record.method.name, pair[1].record.method.n_train or 0.0))
    lines += [row_table([(0, row) for _, row in ordered], {}), ""]
    return lines + _unfolded(ordered)


def _unfolded(ranked: Sequence[tuple[int, SeedGroup]]) -> list[str]:
    """All scores and costs of the rows, and how each run was made, to be unfolded."""
    lines = detail_tables(ranked)
    lines += ["<details><summary>Commands of these runs</summary>", "<pre>"]
    for _, row in ranked:
        for record in row.records:
            text = f"{run_hash(record)} {record.method.name}: {record.command}"
            lines.append(html.escape(printable(" ".join(text.split())), quote=False))
    return [*lines, "</pre>", "</details>", ""]
