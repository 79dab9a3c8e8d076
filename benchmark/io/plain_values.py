"""Values as JSON knows them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """A value for JSON: NumPy scalars as Python's, keys as text, and what is not finite as None.

    >>> plain({1: (np.float64("nan"), np.int64(2))})
    {'1': [None, 2]}
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
