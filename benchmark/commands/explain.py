"""`bench explain`: the score of a run under the conventions of well-known libraries, and where and why it is wrong.

Conventions and the worst samples need its statistics alone, what its errors come from its label maps and the truth.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from ..boards.comparable import refuse_incomparable
from ..boards.tidy_csv import confusion_csv
from ..boards.worst_samples import WorstSamples, worst_samples
from ..evaluation.anatomy import CAUSES, anatomy_statistic
from ..evaluation.error_points import Anatomy, anatomy, points_differences
from ..evaluation.explanation import (
    ConventionRow,
    RuleChange,
    Scores,
    classless_pixels,
    convention_row,
    rule_changes,
)
from ..evaluation.library_conventions import conventions, official
from ..evaluation.scores import defined
from ..io.atomic import write_output
from ..io.documents import Document, Number
from ..io.output_checks import refuse_below_a_file
from ..io.reporter import Reporter
from ..metrics.overlap import BinaryOverlap
from ..runs.folder import PREDICTIONS
from ..runs.stored import StoredRun, open_run
from ..runs.stored_label_maps import StoredLabelMaps
from ..runs.stored_requests import ExplainRequest
from ..runs.stored_scores import confusion_of
from ..types import Metric, Statistic, UserError

COLUMNS = frozenset(BinaryOverlap.columns)


class NoConventionsError(UserError):
    """A run whose stored statistics say nothing of conventions."""


class ErrorPart(Document):
    """Points (hundredths) of the score that a cause takes, its wrong pixels, and the rule by which they have it.

    low, high : 95 % interval of the points; null of a cause that no pixel has.
    """

    cause: str
    points: Number
    low: Number = None
    high: Number = None
    pixels: int
    rule: str


class ErrorAnatomy(Document):
    """What the wrong pixels of a run come from: parts that add up to the whole loss of the score."""

    run_id: str
    score: str
    value: Number
    loss_points: Number
    loss_low: Number = None
    loss_high: Number = None
    boundary_px: int
    parts: list[ErrorPart]


class PartDifference(Document):
    """By how many points the second run loses more than the first to a cause, or to all, with the paired interval."""

    cause: str
    points: Number
    low: Number
    high: Number


class Explanation(Document):
    """What a run scores under every convention, how many points one rule moves, and what the errors come from.

    anatomy : of the run, and of another one beside it; empty where predictions or labels were not there.
    anatomy_difference : of two runs, by cause and last for "all".
    worst_samples : where the run is worst by its main score, or most behind the other one; null where none is wanted.
    other_run_id : the run beside it; null without one.
    left_out : what is not told, with the reason and what would tell it.
    """

    run_id: str
    dataset: str
    origin: Literal["real", "synthetic"]
    main_score: str
    explained: str
    official: float | None
    spread_points: float | None
    rows: list[ConventionRow]
    rules: list[RuleChange]
    notes: list[str]
    anatomy: list[ErrorAnatomy] = Field(default_factory=list)
    anatomy_difference: list[PartDifference] = Field(default_factory=list)
    worst_samples: WorstSamples | None = None
    left_out: list[str] = Field(default_factory=list)
    other_run_id: str | None = None


def explain(folder: Path) -> Explanation:
    """What a run scores under every convention, and how many points one rule moves.

    Raises
    ------
    UserError
        If it is no run folder, cannot be read, or has no overlap statistics.
    """
    run = open_run(folder)
    family = _overlap_family(run)
    statistics = run.statistics.of(family.name)
    if not statistics:
        raise UserError(f"'{folder}' holds no scored sample, so there is nothing to explain")
    pooled = official(run.info, [score.name for score in family.scores])
    if not pooled:
        raise NoConventionsError(f"the scores of {family.name} follow no convention that is known here")
    main = run.record.main_score if run.record.main_score in pooled else next(iter(pooled))
    others = [each for each in run.metrics if each is not family and frozenset(each.columns) == COLUMNS]
    of_cases = official(run.info, [score.name for each in others for score in each.scores])
    own = {main: pooled[main], **pooled, **of_cases}
    scores = Scores(statistics, run.info)
    stored = family.compute(statistics, run.info)
    for each in others:
        stored |= each.compute(run.statistics.of(each.name), run.info)
    rows = [convention_row(own[name], stored[name], stored[main], scored=True) for name in own]
    rules = {convention.rules: n for n, convention in enumerate(own.values())}
    for convention in conventions(run.info, cases=scores.cases):
        if convention.rules in rules:
            rows[rules[convention.rules]].used_by += convention.used_by
        else:
            rows.append(convention_row(convention, scores(convention), stored[main]))
    values = [row.value for row in rows if row.value is not None]
    return Explanation(
        run_id=run.record.run_id,
        dataset=run.record.dataset.name,
        origin=run.record.dataset.origin,
        main_score=run.record.main_score,
        explained=main,
        official=defined(stored[main]),
        spread_points=100 * (max(values) - min(values)) if values else None,
        rows=rows,
        rules=rule_changes(run.info, own[main], scores),
        notes=_notes(run, main, statistics),
    )


def explain_runs(request: ExplainRequest, reporter: Reporter) -> Explanation:
    """Do what `bench explain` says: `explain` of the first run, its worst samples, and what its errors come from.

    Of two runs: both under every convention, the samples on which the first is most behind, and what the errors of both
    come from. What a run stores too little for is left out, and said.

    Raises
    ------
    UserError
        For a folder that holds no run that can be read, runs that are not comparable, predictions that are not those
        that were scored, a `root` that does not hold their labels, and a file that is no .csv.
    """
    _refuse_file(request)
    runs = [open_run(folder) for folder in (request.run, request.other) if folder is not None]
    refuse_incomparable([run.record for run in runs])
    found = _conventions(runs)
    if request.confusion is not None:
        write_output(request.confusion, confusion_csv(confusion_of(runs[0]), shares=request.normalise))
        reporter.say(f"wrote {request.confusion}")
    found.other_run_id = runs[1].record.run_id if len(runs) > 1 else None
    if request.samples and runs[0].record.scores:
        found.worst_samples = worst_samples(runs, request.samples)
        _point_to_panels(runs, found.worst_samples, reporter)
    opened = [each for run in runs if (each := _label_maps(run, request, found.left_out, reporter)) is not None]
    tell = reporter.say if request.other is None and request.root is None else reporter.warn
    for line in found.left_out:
        tell(line)
    reach = request.boundary_px
    parts = [_anatomy(maps, found.explained, reach, reporter) for maps in opened]
    found.anatomy = [_written(maps, found.explained, reach, each) for maps, each in zip(opened, parts, strict=True)]
    if len(parts) == 2:
        found.anatomy_difference = [
            PartDifference(cause=cause, points=each.points, low=each.interval[0], high=each.interval[1])
            for cause, each in points_differences(*parts).items()
        ]
    return found


def _refuse_file(request: ExplainRequest) -> None:
    """Raise UserError for a file of the confusion matrix that is no .csv, and where there is none to normalise."""
    path = request.confusion
    if path is None and request.normalise:
        raise UserError("--normalise needs --confusion FILE.csv")
    if path is not None and (path.is_dir() or path.suffix.lower() != ".csv"):
        raise UserError(f"--confusion {path}: expected the name of a file that ends in .csv")
    if path is not None and request.other is not None:
        raise UserError("--confusion writes the matrix of one run, and two were given")
    if path is not None:
        refuse_below_a_file(path, "--confusion")


def _conventions(runs: Sequence[StoredRun]) -> Explanation:
    """One run under every convention, or two; without rows, and with the reason, where no pixels were counted."""
    record = runs[0].record
    try:
        found = explain(runs[0].folder)
    except NoConventionsError as error:
        return Explanation(
            run_id=record.run_id,
            dataset=record.dataset.name,
            origin=record.dataset.origin,
            main_score=record.main_score,
            explained=record.main_score,
            official=None if record.main is None else record.main.value,
            spread_points=None,
            rows=[],
            rules=[],
            notes=[],
            left_out=[f"conventions, and what the errors come from, are left out: {error}"],
        )
    for other in runs[1:]:
        values = {_rules(row): row.value for row in explain(other.folder).rows}
        for row in found.rows:
            row.other_value = values.get(_rules(row))
    return found


def _rules(row: ConventionRow) -> tuple[str, ...]:
    """What the value of a row depends on: of two runs one may have scored what for the other is a convention."""
    return row.quantity, row.average, row.absent, row.void, row.background


def _label_maps(
    run: StoredRun, request: ExplainRequest, left_out: list[str], reporter: Reporter
) -> StoredLabelMaps | None:
    """The label maps of a run; None, with the reason in `left_out`, where it has none or its data is not found.

    Raises UserError where the user said where the data is, and it is not there.
    """
    try:
        return StoredLabelMaps.of(run, _overlap_family(run), request.root, reporter)
    except NoConventionsError:
        return None  # it was said of the conventions
    except UserError as error:
        if request.root is not None and (run.folder / PREDICTIONS).is_dir():
            raise
        left_out.append(f"what the errors come from is left out: {error}")
        return None


def _point_to_panels(runs: Sequence[StoredRun], found: WorstSamples, reporter: Reporter) -> None:
    """Say how to see the samples, where the runs kept their predictions of all of them."""
    if found.samples and all((run.folder / PREDICTIONS).is_dir() for run in runs):
        folders, names = [str(run.folder) for run in runs], ",".join(each.sample for each in found.samples)
        shown = shlex.join(["bench", "panels", *folders, "--samples", names, "--errors", "--out", "worst.png"])
        reporter.say(f"see the worst samples: {shown}")


def _anatomy(maps: StoredLabelMaps, score: str, reach: int, reporter: Reporter) -> Anatomy:
    info, total = maps.dataset.info, len(maps.found.files)
    statistics = []
    with reporter.progress("looking for causes of errors") as update:
        for done, (stored, truth, predicted) in enumerate(maps.pairs(), 1):
            about = anatomy_statistic(stored.sample_id, truth, predicted, info, reach, group=stored.group)
            statistics.append(about)
            update(done, total)
    return anatomy(maps.metric, info, score, statistics)


def _written(maps: StoredLabelMaps, score: str, reach: int, found: Anatomy) -> ErrorAnatomy:
    return ErrorAnatomy(
        run_id=maps.run.record.run_id,
        score=score,
        value=found.value,
        loss_points=found.loss,
        loss_low=found.loss_interval[0],
        loss_high=found.loss_interval[1],
        boundary_px=reach,
        parts=[
            ErrorPart(cause=name, points=found.points[name], low=low, high=high, pixels=found.pixels[name], rule=rule)
            for name, rule in CAUSES.items()
            for low, high in [found.intervals[name]]
        ],
    )


def _overlap_family(run: StoredRun) -> Metric:
    for metric in run.metrics:
        if frozenset(metric.columns) == COLUMNS:
            return metric
    families = ", ".join(run.record.metrics) or "nothing"
    raise NoConventionsError(
        f"'{run.folder}' has no pixel counts to explain; it was scored by {families}. "
        "Score label maps with 'bench evaluate' to get them."
    )


def _notes(run: StoredRun, main: str, statistics: Sequence[Statistic]) -> list[str]:
    notes = []
    wanted = run.record.main_score
    if wanted != main:
        only = "V_Rand has one convention only" if wanted == "v_rand" else f"{wanted} is not a mean of overlaps"
        notes.append(f"{only}; explained is {main} of the same predictions")
    odd = sum(classless_pixels(statistic, run.info) for statistic in statistics)
    if odd:
        notes.append(
            f"{odd} counted pixels are predicted as labels that are no scored class: in every row they are missed, and "
            "wrong for no other class. Some libraries refuse them, or count their labels as further classes"
        )
    if not run.record.complete:
        notes.append("the run is partial: absent classes may weigh more than on the whole split")
    return notes
