"""Which of many runs a paper's table is of: those that may be compared, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..registry import dataset_class
from ..runs.find import FoundRun
from ..runs.record import Record
from ..runs.stored import refuse_without_evidence
from ..text import counted, some
from ..types import UserError
from .comparable import Comparable, group_order, grouped, ranks, samples_together, why_not_ranked
from .stands_alone import StandsAlone, stands_alone

_PARTIAL = "fitted on a part of the labels"


@dataclass(frozen=True)
class WantedRuns:
    """Which runs are to be shown: of a dataset, of a split, of real or synthetic data. None takes all."""

    dataset: str | None = None
    split: str | None = None
    source: str | None = None

    def takes(self, record: Record) -> bool:
        """Whether a run is one of them."""
        name = self.dataset if self.dataset is None else dataset_class(self.dataset).info.name
        data = record.dataset
        return name in (None, data.name) and self.split in (None, data.split) and self.source in (None, data.origin)

    def __str__(self) -> str:
        split = "any split" if self.split is None else f"split {self.split}"
        return f"{self.dataset or 'any dataset'}, {split}" + (f", {self.source} data" if self.source else "")


@dataclass(frozen=True)
class TableRuns:
    """Comparable runs, what they share, and those that were found and do not belong to them."""

    key: Comparable
    runs: list[FoundRun]
    left_out: list[StandsAlone]


def runs_of_table(found: Sequence[FoundRun], broken: Sequence[StandsAlone], wanted: WantedRuns) -> TableRuns:
    """The one group of comparable runs that were asked for; runs that may be compared with no other are left out.

    `broken` are those whose records cannot be read.
    Left out too are those that are not ranked (people, upper bounds, parts, worse images), and methods fitted on a part
    of the labels where others were fitted on all.

    Raises
    ------
    UserError
        Where no run can be shown, or where there are several groups.
    """
    chosen = [run for run in found if wanted.takes(run.record)]
    if found and not chosen:
        there = sorted({f"{run.record.dataset.name} {run.record.dataset.split}" for run in found})
        raise UserError(f"no run of {wanted}. There are: {some(there)}.")
    sound: list[FoundRun] = []
    left_out = list(broken)
    for run in chosen:
        why = _why_not(run)
        if why is None:
            sound.append(run)
        else:
            left_out.append(stands_alone(*run, why))
    groups = grouped(sound, lambda run: run.record)
    if not groups:
        reasons = "; ".join(f"{each.run_id or each.folder}: {each.why}" for each in left_out[:5])
        none = "No run was found. Make one with 'bench run' or 'bench evaluate'."
        raise UserError(f"there is nothing to show in a table. {reasons or none}")
    large = {key: members for key, members in groups.items() if len(members) > 1} or groups
    if len(large) > 1:
        raise UserError(_several(large))
    ((key, members),) = large.items()
    apart = [run for other, runs in groups.items() if other != key for run in runs]
    left_out += [stands_alone(*run, "it may not be compared with the others") for run in apart]
    whole = [run for run in members if run.record.method.train_fraction in (None, 1.0)] or members
    left_out += [stands_alone(*run, _PARTIAL) for run in members if run not in whole]
    return TableRuns(key, whole, left_out)


def _why_not(run: FoundRun) -> str | None:
    """Why a run is not shown; None where it may be."""
    if not ranks(run.record):
        return why_not_ranked(run.record)
    try:
        refuse_without_evidence(run.folder, run.record)
    except UserError as error:
        return str(error)
    return None


def _several(groups: dict[Comparable, list[FoundRun]]) -> str:
    """The sentence for several groups: what each is, and what to type for it."""
    ordered = sorted(groups.items(), key=lambda item: group_order(item[0], item[1][0].record, len(item[1])))
    lines = [
        f"  {_described(key, members)}: {_choice(key, members, [other for other in groups if other != key])}"
        for key, members in ordered
    ]
    return "\n".join([f"these runs form {len(groups)} groups that may not stand in one table. Choose one:", *lines])


def _described(key: Comparable, members: Sequence[FoundRun]) -> str:
    records = [run.record for run in members]
    options = f", {key.options}" if key.options else ""
    origin = "SYNTHETIC, " if key.origin == "synthetic" else ""
    return (
        f"{key.dataset}, {origin}{key.protocol}{options}, {samples_together(records)}, {counted(len(members), 'run')}"
    )


def _choice(key: Comparable, members: Sequence[FoundRun], others: Sequence[Comparable]) -> str:
    """The options that choose a group, as few as tell it from the others; where none do, its folders."""
    options, left = [], list(others)
    for flag, field in (("--dataset", "dataset"), ("--split", "split"), ("--source", "origin")):
        value = getattr(key, field)
        if any(getattr(other, field) != value for other in left):
            options.append(f"{flag} {value}")
            left = [other for other in left if getattr(other, field) == value]
    if not left:
        return " ".join(options)
    return f"name its folders ({some([str(run.folder) for run in members], 3)})"
