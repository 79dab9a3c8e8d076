"""Whether a stored result is up to date, and if not, what has changed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..predictions.stored import RESULTS, SEGMENTS
from ..predictions.stored_reading import StoredPredictions
from ..types import UserError
from .folder import CHECKPOINT, PREDICTIONS
from .identity import without_places
from .record import MadeBy, Record, recorded_info
from .stored import EvidenceError, open_run

_NOT_OF_THE_RESULT = ("--log", "--out", "--overwrite", "--resume", "--workers")
"""Options that only say where a result goes, how it is made, and where that is watched."""


@dataclass(frozen=True)
class Ingredients:
    """What a result follows from. None where it is not known, or not asked."""

    dataset: tuple[str, str]
    method: str
    preset: str | None
    seed: int | None
    folds: int | None
    train_fraction: float | None
    config: Mapping[str, Any]
    train_on: str | None = None
    split: str | None = None
    code: str | None = None
    data: tuple[str, str | None] | None = None
    metrics: Mapping[str, str] | None = None
    made_by: MadeBy | None = None

    @classmethod
    def of(cls, record: Record) -> Ingredients:
        """What a record says that it was made from."""
        data, method = record.dataset, record.method
        return cls(
            dataset=(data.name, data.version),
            method=method.name,
            preset=method.preset,
            seed=method.seed,
            folds=data.folds,
            train_fraction=method.train_fraction,
            config=without_places(method.config),
            train_on=method.train_on,
            split=data.split,
            code=record.environment.code_sha256,
            data=(data.data_sha256, data.inputs_sha256),
            metrics=record.metrics,
            made_by=data.made_by,
        )


def changed(was: Ingredients, now: Ingredients) -> str:
    """What has changed, in a few words; empty where nothing has. What is None now is not asked."""
    pairs = [
        ("the code has changed", was.code, now.code),
        ("the dataset has changed", was.dataset, now.dataset),
        ("the method has changed", was.method, now.method),
        ("the split has changed", was.split, now.split),
        ("the generator of the synthetic data has changed", was.made_by, now.made_by),
    ]
    for what, old, new in pairs:
        if new is not None and old != new:
            return what
    always = (
        ("the preset", was.preset, now.preset),
        ("the seed", was.seed, now.seed),
        ("the number of folds", was.folds, now.folds),
        ("the fraction of labels", was.train_fraction, now.train_fraction),
        ("the split that is learned from", was.train_on, now.train_on),
    )
    for what, before, after in always:
        if before != after:
            return f"{what} has changed"
    if setting := _changed_setting(was.config, now.config):
        return setting
    if now.data is not None and was.data != now.data:
        return "the data has changed"
    return "a metric has another version" if now.metrics is not None and was.metrics != now.metrics else ""


def _changed_setting(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    old, new = ({key: json.dumps(value, sort_keys=True) for key, value in each.items()} for each in (was, now))
    differing = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    if not differing:
        return ""
    return (
        "the predictions have changed"
        if differing[0] == "predictions_sha256"
        else (f"the setting {differing[0]} has changed")
    )


def why_not_current(folder: Path, earlier: Record, now: Record, *, predictions: bool, plots: bool) -> str:
    """Why a finished run is not what its command would give now; empty where it is.

    Parameters
    ----------
    folder : Path
        The folder of the finished run.
    earlier, now : Record
        Its record, and that of the run that is asked for, before its results.
    predictions, plots : bool
        Whether they are to lie in the folder.
    """
    if difference := _changed(earlier, now):
        return difference
    if plots and "--no-plots" in _words(earlier.command):
        return "it was made without plots"
    return _lacking(folder, earlier, predictions)


def what_its_method_can_make_again(folder: Path, earlier: Record, now: Record, *, predictions: bool) -> str:
    """What a finished run has lost that follows from its fitted method, which is there; empty where nothing is.

    Empty too where it would not be made again, as what it follows from has changed or its method is gone.
    """
    gone = earlier.method.from_elsewhere or _without_method(folder, earlier)
    return "" if gone or _changed(earlier, now) else _without_evidence(folder, earlier, predictions)


def _changed(earlier: Record, now: Record) -> str:
    difference = changed(Ingredients.of(earlier), Ingredients.of(now))
    return difference or ("" if earlier.run_id == now.run_id else "what it follows from has changed")


def _lacking(folder: Path, record: Record, predictions: bool) -> str:
    """Which of its files are gone, or not its own."""
    return _without_method(folder, record) or _without_evidence(folder, record, predictions)


def _without_method(folder: Path, record: Record) -> str:
    checkpoints = [] if record.method.from_elsewhere else _checkpoints(folder, record)
    return next((f"it has no {path.relative_to(folder)}" for path in checkpoints if not path.is_dir()), "")


def _without_evidence(folder: Path, record: Record, predictions: bool) -> str:
    try:
        open_run(folder)
    except EvidenceError as error:
        return error.fault
    except UserError as error:
        return str(error)
    place = folder / PREDICTIONS
    if predictions and not (place.is_dir() and any(place.iterdir())):
        return f"it has no {PREDICTIONS}"
    return _other_predictions(folder, record) if predictions else ""


def _checkpoints(folder: Path, record: Record) -> Sequence[Path]:
    folds = record.dataset.folds
    return [folder / CHECKPOINT / f"fold-{k}" for k in range(folds)] if folds else [folder / CHECKPOINT]


def _other_predictions(folder: Path, record: Record) -> str:
    """Why the stored label maps are not those of all samples; empty where they are, and for others."""
    data, place = record.dataset, folder / PREDICTIONS
    if (place / RESULTS).exists() or (place / SEGMENTS).exists() or any(place.glob("*.txt")):
        return ""
    stored = StoredPredictions(place, data.split, data.n, data.ids_sha256, record.command)
    try:
        stored.maps(recorded_info(data))
    except UserError as error:
        return str(error)
    return ""


def same_command(one: str, other: str) -> bool:
    """Whether two command lines ask for the same, wherever it goes."""
    return _words(one) == _words(other)


def _words(command: str) -> list[str]:
    """The words of a command line, without the options that do not change what is made."""
    try:
        words = shlex.split(command)
    except ValueError:
        return [command]
    kept: list[str] = []
    skip = False
    for word in words:
        if not skip and word not in _NOT_OF_THE_RESULT:
            kept.append(word)
        skip = word in ("--log", "--out", "--workers")
    return kept
