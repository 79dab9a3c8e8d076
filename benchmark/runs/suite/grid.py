"""The cells of a suite: every combination of its lists that can be run, with names and settings checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from ...data.splits import TrainOn
from ...errors import UserError
from ...registry import dataset_class, make_method, method_class
from ...settings import check_settings
from ...text import unknown
from ...types import MethodInfo
from ..presets import parse_settings, resolve, setting
from .engines.slurm_options import checked_options
from .resources import resources_of
from .spec import MAX_CELLS, Cell, Changes, DatasetEntry, MethodEntry, Plan, Suite


def make_plan(suite: Suite, name: str, path: Path, changes: Changes | None = None) -> Plan:
    """Every cell of a suite, its names and settings checked.

    Raises
    ------
    UserError
        For a grid that is too large, an unknown dataset, method, preset, setting or reference, two cells that are the
        same, or an exclusion that excludes nothing.
    """
    changes = changes or Changes()
    if suite.size() > MAX_CELLS:
        raise UserError(
            f"{path}: the grid has {suite.size():,} cells; at most {MAX_CELLS:,} are planned. Shorten its lists."
        )
    for root in set(changes.roots) - {entry.name for entry in suite.datasets}:
        raise UserError(f"--root {root}=…: " + unknown("dataset of the suite", root, [e.name for e in suite.datasets]))
    found: list[Cell] = []
    unable: list[str] = []
    for variant in _variants(suite, path):
        cells = _cells_of(variant, suite, changes)
        if isinstance(cells, str):
            unable.append(cells)
        else:
            found += cells
    _refuse_unused(suite, path, {cell.method for cell in found})
    kept = [cell for cell in found if not any(rule.matches(cell) for rule in suite.exclude)]
    there = {None, *(cell.name for cell in kept)}
    kept = [cell if cell.weights_of in there else replace(cell, weights_of=None).with_name() for cell in kept]
    for cell in kept:
        _refuse_learned(cell, path)
    for number, rule in enumerate(suite.exclude):
        if not any(rule.matches(cell) for cell in found):
            raise UserError(f"{path}: 'exclude[{number}]' excludes nothing: no cell of the grid matches it")
    _refuse_doubles(kept, path)
    if not kept:
        raise UserError(f"{path}: no cell is left. {' '.join(unable)}".rstrip())
    labels = list(dict.fromkeys(cell.label for cell in kept))
    if suite.reference is not None and suite.reference not in labels:
        raise UserError(f"{path}: 'reference': {unknown('label of a method of the suite', suite.reference, labels)}")
    options = checked_options(suite.slurm, f"{path}: 'slurm'")
    left_out = len(found) - len(kept)
    return Plan(name, path, suite.summary, tuple(kept), tuple(unable), left_out, options, suite.reference)


@dataclass(frozen=True)
class _Variant:
    """One dataset with one method at one point of the method's grid; `where` names the entry in errors."""

    where: str
    dataset: DatasetEntry
    method: MethodEntry
    label: str
    settings: dict[str, Any]
    folder: Path


def _variants(suite: Suite, path: Path) -> Iterator[_Variant]:
    names = [entry.name for entry in suite.datasets]
    for data in suite.datasets:
        for number, method in enumerate(suite.methods):
            where = f"{path}: 'methods[{number}]' ({method.name})"
            for stranger in set(method.per_dataset) - set(names):
                raise UserError(f"{where}, per_dataset: {unknown('dataset of the suite', stranger, names)}")
            for values in product(*method.grid.values()):
                chosen = dict(zip(method.grid, values, strict=True))
                name = method.label or _short(method.name)
                label = " ".join([name, *(setting(*item) for item in chosen.items())])
                settings = {**method.settings, **chosen, **method.per_dataset.get(data.name, {})}
                yield _Variant(where, data, method, label, settings, path.parent)


def _short(method: str) -> str:
    """What a method is called in tables: of a model that exists the name of its file."""
    try:
        info = method_class(method).info
    except UserError:
        return method  # which is told of with its place in the suite
    return method if info.trains else info.name


