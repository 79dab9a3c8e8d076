"""Scores of parts of the samples as a document: the worst first, and whether it is worse by more than chance."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import numpy as np

from ..data.sample_attributes import ATTRIBUTES
from ..evaluation.comparison import ALPHA
from ..evaluation.slicing import MIN_SAMPLES, Permuted, Slice, SlicedScores, SliceScore, slices_of
from ..io.documents import Document, Number
from ..runs.stored import StoredRun
from ..text import between, counted, named, number, p_equals, p_value, some
from ..types import Dataset, Metric, Progress, ScoreInfo, UserError
from .labels import comparison_labels
from .notebook import html_table, text_table

GROUP = "group"
"""The property that is the group of a sample: its video, city or case."""


class SlicedRun(Document):
    """A run and its score on all samples."""

    run_id: str
    label: str
    value: Number
    low: Number
    high: Number


class ScoreOfSlice(Document):
    """The score of a run on a slice, that on all other samples, and p of the gap: alone, and of all slices together."""

    run_id: str
    value: Number
    low: Number
    high: Number
    rest: Number
    gap: Number
    p: Number
    p_adjusted: Number
    significant: bool


class SliceRow(Document):
    """Samples that share a property, and how each run scores on them; `few` marks those that say little.

    least, greatest : of a part of a property's numbers, those that it holds.
    """

    by: str
    slice: str
    n: int
    few: bool
    least: Number
    greatest: Number
    scores: list[ScoreOfSlice]


class Sliced(Document):
    """Slices, the worst first (by the mean score of the runs), and an answer in a sentence.

    permuted : for p values; null where properties differ in it. permuted_by : the same for each property. smallest_p :
    the smallest p value that permutations of so few samples can give; null where no slice is tested.
    """

    dataset: str
    origin: Literal["real", "synthetic"]
    split: str
    score: str
    unit: str
    higher_is_better: bool
    n: int
    by: list[str]
    permuted: Permuted | None
    permuted_by: dict[str, Permuted]
    permutations: int
    smallest_p: Number
    runs: list[SlicedRun]
    slices: list[SliceRow]
    answer: str
    notes: list[str]

    @property
    def permuted_in_words(self) -> str:
        """What was permuted, for a sentence: `groups`, or `groups (camera) and samples within groups (blur)`."""
        by_unit: dict[str, list[str]] = {}
        for by, unit in self.permuted_by.items():
            by_unit.setdefault(unit, []).append(by)
        told = [unit if len(by_unit) == 1 else f"{unit} ({', '.join(of)})" for unit, of in by_unit.items()]
        return " and ".join(told)

    @property
    def title(self) -> str:
        """What was cut into slices, in one line."""
        origin = " (SYNTHETIC)" if self.origin == "synthetic" else ""
        return f"{self.score} on {self.dataset}{origin}, split {self.split}, {counted(self.n, 'sample')}"

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Heads, and a row for each slice and run."""
        labels = {run.run_id: run.label for run in self.runs}
        rows = [
            [
                *(row.by, row.slice, str(row.n), labels[one.run_id], number(one.value, ".4f")),
                *(between(one.low, one.high), number(one.gap, "+.4f"), p_value(one.p_adjusted)),
            ]
            for row in self.slices
            for one in row.scores
        ]
        return ["by", "part", "n", "run", self.score, "95 % interval", "gap", "p, adjusted"], rows

    def __str__(self) -> str:
        """The answer, and a row for each slice and run."""
        return "\n".join([self.title, self.answer, text_table(*self._table()), *self.notes])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: the answer, and a row for each slice and run."""
        return html_table(self.title, *self._table(), [self.answer, *self.notes])


class SlicedByAll(Document):
    """Slices by every property that the samples have, a table each; p values are adjusted within a table.

    left_out : properties that no slices can be made by, and why.
    """

    tables: list[Sliced]
    left_out: dict[str, str]
    answer: str

    def __str__(self) -> str:
        """The answer, and the table of each property."""
        left = [f"left out: {by}: {why}" for by, why in self.left_out.items()]
        return "\n\n".join([self.answer, *map(str, self.tables), *left])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: the answer, and the table of each property."""
        left = [f"left out: {by}: {why}" for by, why in self.left_out.items()]
        return html_table("", [], [], [self.answer, *left]) + "".join(each._repr_html_() for each in self.tables)


