"""The members of an ensemble: which runs can be joined, and which samples they were trained on."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..data.index import DataIndex
from ..data.splits import Fold, TrainOn
from ..io.reporter import Reporter
from ..registry import method_class
from ..text import counted
from ..types import Dataset, DatasetInfo, UserError
from .binding import content_sha256
from .fitted_method import find_checkpoint
from .folder import CHECKPOINT, RECORD
from .learned_from import folds_of, seen_before
from .record import Record, read_content, read_record, recorded_info


@dataclass(frozen=True)
class Member:
    """A run that is joined, with the samples that it has learned from."""

    record: Record
    learned: frozenset[str]


def fraction_of(records: Sequence[Record], own: float) -> float:
    """The part of the labels that joined runs learned from, of several the smallest; `own` where none is joined."""
    return min((record.method.train_fraction or 1.0 for record in records), default=own)


def splits_of(records: Sequence[Record], own: TrainOn) -> Literal["train+val"] | None:
    """The splits that a run, or any that it joins, learned from; None where it is `train` alone."""
    return "train+val" if "train+val" in {own, *(record.method.train_on for record in records)} else None


def found_members(folders: Sequence[Path]) -> list[tuple[Record, Path]]:
    """The records of runs that can be joined, and where what they have fitted lies.

    Raises
    ------
    UserError
        For fewer than two, a run that has nothing fitted on one training set, one whose record or weights are not what
        it wrote, and two of the same training.
    """
    if len(folders) < 2:
        raise UserError("an ensemble joins others: name two or more runs, as in --set 'members=[runs/ONE, runs/OTHER]'")
    found = [_found(folder) for folder in folders]
    trainings = [record.method.chosen.get("weights_of") or record.run_id for record, _ in found]
    for place, training in enumerate(trainings):
        if (first := trainings.index(training)) != place:
            raise UserError(
                f"members '{folders[first]}' and '{folders[place]}' are of the same training: leave one out"
            )
    return found


def _found(folder: Path) -> tuple[Record, Path]:
    record, checkpoint = find_checkpoint(folder, None)
    told = method_class(record.method.name).info
    if record.dataset.folds:
        raise UserError(f"member '{folder}' was fitted in {record.dataset.folds} folds: name runs without --folds")
    if not told.trains:
        raise UserError(f"member '{folder}' is a run of {told.name}, for which nothing was fitted: it cannot be joined")
    again = f"Make it again: {record.command_in(folder)}"
    if not record.content_bound:
        raise UserError(f"member '{folder}': its record is of a version that bound it to nothing. {again}")
    if content_sha256(read_content(folder / RECORD)) != record.content_sha256:
        raise UserError(f"member '{folder}': its record was edited or damaged. {again}")
    if CHECKPOINT not in (record.evidence or {}):
        raise UserError(f"member '{folder}': nothing tells that '{checkpoint}' is what this run has fitted. {again}")
    return record, checkpoint


def checked_members(
    folders: Sequence[Path],
    dataset: Dataset,
    index: DataIndex,
    options: Mapping[str, Any],
    evaluate: Collection[str],
    reporter: Reporter,
) -> tuple[Member, ...]:
    """The runs of `found_members`, of which none has learned from a sample that is to be scored.

    Parameters
    ----------
    folders : of the runs.
    dataset, index, options : what is scored, what is known of its files, and its settings that are not the default's.
    evaluate : the ids that are to be scored.
    reporter : is warned of scored samples by which a member may have chosen what it keeps, and of members that started
        from weights of which nobody knows what they have seen.

    Raises
    ------
    UserError
        For a run of another dataset, or of data or splits that have changed since; and for a sample that was learned
        from.
    """
    members = []
    for folder in folders:
        record = read_record(folder)
        for what, theirs, ours in _compared(record, dataset.info, options):
            if theirs != ours:
                raise UserError(f"member '{folder}': its {what} is {theirs}, here it is {ours}. It has to be the same.")
        fold = _fold(folder, record, dataset, index)
        before = seen_before(record.method.config, dataset, index, evaluate)
        learned = before.ids.union(fold.train)
        _refuse_seen(folder, record, fold, learned, dataset, evaluate)
        if near := set(fold.val) & set(evaluate):
            reporter.warn(
                f"{counted(len(near), 'scored sample')} validated '{record.run_id}': what was chosen by them looks "
                "better on them than on others"
            )
        if not before.known:
            reporter.warn(f"'{record.run_id}' started from other weights: what these have seen is not known here")
        members.append(Member(record, learned))
    return tuple(members)


def refuse_inside(out: Path | None, folders: Sequence[Path]) -> None:
    """Raise UserError for a run folder that is that of a member, or lies in it."""
    for folder in folders:
        if out is not None and folder.resolve() in (out.resolve(), *out.resolve().parents):
            raise UserError(f"--out {out}: is, or lies in, the folder of the member '{folder}'; choose another")


def _compared(record: Record, info: DatasetInfo, options: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    yield "dataset", record.dataset.name, info.name
    yield "version of the dataset", record.dataset.version, info.version
    yield "setting of the dataset", shown_options(record.dataset.options), shown_options(options)
    yield "list of classes", _classes(recorded_info(record.dataset)), _classes(info)


def _classes(info: DatasetInfo) -> str:
    return ", ".join(f"{one.id} {one.name}" for one in info.classes)


def shown_options(options: Mapping[str, Any]) -> str:
    """Settings of a dataset in a sentence."""
    return ", ".join(f"{key}={value}" for key, value in sorted(options.items())) or "the default"


def _fold(folder: Path, record: Record, dataset: Dataset, index: DataIndex) -> Fold:
    """The samples of a run as it drew them. Raises UserError where its data or its splits are others by now."""
    folds = folds_of(record, dataset, index)
    if folds is None:
        raise UserError(
            f"member '{folder}': the images, labels or splits under '{dataset.root}' are not those that it learned "
            f"from, so whether it has seen what is scored is not known. Make it again: {record.command_in(folder)}"
        )
    return folds[0]


def _refuse_seen(
    folder: Path, record: Record, fold: Fold, learned: Collection[str], dataset: Dataset, evaluate: Collection[str]
) -> None:
    seen = sorted(set(evaluate) & set(learned))
    advice = f"Score another split: --split {shlex.quote(record.dataset.split)}"
    if seen:
        raise UserError(
            f"member '{folder}' has learned from {counted(len(seen), 'sample')} that would be scored (first: {seen[0]})"
            f", so the score would say nothing. {advice}"
        )
    if dataset.self_defined and not set(evaluate) <= set(fold.evaluate):
        raise UserError(
            f"member '{folder}' was not scored on all of these samples. Which of the others it has learned from, only "
            f"the lists of splits say, and these can be changed. {advice}"
        )
