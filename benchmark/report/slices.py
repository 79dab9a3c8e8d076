"""How the best runs of a section score on parts of the samples: the worst first, as `bench slice` says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..boards.sample_slices import attribute_slices, class_slices
from ..boards.slice_document import Sliced, SliceRow
from ..boards.sliced_scores import sliced_runs
from ..data.sample_attributes import ATTRIBUTES
from ..evaluation.slicing import MIN_SAMPLES, Slice
from ..figures.score_intervals import Interval, score_intervals
from ..io.reporter import Reporter
from ..runs.stored import StoredRun
from ..text import counted, interval, named, number, p_value
from ..types import Dataset, UserError
from .figures.arrangement import plots
from .figures.runs import Drawn, drawn
from .html import Html, folded_table, tag
from .samples import data_of
from .sections import Entry, Section

MAX_RUNS = 3
"""Number of runs, the best ones, whose slices stand side by side."""
MAX_DRAWN = 10
"""Number of slices, the worst ones, that are drawn."""
MAX_PIXELS = 200_000_000
"""Pixels of all images up to which a page looks at them; of more `bench slice` does."""
_BINS = 4


def section_slices(section: Section, root: Path | None, reporter: Reporter) -> list[Html]:
    """The worst slices of the best run as a plot, and all of them with the best runs side by side; empty without any.

    Slices are those by class, which the stored statistics tell, and by properties of images and labels where these are
    found. Scores, intervals and tests come from the stored statistics alone.
    """
    entries = section.detailed[:MAX_RUNS]
    if section.main is None or len(section.per_sample[0]) < 2:
        return []
    metric, score = section.main
    runs = [_stored(entry) for entry in entries]
    ids = [statistic.sample_id for statistic in runs[0].statistics.of(metric.name)]
    notes: list[str] = []
    slices = [*_by_class(runs[0], ids, notes), *_by_attributes(section, ids, root, reporter, notes)]
    if not slices:
        return []
    found = sliced_runs(runs, metric, score, slices, notes)
    figure = _plot(section, found, entries[0])
    return [
        tag("h3", "Parts of the samples, the worst first"),
        tag("p", found.answer),
        *([] if figure is None else [plots([figure])]),
        *(table for table in [_table(section, found, [entry.label for entry in entries])] if table is not None),
    ]


def _stored(entry: Entry) -> StoredRun:
    assert entry.info is not None
    assert entry.statistics is not None
    return StoredRun(entry.folder, entry.record, entry.info, entry.metrics, entry.statistics)


def _by_class(run: StoredRun, ids: Sequence[str], notes: list[str]) -> list[Slice]:
    try:
        return class_slices(run, ids, notes)
    except UserError:  # each sample holds the same classes, or no statistics say which
        return []


def _by_attributes(
    section: Section, ids: Sequence[str], root: Path | None, reporter: Reporter, notes: list[str]
) -> list[Slice]:
    """By properties of images and labels, where the data is here and not too large."""
    dataset = data_of(section.opened, root)
    if dataset is None or _pixels(dataset, ids) > MAX_PIXELS:
        return []
    found: list[Slice] = []
    with reporter.progress("looking at images") as update:
        for by in ATTRIBUTES:
            try:
                found += attribute_slices(by, ids, dataset, _BINS, notes, update)
            except UserError:  # no sample has this property
                continue
    return found


def _pixels(dataset: Dataset, ids: Sequence[str]) -> int:
    """Pixels of all samples, taking each to be as large as the first."""
    return len(ids) * np.asarray(dataset.load(ids[0], ("labels",)).labels).size


def _plot(section: Section, found: Sliced, best: Entry) -> Drawn | None:
    """The worst parts of the best run; those of few samples are left out. None where no part has enough."""
    main = best.main
    ends = (None, None, None) if main is None else (main.value, main.low, main.high)
    family = best.record.method.family
    large = [row for row in found.slices if not row.few]
    if not large:
        return None
    slices = sorted(large, key=lambda row: _badness(row, found.higher_is_better))
    rows = [
        Interval("all samples", *ends, family),
        *(
            Interval(_name(row), one.value, one.low, one.high, family)
            for row in slices[:MAX_DRAWN]
            for one in row.scores[:1]
        ),
    ]
    band = None if ends[1] is None or ends[2] is None else (ends[1], ends[2])
    told = ", ".join(f"{row.label} {number(row.value, '.3f')}" for row in rows)
    alt = f"{found.score} of {best.label} on all samples and on {counted(len(rows) - 1, 'part')} of them: {told}."
    caption = (
        f"{found.score} of {best.label} on samples that share a property, the worst first, with 95 % intervals. The "
        f"grey band is the interval of all samples.{_left_out(found, len(large))}"
    )
    unit = f"{found.score} ({'higher' if found.higher_is_better else 'lower'} is better)"
    return drawn(lambda: score_intervals(rows, section.title, unit, band=band), alt, caption)


def _left_out(found: Sliced, large: int) -> str:
    """Which parts the figure leaves out, as the end of its caption; empty where it has all."""
    told = f" The worst {MAX_DRAWN} of {large}." if large > MAX_DRAWN else ""
    if small := len(found.slices) - large:
        told += (
            f" {counted(small, 'part')} of fewer than {MIN_SAMPLES} samples {'is' if small == 1 else 'are'} left out."
        )
    return told


def _table(section: Section, found: Sliced, labels: Sequence[str]) -> Html | None:
    heads = ["part", "samples", *(head for label in labels for head in (label, f"gap of {label} to the rest"))]
    rows = []
    for row in found.slices:
        cells = [_name(row), f"{row.n}{' (few)' if row.few else ''}"]
        for one in row.scores:
            gap = f"{number(one.gap, '+.4f')} (p {p_value(one.p_adjusted)})"
            cells += [interval(one.value, one.low, one.high), gap]
        rows.append(cells)
    ordered = "" if len(labels) == 1 else f"The worst first by the mean of the {counted(len(labels), 'run')}. "
    note = (
        f"{found.score} with 95 % intervals. {ordered}A gap is the score of a part less that of all other samples; p "
        f"comes from {found.permutations} permutations of {found.permuted_in_words} and is adjusted for all parts and "
        f"runs together. Few: less than {MIN_SAMPLES} samples. "
        f"{' '.join(f'{note[0].upper()}{note[1:]}.' for note in found.notes)}"
    )
    total = len(section.entries)
    runs = f"the best {len(labels)} of {total} runs" if len(labels) < total else counted(total, "run")
    title = f"All {counted(len(rows), 'part')}, with {runs}"
    return folded_table(section.title, title, note.strip(), heads, rows)


def _badness(row: SliceRow, higher_is_better: bool) -> float:
    """Orders slices by the first run alone, which is the one drawn, from the worst; undefined ones come last."""
    value = row.scores[0].value
    return math.inf if value is None else value if higher_is_better else -value


def _name(row: SliceRow) -> str:
    return named(row.by, row.slice, ": ")
