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
    """What a folder seems to hold: the text of its definition, what that says, and where it belongs."""

    path: Path
    text: str
    definition: Mapping[str, Any]


def definition_of(dataset: Dataset) -> dict[str, Any]:
    """What a record's `dataset` block keeps besides its own keys."""
    return {"definition": dict(dataset.definition())} if dataset.self_defined else {}
