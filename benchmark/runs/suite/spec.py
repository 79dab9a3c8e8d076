"""Suites: a YAML grid of runs, read with suspicion, and the cells that it becomes. No data is read, nothing runs."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..._former_names import former_names
from ...data.corruptions import Corruption
from ...data.splits import TrainOn
from ...errors import UserError
from ...io.text_files import read_text
from ...io.yaml import explain, kind, read_yaml
from ...text import unknown
from ..presets import setting
from .resources import Resources, ResourcesEntry

if not TYPE_CHECKING:  # mypy takes only what is there now
    __getattr__ = former_names(__name__)

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
    `reference` is the label of a method that the others are compared with.
    `plots` says whether run folders get figures.
    """

    summary: str = ""
    reference: Name | None = None
    preset: Name = "quick"
    source: Source = "auto"
    train_on: TrainOn = "train"
    plots: bool = True
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
    plots: bool = True
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
        without = ("name", "label", "root", "plots", "resources")
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
    compared with.
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