def by_all(tables: Sequence[Sliced], left_out: Mapping[str, str]) -> SlicedByAll:
    """Tables of single properties, of which there is at least one, with an answer that considers all of them."""
    worst = [
        (one.p_adjusted, table, row)
        for table in tables
        for row in table.slices
        for one in row.scores
        if one.p_adjusted is not None and one.gap is not None and (one.gap < 0) == table.higher_is_better
    ]
    together = f"of {len(tables)} properties together" if len(tables) > 1 else "of one property"
    possible = [table.smallest_p for table in tables if table.smallest_p is not None]
    smallest = min([1.0, *(p * len(tables) for p in possible)])
    units = _units({unit for table in tables for unit in table.permuted_by.values()})
    answer = _none_is_worse(together, smallest, units)
    if worst:
        p, table, row = min(worst, key=lambda each: each[0])
        p = min(1.0, p * len(tables))
        if p < ALPHA:
            answer = (
                f"Worse than the other samples by more than chance: {named(row.by, row.slice)}, {table.score} ("
                f"{p_equals(p)} {together})."
            )
    return SlicedByAll(tables=list(tables), left_out=dict(left_out), answer=answer)


def sliced_runs(
    runs: Sequence[StoredRun],
    metric: Metric,
    score: ScoreInfo,
    slices: Sequence[Slice],
    notes: list[str],
    permutations: int = 2000,
    seed: int = 0,
) -> Sliced:
    """The scores of comparable runs on slices of their samples.

    `metric` is the family of the score; the slices are of its samples in the order of their ids.
    """
    statistics = tuple(tuple(run.statistics.of(metric.name)) for run in runs)
    sliced = SlicedScores(metric, runs[0].info, score, statistics, tuple(slices), permutations, seed)
    for place, absent in sliced.invented.items():
        pixels_of = ", ".join(f"'{name}' ({counted(pixels, 'pixel')})" for name, pixels in absent.pixels.items())
        notes.append(
            f"{named(slices[place].by, slices[place].name)}: the gap is not tested, since in it or outside of it no "
            f"true mask holds what is predicted there: {pixels_of}, which counts 0"
        )
    return _document(runs, sliced, list(zip(slices, sliced.scores(), strict=True)), notes)


def slices_by(by: str, values: Sequence[str | float | None], bins: int, notes: list[str]) -> list[Slice]:
    """Slices by a property, with a note where numbers were cut into bins."""
    found = slices_of(by, values, bins)
    if any(each.between is not None for each in found):
        notes.append(f"{by}: numbers are cut at quantiles into {bins} parts of about equally many samples")
    return found


def class_slices(run: StoredRun, ids: Sequence[str], notes: list[str]) -> list[Slice]:
    """The samples that hold each class, as the statistics know: those of one sample may be in several.

    Classes that all of them hold are no slices, and are named in `notes`.

    Raises UserError where all hold the same classes, or no statistics tell.
    """
    names = {c.id: c.name for c in (*run.info.classes, *run.info.segment_classes)}
    for metric in run.metrics:
        sides = {s.sample_id: metric.truth_side(s) for s in run.statistics.of(metric.name)}
        key = next((k for k in ("truth", "category", "label") if all(k in side for side in sides.values())), None)
        if key is None or not sides:
            continue
        held = {sample_id: set(side[key].tolist()) for sample_id, side in sides.items()}
        found = [Slice("class", name, np.array([label in held[i] for i in ids])) for label, name in names.items()]
        parts = [each for each in found if each.member.any() and not each.member.all()]
        if not parts:
            raise UserError(f"--by class: every sample of '{run.folder}' holds the same classes")
        everywhere = [each.name for each in found if each.member.all()]
        if everywhere:
            notes.append(f"class: all samples hold {some(everywhere, 10)}, so no parts can be made by that")
        return parts
    raise UserError(f"'{run.folder}' has no statistics that say which classes a sample holds; use another --by")


def group_slices(run: StoredRun, metric: Metric) -> list[Slice]:
    """The samples of each group: of a video, a city or a case.

    Raises UserError where there are fewer than two groups.
    """
    groups = [s.group for s in run.statistics.of(metric.name)]
    found = slices_of(GROUP, [group or None for group in groups], 0)
    if len(found) < 2:
        raise UserError(f"--by {GROUP}: the samples of '{run.folder}' are of one group; use another --by")
    return found


def attribute_slices(
    by: str, ids: Sequence[str], dataset: Dataset, bins: int, notes: list[str], progress: Progress = lambda *_: None
) -> list[Slice]:
    """Slices by a property of the image or the labels of every sample (`ATTRIBUTES`).

    Raises UserError where no sample has it.
    """
    attribute = ATTRIBUTES[by]
    found: list[str | float | None] = []
    for done, sample_id in enumerate(ids, 1):
        sample = dataset.load(sample_id, (attribute.part,))
        found.append(attribute.of(sample, dataset.info))
        progress(done, len(ids), "")
    if all(value is None for value in found):
        what = "an image" if attribute.part == "image" else "an object"
        raise UserError(f"--by {by}: no sample below '{dataset.root}' has {what}")
    notes.append(f"{by}: {attribute.meaning}")
    return slices_by(by, found, bins, notes)


