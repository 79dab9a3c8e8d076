"""Which records may be compared, and how comparable ones are grouped, ordered and ranked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeVar

from ..data.self_defined import renamed
from ..io.documents import Document
from ..registry import dataset_class
from ..runs.record import Record, recorded_info
from ..runs.versions import other_versions, with_versions
from ..text import samples_of
from ..types import UserError

T = TypeVar("T")

MAX_TESTED = 100
"""Comparable runs up to which every pair is tested: the number of pairs grows with the square."""


@dataclass(frozen=True)
class Comparable:
    """Records are ranked together only when all of this is equal."""

    dataset: str
    version: str
    origin: str
    split: str
    options: str
    folds: int | None
    ids_sha256: str
    data_sha256: str
    metrics: str
    corruption: str | None = None

    @classmethod
    def of(cls, record: Record) -> Comparable:
        """What a record can be compared with."""
        data = record.dataset
        options = dataset_class(data.name).info.scored_options(data.options)
        return cls(
            data.name,
            data.version,
            data.origin,
            data.split,
            ", ".join(f"{k}={v}" for k, v in sorted(options.items())),
            data.folds,
            data.ids_sha256,
            data.data_sha256,
            with_versions(official_metrics(record)),
            record.method.corruption,
        )

    @property
    def protocol(self) -> str:
        """How samples were split, `split test` or `5-fold cross-validation`, and what is scored but for label maps."""
        split = f"{self.folds}-fold cross-validation" if self.folds else f"split {self.split}"
        info = dataset_class(self.dataset).info
        families = {family.rpartition(" ")[0] for family in self.metrics.split(", ")}
        kinds = {"objects": info.object_metrics, "panoptic segments": info.panoptic_metrics}
        return ", ".join([split, *(kind for kind, scored in kinds.items() if families & set(scored))])

    @property
    def own_version(self) -> str:
        """The version where it is not the dataset's own: that of a custom folder holds its name. Else empty."""
        return self.version if self.version != dataset_class(self.dataset).info.version else ""


class ComparableFields(Document):
    """What all runs of a table share: the fields of `Comparable`."""

    dataset: str
    version: str
    origin: str
    split: str
    options: str
    folds: int | None
    ids_sha256: str
    data_sha256: str
    metrics: str
    corruption: str | None = None


def official_metrics(record: Record) -> dict[str, str]:
    """Versions of the dataset's own metric families; those that a user added do not decide what is comparable."""
    info = recorded_info(record.dataset)
    own = info.every_metric
    return {name: version for name, version in record.metrics.items() if name in own} or record.metrics


def ranks(record: Record) -> bool:
    """Whether a run takes part in a ranking: complete, scored, without use of the ground truth, and no person's.

    Nor one on images that were made worse: it stands beside the run on the images as they are.
    """
    method = record.method
    fair = not method.oracle and method.family != "human" and method.corruption is None
    return record.complete and bool(record.scores) and fair


def why_not_ranked(record: Record) -> str:
    """Why a run takes part in no ranking."""
    if record.method.oracle and record.complete:
        return "an upper bound, which uses ground truth"
    if record.method.corruption is not None and record.complete:
        return f"on images made worse ({record.method.corruption})"
    if record.method.family == "human" and record.complete:
        return "a person, who is never ranked among methods"
    if record.scores:
        return f"partial ({record.dataset.samples} scored)"
    return "no public labels, nothing to score" if record.complete else "did not finish"


def grouped(items: Iterable[T], record_of: Callable[[T], Record]) -> dict[Comparable, list[T]]:
    """What may be ranked together, by what it shares; runs that take part in no ranking are left out."""
    return comparable_groups([item for item in items if ranks(record_of(item))], record_of)


def comparable_groups(items: Iterable[T], record_of: Callable[[T], Record]) -> dict[Comparable, list[T]]:
    """What may be compared, by what it shares.

    Predictions from elsewhere of every labelled sample, and those of models that exist, stand with those that were made
    in folds: the same samples, the same truth, and no fold was fitted here. Where folds of several numbers are there,
    with the largest group.
    """
    groups: dict[Comparable, list[T]] = {}
    for item in items:
        groups.setdefault(Comparable.of(record_of(item)), []).append(item)
    for key in [key for key in groups if key.folds is None]:
        folded = [other for other in groups if other.folds and replace(other, folds=None) == key]
        if folded:
            home = max(folded, key=lambda other: (len(groups[other]), -(other.folds or 0)))
            groups[home] += [item for item in groups[key] if not record_of(item).fitted]
            groups[key] = [item for item in groups[key] if record_of(item).fitted]
    return {key: members for key, members in groups.items() if members}


