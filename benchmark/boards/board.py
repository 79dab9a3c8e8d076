"""Markdown boards from run records; no dates, so equal records give equal bytes."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..io.atomic import write_text
from ..registry import dataset_class, hooks, metrics
from ..runs.record import Record
from ..runs.versions import not_of_today
from ..text import about_time_marks, counted, printable, some
from ..types import UserError
from .board_plots import curve_name, rivals
from .comparable import Comparable, is_a_part, official_metrics, part_of, ranks, samples_together, why_not_ranked
from .copies import copies
from .front_page import front_page
from .headings import headings
from .labels import board_labels, run_hash
from .markdown import DOUBTFUL, doubtful, escape, with_interval
from .over_datasets import OverDatasets
from .people import HumanRange, people_beside
from .published import published_section
from .rank_spans import RankSpan, Spans
from .ranking import board_groups, ranked_rows
from .row_tables import detail_table, legend, row_table
from .seed_groups import SeedGroup, curves_of, resampled

_FEW = 10
_FEW_NOTE = (
    " So few samples make intervals too narrow: those of five slices of electron microscopy hold the score of all 30 "
    "in 55 to 96 % of draws, where 95 % are meant (docs/statistics.md)."
)
"""What is said of fewer samples; the numbers are those of `tests/simulation/slices.py`."""


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
        lines += [f"## {titles[place]}", "", *_section(key, rows, people, spans, curve_name(name, place))]
    left_out = [record for record in records if not ranks(record) and record.run_id not in beside]
    if left_out:
        lines += ["## Not ranked", ""]
        lines += [f"- {escape(r.run_id)}: {_why_not(r)}" for r in sorted(left_out, key=lambda r: r.run_id)]
        lines.append("")
    each = [[record for row in rows for record in row.records] for _, rows in groups]
    lines += published_section(name, [samples_together(records) for records in each if part_of(records)])
    lines += ["Made by `bench leaderboard` from the run records; do not edit.", ""]
    return "\n".join(lines)


def _copies(ranked: Sequence[Record]) -> str:
    """Rows that seem to be one network in two files, which have a rank each."""
    names = dict(zip((record.run_id for record in ranked), board_labels(ranked), strict=True))
    told = [f"{escape(names[a.run_id])} and {escape(names[b.run_id])}" for a, b in copies(ranked)]
    if not told:
        return ""
    pairs = "; ".join(told)
    return (
        f" Judging by their cards and scores, {pairs} are one network in two files; each has a rank of its own. Ranks "
        "below theirs count both."
    )


def _why_not(record: Record) -> str:
    scored = record.method.oracle and record.complete
    score = f": {escape(record.main_score)} {with_interval(record.main)}" if scored else ""
    return escape(why_not_ranked(record)) + score


def _section(
    key: Comparable, rows: Sequence[SeedGroup], people: Sequence[Record], spans: Spans, plot: str
) -> list[str]:
    ranked = ranked_rows(rivals(rows))
    human = HumanRange.of([record.scores.get(ranked[0][1].record.main_score) for record in people])
    text = _about(key, rows, people, spans)
    names = board_labels([row.record for _, row in ranked])
    records = [(rank, row.record, name) for (rank, row), name in zip(ranked, names, strict=True)]
    records += [(0, record, f"{record.method.name} (human)") for record in people]
    extra = [line for _, section in hooks(metrics().values(), "board_section") for line in section(records)]
    fewer = _fewer(rows, plot) if len(ranked) < len(rows) else []
    beside = [(0, SeedGroup((record,))) for record in people]
    rows_shown = [*ranked, *beside]
    table = row_table(rows_shown, spans, human)
    return [text, "", table, "", *_unfolded(rows_shown), *fewer, *extra]


def _about(key: Comparable, rows: Sequence[SeedGroup], people: Sequence[Record], spans: Spans) -> str:
    """The sentences above a table: on which samples, how it is ranked, and what to mind."""
    ranked = ranked_rows(rivals(rows))
    first = ranked[0][1].record
    every = [record for row in rows for record in row.records]
    few_groups = any(spans[row.middle.run_id].tested.few_groups for row in rows if row.middle.run_id in spans)
    text = (
        f"{samples_together(every)} (ids {escape(key.ids_sha256[:8])}, data {escape(key.data_sha256[:8])}; "
        f"metrics: {escape(key.metrics)}). Ranked by {escape(first.main_score)}. In brackets: "
        f"95 % bootstrap interval over {resampled(rows, few_groups=few_groups)}. "
        f"{legend([row.record for row in rows] + list(people))}."
    )
    if first.dataset.n < _FEW:
        text += _FEW_NOTE
    if is_a_part(every):
        text += " Not to be read beside scores of the whole split."
    if key.origin == "synthetic":
        made = first.dataset.made_by
        by = "segbench" if made is None else f"version {escape(made.version)} of segbench's generator"
        text += f" Made by {by}, not real images: these rows are never ranked beside real ones."
    for _, note in hooks((each for each in metrics().values() if each.name in official_metrics(first)), "board_note"):
        text += f" {note}"
    if aside := not_of_today(first):
        text += f" {escape(aside)}"
    if any(len(row.records) > 1 for row in rows):
        text += (
            " A row of several seeds has their mean and the mean of their intervals' ends; ±: standard deviation of "
            f"{escape(first.main_score)} over the seeds, which the interval does not hold. "
            "Tests count it: they are for other samples and other trainings, and a network with one seed is taken to "
            "vary as they do on average."
        )
    if marks := about_time_marks(row.time_marks for row in rows):
        text += f" Beside a time to fit, {'; '.join(marks)}."
    text += _machines(every) + _copies([row.record for _, row in ranked])
    if people:
        text += _human_range(people, HumanRange.of([record.scores.get(first.main_score) for record in people]))
    text += _never_true([row.middle for _, row in ranked])
    if any(doubtful(score) for row in rows for score in row.record.scores.values()):
        text += f" {DOUBTFUL}: does not hold its score, because resamples of so few samples miss whole classes."
    text += _tested([spans[row.middle.run_id] for row in rows if row.middle.run_id in spans])
    return text


def _machines(records: Sequence[Record]) -> str:
    """That times are not of one kind of machine; nothing where they are."""
    timed = [record.environment.hardware for record in records if record.cost.predict_ms_per_image is not None]
    kinds = dict.fromkeys(_machine(each) for each in timed)
    if len(kinds) < 2:
        return ""
    return f" Times are of {len(kinds)} kinds of machine ({'; '.join(sorted(kinds))}): compare them roughly."


def _machine(hardware: Mapping[str, Any]) -> str:
    """An accelerator by its name, else a processor and its cores; from outside, as all of a record."""
    if accelerator := hardware.get("accelerator"):
        return escape(str(accelerator))
    cores = hardware.get("cores")
    name = escape(str(hardware.get("processor") or "unknown"))
    return f"{name}, {counted(cores, 'core')}" if isinstance(cores, int) else name


def _human_range(people: Sequence[Record], human: HumanRange | None) -> str:
    """What the rows of people are, and the range that the methods are compared with."""
    who = counted(len(people), "human annotator")
    if human is None:
        return f" {who}: never ranked."
    what = "from the lowest to the highest of their scores" if len(people) > 1 else "the 95 % interval of the only one"
    return (
        f" {who}, never ranked: the human range is {human.low:.4f} to {human.high:.4f} ({what}). A method whose "
        "interval lies in it is *within the human range*, above it *better than human*, below it *worse than human*; "
        "one that crosses an edge is *undecided*, with what is still possible."
    )


def _never_true(records: Sequence[Record]) -> str:
    """Classes that count 0 for some of the methods although no true mask holds them."""
    names: dict[str, int] = {}
    for record in records:
        for name, row in record.per_class.items():
            if row.get("pixels") == 0 and row.get("iou") == 0:
                names[name] = names.get(name, 0) + 1
    if not names:
        return ""
    each = some([f"{escape(name)} ({counted(number, 'method')})" for name, number in names.items()])
    return f" In no true mask, so that a method that predicts them gets 0 for them in a mean over classes: {each}."


def _tested(spans: Sequence[RankSpan]) -> str:
    """How ranks were tested, for the text above the table."""
    if not spans:
        return ""
    alone = any(span.told(0) == "(0)" for span in spans)
    return f" {spans[0].tested.said}" + (" A rank in brackets: told from no other method." if alone else "")


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
    lines = detail_table(ranked)
    lines += ["<details><summary>Commands of these runs</summary>", "<pre>"]
    for _, row in ranked:
        for record in row.records:
            text = f"{run_hash(record)} {record.method.name}: {record.command}"
            lines.append(html.escape(printable(" ".join(text.split())), quote=False))
    return [*lines, "</pre>", "</details>", ""]
