"""The front page of the boards: an index of all that is ranked, real data first, and what each board says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tabulate import tabulate

from ..registry import dataset_class
from ..runs.record import Record
from ..runs.versions import not_of_today
from .board_plots import curve_name, drawn, plot_name, rivals
from .comparable import Comparable, is_a_part, samples_together
from .findings import against_people, findings, learned_from, told_from
from .headings import headings, section_address
from .labels import board_labels
from .markdown import escape, with_interval
from .over_datasets import OverDatasets, over_datasets_section
from .rank_spans import Spans
from .ranking import board_groups, people_on_board, ranked_rows
from .seed_groups import SeedGroup, curves_of

KINDS = {
    "Real data, whole splits": "",
    "Real data, part of a split": "Images of an official split, but not all of them, or a release that holds fewer or "
    "smaller ones: never to be read beside scores of the whole.",
    "SYNTHETIC data": "Made by segbench to try things out, not real images: never ranked with real data.",
}
"""What the data of a board is, from what counts most, and what the reader should know of it."""


@dataclass(frozen=True)
class _Group:
    """Comparable rows, and the place and the title of their section on their dataset's board."""

    key: Comparable
    rows: Sequence[SeedGroup]
    place: int
    title: str

    @property
    def every(self) -> list[Record]:
        return [record for row in self.rows for record in row.records]

    @property
    def ranked(self) -> list[Record]:
        """The rows that are ranked as records, from the best to the worst."""
        return [row.record for _, row in ranked_rows(rivals(self.rows))]

    @property
    def kind(self) -> str:
        """Which of `KINDS` its data is."""
        whole, part, synthetic = KINDS
        if self.key.origin != "real":
            return synthetic
        return part if is_a_part(self.every) else whole


def _groups(records: Sequence[Record]) -> list[_Group]:
    """The groups of one board, in its order."""
    found = board_groups(records)
    titles = headings([(key, [record for row in rows for record in row.records]) for key, rows in found])
    return [_Group(key, rows, n, title) for n, ((key, rows), title) in enumerate(zip(found, titles, strict=True))]


def front_page(by_dataset: Mapping[str, Sequence[Record]], over: Sequence[OverDatasets], spans: Spans) -> str:
    """Markdown of the front page from the records of every dataset."""
    groups = [group for _, records in sorted(by_dataset.items()) for group in _groups(records)]
    kinds = {kind: [group for group in groups if group.kind == kind] for kind in KINDS}
    pages = " · ".join(f"[{name}]({name}.md)" for name in sorted(by_dataset))
    lines = [
        "# Leaderboards",
        "",
        f"Boards: {pages}. Each ranks all methods on a dataset, with intervals, costs and the commands that repeat the "
        "runs. Below are the best row of each table, and what the tables say.",
        "",
    ]
    for kind, members in kinds.items():
        if members:
            lines += [f"## {kind}", "", *([KINDS[kind], ""] if KINDS[kind] else []), _index(members, spans), ""]
    lines += over_datasets_section(over)
    for kind, members in kinds.items():
        if members:
            lines += [f"## {kind}: what the boards say", ""]
        for group in members:
            lines += _told(group, by_dataset[group.key.dataset], spans)
    lines += ["Made by `bench leaderboard` from the run records; do not edit.", ""]
    return "\n".join(lines)


def _index(groups: Sequence[_Group], spans: Spans) -> str:
    """A table with the best row of each group, and links to the sections with all rows."""
    body = []
    for group in groups:
        ranked = group.ranked
        best = ranked[0]
        body.append(
            [
                f"[{group.key.dataset}]({section_address(group.key, group.title)})",
                group.title.removeprefix("SYNTHETIC data, "),
                len(group.every),
                escape(board_labels(ranked)[0]),
                f"{escape(best.main_score)} {with_interval(best.main)}",
                told_from(spans.get(best.run_id)),
            ]
        )
    headers = ["dataset", "scored on", "runs", "best by score", "score", "significantly better than"]
    return tabulate(body, headers=headers, tablefmt="github", disable_numparse=True)


def _told(group: _Group, records: Sequence[Record], spans: Spans) -> list[str]:
    """What a group's board says in sentences, with its plots."""
    key, ranked = group.key, group.ranked
    about = f"{dataset_class(key.dataset).info.summary}; scored on {samples_together(ranked)}."
    lines = [f"### [{key.dataset}]({section_address(key, group.title)}): {group.title}", "", about, ""]
    if aside := not_of_today(ranked[0]):
        lines += [escape(aside), ""]
    curves = curves_of(group.rows)
    people = people_on_board(key, [SeedGroup((record,)) for record in ranked[:1]], records)
    labels = board_labels([curve[-1].record for curve in curves])
    told = [*findings(ranked, spans), *map(learned_from, curves, labels), *against_people(ranked, people)]
    lines += [f"- {sentence}" for sentence in told] + [""]
    score = escape(ranked[0].main_score)
    if drawn(group.rows):
        plot = plot_name(key.dataset, group.place)
        lines += [f"![{score} of each method, and against its time to fit and to predict]({plot})", ""]
    if curves:
        lines += [f"![{score} against the number of labelled samples]({curve_name(key.dataset, group.place)})", ""]
    return lines
