"""Rules that the rows of a statistic obey whatever the image and the prediction were."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..types import Array

MAX_SIDE = 1 << 20
MAX_PIXELS = 1 << 31
"""Larger sides and pictures are no truth of an image; below them sums of squares fit into int64."""


def broken_rule(rules: Mapping[str, Array | bool]) -> str | None:
    """The first rule that a row breaks, with the row; None where all hold.

    Parameters
    ----------
    rules : what every row has to be, in words, with (n,) bool that says where it is (or one bool for all rows).

    >>> broken_rule({"pixels are positive": np.array([True, False])})
    'broken in row 1: pixels are positive'
    """
    for words, holds in rules.items():
        wrong = np.flatnonzero(~np.atleast_1d(np.asarray(holds, bool)))
        if wrong.size:
            return f"broken in row {wrong[0]}: {words}"
    return None


def all_different(*columns: Array) -> Array:
    """Whether the columns (n,) together have no value like one of an earlier row, (n,) bool."""
    table = np.stack(columns, axis=1)
    first = np.zeros(len(table), bool)
    first[np.unique(table, axis=0, return_index=True)[1]] = True
    return first