def _document(
    runs: Sequence[StoredRun],
    sliced: SlicedScores,
    rows: Sequence[tuple[Slice, list[SliceScore]]],
    notes: list[str],
) -> Sliced:
    records = [run.record for run in runs]
    score, data = sliced.score, records[0].dataset
    ordered = sorted(rows, key=lambda row: _goodness(row[1], score))
    names = comparison_labels(records)
    units = set(sliced.permuted.values())
    if groups := [scores for each, scores in rows if each.by == GROUP]:
        notes = [*notes, _mean_over_groups(groups, names, score)]
    return Sliced(
        dataset=data.name,
        origin=data.origin,
        split=data.split,
        score=score.name,
        unit=score.unit,
        higher_is_better=score.higher_is_better,
        n=data.n,
        by=list(dict.fromkeys(each.by for each, _ in rows)),
        permuted=next(iter(units)) if len(units) == 1 else None,
        permuted_by=dict(sliced.permuted),
        permutations=sliced.permutations,
        smallest_p=sliced.smallest_p,
        runs=[
            _run(record.run_id, name, record.scores[score.name]) for record, name in zip(records, names, strict=True)
        ],
        slices=[_row(each, found, [record.run_id for record in records]) for each, found in ordered],
        answer=_answer(ordered, score, names, sliced.smallest_p, _units(units)),
        notes=notes,
    )


def _mean_over_groups(groups: Sequence[Sequence[SliceScore]], names: Sequence[str], score: ScoreInfo) -> str:
    """The mean in which each group counts alike, however many samples it has: of volumes the score per case."""
    told = []
    for name, scores in zip(names, zip(*groups, strict=True), strict=True):
        values = [each.value for each in scores if not math.isnan(each.value)]
        mean = math.fsum(values) / len(values) if values else math.nan
        undefined = f" (undefined for {counted(len(scores) - len(values), 'group')})" * (len(values) < len(scores))
        told.append(f"{name} {number(mean, '.4f')}{undefined}")
    return f"{GROUP}: mean of {score.name} over {len(groups)} groups that count alike: {', '.join(told)}"


def _goodness(scores: Sequence[SliceScore], score: ScoreInfo) -> float:
    """The mean score of the runs, lower for what is worse; what is undefined comes last."""
    values = [each.value for each in scores if not math.isnan(each.value)]
    return (1 if score.higher_is_better else -1) * math.fsum(values) / len(values) if values else math.inf


def _run(run_id: str, name: str, found: object) -> SlicedRun:
    values = {key: getattr(found, key) for key in ("value", "low", "high")}
    return SlicedRun(run_id=run_id, label=name, **values)


def _row(each: Slice, found: Sequence[SliceScore], run_ids: Sequence[str]) -> SliceRow:
    n = int(each.member.sum())
    return SliceRow(
        by=each.by,
        slice=each.name,
        n=n,
        few=n < MIN_SAMPLES,
        least=None if each.between is None else each.between[0],
        greatest=None if each.between is None else each.between[1],
        scores=[
            ScoreOfSlice(
                run_id=run_id,
                value=one.value,
                low=one.low,
                high=one.high,
                rest=one.rest,
                gap=one.gap,
                p=one.p,
                p_adjusted=one.p_adjusted,
                significant=one.significant,
            )
            for run_id, one in zip(run_ids, found, strict=True)
        ],
    )


def _answer(
    rows: Sequence[tuple[Slice, list[SliceScore]]],
    score: ScoreInfo,
    names: Sequence[str],
    smallest_p: float,
    units: str,
) -> str:
    """Which slice is worse than the rest by more than chance, for which run."""
    sign = 1 if score.higher_is_better else -1
    tested = sum(any(not math.isnan(one.p) for one in found) for _, found in rows)
    if all(each.member.all() or not each.tested for each, _ in rows):
        return "All samples are in one part: there is nothing to hold it against."
    if not tested:
        return "No part could be tested: the notes say why."
    together = f"of {tested} parts together" if tested > 1 else "of one part"
    for each, found in rows:
        worse = [(one, place) for place, one in enumerate(found) if one.significant and sign * one.gap < 0]
        if worse:
            one, place = worse[0]
            whose = f" of {names[place]}" if len(found) > 1 else ""
            return (
                f"The worst part that is worse by more than chance: {named(each.by, each.name)}, {score.name}{whose} "
                f"is {abs(one.gap):.4f} {'below' if sign > 0 else 'above'} that of the other samples ("
                f"{p_equals(one.p_adjusted)} {together})."
            )
    return _none_is_worse(together, smallest_p, units)


def _units(permuted: Collection[Permuted]) -> str:
    """What there are too few of, where that is permuted."""
    return "groups" if set(permuted) == {"groups"} else "samples"


def _none_is_worse(together: str, smallest_p: float, units: str) -> str:
    """That no part was found to be worse, unless so few samples could not have shown one."""
    if smallest_p >= ALPHA:
        return (
            f"Too few {units}: whatever they score, no part could be worse than the others by more than chance (p is "
            f"at least {p_value(smallest_p)})."
        )
    return f"No part is worse than the other samples by more than chance ({together})."
