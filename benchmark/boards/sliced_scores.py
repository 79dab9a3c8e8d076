"""Scores of parts of the samples: the worst first, and whether it is worse by more than chance."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from ..evaluation.comparison import ALPHA
from ..evaluation.scores import Score
from ..evaluation.slicing import MIN_SAMPLES, Permuted, Slice, SlicedScores, SliceScore
from ..runs.record import Record
from ..runs.stored import StoredRun
from ..text import counted, named, number, p_equals, p_value
from ..types import Metric, ScoreInfo
from .labels import comparison_labels
from .sample_slices import GROUP
from .slice_document import ScoreOfSlice, Sliced, SlicedByAll, SlicedRun, SliceRow


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
        runs=[_run(record, name, record.scores[score.name]) for record, name in zip(records, names, strict=True)],
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


def _run(record: Record, label: str, score: Score) -> SlicedRun:
    return SlicedRun(run_id=record.run_id, label=label, value=score.value, low=score.low, high=score.high)


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
