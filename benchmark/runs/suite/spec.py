"""Suites: a YAML grid of runs, read with suspicion and turned into a plan of cells. No data is read, nothing runs."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ...data.corruptions import Corruption
from ...data.splits import TrainOn
from ...errors import UserError
from ...io.text_files import read_text
from ...io.yaml import explain, kind, read_yaml
from ...registry import dataset_class, make_method, method_class
from ...settings import check_settings
from ...text import unknown
from ...types import MethodInfo
from ..presets import parse_settings, resolve, setting
from .engines.slurm_options import checked_options
from .resources import Resources, ResourcesEntry, resources_of

MAX_CELLS = 10_000
MAX_BYTES = 1_000_000

Source = Literal["auto", "real", "synthetic"]


def _named(value: Any) -> Any:
    """`medaka` is short for `{name: medaka}`."""
    return {"name": value} if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    """In an exclusion one value is short for a list of one."""
    return value if isinstance(value, list) else [value]


def _simple(value: Any) -> Any:
    """What `--set` can carry: a scalar, or a list of them."""
    for item in value if isinstance(value, list) else [value]:
        if item is not None and not isinstance(item, str | int | float | bool):
            raise ValueError("expected a number, a word, true, false, null, or a list of these")
        if isinstance(item, float) and not math.isfinite(item):
            raise ValueError("expected a finite number")
    return value


Setting = Annotated[Any, AfterValidator(_simple)]
Settings = dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], Setting]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Folds = Annotated[int, Field(ge=2)] | None
Fraction = Annotated[float, Field(gt=0, le=1)]
Corrupt = Annotated[str, AfterValidator(lambda text: str(Corruption.parse(text)))] | None


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class DatasetEntry(_Model):
    """One dataset: its name, where it lies, what is scored, and its options (such as a view)."""

    name: Name
    root: Name | None = None
    source: Source | None = None
    split: Name | None = None
    settings: Settings = Field(default_factory=dict)


class MethodEntry(_Model):
    """One method with fixed settings, and a grid of settings of which every combination is run.

    `per_dataset` gives settings that hold on one dataset only. `label` is its name in tables. `train_on` are the splits
    that it learns from, where they are others than the suite's.
    """

    name: Name
    label: Name | None = None
    preset: Name | None = None
    train_on: TrainOn | None = None
    settings: Settings = Field(default_factory=dict)
    grid: dict[str, Annotated[list[Setting], Field(min_length=1)]] = Field(default_factory=dict)
    per_dataset: dict[str, Settings] = Field(default_factory=dict)
    resources: ResourcesEntry = ResourcesEntry()


class Exclusion(_Model):
    """Cells to leave out: those that match everything that is said here. `method` is a name or a label."""

    dataset: Annotated[list[Name], BeforeValidator(_listed)] | None = None
    method: Annotated[list[Name], BeforeValidator(_listed)] | None = None
    seed: Annotated[list[Seed], BeforeValidator(_listed)] | None = None
    folds: Annotated[list[Folds], BeforeValidator(_listed)] | None = None
    train_fraction: Annotated[list[Fraction], BeforeValidator(_listed)] | None = None
    settings: Settings = Field(default_factory=dict)

    def matches(self, cell: Cell) -> bool:
        """Whether a cell is meant."""
        pairs = (
            (self.dataset, {cell.dataset}),
            (self.method, {cell.method, cell.label}),
            (self.seed, {cell.seed}),
            (self.folds, {cell.folds}),
            (self.train_fraction, {cell.train_fraction}),
        )
        if any(wanted is not None and not set(wanted) & found for wanted, found in pairs):
            return False
        missing = object()
        return all(cell.settings.get(key, missing) == value for key, value in self.settings.items())


class Suite(_Model):
    """A suite file. The grid is datasets x methods (with their grids) x seeds x folds x train_fractions x corruptions.

    `train_on` says which splits are learned from: `train`, or `train+val`, by every method that is trained. In
    `corruptions`, null stands for images as they are; where it is there, nothing is trained twice.
    `reference` is the label of a method that the others are held against.
    """

    summary: str = ""
    reference: Name | None = None
    preset: Name = "quick"
    source: Source = "auto"
    train_on: TrainOn = "train"
    settings: Settings = Field(default_factory=dict)
    datasets: Annotated[list[Annotated[DatasetEntry, BeforeValidator(_named)]], Field(min_length=1)]
    methods: Annotated[list[Annotated[MethodEntry, BeforeValidator(_named)]], Field(min_length=1)]
    seeds: Annotated[list[Seed], Field(min_length=1)] = Field(default=[0])
    folds: Annotated[list[Folds], Field(min_length=1)] = Field(default=[None])
    train_fractions: Annotated[list[Fraction], Field(min_length=1)] = Field(default=[1.0])
    corruptions: Annotated[list[Corrupt], Field(min_length=1)] = Field(default=[None])
    exclude: list[Exclusion] = Field(default_factory=list)
    resources: ResourcesEntry = ResourcesEntry()
    slurm: dict[str, Setting] = Field(default_factory=dict)

    def size(self) -> int:
        """Number of cells of the whole grid, before anything is left out."""
        variants = sum(math.prod(len(values) for values in entry.grid.values()) for entry in self.methods)
        axes: tuple[list[Any], ...] = (self.seeds, self.folds, self.train_fractions, self.corruptions)
        return len(self.datasets) * variants * math.prod(map(len, axes))


@dataclass(frozen=True)
class Cell:
    """One run of a suite, as `bench run` is told: `settings` are the method's, `options` the dataset's.

    `weights_of` names the cell on images as they are, whose method a cell on corrupted ones takes instead of training.
    """

    name: str
    dataset: str
    method: str
    label: str
    preset: str
    seed: int = 0
    folds: int | None = None
    train_fraction: float = 1.0
    train_on: TrainOn = "train"
    split: str | None = None
    source: Source = "auto"
    root: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    corrupt: str | None = None
    weights_of: str | None = None
    resources: Resources = field(default_factory=Resources)

    @property
    def data(self) -> str:
        """The dataset with its options and where it was said to lie, for a person."""
        words = [self.dataset, *(setting(*item) for item in self.options.items())]
        words += [self.split] if self.split else []
        return " ".join([*words, f"({self.root})"] if self.root else words)

    @property
    def short(self) -> str:
        """What a person calls it."""
        parts = [self.data, self.label, f"seed {self.seed}"]
        parts += [f"{self.folds} folds"] if self.folds else []
        parts += [f"{self.train_fraction:.4g} of the labels"] if self.train_fraction != 1 else []
        parts += [self.corrupt] if self.corrupt else []
        return ", ".join(parts)

    def with_name(self) -> Cell:
        """The same cell named after what it is; the hash tells cells apart whose short names are equal."""
        without = ("name", "label", "root", "resources")
        content = {key: value for key, value in vars(self).items() if key not in without}
        if self.corrupt is None:  # its name stays what it was before images could be corrupted
            del content["corrupt"], content["weights_of"]
        if self.train_on == "train":  # nor before other splits could be learned from
            del content["train_on"]
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
        words = [self.dataset, self.label, f"s{self.seed}"]
        words += [f"k{self.folds}"] if self.folds else []
        words += [f"f{self.train_fraction:g}"] if self.train_fraction != 1 else []
        words += [self.corrupt] if self.corrupt else []
        text = "".join(c if c.isascii() and (c.isalnum() or c in "._") else "-" for c in "-".join(words))
        return replace(self, name=f"{text.strip('-.')[:80]}-{digest}")


@dataclass(frozen=True)
class Plan:
    """The cells of a suite in their order, and the combinations left out because a method cannot do them.

    `slurm` are options of `sbatch`, for the engine of that name; `reference` is the label of a cell that others are
    held against.
    """

    name: str
    path: Path
    summary: str
    cells: tuple[Cell, ...]
    unable: tuple[str, ...] = ()
    excluded: int = 0
    slurm: Mapping[str, str] = field(default_factory=dict)
    reference: str | None = None


@dataclass(frozen=True)
class Changes:
    """What the command line changes in a suite: roots by dataset, and for every cell where data is taken, and how."""

    roots: Mapping[str, Path] = field(default_factory=dict)
    source: Source | None = None
    preset: str | None = None


def suite_names() -> tuple[str, ...]:
    """Names of the suites that come with segbench."""
    folder = importlib.resources.files("segbench.configs.suites")
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))


def find_suite(name: str) -> tuple[str, Path, str]:
    """Name, path and text of a suite: one that comes with segbench, or a file.

    Raises
    ------
    UserError
        If there is neither, or the file cannot be read or is too large.
    """
    if name in suite_names():
        with importlib.resources.as_file(
            importlib.resources.files("segbench.configs.suites").joinpath(f"{name}.yaml")
        ) as path:
            return name, path, read_text(path)
    path = Path(name)
    if not path.is_file():
        what = f"'{name}' is a folder" if path.is_dir() else unknown("suite", name, suite_names())
        raise UserError(f"{what} A file of your own is named with its path, such as suites/mine.yaml.")
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"{path}: has {path.stat().st_size:,} bytes; a suite file has at most {MAX_BYTES:,}")
    try:
        return path.stem, path, read_text(path)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no text in UTF-8 ({error.reason} at byte {error.start})") from None


def parse_suite(text: str, path: Path) -> Suite:
    """The suite that a text holds; `path` names it in errors.

    Raises
    ------
    UserError
        Naming the file, the key, what was found and what was expected.
    """
    content = read_yaml(text, path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds {kind(content)}; expected a mapping with 'datasets' and 'methods'")
    try:
        return Suite.model_validate(content)
    except ValidationError as error:
        problems = [explain(problem, _keys_below(problem["loc"][:-1])) for problem in error.errors()]
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise UserError(f"{path}: {'; '.join(dict.fromkeys(problems[:3]))}{more}") from None


def _keys_below(parent: Sequence[Any]) -> Sequence[str]:
    """The keys that a mapping of a suite file takes."""
    if "resources" in parent:
        return tuple(ResourcesEntry.model_fields)
    model: dict[Any, type[_Model]] = {"datasets": DatasetEntry, "methods": MethodEntry, "exclude": Exclusion}
    return tuple((model.get(parent[0], Suite) if parent else Suite).model_fields)


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
