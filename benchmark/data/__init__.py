"""What datasets are built from: locations, splits, listings, checks of samples, verification."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._former_names import former_names
from .base import FileDataset, stored_values

__all__ = ["FileDataset", "stored_values"]

if not TYPE_CHECKING:  # mypy takes only what is there now
    __getattr__ = former_names(__name__)
