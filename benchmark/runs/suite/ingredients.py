"""What the cells of a suite depend on, found once for all cells that share it, because a grid may have thousands."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...data.index import DataIndex
from ...data.locations import Location, Origin
from ...data.origin_in_use import origin_in_use
from ...data.splits import Fold, plan_folds, plan_scored, plan_split
from ...registry import dataset_class, make_method, method_class, metrics_of
from ...types import Dataset, DatasetInfo, Metric, Part, parts_of
from ..code_hash import code_sha256
from ..current import Ingredients
from ..identity import without_places
from ..members import fraction_of, splits_of
from ..presets import resolve
from ..record import read_record
from .spec import Cell

Samples = tuple[str, ...]
_ALL: tuple[Part, ...] = ("image", "labels")


@dataclass
class SharedIngredients:
    """Ingredients of the cells of a suite, of data that stays as it is meanwhile.

    Parameters
    ----------
    data : the opened datasets, with where they lie, by `Cell.data`.
    """

    data: Mapping[str, tuple[Dataset, Location]]
    _indexes: dict[str, DataIndex] = field(default_factory=dict)
    _samples: dict[str, tuple[Samples, Samples]] = field(default_factory=dict)
    _origins: dict[str, Origin] = field(default_factory=dict)
    _codes: dict[tuple[str, str, Origin, tuple[str, ...]], str] = field(default_factory=dict)
    _hashes: dict[str, str] = field(default_factory=dict)
    _configured: dict[str, tuple[Ingredients, tuple[Metric, ...], tuple[str, ...]]] = field(default_factory=dict)

    def index_of(self, data: str) -> DataIndex:
        """The index of a dataset of the plan, one for all of its cells."""
        if data not in self._indexes:
            self._indexes[data] = DataIndex.of(self.data[data][0])
        return self._indexes[data]

    def location_of(self, cell: Cell) -> Location:
        """Where the data of a cell lies."""
        return self.data[cell.data][1]

    def origin_of(self, cell: Cell) -> Origin:
        """The origin of all samples that a cell uses."""
        key = _samples_key(cell)
        if key not in self._origins:
            used = self._samples_of(cell)[1]
            found = origin_in_use(self.index_of(cell.data), self.location_of(cell).origin, used)
            self._origins[key] = found.origin
        return self._origins[key]

    def code_of(self, cell: Cell) -> str:
        """The hash of the code that a cell's result depends on."""
        members = self._configuration(cell)[2]
        key = (cell.data, cell.method, self.origin_of(cell), members)
        if key not in self._codes:
            self._codes[key] = code_sha256(self.data[cell.data][0].info, *key[1:3], members=members)
        return self._codes[key]

    def configured(self, cell: Cell, code: str | None) -> Ingredients:
        """What a cell's result would be made from now, but for its data and its metrics."""
        found, _, joined = self._configuration(cell)
        fraction = found.train_fraction if joined else cell.train_fraction
        return replace(found, seed=cell.seed, train_fraction=fraction, code=code)

    def with_data(self, cell: Cell, found: Ingredients) -> Ingredients:
        """The same with data and metrics, for which files are read.

        Raises OSError where one cannot be read.
        """
        scored, used = self._samples_of(cell)
        families = self._configuration(cell)[1]
        hashes = self._hash(cell, "scored", scored, parts_of(families)), self._hash(cell, "used", used, _ALL)
        return replace(found, data=hashes, metrics={family.name: family.version for family in families})

    def _configuration(self, cell: Cell) -> tuple[Ingredients, tuple[Metric, ...], tuple[str, ...]]:
        """What a cell is made from, the families that score it, and the methods that its own joins."""
        key = json.dumps([cell.data, cell.split, cell.method, cell.preset, cell.folds, cell.train_on, cell.settings])
        if key not in self._configured:
            found = _ingredients(cell)
            method = make_method(cell.method, found.config)
            families = metrics_of(self.data[cell.data][0].info, kind=method.predicts)
            self._configured[key] = found, tuple(families), tuple(method.member_methods)
        return self._configured[key]

    def _hash(self, cell: Cell, which: str, ids: Samples, parts: Sequence[Part]) -> str:
        key = json.dumps([_samples_key(cell), which, sorted(parts)])
        if key not in self._hashes:
            with self.index_of(cell.data) as index:
                self._hashes[key] = index.data_sha256(ids, parts)
        return self._hashes[key]

    def _samples_of(self, cell: Cell) -> tuple[Samples, Samples]:
        """The samples that a cell scores, and all that it uses."""
        key = _samples_key(cell)
        if key not in self._samples:
            plan = _plan(cell, self.data[cell.data][0])
            scored = tuple(i for fold in plan for i in fold.evaluate)
            used = tuple(dict.fromkeys(i for fold in plan for i in (*fold.train, *fold.val, *fold.evaluate)))
            self._samples[key] = scored, used
        return self._samples[key]


def _samples_key(cell: Cell) -> str:
    """What the samples of a cell depend on; its seed only where a part of them is drawn."""
    drawn = (cell.train_fraction, cell.seed if cell.train_fraction < 1 else None)
    trains = method_class(cell.method).info.trains
    return json.dumps([cell.data, cell.split, cell.folds, cell.train_on, trains, *drawn])


def _plan(cell: Cell, dataset: Dataset) -> tuple[Fold, ...]:
    split = "all" if cell.folds else cell.split or dataset.info.default_split
    if not method_class(cell.method).info.trains:
        return (plan_scored(dataset, split, cell.folds),)
    if cell.folds:
        return plan_folds(dataset, cell.folds, split, cell.train_fraction, cell.seed)
    return plan_split(dataset, split, cell.train_fraction, cell.seed, cell.train_on)


def _ingredients(cell: Cell) -> Ingredients:
    """What a cell's result would be made from now, but for its code and its data."""
    cls, method = dataset_class(cell.dataset), method_class(cell.method).info
    made = make_method(cell.method, resolve(cell.preset, method, cls.info, cell.settings)[0])
    data: DatasetInfo = cls.info
    # The splits of a self-defined dataset are known only with its data.
    split = None if cls.self_defined else "all" if cell.folds else cell.split or data.default_split
    joined = [read_record(run) for run in made.member_runs]
    return Ingredients(
        dataset=(data.name, data.version),
        method=method.name,
        preset=cell.preset,
        seed=cell.seed,
        folds=cell.folds if method.trains else None,
        train_fraction=fraction_of(joined, cell.train_fraction),
        train_on=splits_of(joined, cell.train_on),
        config=without_places(make_method(cell.method, made.resolved(data)).config),
        split=split,
    )
