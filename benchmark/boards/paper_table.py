"""The results table of a paper, made from stored runs.

Runs that differ in their seed alone are one row, named as on a board. What the values of a column say of each other is
by the paired tests of a board: the best, and those that cannot be told from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._version import __version__
from ..evaluation.class_scores import OF_CLASS
from ..evaluation.comparison import Paired
from ..evaluation.over_seeds import MethodTest, method_tests
from ..evaluation.resampling import in_few_groups
from ..evaluation.scoring import Table
from ..io.reporter import Reporter
from ..registry import metrics
from ..runs.find import FoundRun
from ..runs.record import Record, recorded_info
from ..runs.versions import with_versions
from ..text import UNDEFINED
from ..types import ScoreInfo, UserError
from .comparable import MAX_TESTED, Comparable, badness, official_metrics, whole_n
from .labels import board_labels
from .opened_runs import OpenedRuns
from .paper_document import PaperTable, TableCell, TableColumn, TableRow
from .paper_scores import class_score, wanted_scores
from .paper_words import decimals_of, title_of
from .ranking import ranked_rows
from .seed_groups import SeedGroup, deviation, mean, resampled, seed_groups, trainings
from .stands_alone import StandsAlone

FAMILIES = ("classical", "learned", "external")
"""Families in the order of their rows."""


@dataclass(frozen=True)
class WantedColumns:
    """What is to be shown: scores (by default the usual ones), or one score by class; and how."""

    scores: tuple[str, ...] = ()
    by_class: bool = False
    intervals: bool = True
    percent: bool = True
    tests: bool = True


def paper_table(
    key: Comparable,
    runs: Sequence[FoundRun],
    wanted: WantedColumns,
    left_out: Sequence[StandsAlone],
    reporter: Reporter,
) -> PaperTable:
    """The table of comparable runs (those that `key` is of).

    Raises
    ------
    UserError
        For a score that is not there, or that some of the runs lack.
    """
    opened = OpenedRuns({run.record.run_id: run for run in runs}, () if wanted.by_class else wanted.scores)
    rows = [row for _, row in ranked_rows(seed_groups(opened.record(run.record) for run in runs))]
    records = [record for row in rows for record in row.records]
    by_class = class_score(records, wanted.scores) if wanted.by_class else None
    made = []
    if by_class is not None:
        intervals = opened.class_intervals(records) if wanted.intervals else {}
        made = [_of_class(name, by_class, rows, wanted, intervals) for name in records[0].per_class]
    first = len(made)
    for name in wanted_scores(records, () if wanted.by_class else wanted.scores)[: 1 if wanted.by_class else None]:
        made.append(_of_score(name, rows, wanted, opened, reporter))
    columns = [column for column, _ in made]
    data = records[0].dataset
    return PaperTable(
        dataset=data.name,
        summary=recorded_info(data).summary,
        origin=data.origin,
        protocol=key.protocol,
        split=key.split,
        options=key.options,
        folds=key.folds,
        n=data.n,
        whole_n=whole_n(records),
        ids_sha256=key.ids_sha256,
        by_class=by_class,
        intervals=wanted.intervals,
        resampled=resampled(
            rows, few_groups=_in_few_groups(opened, records[0]), shown={column.score for column in columns}
        ),
        metrics=_families_shown(records[0], columns),
        segbench=__version__,
        scored_with=sorted({record.environment.segbench for record in records}),
        columns=columns,
        rows=sorted(_rows(rows, [cells for _, cells in made]), key=lambda row: _place(row, first, columns[first])),
        left_out=list(left_out),
    )


def _rows(rows: Sequence[SeedGroup], columns: Sequence[Sequence[TableCell]]) -> list[TableRow]:
    labels = board_labels([row.record for row in rows])
    return [
        TableRow(
            label=label,
            method=row.record.method.name,
            family=row.record.method.family,
            run_ids=[record.run_id for record in row.records],
            seeds=row.seeds,
            trained_part=row.time_marks[1],
            cells=[cells[place] for cells in columns],
        )
        for place, (row, label) in enumerate(zip(rows, labels, strict=True))
    ]


def _place(row: TableRow, first: int, column: TableColumn) -> tuple[int, str, float, str]:
    family = FAMILIES.index(row.family) if row.family in FAMILIES else len(FAMILIES)
    return family, row.family, badness(row.cells[first].value, column.higher_is_better), row.run_ids[0]


def _of_class(
    name: str, score: str, rows: Sequence[SeedGroup], wanted: WantedColumns, intervals: Mapping[str, Table]
) -> tuple[TableColumn, list[TableCell]]:
    """A column of a class; its values were not tested. Of several seeds the ends of their intervals are averaged."""

    def ends(row: SeedGroup, end: str) -> float | None:
        return mean(intervals.get(each.run_id, {}).get(name, {}).get(f"{score}_{end}") for each in row.records)

    values = [[record.per_class.get(name, {}).get(score) for record in row.records] for row in rows]
    cells = [
        TableCell(value=mean(each), low=ends(row, "low"), high=ends(row, "high"), sd=deviation(each))
        for row, each in zip(rows, values, strict=True)
    ]
    column = _column(name, _class_score_info(score), True, cells, wanted.percent)
    return column, distinguished(column, cells)


def _families_shown(record: Record, columns: Sequence[TableColumn]) -> str:
    """The dataset's own families with their versions, and those that a user added for the scores that are shown."""
    shown = {column.score.partition(OF_CLASS)[0] for column in columns}
    of_family = {
        name: {what.name for what in (*metric.scores, *metric.class_scores)} for name, metric in metrics().items()
    }
    own = official_metrics(record)
    added = {name: record.metrics[name] for name in record.metrics if shown & of_family.get(name, set())}
    return with_versions({**own, **added})


