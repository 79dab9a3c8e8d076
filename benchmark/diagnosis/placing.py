"""Predictions that are turned or belong to the next sample, whatever their label values stand for."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product, starmap

import numpy as np

from ..types import Float64
from .best_coding import Codes, Placing
from .remedy_functions import Turned
from .sampled_pixels import MIN_AGREEMENT, mean, proven

MIN_LEAD = 0.02
"""How much better (Cohen's kappa) two changes at once must be than one of them."""
MAX_AGREEMENT = 0.95
"""Agreement (Cohen's kappa, mean) from which no other placing is looked for."""


@dataclass(frozen=True)
class Placed:
    """A placing under which predictions agree far better, and the agreements (n,) as they lie and so placed.

    Both are under the coding that fits best.
    """

    placing: Placing
    own: Float64
    other: Float64


def place(codes: Codes, turns: tuple[Turned, ...], offsets: tuple[int, ...]) -> Placed | None:
    """The one placing that is proven better than the predictions as they lie, None without one."""
    own = codes.tables(Placing()).freely()
    placings = [*map(Placing, turns), *(Placing(None, offset) for offset in offsets)]
    if not mean(own) >= MIN_AGREEMENT:  # what agrees well is at most slightly wrong: not two things at once
        placings += starmap(Placing, product(turns, offsets))
    best: tuple[float, Placing, Float64] | None = None
    for placing in placings:
        other = codes.tables(placing).freely()
        value, lead = mean(other), MIN_LEAD if placing.turn and placing.offset else 0.0
        if (~np.isnan(other)).sum() >= min(3, len(other)) and (best is None or value > best[0] + lead):
            best = value, placing, other
    if best is None or not proven(own, best[2], codes.tables(best[1], elsewhere=True).freely()):
        return None
    return Placed(best[1], own, best[2])
