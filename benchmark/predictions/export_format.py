"""What an official form of predictions is: where it may be written, which values it takes, and how it is written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..metrics.label_checks import label_values_in_words
from ..registry import datasets, load_named
from ..types import Array, DatasetInfo, Object, UserError


@dataclass(frozen=True)
class ExportedRun:
    """What a form may say of the run: its dataset, its split, and the competition that it takes part in."""

    info: DatasetInfo
    split: str
    competition: int


class ExportFormat(ABC):
    """The form in which an official server or tool takes predictions.

    A dataset names its forms in `DatasetInfo.export_formats`. `suffixes` are the endings of the file, of which the
    first is advised (none: any name); `folder` says that the form may also be a folder.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    folder: ClassVar[bool] = False

    def refuse_place(self, name: str, out: Path) -> None:
        """Raise UserError where the form of this name cannot be written to `out`."""
        if self.suffixes and out.suffix.lower() not in self.suffixes:
            raise UserError(f"--out '{out}': the form of {name} is a file; end its name with {self.suffixes[0]}")
        if out.is_dir() and not self.folder:
            raise UserError(f"--out '{out}' is a folder; the form of {name} is one file")

    def check(self, where: str, values: Array, info: DatasetInfo) -> None:
        """Raise UserError naming `where` for stored values that the form does not take.

        By default these are label values (H, W) uint8 of the dataset: official tools refuse, or score wrongly, a label
        that is none of them, void truth or not.
        """
        if values.ndim != 2 or values.dtype != np.uint8:
            raise UserError(f"{where}: has shape {values.shape} and type {values.dtype}; expected 8-bit label values")
        foreign = sorted(self.told(set(np.unique(values).tolist()), info) - info.predictable)
        if foreign:
            raise UserError(
                f"{where}: holds {label_values_in_words(foreign)}, which {info.name} does not take. "
                "Its official tool would refuse or mis-score it."
            )

    def told(self, held: set[int], info: DatasetInfo) -> set[int]:
        """Those of a map's label values that the form writes as a class."""
        del info
        return held

    @abstractmethod
    def write(self, out: Path, pairs: Iterable[tuple[str, Array]], run: ExportedRun) -> None:
        """Write sample ids with values (H, W) that `check` let pass, in this order."""

    def write_objects(self, out: Path, pairs: Iterable[tuple[str, Sequence[Object]]]) -> None:
        """Write sample ids with their objects; a UserError where the form has no place for objects."""
        del pairs
        raise UserError(f"--out '{out}': this form holds label maps or probabilities, and the run found objects")


def export_formats() -> list[str]:
    """Names of the official forms of all datasets, in order."""
    return sorted({name for cls in datasets().values() for name in cls.info.export_formats})


def export_format(info: DatasetInfo, name: str) -> ExportFormat:
    """The form of this name, which the dataset names. Raises UserError where it cannot be loaded."""
    cls: type[ExportFormat] = load_named(info.export_formats[name], f"dataset {info.name}: its export format '{name}'")
    return cls()
