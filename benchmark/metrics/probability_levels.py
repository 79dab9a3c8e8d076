"""Levels of probabilities: fine enough to rank pixels by, and few enough to count the pixels at each of them."""

from __future__ import annotations

import numpy as np

from ..types import Array, Int64

_BITS = 8
"""Of the mantissa that a level keeps. With 6 the steps of 8-bit images, 1/255, stay apart already; of the 32-bit
probabilities of real images 6 move the FPR by 0.004, 8 by less than 0.0005."""

_OCTAVES = 23
"""Below 2^-23 all probabilities are of one level, as are those that are so near to 1."""

_SHIFT = 23 - _BITS
_LOWEST = (127 - _OCTAVES) << _BITS
_HALF = ((_OCTAVES - 1) << _BITS) + 1
"""The steps from the lowest level to a probability of 0.5."""

LEVELS = 2 * _HALF + 1


def levels(probabilities: Array) -> Int64:
    """The level of probabilities (n,) in 0..1, 0 to `LEVELS` - 1, (n,) int64: the higher, the higher.

    A level is 1/256 of an octave wide, of the probability below 0.5 and of its distance to 1 from there on, so that
    probabilities near 0 and near 1 are told apart as those of networks need it; the same on every machine.

    >>> levels(np.array([0, 1e-9, 0.5, 0.996, 1])).tolist()
    [0, 0, 5633, 7419, 11266]
    """
    values = np.asarray(probabilities, np.float32)
    upper = values >= 0.5
    missing = np.where(upper, 1 - values, values)  # exact: from 0.5 on a float and what it misses to 1 both are
    step = np.maximum((missing.view(np.int32) >> _SHIFT) - _LOWEST + 1, 0).astype(np.int64)
    return np.asarray(np.where(upper, LEVELS - 1 - step, step))
