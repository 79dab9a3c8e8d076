"""Runs as a table, for notebooks."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..io.reporter import Reporter
from .find import find_runs
from .record import Record
from .remote import folders_of
from .request import place_of
from .versions import other_versions, with_versions

if TYPE_CHECKING:
    import pandas as pd

_COSTS = (
    *("train_s", "predict_ms_per_image", "best_batch", "best_batch_ms_per_image", "macs_per_image"),
    *("peak_memory_mb", "parameters", "device"),
)


def load_runs(paths: str | PathLike[str] | Iterable[str | PathLike[str]] = "runs") -> pd.DataFrame:
    """Every score of every stored run as one row: a tidy table.

    Parameters
    ----------
    paths : path or paths
        Run folders, folders of them, or addresses (`https://…`) of an index of results. A run that is there several
        times is taken once, as it was made last.

    Returns
    -------
    pandas.DataFrame
        One row for each run and score: `run_id`, `dataset`, `origin`, `split`, `folds`, `n` samples of `whole_n` of the
        split, `method`, `family`, `preset`, `seed`, `train_fraction`, `n_train`, `oracle`, `complete`, the costs,
        `commit`, `metrics` (families with their versions), `is_current` (False where another version of the dataset or
        of a metric made the scores: they are not comparable with today's), `content_bound` (False where the record is
        older than the digest of its content), `score`, `value`, `low`, `high`, `unit`,
        `higher_is_better`, `is_main`, `folder`. Undefined is NaN.

    Raises
    ------
    UserError
        For a path that does not exist or holds no run, and an address that cannot be read or lists none.

    Examples
    --------
    >>> runs = load_runs("leaderboards/records")                                                    # doctest: +SKIP
    >>> runs[runs.is_main & runs.is_current].pivot_table("value", "method", "dataset")              # doctest: +SKIP
    """
    import pandas as pd

    chosen = [paths] if isinstance(paths, str | PathLike) else list(paths)
    folders = folders_of([place_of(path) for path in chosen], Reporter(quiet=True))
    found = find_runs(folders, lambda text: warnings.warn(text, stacklevel=2))
    current: dict[str, bool] = {}
    return pd.DataFrame([row for folder, record in found for row in _rows(record, folder, current)])


def _is_current(record: Record, known: dict[str, bool]) -> bool:
    """Whether today's versions made the scores; asked of the registry once for all runs that are alike in them."""
    data = record.dataset
    made_by = json.dumps([data.name, data.version, (data.model_extra or {}).get("definition"), record.metrics])
    if made_by not in known:
        known[made_by] = not other_versions(record)
    return known[made_by]


def _rows(record: Record, folder: Path, current: dict[str, bool]) -> list[dict[str, Any]]:
    data, method = record.dataset, record.method
    about = {
        **{"run_id": record.run_id, "dataset": data.name, "origin": data.origin, "split": data.split},
        **{
            "folds": data.folds,
            "n": data.n,
            "whole_n": data.whole_n or data.n,
            "method": method.name,
            "family": method.family,
            "preset": method.preset,
        },
        **{"seed": method.seed, "train_fraction": method.train_fraction, "n_train": method.n_train},
        **{"oracle": method.oracle, "complete": record.complete},
        **{name: getattr(record.cost, name) for name in _COSTS},
        **{"commit": record.environment.commit, "metrics": with_versions(record.metrics)},
        "is_current": _is_current(record, current),
        "content_bound": record.content_bound,
    }
    nan = float("nan")
    return [
        {
            **about,
            "score": name,
            **{key: nan if getattr(score, key) is None else getattr(score, key) for key in ("value", "low", "high")},
            "unit": score.unit,
            "higher_is_better": score.higher_is_better,
            "is_main": name == record.main_score,
            "folder": str(folder),
        }
        for name, score in record.scores.items()
    ]
