"""What every kind of prediction on disk shares: the result of a search, files below a folder, and its refusals."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .._former_names import former_names
from ..text import some
from ..types import Dataset, PredictionKind, PredictionSource, UserError

if not TYPE_CHECKING:  # mypy takes only what is there now
    __getattr__ = former_names(__name__)


@dataclass(frozen=True)
class Found:
    """Predictions of some samples, in the order of their ids, and what was odd about the files.

    `kind` says what they are, and so which families measure them (`DatasetInfo.metrics_for`).
    """

    files: Mapping[str, PredictionSource]
    warnings: tuple[str, ...] = ()
    kind: PredictionKind = "maps"

    @property
    def paths(self) -> set[Path]:
        """All files that the predictions are made of."""
        return {path for source in self.files.values() for path in source.paths}


class SampleIds(tuple[str, ...]):
    """Sample ids that are found as quickly as in a set."""

    _set: frozenset[str]

    def __new__(cls, ids: Iterable[str]) -> SampleIds:
        self = super().__new__(cls, ids)
        self._set = frozenset(self)
        return self

    def __contains__(self, item: object) -> bool:
        return item in self._set


def refuse_duplicates(matched: Mapping[str, Sequence[Path]], folder: Path) -> None:
    """Raise UserError naming samples that have more than one prediction."""
    twice = {i: paths for i, paths in matched.items() if len(paths) > 1}
    if twice:
        shown = "; ".join(
            f"{i}: {', '.join(str(p.relative_to(folder)) for p in paths)}" for i, paths in list(twice.items())[:5]
        )
        have = "sample has" if len(twice) == 1 else "samples have"
        raise UserError(f"{len(twice)} {have} more than one prediction below '{folder}': {shown}. Keep one each.")


def refuse_missing(
    ids: Sequence[str], matched: Collection[str], folder: Path, extra: Sequence[str], partial: bool, where: str = ""
) -> None:
    """Raise UserError naming samples without a prediction and `extra` files, unless `partial` and some are there.

    `where` says to which other splits these files belong.
    """
    missing = [i for i in ids if i not in matched]
    if not missing or (partial and matched):
        return
    unmatched = f" {_belonging(extra)} to no sample: {some(extra)}." if extra else ""
    if where:
        unmatched += f" {where}."
    raise UserError(
        f"{len(missing)} of {len(ids)} samples have no prediction below '{folder}': {some(missing)}.{unmatched} "
        f"Name each file by its sample id{'' if partial else '. To score a subset on purpose, add --partial'}."
    )


def extra_warnings(extra: Sequence[str], where: str = "") -> tuple[str, ...]:
    """The warning that names files of no sample, if there are any; `where` says to which other splits they belong."""
    if not extra:
        return ()
    warning = f"{_belonging(extra)} to no sample of the split and took no part in the scores: {some(extra)}"
    return (f"{warning}. {where}" if where else warning,)


def _belonging(extra: Sequence[str]) -> str:
    return f"{len(extra)} file{' belongs' if len(extra) == 1 else 's belong'}"


def match_files(
    dataset: Dataset, ids: Sequence[str], candidates: Sequence[Path], folder: Path
) -> tuple[dict[str, list[Path]], list[str]]:
    """Files of every sample by the dataset's rule, and names of files that belong to none of `ids`."""
    matched: dict[str, list[Path]] = {}
    extra: list[str] = []
    for candidate in candidates:
        # With the folder's own name, which may say which view or set it holds.
        sample_id = dataset.match_prediction(Path(folder.resolve().name) / candidate.relative_to(folder), ids)
        if sample_id is None:
            extra.append(str(candidate.relative_to(folder)))
        else:
            matched.setdefault(sample_id, []).append(candidate)
    return matched, extra
