"""The Pareto front: runs or methods that no other beats in score and cost at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..runs.record import Cost
from ..types import Float64


def pareto_front(costs: Sequence[Cost], values: Float64, sign: int) -> list[bool]:
    """Which rows no other matches in score, seconds to fit and milliseconds per image at once, and beats in one.

    A cost that no row knows is left out; a row that lacks one that others know is not judged, and beats nobody.

    Parameters
    ----------
    costs : n of them
    values : (n,) float64
        Scores, NaN where undefined.
    sign : int
        1 where a higher score is better, else -1.
    """
    pairs = [(cost.train_s, cost.predict_ms_per_image) for cost in costs]
    known = [k for k in range(2) if any(pair[k] is not None for pair in pairs)]
    points: dict[int, list[float]] = {}
    for place, (value, pair) in enumerate(zip(values.tolist(), pairs, strict=True)):
        mine = [seconds for k in known if (seconds := pair[k]) is not None]
        if known and len(mine) == len(known) and not math.isnan(value):
            points[place] = [-sign * value, *mine]
    return [
        place in points
        and not any(
            other != points[place] and all(theirs <= own for theirs, own in zip(other, points[place], strict=True))
            for other in points.values()
        )
        for place in range(len(costs))
    ]
