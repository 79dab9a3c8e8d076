"""Arrays and words that all other types are made of."""

from __future__ import annotations

from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Uint8: TypeAlias = NDArray[np.uint8]
Float32: TypeAlias = NDArray[np.float32]
Float64: TypeAlias = NDArray[np.float64]
Int64: TypeAlias = NDArray[np.int64]
Part: TypeAlias = Literal["image", "labels", "instances", "objects", "panoptic"]
Task: TypeAlias = Literal["binary", "multiclass"]
PredictionKind: TypeAlias = Literal["maps", "objects", "panoptic"]
"""Label maps or probabilities; objects with confidences; or segments, which do not overlap."""
Family: TypeAlias = Literal["classical", "learned", "external"]


class Progress(Protocol):
    """Hears how far long work has come: `done` of `total` units, and perhaps a word on it, such as a loss.

    `left` is how many seconds are left where that does not follow from the units, as under a time limit.
    """

    def __call__(self, done: int, total: int, text: str = "", left: float | None = None, /) -> None:
        """Show it."""
