"""The identity of a run: everything that its result depends on, whose hash is the run's id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .record import Record


def run_identity(
    *,
    dataset: str,
    version: str,
    method: str,
    weights: str | None = None,
    corruption: str | None = None,
    train_on: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """The identity of a run of a method; `weights` is the id of the run whose weights it took, if it did not train.

    `corruption` is what was done to the images that it predicted, if anything was; `train_on` the splits that were
    learned from, if not `train` alone.

    `more` are split, options, origin, data_sha256, inputs_sha256, metrics, preset, config, seed, folds and
    train_fraction.
    """
    trained = {} if weights is None else {"weights": weights}
    changed = {} if corruption is None else {"corruption": corruption}
    learned = {} if train_on is None else {"train_on": train_on}
    if "config" in more:
        more["config"] = without_places(more["config"])
    return {**trained, **changed, **learned, "dataset": dataset, "dataset_version": version, "method": method, **more}


def without_places(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without the places of what was learned before, where what it is stands beside them."""
    told = {"init": "init_sha256", "members": "runs"}
    found = {key for key, by in told.items() if config.get(by) is not None}
    return {key: value for key, value in config.items() if key not in found}


def evaluated_identity(
    dataset: Mapping[str, Any],
    metrics: Mapping[str, str],
    name: str,
    predictions_sha256: str | None,
    family: str = "external",
) -> dict[str, Any]:
    """The identity of predictions from elsewhere, of a record's block `dataset` as JSON."""
    people = {"family": family} if family != "external" else {}
    return {
        **people,
        "dataset": dict(dataset),
        "metrics": dict(metrics),
        "name": name,
        "predictions_sha256": predictions_sha256,
    }


def recorded_identity(record: Record, content: Mapping[str, Any]) -> dict[str, Any]:
    """The identity that a record says; `content` is its JSON as it was written, with no key of a later version."""
    data, method = record.dataset, record.method
    if method.from_elsewhere:
        predictions = method.config.get("predictions_sha256")
        return evaluated_identity(content["dataset"], record.metrics, method.name, predictions, method.family)
    return run_identity(
        dataset=data.name,
        version=data.version,
        method=method.name,
        weights=method.chosen.get("weights_of"),
        corruption=method.corruption,
        split=data.split,
        options=data.options,
        origin=data.origin,
        data_sha256=data.data_sha256,
        inputs_sha256=data.inputs_sha256,
        metrics=record.metrics,
        preset=method.preset,
        config=method.config,
        seed=method.seed,
        folds=data.folds,
        train_fraction=method.train_fraction,
        train_on=method.train_on,
    )
