"""Runs whose fitted methods another run joins: what of the dataset each of them has learned from."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.index import DataIndex
from ..data.splits import Fold, plan_split
from ..io.reporter import Reporter
from ..registry import method_class
from ..text import counted
from ..types import Dataset, UserError
from .record import Record, read_record, recorded_info


@dataclass(frozen=True)
class Member:
    """A run that is joined, with the samples that it has learned from."""

    record: Record
    learned: frozenset[str] = frozenset()


def checked_members(
    folders: Sequence[Path],
    dataset: Dataset,
    index: DataIndex,
    options: Mapping[str, Any],
    evaluate: Collection[str],
    reporter: Reporter,
) -> tuple[Member, ...]:
    """The runs in these folders, of which none has learned from a sample that is to be scored.

    Parameters
    ----------
    folders : of runs.
    dataset, index, options : what is scored, what is known of its files, and its settings that are not the default's.
    evaluate : the ids that are to be scored.
    reporter : is warned of scored samples by which a member may have chosen what it keeps.

    Raises
    ------
    UserError
        For a run of another dataset, or of data that has changed since; and for a sample that was learned from.
    """
    return tuple(_checked(folder, dataset, index, options, evaluate, reporter) for folder in folders)


def _checked(
    folder: Path,
    dataset: Dataset,
    index: DataIndex,
    options: Mapping[str, Any],
    evaluate: Collection[str],
    reporter: Reporter,
) -> Member:
    record, info = read_record(folder), dataset.info
    wanted = {
        "dataset": (record.dataset.name, info.name),
        "version of the dataset": (record.dataset.version, info.version),
        "setting of the dataset": (_shown(record.dataset.options), _shown(options)),
        "list of classes": (_classes(recorded_info(record.dataset)), _classes(info)),
    }
    for what, (theirs, ours) in wanted.items():
        if theirs != ours:
            raise UserError(f"member '{folder}': its {what} is {theirs}, here it is {ours}. It has to be the same.")
    if not method_class(record.method.name).info.trains:
        return Member(record)
    fold = _fold(record, dataset)
    used = tuple(dict.fromkeys((*fold.train, *fold.val, *fold.evaluate)))
    with index:
        now = index.data_sha256(used, ("image", "labels"))
    if record.dataset.inputs_sha256 != now:
        raise UserError(
            f"member '{folder}': the images or labels under '{dataset.root}' are not those that it learned from, so "
            f"whether it has seen what is scored is not known. Make it again: {record.command_in(folder)}"
        )
    if seen := [sample_id for sample_id in evaluate if sample_id in set(fold.train)]:
        raise UserError(
            f"member '{folder}' has learned from {counted(len(seen), 'sample')} that would be scored (first: {seen[0]})"
            f", so the score would say nothing. Score another split: --split {shlex.quote(record.dataset.split)}"
        )
    if near := [sample_id for sample_id in evaluate if sample_id in set(fold.val)]:
        reporter.warn(
            f"{counted(len(near), 'scored sample')} validated '{record.run_id}': what was chosen by them looks better "
            "on them than on others"
        )
    return Member(record, frozenset(fold.train))


def _fold(record: Record, dataset: Dataset) -> Fold:
    """The samples of a run without folds, as it drew them."""
    (fold,) = plan_split(dataset, record.dataset.split, record.method.train_fraction or 1.0, record.method.seed or 0)
    return fold


def _classes(info: Any) -> str:
    return ", ".join(f"{one.id} {one.name}" for one in info.classes)


def _shown(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(options.items())) or "the default"
