"""Datasets whose classes are not known before their root is read, and how a record keeps them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from .._former_names import former_names
from ..types import Dataset, DatasetInfo

if not TYPE_CHECKING:  # mypy takes only what is there now
    __getattr__ = former_names(__name__)


@dataclass(frozen=True)
class Proposal:
    """What a folder seems to hold: the text of its definition, what that says, and where it belongs."""

    path: Path
    text: str
    definition: Mapping[str, Any]


@runtime_checkable
class SelfDefined(Protocol):
    """A dataset that says itself what its classes are. `info` of the class has none, that of an instance has them."""

    def definition(self) -> Mapping[str, Any]:
        """JSON values from which `info_of` makes the same classes and metrics again, without the data."""

    @staticmethod
    def info_of(definition: Mapping[str, Any]) -> DatasetInfo:
        """The info that a record's definition stands for. Raises UserError if it is none."""

    @staticmethod
    def is_defined(root: Path) -> bool:
        """Whether there is a definition below a root, right or wrong."""

    @staticmethod
    def propose(root: Path, progress: Callable[[int, int], None] | None = None) -> Proposal:
        """Look at the data below a root that has no definition yet, and guess it."""


def definition_of(dataset: Dataset) -> dict[str, Any]:
    """What a record's `dataset` block keeps besides its own keys."""
    return {"definition": dict(dataset.definition())} if isinstance(dataset, SelfDefined) else {}