def differing(one: Record, other: Record) -> dict[str, tuple[str, str]]:
    """What keeps two records from being compared, with what each of them has; empty where they may be."""
    first, second = Comparable.of(one), Comparable.of(other)
    if (not one.fitted and first.folds is None) or (not other.fitted and second.folds is None):
        first, second = replace(first, folds=None), replace(second, folds=None)
    names = renamed(first.version, second.version) if dataset_class(one.dataset.name).self_defined else None
    if names and first == replace(second, version=first.version):
        return {RENAMED: names}
    pairs = {key: (value, vars(second)[key]) for key, value in vars(first).items() if vars(second)[key] != value}
    return {_WHAT.get(key, key): _told(key, pair, one, other) for key, pair in pairs.items()}


RENAMED = "the name of the dataset alone (samples, truth and classes are equal)"

_WHAT = {
    "origin": "the origin of the data (real or synthetic)",
    "ids_sha256": "the set of samples",
    "data_sha256": "the ground truth",
    "metrics": "the metrics' version",
    "options": "an option of the dataset",
    "corruption": "what was done to the images",
    "folds": "the number of folds",
}


def _told(key: str, pair: tuple[object, object], one: Record, other: Record) -> tuple[str, str]:
    if key == "ids_sha256":
        return one.dataset.samples, other.dataset.samples
    if key == "data_sha256":
        pair = (str(pair[0])[:8], str(pair[1])[:8])
    first, second = (str("none" if each is None else each) for each in pair)
    return first, second


def refuse_incomparable(records: Sequence[Record]) -> None:
    """Raise UserError, with the reason, where records were not scored on the same data in the same way."""
    for one, other in combinations(records, 2):
        for what, (first, second) in differing(one, other).items():
            advice = (
                f"Was the folder renamed? Write 'name: {first}' into its classes.yaml, and make the other run again."
                if what == RENAMED
                else "Score them on the same samples with the same labels; after a change, the older predictions anew."
            )
            raise UserError(
                f"{one.run_id} and {other.run_id} are not comparable: {what} differs ('{first}' and '{second}'). "
                f"{advice}"
            )


def whole_n(records: Iterable[Record]) -> int | None:
    """The size of the split of which comparable records were scored on a part; None where they were on all of it.

    A record of an earlier version does not know, but others beside it may.
    """
    return next((record.dataset.whole_n for record in records if record.dataset.whole_n is not None), None)


def samples_together(records: Sequence[Record]) -> str:
    """How many samples comparable records were scored on, and of how many where that is a part."""
    return samples_of(records[0].dataset.n, whole_n(records))


def part_of(records: Sequence[Record]) -> str:
    """Of how many samples those are a part that comparable records were scored on; empty where they are all."""
    return "" if whole_n(records) is None else f"a part: {samples_together(records)}"


def is_a_part(records: Sequence[Record]) -> bool:
    """Whether comparable records are of a part of an official split, or folds of a release that holds a part of one."""
    info, options = recorded_info(records[0].dataset), records[0].dataset.options
    return whole_n(records) is not None or any(info.part_of(split, options) is not None for split in info.splits)


def group_order(key: Comparable, first: Record, size: int) -> tuple[str, bool, bool, bool, int, str]:
    """Sort key of a group with its first record: by dataset, then real data, today's versions, whole and large first.

    `size` is the number of what the group is made of: runs, or rows of a board.
    """
    part = is_a_part([first])
    return key.dataset, key.origin != "real", bool(other_versions(first)), part, -size, repr(key)


def badness(value: float | None, higher_is_better: bool) -> float:
    """A score as a number that is lower for what is better; an undefined one is worse than any."""
    if value is None or math.isnan(value):
        return math.inf
    return -value if higher_is_better else value


def main_badness(record: Record) -> float:
    """The badness of a record's main score."""
    return math.inf if record.main is None else badness(record.main.value, record.main.higher_is_better)


def best_first(record: Record) -> tuple[float, str]:
    """Sort key of comparable records: from best to worst by the main score, then by id."""
    return main_badness(record), record.run_id


def tied_ranks(ordered: Sequence[float]) -> list[int]:
    """Ranks of badnesses in rising order; equal ones share the first rank that they could have.

    >>> tied_ranks([0.1, 0.2, 0.2, 0.5])
    [1, 2, 2, 4]
    """
    found: list[int] = []
    for place, value in enumerate(ordered):
        tied = place > 0 and ordered[place - 1] == value
        found.append(found[-1] if tied else place + 1)
    return found
