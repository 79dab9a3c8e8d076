"""How long a cell will take, estimated from similar cells."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ...io.text_files import read_json
from ...types import UserError
from ..find import run_folders
from ..folder import RECORD
from .spec import Cell
from .state import SuiteState

MAX_RECORDS = 2000
"""So many earlier records are read at most, the latest folders first."""

Basis = Literal["this suite", "earlier runs", "its time limit"]


class Estimate(NamedTuple):
    """Seconds that a cell is expected to take, and from what that is known."""

    seconds: float
    basis: Basis


@dataclass(frozen=True)
class _Earlier:
    """What one earlier run took, and what it was."""

    dataset: str
    method: str
    preset: str | None
    config: Mapping[str, Any]
    folds: int
    seconds: float


class _Runs:
    """Earlier runs of one method on one dataset, found by what they share with a cell."""

    def __init__(self) -> None:
        self._of_preset: dict[str | None, list[_Earlier]] = {}
        self._of_settings: dict[tuple[str, ...], dict[str, list[_Earlier]]] = {}

    def add(self, run: _Earlier) -> None:
        self._of_preset.setdefault(run.preset, []).append(run)

    def most_like(self, cell: Cell) -> list[_Earlier]:
        """Those of the cell's preset that have its settings, else all of its preset, else all."""
        keys = tuple(sorted(cell.settings))
        if keys not in self._of_settings:
            by_values = self._of_settings[keys] = {}
            for run in (run for runs in self._of_preset.values() for run in runs):
                by_values.setdefault(_values(run.preset, run.config, keys), []).append(run)
        same = self._of_settings[keys].get(_values(cell.preset, cell.settings, keys))
        return same or self._of_preset.get(cell.preset) or [run for runs in self._of_preset.values() for run in runs]


def _values(preset: str | None, settings: Mapping[str, Any], keys: Sequence[str]) -> str:
    return json.dumps([preset, *(_plain(settings.get(key)) for key in keys)])


def _plain(value: Any) -> Any:
    """A value such that 1 and 1.0 are one."""
    if isinstance(value, list):
        return [*map(_plain, value)]
    return float(value) if isinstance(value, int | float) else value


def estimates(
    cells: Sequence[Cell], state: SuiteState | None, store: Path, limits: Mapping[str, float | None]
) -> dict[str, Estimate]:
    """An estimate for each cell of which anything is known, by name.

    Taken from finished cells of the suite that differ in seed alone, else from records below `store` of the same
    dataset and method (those most alike; the median of them, for as many folds), else from the limit of time
    (`limits`, minutes by cell). What is too old or of another machine is no better known.
    """
    known = {} if state is None else state.cells
    finished = {name: cell.seconds for name, cell in known.items() if cell.status == "done" and cell.seconds}
    own: dict[tuple[Any, ...], list[float]] = {}
    for cell in cells:
        if seconds := finished.get(cell.name):
            own.setdefault(_but_for_the_seed(cell), []).append(seconds)
    earlier = _by_what(_read(store))
    found = {}
    for cell in cells:
        if alike := own.get(_but_for_the_seed(cell)):
            found[cell.name] = Estimate(statistics.median(alike), "this suite")
        elif runs := earlier.get((cell.dataset, cell.method)):
            found[cell.name] = Estimate(_from_records(cell, runs.most_like(cell)), "earlier runs")
        elif (limit := limits.get(cell.name)) is not None:
            found[cell.name] = Estimate(60 * limit, "its time limit")
    return found


def longest_first(names: Sequence[str], expected: Mapping[str, Estimate]) -> list[str]:
    """Names in the order to begin them: what takes longest first, what is not known before all, else as they came.

    Beginning with the longest keeps several places busy to the end: Graham, "Bounds on multiprocessing timing
    anomalies", SIAM J. Appl. Math. 17 (1969), theorem 3: at most 4/3 of the best possible.
    """
    return sorted(names, key=lambda name: -expected[name].seconds if name in expected else float("-inf"))


def _but_for_the_seed(cell: Cell) -> tuple[Any, ...]:
    return (
        cell.data,
        cell.method,
        cell.label,
        cell.preset,
        cell.folds,
        cell.train_fraction,
        cell.train_on,
        cell.corrupt,
    )


def _from_records(cell: Cell, runs: Sequence[_Earlier]) -> float:
    return statistics.median(run.seconds / run.folds for run in runs) * (cell.folds or 1)


def _by_what(runs: Iterable[_Earlier]) -> dict[tuple[str, str], _Runs]:
    found: dict[tuple[str, str], _Runs] = {}
    for run in runs:
        found.setdefault((run.dataset, run.method), _Runs()).add(run)
    return found


def _read(store: Path) -> list[_Earlier]:
    """What the records below a folder say; one that cannot be read says nothing."""
    if not store.is_dir():
        return []
    try:
        folders = run_folders(store)
    except UserError:
        return []
    if len(folders) > MAX_RECORDS:
        folders = sorted(folders, key=_changed, reverse=True)[:MAX_RECORDS]
    return [earlier for folder in folders if (earlier := _earlier(folder / RECORD)) is not None]


def _changed(folder: Path) -> float:
    try:
        return (folder / RECORD).stat().st_mtime
    except OSError:
        return 0.0


def _earlier(path: Path) -> _Earlier | None:
    """A record as far as it tells what it took; read as it lies, since nothing depends on it but an order."""
    try:
        content = read_json(path)
        cost, dataset, method = content["cost"], content["dataset"], content["method"]
        own = float(cost.get("train_s") or 0.0) - float(cost.get("earlier_train_s") or 0.0)
        seconds = own + float(cost["predict_ms_per_image"]) / 1000 * int(dataset["n"])
        return _Earlier(
            str(dataset["name"]),
            str(method["name"]),
            method.get("preset"),
            dict(method.get("config") or {}),
            max(1, int(dataset.get("folds") or 1)),
            seconds,
        )
    except (UserError, OSError, KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        return None
