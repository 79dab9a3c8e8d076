"""Which of many runs may be compared with each other, and why the others stand alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..io.collector import collector_paused
from ..registry import dataset_class
from ..runs.find import FoundRun, each_once, run_folders
from ..runs.record import Record, read_record
from ..runs.stored import StoredRun, open_run, refuse_without_evidence
from ..runs.stored_scores import with_score
from ..text import some
from ..types import UserError
from .comparable import comparable_groups, differing, group_order, why_not_ranked
from .robustness import corrupted_beside
from .score_by_class import made_of_class_score
from .score_choice import no_score, score_names
from .stands_alone import StandsAlone, stands_alone


@dataclass(frozen=True)
class ComparableRuns:
    """Runs that may be compared, and beside them those of the same methods on images that were made worse."""

    runs: list[StoredRun]
    corrupted: list[StoredRun]


@dataclass(frozen=True)
class Grouping:
    """Groups of runs that may be compared, the largest first, and the runs that stand alone."""

    groups: list[ComparableRuns] = field(default_factory=list)
    alone: list[StandsAlone] = field(default_factory=list)


@dataclass(frozen=True)
class Wanted:
    """Which runs are to be compared: of a dataset, of a split; by which score. None takes all.

    `by_class` : the score may be called by that of single classes which it is made of.
    """

    dataset: str | None = None
    split: str | None = None
    score: str | None = None
    by_class: bool = False

    def score_of(self, run: StoredRun) -> str | None:
        """The name of the score that a run is compared by."""
        return made_of_class_score(run, self.score) if self.by_class else self.score

    def takes(self, record: Record) -> bool:
        """Whether a run is of the dataset and the split."""
        name = self.dataset if self.dataset is None else dataset_class(self.dataset).info.name
        return name in (None, record.dataset.name) and self.split in (None, record.dataset.split)


@collector_paused()
def records_below(paths: Sequence[Path]) -> tuple[list[FoundRun], list[StandsAlone]]:
    """The runs below some paths, each once, and the run folders whose records cannot be read.

    Raises
    ------
    UserError
        For a path that does not exist, and for a run folder, named itself, whose record cannot be read or
        has no evidence beside it.
    """
    found, broken = [], []
    for path in paths:
        for folder in run_folders(path):
            try:
                record = read_record(folder)
                if folder == path:
                    refuse_without_evidence(folder, record)
                found.append(FoundRun(folder, record))
            except UserError as error:
                if folder == path:
                    raise
                broken.append(stands_alone(folder, None, str(error)))
    return found, broken


@collector_paused()
def grouping(found: Iterable[FoundRun], wanted: Wanted) -> Grouping:
    """Group runs by what they may be compared with.

    Parameters
    ----------
    found : runs with their records.
    wanted : what is asked for; runs of other datasets and splits are left out, not named.

    Raises
    ------
    UserError
        Where no run is of the dataset and split, or none has the score.
    """
    every = each_once(found)
    chosen = [run for run in every if wanted.takes(run.record)]
    if every and not chosen:
        there = sorted({f"{run.record.dataset.name} {run.record.dataset.split}" for run in every})
        raise UserError(f"no run of {wanted.dataset or 'any dataset'}, {_split(wanted)}. There are: {some(there)}.")
    opened, alone = _opened(chosen, wanted)
    groups = comparable_groups(opened, lambda run: run.record)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), group_order(item[0], item[1][0].record, 0)))
    made = Grouping([], alone)
    beside: set[str] = set()
    for key, members in ordered:
        corrupted = corrupted_beside(key, [run.record for run in members], opened, lambda run: run.record)
        if len(members) > 1 or corrupted:
            made.groups.append(ComparableRuns(members, corrupted))
            beside |= {run.record.run_id for run in corrupted}
    together = {run.record.run_id for group in made.groups for run in group.runs} | beside
    for _, members in ordered:
        if members[0].record.run_id not in together:
            (run,) = members
            why = _why(run.record, [other.record for other in opened])
            made.alone.append(stands_alone(run.folder, run.record, why))
    return made


def _split(wanted: Wanted) -> str:
    return "any split" if wanted.split is None else f"split {wanted.split}"


def _opened(chosen: Sequence[FoundRun], wanted: Wanted) -> tuple[list[StoredRun], list[StandsAlone]]:
    """Runs with their statistics and the score, and those without."""
    opened, alone, available = [], [], []
    unknown: list[UserError] = []
    for folder, record in chosen:
        try:
            if not record.scores:
                raise UserError(why_not_ranked(record))
            run = open_run(folder)
            score = wanted.score_of(run)
            run = _with(run, score, unknown)
            scores = score_names(run)
            available.append(scores)
            if score is not None and score not in scores:
                raise UserError(f"it has no score '{score}'")
            opened.append(run)
        except UserError as error:
            alone.append(stands_alone(folder, record, str(error)))
    if unknown and not opened:
        raise unknown[0]
    if wanted.score is not None and available and not opened:
        raise UserError(no_score(wanted.score, available))
    return opened, alone


def _with(run: StoredRun, score: str | None, unknown: list[UserError]) -> StoredRun:
    """A run with a score of its classes; an error for a class that it has not is kept, too."""
    try:
        return with_score(run, score)
    except UserError as error:
        unknown.append(error)
        raise


def _why(record: Record, every: Sequence[Record]) -> str:
    """Why a run may be compared with none of the others: what keeps it from the nearest."""
    others = [other for other in every if other.run_id != record.run_id and other.dataset.name == record.dataset.name]
    if not others:
        return f"it is the only run on {record.dataset.name}"
    # Predictions from elsewhere stand with the largest group of folds, so that others are not beside them.
    apart = {other.run_id: between for other in others if (between := differing(record, other))}
    nearest = min(apart, key=lambda run_id: (len(apart[run_id]), run_id))
    reasons = [f"{what} ('{mine}' and '{theirs}')" for what, (mine, theirs) in apart[nearest].items()]
    return f"it differs from {nearest} in {' and '.join(reasons)}"