def _cells_of(variant: _Variant, suite: Suite, changes: Changes) -> list[Cell] | str:
    """The cells of one variant for every seed, fold and fraction; a sentence where the method cannot do the task."""
    entry = variant.dataset
    try:
        data, method = dataset_class(entry.name).info, method_class(variant.method.name).info
        if data.classes and data.task not in method.tasks:
            return f"{method.name} does {' and '.join(method.tasks)} segmentation, {data.name} is {data.task}."
        shared = {key: value for key, value in suite.settings.items() if key in method.defaults}
        settings = _as_read({**shared, **variant.settings})
        options = _as_read(entry.settings)
        for key in settings:
            if key not in method.defaults:
                raise UserError(unknown(f"setting of method {method.name}", key, method.defaults))
        check_settings(data.settings, f"dataset {data.name}", options)
        preset = changes.preset or variant.method.preset or suite.preset
        written = method_class(variant.method.name).written_from(variant.folder)
        make_method(written, resolve(preset, method, data, settings)[0])
        train_on = _train_on(variant.method, suite, method)
    except UserError as error:
        raise UserError(f"{variant.where}: {error}") from None
    root = changes.roots.get(entry.name) or (variant.folder / entry.root if entry.root else None)
    cells = [
        Cell(
            name="",
            dataset=data.name,
            method=written,
            label=variant.label if train_on == "train" else f"{variant.label} {train_on}",
            preset=preset,
            seed=seed,
            folds=folds,
            train_fraction=fraction,
            train_on=train_on,
            split=None if folds else entry.split,
            source=changes.source or entry.source or suite.source,
            root=None if root is None else str(root),
            plots=suite.plots,
            settings=settings,
            options=options,
            resources=resources_of(preset, bool(method.accelerated), suite.resources, variant.method.resources),
        ).with_name()
        for seed, folds, fraction in product(suite.seeds, suite.folds, suite.train_fractions)
    ]
    return [each for cell in cells for each in _with_corruptions(cell, suite.corruptions)]


def _train_on(entry: MethodEntry, suite: Suite, method: MethodInfo) -> TrainOn:
    """The splits that a method learns from. Raises UserError where one is named for a model that is not trained."""
    if method.trains:
        return entry.train_on or suite.train_on
    if entry.train_on is not None:
        raise UserError(f"'train_on': {method.name} is a model that exists and is not trained; leave it out")
    return "train"


def _refuse_learned(cell: Cell, path: Path) -> None:
    """Raise UserError for a cell that would score what it learned from, or that learns from everything anyway."""
    if cell.train_on == "train":
        return
    what = f"{path}: 'train_on' is {cell.train_on}, and '{cell.short}'"
    if cell.folds:
        raise UserError(f"{what} learns from every labelled sample outside a fold already; leave out one of the two")
    data = dataset_class(cell.dataset)
    split = cell.split or (None if data.self_defined else data.info.default_split)
    if split in (*cell.train_on.split("+"), "all"):
        raise UserError(
            f"{what} would score split '{split}', which it learns from. Give the dataset another 'split', such as test"
        )


def _with_corruptions(cell: Cell, corruptions: Sequence[str | None]) -> Iterator[Cell]:
    """The cell on images as they are, first, where they are asked for; and on corrupted ones, with what it learned."""
    if None in corruptions:
        yield cell
    clean = cell.name if None in corruptions and method_class(cell.method).info.trains else None
    for corrupt in corruptions:
        if corrupt is not None:
            yield replace(cell, corrupt=corrupt, weights_of=clean).with_name()


def _as_read(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as the command line of a cell will read them, so that the plan is what runs."""
    return parse_settings([setting(key, value) for key, value in settings.items()])


def _refuse_unused(suite: Suite, path: Path, names: set[str]) -> None:
    """A setting for all methods is for those that have it; one that none has is a typing error."""
    known = {key for name in names for key in method_class(name).info.defaults}
    for key in suite.settings:
        if names and key not in known:
            raise UserError(f"{path}: 'settings': {unknown('setting of the methods of the suite', key, known)}")


def _refuse_doubles(cells: Sequence[Cell], path: Path) -> None:
    """Two cells that are the same run, or that tables could not tell apart."""
    seen: dict[str, Cell] = {}
    labels: dict[tuple[str, str], tuple[Any, ...]] = {}
    for cell in cells:
        if cell.name in seen:
            raise UserError(f"{path}: the run '{cell.short}' stands in the grid twice; leave one out")
        seen[cell.name] = cell
        what = (cell.method, cell.preset, cell.train_on, cell.settings)
        if labels.setdefault((cell.data, cell.label), what) != what:
            raise UserError(
                f"{path}: two different methods or settings are called '{cell.label}' on {cell.data}; "
                "give each a 'label' of its own"
            )
