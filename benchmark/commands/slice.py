"""`bench slice`: scores of parts of the samples, the worst first, and whether it is worse by more than chance."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np

from ..boards.compare_runs import refuse_incomparable, score_of_all
from ..boards.labels import comparison_labels
from ..boards.notebook import html_table
from ..data.sample_attributes import ATTRIBUTES
from ..evaluation.slicing import MIN_SAMPLES, Slice, SlicedScores, SliceScore, slices_of
from ..io.documents import Document, Number
from ..io.reporter import Reporter
from ..runs.open_data import open_dataset
from ..runs.request import SliceRequest
from ..runs.stored import StoredRun, open_run
from ..text import between, counted, number, p_value, some, unknown
from ..types import Metric, ScoreInfo, UserError

_MAX_BYTES = 100_000_000
_ID_COLUMNS = ("sample", "sample_id", "id", "image_id", "image", "file", "filename", "file_name", "name", "path")


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
    """Slices, the worst first (by the mean score of the runs), and an answer in a sentence."""

    dataset: str
    origin: Literal["real", "synthetic"]
    split: str
    score: str
    unit: str
    higher_is_better: bool
    n: int
    by: list[str]
    permuted: Literal["samples", "groups", "samples within groups"]
    permutations: int
    runs: list[SlicedRun]
    slices: list[SliceRow]
    answer: str
    notes: list[str]

    def _repr_html_(self) -> str:
        """What a notebook shows: the answer, and a row for each slice and run."""
        labels = {run.run_id: run.label for run in self.runs}
        rows = [
            [
                *(row.by, row.slice, str(row.n), labels[one.run_id], number(one.value, ".4f")),
                *(between(one.low, one.high), number(one.gap, "+.4f"), p_value(one.p_adjusted)),
            ]
            for row in self.slices
            for one in row.scores
        ]
        heads = ["by", "slice", "n", "run", self.score, "95 % interval", "gap", "p, adjusted"]
        return html_table(
            f"{self.score} on {self.dataset}, split {self.split}", heads, rows, [self.answer, *self.notes]
        )


def slice_runs(request: SliceRequest, reporter: Reporter) -> Sliced:
    """Do what `bench slice` says.

    Raises
    ------
    UserError
        For runs that are not comparable, a property that there is not, a CSV file that cannot be used, and images or
        labels that are not found.
    """
    if not request.by:
        raise UserError(f"--by is missing: give FILE.csv:COLUMN, class, or one of {', '.join(ATTRIBUTES)}")
    runs = [open_run(folder) for folder in request.runs]
    refuse_incomparable([run.record for run in runs])
    metric, score = score_of_all(runs, request.score)
    notes: list[str] = []
    slices = [each for by in request.by for each in _slices(by, runs[0], metric, request, reporter, notes)]
    statistics = tuple(tuple(run.statistics.of(metric.name)) for run in runs)
    sliced = SlicedScores(metric, runs[0].info, score, statistics, tuple(slices), request.permutations, request.seed)
    rows = list(zip(slices, sliced.scores(), strict=True))
    return _document(runs, sliced, rows, notes)


def _slices(
    by: str, run: StoredRun, metric: Metric, request: SliceRequest, reporter: Reporter, notes: list[str]
) -> list[Slice]:
    ids = [s.sample_id for s in run.statistics.of(metric.name)]
    if by == "class":
        return _classes(run, ids)
    if by in ATTRIBUTES:
        notes.append(f"{by}: {ATTRIBUTES[by].meaning}")
        return _cut(by, _attribute(by, ids, run, request, reporter), request.bins, notes)
    file, colon, column = by.rpartition(":")
    if not colon or not file.lower().endswith((".csv", ".tsv", ".txt")):
        raise UserError(unknown("--by", by, ("class", *ATTRIBUTES)) + " Or give a table, as in --by FILE.csv:COLUMN.")
    table = read_column(Path(file), column, ids, notes)
    return _cut(column, [table.get(sample_id) for sample_id in ids], request.bins, notes)


def _cut(by: str, values: Sequence[str | float | None], bins: int, notes: list[str]) -> list[Slice]:
    """Slices by a property, with a note where numbers were cut into bins."""
    found = slices_of(by, values, bins)
    if any(each.between is not None for each in found):
        notes.append(f"{by}: numbers are cut at quantiles into {bins} parts of about equally many samples")
    return found


def _classes(run: StoredRun, ids: Sequence[str]) -> list[Slice]:
    """The samples that hold each class, as the statistics know: those of one sample may be in several."""
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
        return parts
    raise UserError(f"'{run.folder}' has no statistics that say which classes a sample holds; use another --by")


def _attribute(
    by: str, ids: Sequence[str], run: StoredRun, request: SliceRequest, reporter: Reporter
) -> list[str | float | None]:
    """A property of every sample, from its image or its labels."""
    data, attribute = run.record.dataset, ATTRIBUTES[by]
    source = data.origin if request.root is None else "auto"
    dataset, _ = open_dataset(data.name, request.root, source, data.options, reporter, may_synthesize=False)
    found: list[str | float | None] = []
    with reporter.progress(f"looking at {by}") as update:
        for done, sample_id in enumerate(ids, 1):
            sample = dataset.load(sample_id, (attribute.part,))
            found.append(attribute.of(sample, dataset.info))
            update(done, len(ids))
    if all(value is None for value in found):
        what = "an image" if attribute.part == "image" else "an object"
        raise UserError(f"--by {by}: no sample below '{dataset.root}' has {what}")
    return found


def read_column(path: Path, column: str, ids: Sequence[str], notes: list[str]) -> dict[str, str]:
    """A column of a table with a header line, by sample id; rows of other samples are told in `notes`.

    A row belongs to the sample of its id (a column such as `sample`, `id` or `file`, else the first), which may be
    written as a path with an ending.

    Raises UserError for a file that cannot be read, a column that there is not, and two values of one sample.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UserError(f"{path}: is larger than {_MAX_BYTES} bytes; expected a table with a row for each sample")
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); expected a table as CSV in UTF-8") from error
    first = text.partition("\n")[0]
    try:
        reader = csv.DictReader(text.splitlines(), delimiter=max(",;\t", key=first.count))
        header, rows = list(reader.fieldnames or ()), list(reader)
    except csv.Error as error:
        raise UserError(f"{path}: cannot be read as CSV ({error})") from error
    if column not in header:
        raise UserError(f"{path}: " + unknown("column", column, header))
    key = next((name for name in header if name.strip().lower() in _ID_COLUMNS), header[0])
    known = {name: sample_id for sample_id in ids for name in (sample_id, PurePosixPath(sample_id).stem)}
    found: dict[str, str] = {}
    others = 0
    for line, row in enumerate(rows, 2):
        cell = (row[key] or "").strip().replace("\\", "/")
        sample_id = known.get(cell) or known.get(PurePosixPath(cell).name) or known.get(PurePosixPath(cell).stem)
        if sample_id is None:
            others += 1
        elif found.setdefault(sample_id, row[column] or "") != (row[column] or ""):
            raise UserError(f"{path}, line {line}: sample '{sample_id}' has another '{column}' than before")
    if not found:
        raise UserError(f"{path}: column '{key}' names no sample of the run. Expected ids such as {some(list(ids), 3)}")
    lacking = len(ids) - len(found)
    notes += [f"{path}: {counted(others, 'row')} of other samples took no part"] if others else []
    notes += [f"{path}: {counted(lacking, 'sample')} of the run has no row there"] if lacking else []
    return found


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
    return Sliced(
        dataset=data.name,
        origin=data.origin,
        split=data.split,
        score=score.name,
        unit=score.unit,
        higher_is_better=score.higher_is_better,
        n=data.n,
        by=list(dict.fromkeys(each.by for each, _ in rows)),
        permuted=sliced.permuted,
        permutations=sliced.permutations,
        runs=[
            _run(record.run_id, name, record.scores[score.name]) for record, name in zip(records, names, strict=True)
        ],
        slices=[_row(each, found, [record.run_id for record in records]) for each, found in ordered],
        answer=_answer(ordered, score, names),
        notes=notes,
    )


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


def _answer(rows: Sequence[tuple[Slice, list[SliceScore]]], score: ScoreInfo, names: Sequence[str]) -> str:
    """Which slice is worse than the rest by more than chance, for which run."""
    sign = 1 if score.higher_is_better else -1
    tested = sum(each.tested and not each.member.all() for each, _ in rows)
    if not tested:
        return "All samples are in one slice: there is nothing to hold it against."
    together = f"of {counted(tested, 'slice')} together"
    for each, found in rows:
        worse = [(one, place) for place, one in enumerate(found) if one.significant and sign * one.gap < 0]
        if worse:
            one, place = worse[0]
            whose = f" of {names[place]}" if len(found) > 1 else ""
            return (
                f"The worst slice that is worse by more than chance: {each.by} {each.name}, {score.name}{whose} is "
                f"{abs(one.gap):.4f} {'below' if sign > 0 else 'above'} that of the other samples (p = "
                f"{one.p_adjusted:.2g} {together})."
            )
    return f"No slice is worse than the other samples by more than chance ({together})."
