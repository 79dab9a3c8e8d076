"""Stored runs as a pandas table, for notebooks."""

from __future__ import annotations

import json
import warnings
from collections import defaultdict
from collections.abc import Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any

from ..io.collector import collector_paused
from ..io.reporter import Reporter
from .find import FoundRun, find_runs
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

_UNDEFINED = float("nan")


@collector_paused()
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
    return pd.DataFrame(_columns(found))


def _is_current(record: Record, known: dict[str, bool]) -> bool:
    """Whether today's versions made the scores; asked of the registry once for all runs that are alike in them."""
    data = record.dataset
    made_by = json.dumps([data.name, data.version, (data.model_extra or {}).get("definition"), record.metrics])
    if made_by not in known:
        known[made_by] = not other_versions(record)
    return known[made_by]


def _columns(found: Iterable[FoundRun]) -> dict[str, list[Any]]:
    """The columns of the table, of all runs: much quicker than a dictionary for each of its rows."""
    columns: dict[str, list[Any]] = defaultdict(list)
    current: dict[str, bool] = {}
    for folder, record in found:
        scores = record.scores.values()
        for key, value in _about(record, current).items():
            columns[key] += [value] * len(scores)
        columns["score"] += record.scores
        for key in ("value", "low", "high"):
            columns[key] += [_UNDEFINED if (x := getattr(score, key)) is None else x for score in scores]
        columns["unit"] += [score.unit for score in scores]
        columns["higher_is_better"] += [score.higher_is_better for score in scores]
        columns["is_main"] += [name == record.main_score for name in record.scores]
        columns["folder"] += [str(folder)] * len(scores)
    return columns


def _about(record: Record, current: dict[str, bool]) -> dict[str, Any]:
    """What the rows of all scores of a run have in common."""
    data, method = record.dataset, record.method
    return {
        **{"run_id": record.run_id, "dataset": data.name, "origin": data.origin, "split": data.split},
        **{"folds": data.folds, "n": data.n, "whole_n": data.whole_n or data.n},
        **{"method": method.name, "family": method.family, "preset": method.preset},
        **{"seed": method.seed, "train_fraction": method.train_fraction, "n_train": method.n_train},
        **{"oracle": method.oracle, "complete": record.complete},
        **{name: getattr(record.cost, name) for name in _COSTS},
        **{"commit": record.environment.commit, "metrics": with_versions(record.metrics)},
        **{"is_current": _is_current(record, current), "content_bound": record.content_bound},
    }
