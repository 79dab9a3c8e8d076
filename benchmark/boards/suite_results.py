"""What came out of a suite: scores over seeds with intervals and cost, as markdown, JSON and plots."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field
from tabulate import tabulate

from ..io.atomic import write_text
from ..io.documents import Document, plain_json
from ..runs.record import Cost, Record
from ..runs.stored import StoredRun, open_run
from ..runs.suite.planned import CELLS
from ..runs.suite.spec import Cell, Plan
from ..runs.suite.state import CellState, SuiteState
from ..runs.time_limit import trained_part
from ..text import UNDEFINED, about_time_marks, interval, number, samples_of, time_marks
from .comparable import Comparable, ComparableFields, badness, whole_n
from .markdown import escape
from .robustness import RobustnessLine, robustness
from .seed_differences import SeedRuns, SuiteDifferences, difference_figure, difference_lines, seed_differences
from .seed_groups import deviation, mean, mean_score, together

RESULTS = "results"


class SeedScore(Document):
    """A score over seeds: its mean, an interval, the standard deviation, and the value of each seed."""

    value: float | None
    low: float | None
    high: float | None
    std_over_seeds: float | None
    values: list[float | None]
    unit: str
    higher_is_better: bool


class SuiteRow(Document):
    """Runs that differ in their seed alone; a cost is the mean over them, of counts a whole number.

    `trained_part` is the part of the planned iterations after which a time limit ended training, null where none did.
    """

    label: str
    method: str
    family: str
    preset: str | None
    settings: dict[str, Any]
    train_fraction: float
    n_train: float | None
    seeds: list[int]
    scores: dict[str, SeedScore]
    cost: Cost
    trained_part: float | None
    cells: list[str]


class SuiteSection(ComparableFields):
    """One table: rows that may be compared, from best to worst by the main score."""

    n: int
    whole_n: int | None = None
    main_score: str
    resampled: list[str]
    rows: list[SuiteRow]


class SuiteRobustness(Document):
    """What the cells of one table score on images that were made worse, with the loss from images as they are."""

    title: str
    score: str
    lines: list[RobustnessLine]


class FailedCell(Document):
    """A cell that failed: `error` is the last line that it printed, `log` the file with the rest."""

    name: str
    cell: str
    exit_status: int | None
    error: str
    log: str


class SuiteResults(Document):
    """What came out of a suite: `results.json`, and what `bench suite --json` prints."""

    suite: str
    summary: str
    folder: str
    environment: dict[str, Any]
    n: int
    done: int
    excluded: int
    unable: list[str]
    failed: list[FailedCell]
    sections: list[SuiteSection]
    differences: list[SuiteDifferences] = Field(default_factory=list)
    robustness: list[SuiteRobustness] = Field(default_factory=list)
    plots: list[str]


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
                    title=title_of(section) + part,
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
        content = plain_json(list(curves.lines))
        written = write_figure(stem, lambda c=curves, lines=content: robustness_curves(lines, c.score, c.title))  # type: ignore[misc]
        results.plots += [path.name for path in written]
    for place, differences in enumerate(results.differences):
        stem = folder / f"differences{f'-{place + 1}' if place else ''}"
        written = write_figure(stem, lambda d=differences: difference_figure(d))  # type: ignore[misc]
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


def markdown(results: SuiteResults) -> str:
    """The tables of a suite as a page."""
    lines = [f"# Suite {escape(results.suite)}", ""]
    if results.summary:
        lines += [escape(results.summary), ""]
    lines += [f"{results.done} of {results.n} cells done, {len(results.failed)} failed.", ""]
    for section in results.sections:
        lines += _section_lines(section)
    lines += [line for name in results.plots if name.endswith(".svg") for line in (f"![{name[:-4]}]({name})", "")]
    for differences in results.differences:
        lines += difference_lines(differences)
    for curves in results.robustness:
        lines += _robustness_lines(curves)
    if results.failed:
        lines += ["## Failed", ""]
        body = [[escape(f.cell), f.exit_status, escape(f.error), f"`{f.log}`"] for f in results.failed]
        lines += [tabulate(body, ["cell", "exit", "error", "log"], tablefmt="github", disable_numparse=True), ""]
    if results.unable:
        lines += ["## Not in the grid", "", *(f"- {escape(line)}" for line in results.unable), ""]
    lines += ["Made by `bench suite`; do not edit.", ""]
    return "\n".join(lines)


def _robustness_lines(curves: SuiteRobustness) -> list[str]:
    """A table with a row for each corruption and level, and a column for each method."""
    labels = [line.label for line in curves.lines]
    cells: dict[str, dict[str, str]] = {"as they are": {line.label: number(line.value, ".4f") for line in curves.lines}}
    for line in curves.lines:
        for point in line.points:
            lost = interval(point.relative_drop, point.drop_low, point.drop_high, "+.1%")
            said = f"{number(point.value, '.4f')}, {lost}"
            cells.setdefault(f"{point.corruption}:{point.level}", {})[line.label] = said
    cells["mean loss"] = {line.label: number(line.mean_relative_drop, "+.1%") for line in curves.lines}
    body = [[escape(name), *(row.get(label, UNDEFINED) for label in labels)] for name, row in cells.items()]
    table = tabulate(body, ["images", *map(escape, labels)], tablefmt="github", disable_numparse=True)
    note = (
        f"{escape(curves.score)} on images that were made worse, level 1 to 5, for prediction alone, and which part of "
        "the score on images as they are is lost, with its paired 95 % interval."
    )
    return [f"## Robustness: {escape(curves.title)}", "", note, "", table, ""]


def title_of(section: SuiteSection) -> str:
    """Dataset, origin, protocol and options of a section."""
    scope = f"{section.folds}-fold cross-validation" if section.folds else f"split {section.split}"
    options = f", {section.options}" if section.options else ""
    options += f", images made worse ({section.corruption})" if section.corruption else ""
    return f"{section.dataset}{' (SYNTHETIC)' if section.origin == 'synthetic' else ''}, {scope}{options}"


def note_of(section: SuiteSection) -> str:
    """What the numbers of a section are."""
    drawn = " or ".join(section.resampled) or "samples"
    samples = samples_of(section.n, section.whole_n)
    return (
        f"{samples}, sorted by {section.main_score}. In brackets: 95 % bootstrap interval over "
        f"{drawn}, its ends averaged over the seeds; ±: standard deviation over the seeds"
        f"{''.join(f'; {mark}' for mark in about_time_marks((False, row.trained_part) for row in section.rows))}."
    )


def _interval(score: SeedScore | None) -> str:
    return UNDEFINED if score is None else interval(score.value, score.low, score.high)


def _section_lines(section: SuiteSection) -> list[str]:
    main, rows = section.main_score, section.rows
    others = [name for name in rows[0].scores if name != main]
    headers = ["method", "family", "preset", "labels", main, "± seeds", *others, "seeds"]
    headers += ["train s", "ms/image", "GMAC/image", "parameters", "memory MB", "device"]
    body = []
    for row in rows:
        cost, score = row.cost, row.scores.get(main)
        macs = cost.macs_per_image
        body.append(
            [
                escape(row.label),
                row.family,
                escape(row.preset or UNDEFINED),
                number(row.n_train, ".0f"),
                _interval(score),
                number(None if score is None else score.std_over_seeds, ".4f"),
                *(_interval(row.scores.get(name)) for name in others),
                len(row.seeds),
                number(cost.train_s, ".1f") + time_marks(False, row.trained_part),
                number(cost.predict_ms_per_image, ".1f"),
                number(None if macs is None else macs / 1e9, ".1f"),
                number(cost.parameters, ",.0f"),
                number(cost.peak_memory_mb, ".0f"),
                escape(cost.device or UNDEFINED),
            ]
        )
    table = tabulate(body, [escape(h) for h in headers], tablefmt="github", disable_numparse=True)
    synthetic = section.origin == "synthetic"
    made = " Made by segbench, not real images: never to be ranked beside real ones." if synthetic else ""
    return [f"## {escape(title_of(section))}", "", escape(note_of(section)) + made, "", table, ""]
