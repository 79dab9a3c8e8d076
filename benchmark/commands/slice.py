"""`bench slice`: scores of parts of the samples, the worst first, and whether it is worse by more than chance."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np

from ..boards.comparable import refuse_incomparable
from ..boards.sample_slices import GROUP, attribute_slices, class_slices, group_slices, slices_by
from ..boards.score_choice import score_of_all
from ..boards.slice_document import Sliced, SlicedByAll
from ..boards.sliced_scores import by_all, sliced_runs
from ..data.sample_attributes import ATTRIBUTES
from ..evaluation.slicing import Slice, cut_by
from ..io.reporter import Reporter
from ..runs.open_data import data_of
from ..runs.stored import StoredRun, open_run
from ..runs.stored_requests import SliceRequest
from ..runs.stored_scores import with_score
from ..text import counted, some, unknown
from ..types import Dataset, Metric, ScoreInfo, UserError

_MAX_BYTES = 100_000_000
_ID_COLUMNS = ("sample", "sample_id", "id", "image_id", "image", "file", "filename", "file_name", "name", "path")


def slice_runs(request: SliceRequest, reporter: Reporter) -> Sliced:
    """Do what `bench slice --by` says.

    Raises
    ------
    UserError
        For runs that are not comparable, a property that there is not, a CSV file that cannot be used, and images or
        labels that are not found.
    """
    if not request.by:
        raise UserError(f"--by is missing: give FILE.csv:COLUMN, class, {GROUP}, or one of {', '.join(ATTRIBUTES)}")
    runs, metric, score = _opened(request)
    notes: list[str] = []
    data = _opened_once(runs[0], request, reporter)
    slices = []
    for by in request.by:
        slices += _slices(by, runs[0], metric, request, reporter, notes, data)
        _refuse_parts_of_groups(by, slices, runs[0], metric, score)
    return sliced_runs(runs, metric, score, slices, notes, request.permutations, request.seed)


def slice_by_all(request: SliceRequest, reporter: Reporter) -> SlicedByAll:
    """What `bench slice` says where no property is asked for: a table for each that the samples have.

    Raises UserError as `slice_runs` does, but for properties that there are not, which are named; where there is none.
    """
    runs, metric, score = _opened(request)
    tables: list[Sliced] = []
    left_out: dict[str, str] = {}
    data = _opened_once(runs[0], request, reporter)
    if request.root is not None:
        data()
    for by in ("class", GROUP, *ATTRIBUTES):
        notes: list[str] = []
        try:
            slices = _slices(by, runs[0], metric, request, reporter, notes, data)
            _refuse_parts_of_groups(by, slices, runs[0], metric, score)
        except UserError as error:
            left_out[by] = str(error).removeprefix(f"--by {by}: ")
            continue
        n = len(runs[0].statistics.of(metric.name))
        if by == GROUP and len(slices) == n:
            left_out[by] = "every sample stands alone"
        elif all(each.member.all() or not each.tested for each in slices):
            left_out[by] = "all samples are alike"
        else:
            tables.append(sliced_runs(runs, metric, score, slices, notes, request.permutations, request.seed))
    if not tables:
        why = "; ".join(f"{by}: {reason}" for by, reason in left_out.items())
        raise UserError(f"no property tells the samples apart ({why}). Give a table: --by FILE.csv:COLUMN")
    return by_all(tables, left_out)


def _opened(request: SliceRequest) -> tuple[list[StoredRun], Metric, ScoreInfo]:
    """The runs, which have to be comparable, with the score that they are asked for and its family."""
    runs = [with_score(open_run(folder), request.score) for folder in request.runs]
    refuse_incomparable([run.record for run in runs])
    return runs, *score_of_all(runs, request.score)


def _refuse_parts_of_groups(by: str, slices: Sequence[Slice], run: StoredRun, metric: Metric, score: ScoreInfo) -> None:
    """Raise UserError where a score of whole groups is to be sliced by what tells samples of one group apart."""
    groups, member = np.unique([s.group for s in run.statistics.of(metric.name)], return_inverse=True)
    if metric.part_columns and cut_by(slices, member, len(groups)):
        raise UserError(
            f"--by {by}: {score.name} is measured on whole volumes, and slices of one volume differ in this. Use --by "
            f"{GROUP}, or a table with one value for all slices of a volume."
        )


def _opened_once(run: StoredRun, request: SliceRequest, reporter: Reporter) -> Callable[[], Dataset]:
    """What opens the data of a run where a property asks for it, and tells of it once."""
    return cache(lambda: data_of(run.record, request.root, reporter)[0])


def _slices(
    by: str,
    run: StoredRun,
    metric: Metric,
    request: SliceRequest,
    reporter: Reporter,
    notes: list[str],
    data: Callable[[], Dataset],
) -> list[Slice]:
    ids = [s.sample_id for s in run.statistics.of(metric.name)]
    if by == "class":
        return class_slices(run, ids, notes)
    if by == GROUP:
        return group_slices(run, metric)
    if by in ATTRIBUTES:
        dataset = data()
        with reporter.progress(f"looking at {by}") as update:
            return attribute_slices(by, ids, dataset, request.bins, notes, update)
    if by == "sample":
        raise UserError(f"--by sample: single samples are no parts. See the worst ones: bench explain {run.folder}")
    file, colon, column = by.rpartition(":")
    if not colon or not file.lower().endswith((".csv", ".tsv", ".txt")):
        known = unknown("--by", by, ("class", GROUP, *ATTRIBUTES))
        raise UserError(f"{known} Or give a table, as in --by FILE.csv:COLUMN.")
    table = read_column(Path(file), column, ids, notes)
    return slices_by(column, [table.get(sample_id) for sample_id in ids], request.bins, notes)


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