def _class_score_info(name: str) -> ScoreInfo:
    """Unit and direction of a score of a class: those of the score of this name; the others are fractions."""
    known = (score for metric in metrics().values() for score in metric.scores if score.name == name)
    return next(known, ScoreInfo(name, name))


def _in_few_groups(opened: OpenedRuns, record: Record) -> bool:
    """Whether samples have groups, but few, as a run's statistics say; False where these are not there."""
    try:
        run = opened[record.run_id]
    except UserError:
        return False
    return in_few_groups([s.group for s in run.statistics.of(run.metrics[0].name)], run.info.name)


def _of_score(
    name: str, rows: Sequence[SeedGroup], wanted: WantedColumns, opened: OpenedRuns, reporter: Reporter
) -> tuple[TableColumn, list[TableCell]]:
    """A column of a score of all samples."""
    scores = [row.record.scores[name] for row in rows]
    values = [[record.scores[name].value for record in row.records] for row in rows]
    cells = [
        TableCell(value=score.value, low=score.low, high=score.high, sd=deviation(each))
        for score, each in zip(scores, values, strict=True)
    ]
    info = ScoreInfo(name, name, scores[0].unit, higher_is_better=scores[0].higher_is_better)
    column = _column(name, info, False, cells, wanted.percent)
    cells = distinguished(column, cells)
    if not wanted.tests:
        return column.model_copy(update={"why_untested": "--no-tests"}), cells
    return _tested(column, cells, rows, opened, reporter)


def _column(name: str, info: ScoreInfo, of_class: bool, cells: Sequence[TableCell], percent: bool) -> TableColumn:
    percent = percent and info.unit == "fraction"
    return TableColumn(
        name=name,
        title=name if of_class else title_of(name, info.unit),
        score=info.name,
        of_class=of_class,
        unit=info.unit,
        higher_is_better=info.higher_is_better,
        percent=percent,
        decimals=decimals_of([cell.value for cell in cells], info.unit, percent=percent),
    )


def distinguished(column: TableColumn, cells: Sequence[TableCell]) -> list[TableCell]:
    """Cells with the best and the second one, by what is shown; one value alone is neither."""
    known = [cell.value for cell in cells if cell.value is not None]
    ordered = sorted(known, key=lambda value: badness(value, column.higher_is_better))
    shown = list(dict.fromkeys(map(column.shown, ordered)))
    if len(known) < 2:
        return list(cells)
    first, second = shown[0], shown[1] if len(shown) > 1 else UNDEFINED
    return [
        cell.model_copy(
            update={
                "best": cell.value is not None and column.shown(cell.value) == first,
                "second": cell.value is not None and column.shown(cell.value) == second,
            }
        )
        for cell in cells
    ]


def _tested(
    column: TableColumn, cells: Sequence[TableCell], rows: Sequence[SeedGroup], opened: OpenedRuns, reporter: Reporter
) -> tuple[TableColumn, list[TableCell]]:
    """The column with its tests: every defined row against every other, of several seeds for other trainings too."""
    places = [place for place, cell in enumerate(cells) if cell.value is not None]
    if len(places) < 2:
        return column.model_copy(update={"why_untested": "fewer than two values"}), list(cells)
    if len(places) > MAX_TESTED:
        return column.model_copy(update={"why_untested": f"more than {MAX_TESTED} methods"}), list(cells)
    try:
        groups = [rows[place] for place in places]
        runs = [opened[record.run_id] for group in groups for record in group.records]
    except UserError as error:
        return column.model_copy(update={"why_untested": str(error)}), list(cells)
    found = next(((m, s) for m in runs[0].metrics for s in m.scores if s.name == column.score), None)
    if found is None:
        raise UserError(
            f"'{runs[0].folder}' says '{column.score}', which is a score of none of its metrics "
            f"({', '.join(runs[0].record.metrics)}): nothing proves it. Leave the run out, or choose another --metric."
        )
    metric, info = found
    with reporter.progress(f"testing {column.score}") as update:
        paired = Paired(metric, runs[0].info, info, tuple(tuple(run.statistics.of(metric.name)) for run in runs))
        tests = method_tests(paired, trainings(groups), lambda done, total: update(done, total, ""))
    best = min(range(len(places)), key=lambda k: badness(cells[places[k]].value, column.higher_is_better))
    told = _beaten(best, tests, paired.sign)
    marked = list(cells)
    for k, place in enumerate(places):
        if k != best:
            marked[place] = cells[place].model_copy(update={"not_told_from_best": k not in told})
    about = {"pairs": len(tests), "units": paired.units, "drawn": paired.unit, "leans_on_t": paired.leans_on_t}
    return column.model_copy(update=about), marked


def _beaten(best: int, tests: Sequence[MethodTest], sign: int) -> set[int]:
    """The rows that tests tell from the best one as worse; `sign` is -1 where a lower score is better."""
    beaten = set()
    for each in tests:
        if best in (each.a, each.b) and each.significant:
            other, lead = (each.b, each.value) if each.a == best else (each.a, -each.value)
            if sign * lead > 0:
                beaten.add(other)
    return beaten
