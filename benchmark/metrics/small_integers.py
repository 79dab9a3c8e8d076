"""Integers in the smallest type that holds them."""

from __future__ import annotations

import numpy as np

from ..types import Array, Int64

_SIGNED = (np.int8, np.int16, np.int32)
_UNSIGNED = (np.uint8, np.uint16, np.uint32)


def smallest(values: Int64) -> Array:
    """The same numbers (n,) in the smallest integer type that holds all of them."""
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    kinds = (np.iinfo(kind) for kind in (_SIGNED if low < 0 else _UNSIGNED))
    fitting = next((kind.dtype for kind in kinds if kind.min <= low and high <= kind.max), values.dtype)
    return values.astype(fitting)
