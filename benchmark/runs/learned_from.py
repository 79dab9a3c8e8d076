"""The samples that the weights of a run were trained on, in its own training and in those that it started from."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.index import DataIndex
from ..data.splits import Fold, plan_folds, plan_split
from ..io.fingerprints import file_sha256, ids_sha256
from ..text import counted
from ..types import Dataset, UserError
from .binding import refuse_other_checkpoint
from .folder import CHECKPOINT, RECORD
from .record import Record, read_record

_WEIGHTS = tuple(f"{inside}*.safetensors" for inside in ("", f"{CHECKPOINT}/", f"{CHECKPOINT}/fold-0/"))
"""Where the weights of a run, or of its checkpoint, lie."""


@dataclass(frozen=True)
class Learned:
    """The samples that were learned from; `known` is False where nobody can tell what the first weights have seen."""

    ids: frozenset[str]
    known: bool = True


def folds_of(record: Record, dataset: Dataset, index: DataIndex) -> tuple[Fold, ...] | None:
    """The samples of a run as it drew them; None where its data or its splits are others by now."""
    method, data = record.method, record.dataset
    fraction, seed = method.train_fraction or 1.0, method.seed or 0
    try:
        if data.folds:
            folds = plan_folds(dataset, data.folds, data.split, fraction, seed)
        else:
            folds = plan_split(dataset, data.split, fraction, seed, method.train_on or "train")
    except UserError:  # a split that is no more
        return None
    scored = tuple(i for fold in folds for i in fold.evaluate)
    used = tuple(dict.fromkeys(i for fold in folds for i in (*fold.train, *fold.val, *fold.evaluate)))
    if ids_sha256(scored) != data.ids_sha256 or sum(len(fold.train) for fold in folds) / len(folds) != method.n_train:
        return None
    with index:
        return folds if index.data_sha256(used, ("image", "labels")) == data.inputs_sha256 else None


def seen_before(config: Mapping[str, Any], dataset: Dataset, index: DataIndex, evaluate: Collection[str]) -> Learned:
    """What the weights that a training started from have seen, as far as the runs tell that made them.

    Parameters
    ----------
    config : of the method that was trained; `init` is a run or a file of weights, `init_sha256` says which these were.
    dataset, index : whose samples are meant, and what is known of its files.
    evaluate : the ids that are to be scored.
    """
    ids: set[str] = set()
    for record in _starts(config):
        if record is None:
            return Learned(frozenset(ids), known=False)
        if record.dataset.name == dataset.info.name:
            folds = folds_of(record, dataset, index)
            # Of an own folder the lists of splits alone say what was learned from, and these can be changed.
            if folds is None or (dataset.self_defined and not set(evaluate) <= set(folds[0].evaluate)):
                return Learned(frozenset(ids), known=False)
            ids.update(folds[0].train)  # of several networks the first is what is started from
    return Learned(frozenset(ids))


def seconds_before(config: Mapping[str, Any]) -> float | None:
    """How long the trainings took that one with this configuration starts from; None where there are none or it is not
    known of all.
    """
    seconds = []
    for record in _starts(config):
        own = None if record is None else record.cost.own_train_s
        if record is None or own is None:
            return None
        seconds.append(own / (record.dataset.folds or 1))  # of several networks the first is what is started from
    return sum(seconds) if seconds else None


def check_start(
    config: Mapping[str, Any], fold: Fold, dataset: Dataset, index: DataIndex, evaluate: Collection[str]
) -> str:
    """A warning where the weights that a training is to start from know labels that it does not count, else "".

    Raises UserError where they have learned from a sample that is to be scored.
    """
    seen = seen_before(config, dataset, index, evaluate).ids
    if shared := sorted(seen & set(evaluate)):
        raise UserError(
            f"--init {config['init']}: it has learned from {counted(len(shared), 'sample')} that would be scored "
            f"(first: {shared[0]}), so the score would say nothing. Score another split, or start from other weights"
        )
    more = len(seen - set(fold.train))
    return f"--init {config['init']}: it has learned from {counted(more, 'more label')} of this dataset" if more else ""


def refuse_other_weights(config: Mapping[str, Any]) -> None:
    """Raise UserError where a training is to start from a run that does not hold what its record says it has fitted."""
    start = config.get("init")
    if not isinstance(start, str):
        return
    place = Path(start).absolute()
    inside = [each.parent for each in (place, *place.parents[:2]) if each.name == CHECKPOINT]
    folder = next((each for each in (place, *inside) if (each / RECORD).is_file()), None)
    if folder is None:
        return
    try:
        refuse_other_checkpoint(folder, read_record(folder))
    except UserError as error:
        raise UserError(f"--init {start}: {error}") from error


def _starts(config: Mapping[str, Any]) -> Iterator[Record | None]:
    """The runs that a training started from, from the last to the first; at the end None where nobody can tell."""
    passed: set[Any] = set()
    while start := config.get("init"):
        weights = config.get("init_sha256")
        record = None if weights in passed else _made_by(Path(str(start)), weights)
        passed.add(weights)
        yield record
        if record is None:
            return
        config = record.method.config


def _made_by(place: Path, sha256: Any) -> Record | None:
    """The record of the run that made weights, `RUN` or `RUN/checkpoint[/fold-K]/FILE`; None where they are others."""
    try:
        files = [place] if place.is_file() else [path for inside in _WEIGHTS for path in place.glob(inside)]
        weights = next((path for path in files if file_sha256(path) == sha256), None)
        folders = weights.absolute().parents[:3] if weights is not None else ()
        folder = next((each for each in folders if (each / RECORD).is_file()), None)
        return None if folder is None else read_record(folder)
    except (UserError, OSError, ValueError):  # what a record names may be no path here
        return None
