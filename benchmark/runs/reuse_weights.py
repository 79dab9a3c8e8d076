"""`bench run --weights`: which runs' weights may be used, so that only predicting is done again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..registry import method_class
from ..types import Method, UserError
from .binding import refuse_other_checkpoint
from .members import shown_options
from .record import Record, read_record


def trained_alike(folder: Path, mine: Mapping[str, Any], method: Method, *, any_method: bool = False) -> Record:
    """The record of a run whose weights may be used: of the same method, trained on and scored on the same samples.

    Parameters
    ----------
    folder : of that run.
    mine : the identity of the run that is to use them, as `RunPlan.identity` says it.
    method : that is to use them.
    any_method : whether what any method has learned may be used, and not only the weights of a network, as other
        images are to be predicted.

    Raises
    ------
    UserError
        Where anything but settings of prediction differs, it is no complete run of a network, or its weights are not
        those that it has fitted.
    """
    record = read_record(folder)
    wanted = {
        "method": (record.method.name, mine["method"]),
        "dataset": (record.dataset.name, mine["dataset"]),
        "version of the dataset": (record.dataset.version, mine["dataset_version"]),
        "split": (record.dataset.split, mine["split"]),
        "folds": (record.dataset.folds, mine["folds"]),
        "setting of the dataset": (shown_options(record.dataset.options), shown_options(mine["options"])),
        "seed": (record.method.seed, mine["seed"]),
        "train fraction": (record.method.train_fraction, mine["train_fraction"]),
        "training split": (record.method.train_on or "train", mine.get("train_on", "train")),
        "images and labels (sha256)": (record.dataset.inputs_sha256, mine["inputs_sha256"]),
    }
    for what, (theirs, ours) in wanted.items():
        if theirs != ours:
            raise UserError(f"--weights {folder}: {what} is {theirs} there, and {ours} here. It has to be the same.")
    network = record.method.family == "learned" and bool(method.prediction_settings)
    if not record.complete or not (network or any_method):
        raise UserError(f"--weights {folder}: expected a complete run of a network")
    _refuse_other_training(folder, record, mine["config"], method.prediction_settings)
    refuse_other_checkpoint(folder if folder.is_dir() else folder.parent, record)
    return record


def _refuse_other_training(folder: Path, record: Record, config: Mapping[str, Any], changeable: Sequence[str]) -> None:
    defaults = method_class(record.method.name).info.defaults
    theirs = {key: record.method.config.get(key, defaults[key]) for key in config}
    other = next((key for key in config if config[key] != theirs[key] and key not in changeable), None)
    if other is not None:
        raise UserError(
            f"--weights {folder}: trained with {other}={theirs[other]}, asked for is {config[other]}. Without training "
            f"only {', '.join(changeable)} can be changed."
        )
