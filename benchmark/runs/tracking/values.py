"""What is logged of a run beside its training: settings, scores with the bounds of their intervals, and cost."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from ..record import Record

Setting = bool | int | float | str


def settings_of(record: Record) -> dict[str, Setting]:
    """All that a run was asked for, flat: settings of the method and options of the data as `set.<name>`.

    Lists and mappings are JSON, and what is not given is left out.
    """
    data, method = record.dataset, record.method
    said: dict[str, Any] = {
        "dataset": data.name,
        "dataset_version": data.version,
        "split": data.split,
        "origin": data.origin,
        "n": data.n,
        "folds": data.folds,
        "method": method.name,
        "family": method.family,
        "preset": method.preset,
        "seed": method.seed,
        "train_fraction": method.train_fraction,
        "n_train": method.n_train,
        "corruption": method.corruption,
        "device": record.cost.device,
        "run_id": record.run_id,
        "segbench": record.environment.segbench,
    }
    asked = {f"set.{key}": value for key, value in {**data.options, **method.config}.items()}
    return {key: _flat(value) for key, value in {**said, **asked}.items() if value is not None}


def results_of(record: Record) -> dict[str, float]:
    """Scores of a finished run, each with its bounds as `<name>_low` and `<name>_high`, and its cost; all numbers."""
    return {name: value for name, value in _results(record) if value is not None and math.isfinite(value)}


def _results(record: Record) -> Iterator[tuple[str, float | None]]:
    for name, score in record.scores.items():
        yield f"scores/{name}", score.value
        yield f"scores/{name}_low", score.low
        yield f"scores/{name}_high", score.high
    for name, value in record.cost.model_dump().items():
        if isinstance(value, int | float):
            yield f"cost/{name}", float(value)


def _flat(value: Any) -> Setting:
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)
