"""Datasets whose classes are not known before their root is read, and how a record keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._former_names import former_names
from ..types import Dataset

if not TYPE_CHECKING:  # mypy takes only what is there now
    __getattr__ = former_names(__name__)


@dataclass(frozen=True)
class Proposal:
    """What a folder seems to hold: the text of its definition, what that says, and where it belongs.

    hints: one sentence for each thing that is odd about the folder.
    """

    path: Path
    text: str
    definition: Mapping[str, Any]
    hints: tuple[str, ...] = ()


def renamed(one: str, other: str) -> tuple[str, str] | None:
    """The names in two versions of self-defined data that differ in nothing else; None for any other two.

    >>> renamed("cells 0a1b2c3d", "my cells 0a1b2c3d"), renamed("cells 0a1b2c3d", "cells 9a1b2c3d")
    (('cells', 'my cells'), None)
    """
    (first, _, content), (second, _, same) = one.rpartition(" "), other.rpartition(" ")
    return (first, second) if first and second and content == same and first != second else None


def definition_of(dataset: Dataset) -> dict[str, Any]:
    """What a record's `dataset` block keeps besides its own keys."""
    return {"definition": dict(dataset.definition())} if dataset.self_defined else {}
