"""The compiled part (`benchmark/native`), where it was built: label maps are counted in C.

It is optional and changes no result: each function here returns None where NumPy is to do the work, since the compiled
part is not there, is turned off, or leaves this case to it.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

import numpy as np

from ..types import Array, Int64

SWITCH = "SEGBENCH_NATIVE"
"""The environment variable that turns the compiled part off where it is 0, and keeps it to portable code where it is
`portable`."""


def _loaded() -> Any:
    """The compiled module, None where it is not there or turned off."""
    wanted = os.environ.get(SWITCH)
    if wanted == "0":
        return None
    try:
        module = importlib.import_module(f"{__name__.partition('.')[0]}._native")
    except ImportError:
        return None
    module.portable(wanted == "portable")
    return module


_native = _loaded()


def engine() -> str:
    """What counts and decodes label maps: `native (AVX2)`, `native (portable)` or `numpy`."""
    return "numpy" if _native is None else f"native ({_native.instructions()})"


def joint_counts(first: Array, second: Array) -> tuple[Int64, Int64, Int64] | None:
    """As `metrics.joint_counts.joint_counts`, of arrays of one shape that are not empty; None where NumPy is to count.

    NumPy counts what is no integer or does not fit into int64, and what holds very many different pairs.
    """
    if _native is None:
        return None
    flat = [_plain(first), _plain(second)]
    found = None if flat[0] is None or flat[1] is None else _native.joint_counts(*flat)
    if found is None:
        return None
    rows, columns, pixels = (np.frombuffer(column, np.int64) for column in found)
    return rows, columns, pixels


def _plain(labels: Array) -> Array | None:
    """Labels in the machine's own order of bytes and in one piece; None for those that C does not count."""
    if labels.dtype.kind not in "biu":
        return None
    if labels.dtype == np.uint64 and labels.max() >= 2**63:
        return None
    if labels.flags.c_contiguous and labels.flags.aligned and labels.dtype.isnative:
        return labels
    return np.require(labels, labels.dtype.newbyteorder("="), ["C", "A"])
