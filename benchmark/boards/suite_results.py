"""What came out of a suite: scores over seeds with intervals and cost, written as JSON, Markdown and plots."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from ..io.atomic import write_text
from ..io.documents import plain_json
from ..runs.record import Cost, Record
from ..runs.stored import StoredRun, open_run
from ..runs.suite.planned import CELLS
from ..runs.suite.spec import Cell, Plan
from ..runs.suite.state import CellState, SuiteState
from ..runs.time_limit import trained_part
from .comparable import Comparable, badness, whole_n
from .robustness import robustness
from .seed_differences import SeedRuns, SuiteDifferences, difference_figure, seed_differences
from .seed_groups import deviation, mean, mean_score, together
from .suite_document import FailedCell, SeedScore, SuiteResults, SuiteRobustness, SuiteRow, SuiteSection
from .suite_markdown import markdown

RESULTS = "results"


def results_of(plan: Plan, state: SuiteState, folder: Path, found: Mapping[str, Record]) -> SuiteResults:
    """Everything that came out; `found` has the complete records by name of the cell."""
    groups: dict[Comparable, dict[tuple[str, float], list[Cell]]] = {}
    for cell in plan.cells:
        # What is fitted on a clean cell and predicts worse images stands in the curves, not in a table of its own.
        if cell.name in found and found[cell.name].scores and cell.weights_of is None:
            rows = groups.setdefault(Comparable.of(found[cell.name]), {})
            rows.setdefault((cell.label, cell.train_fraction), []).append(cell)
    sections = [_section(key, rows, found) for key, rows in groups.items()]
    return SuiteResults(
        suite=plan.name,
        summary=plan.summary,
        folder=str(folder),
        environment=state.environment,
        n=len(plan.cells),
        done=sum(state.cells[cell.name].status == "done" for cell in plan.cells),
        excluded=plan.excluded,
        unable=list(plan.unable),
        failed=[
            _failed(cell, state.cells[cell.name], folder)
            for cell in plan.cells
            if state.cells[cell.name].status == "failed"
        ],
        sections=sections,
        differences=[] if plan.reference is None else _differences(plan.reference, sections, folder),
        robustness=_robustness(plan, folder, found),
        plots=[],
    )


def _robustness(plan: Plan, folder: Path, found: Mapping[str, Record]) -> list[SuiteRobustness]:
    """The curves of each table whose cells were also run on corrupted images."""
    groups: dict[Comparable, list[tuple[str, StoredRun]]] = {}
    worse = [cell for cell in plan.cells if cell.weights_of in found and cell.name in found]
    for cell in plan.cells:
        if any(other.weights_of == cell.name for other in worse):
            run = open_run(folder / CELLS / cell.name)
            label = cell.label if len({c.seed for c in plan.cells}) == 1 else f"{cell.label} (seed {cell.seed})"
            groups.setdefault(Comparable.of(run.record), []).append((label, run))
    made = []
    for clean in groups.values():
        names = {run.folder.name for _, run in clean}
        corrupted = [open_run(folder / CELLS / cell.name) for cell in worse if cell.weights_of in names]
        main = clean[0][1].record.main_score
        data = clean[0][1].record.dataset
        title = f"{data.name}{' (SYNTHETIC data)' if data.origin == 'synthetic' else ''}, split {data.split}"
        made.append(SuiteRobustness(title=title, score=main, lines=robustness(clean, corrupted, main)))
    return made


def _differences(reference: str, sections: Sequence[SuiteSection], folder: Path) -> list[SuiteDifferences]:
    """The differences in every table that has the reference, among rows of one part of the labels."""
    made = []
    for section in sections:
        for usual in (row for row in section.rows if row.label == reference):
            others = [row for row in section.rows if row is not usual and row.train_fraction == usual.train_fraction]
            score = usual.scores.get(section.main_score)
            if others and score is not None:
                part = "" if usual.train_fraction == 1 else f", {100 * usual.train_fraction:.4g} % of the labels"
                found = SuiteDifferences(
                    title=section.title + part,
                    score=section.main_score,
                    higher_is_better=score.higher_is_better,
                    reference=reference,
                    reference_seeds=len(usual.seeds),
                    rows=seed_differences(
                        _seed_runs(usual, folder), [_seed_runs(row, folder) for row in others], section.main_score
                    ),
                )
                made.append(found)
    return made


def _seed_runs(row: SuiteRow, folder: Path) -> SeedRuns:
    return SeedRuns(row.label, row.family, tuple(open_run(folder / CELLS / name) for name in row.cells))


def write_results(folder: Path, results: SuiteResults) -> None:
    """Write `results.json`, `results.md` and the plots, and note the plots in `results`."""
    from ..figures.robustness import robustness_curves
    from ..figures.score_plots import suite_plots
    from ..figures.style import write_figure

    sections = [section.model_dump(mode="json") for section in results.sections]
    results.plots = [path.name for path in suite_plots(sections, folder)]
    for place, curves in enumerate(results.robustness):
        stem = folder / f"robustness{f'-{place + 1}' if place else ''}"
        lines = plain_json(list(curves.lines))
        written = write_figure(stem, partial(robustness_curves, lines, curves.score, curves.title))
        results.plots += [path.name for path in written]
    for place, differences in enumerate(results.differences):
        stem = folder / f"differences{f'-{place + 1}' if place else ''}"
        written = write_figure(stem, partial(difference_figure, differences))
        results.plots += [path.name for path in written]
    write_text(folder / f"{RESULTS}.json", results.to_json())
    write_text(folder / f"{RESULTS}.md", markdown(results))


def _failed(cell: Cell, own: CellState, folder: Path) -> FailedCell:
    log = str(folder / own.log)
    return FailedCell(name=cell.name, cell=cell.short, exit_status=own.exit_status, error=own.error, log=log)


def _section(
    key: Comparable, rows: Mapping[tuple[str, float], Sequence[Cell]], found: Mapping[str, Record]
) -> SuiteSection:
    records = {cell.name: found[cell.name] for cells in rows.values() for cell in cells}
    first = next(iter(records.values()))
    table = [
        _row(label, fraction, cells, [records[c.name] for c in cells]) for (label, fraction), cells in rows.items()
    ]
    main = first.main_score
    units = {s.resampled for record in records.values() for s in record.scores.values() if s.resampled}
    return SuiteSection(
        **vars(key),
        n=first.dataset.n,
        whole_n=whole_n(records.values()),
        main_score=main,
        resampled=sorted(units),
        rows=sorted(table, key=lambda row: _best_first(row, main)),
    )


def _row(label: str, fraction: float, cells: Sequence[Cell], records: Sequence[Record]) -> SuiteRow:
    method = records[0].method
    names = list(dict.fromkeys(name for record in records for name in record.scores))
    costs = [record.cost.model_dump() for record in records]
    return SuiteRow(
        label=label,
        method=method.name,
        family=method.family,
        preset=method.preset,
        settings=cells[0].settings,
        train_fraction=fraction,
        n_train=mean(record.method.n_train for record in records),
        seeds=[cell.seed for cell in cells],
        scores={name: _score(name, records) for name in names},
        cost=Cost.model_validate({key: together([cost.get(key) for cost in costs]) for key in Cost.model_fields}),
        trained_part=trained_part(records),
        cells=[cell.name for cell in cells],
    )


def _score(name: str, records: Sequence[Record]) -> SeedScore:
    scores = [record.scores.get(name) for record in records]
    values = [None if score is None else score.value for score in scores]
    found = mean_score(scores)
    return SeedScore(
        value=found.value,
        low=found.low,
        high=found.high,
        std_over_seeds=deviation(values),
        values=values,
        unit=found.unit,
        higher_is_better=found.higher_is_better,
    )


def _best_first(row: SuiteRow, main: str) -> tuple[float, str, float]:
    """Sort key of rows: by the main score, then by label, then with most labelled samples first."""
    score = row.scores.get(main)
    value = math.inf if score is None else badness(score.value, score.higher_is_better)
    return value, row.label, -row.train_fraction
