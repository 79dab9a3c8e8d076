"""Hearts that are squares, so that areas, axes and volumes are known by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from beating import Bool
from segbench.cardiac.beats import Heartbeat, beats_of
from segbench.cardiac.geometry import silhouette
from segbench.cardiac.track import tracks
from segbench.types import Prediction, Sample


def heart(sides: Sequence[int], name: str = "a", fps: float = 15.0) -> Heartbeat:
    """The beats of squares of these sides, frame by frame; a pixel is one micrometre."""
    return beats_of(tracks([(name, n, silhouette(square(side))) for n, side in enumerate(sides)], fps, (1.0, 1.0))[0])


def square(side: int) -> Bool:
    """A mask (40, 40) of one square."""
    mask = np.zeros((40, 40), bool)
    mask[2 : 2 + side, 2 : 2 + side] = True
    return mask


def cycle(full: int, empty: int, beats: int, period: int = 10) -> list[int]:
    """Sides over some beats: rises to a diastole, falls to a systole half a period later; then the next one begins."""
    half = period // 2
    rise = [round(empty + (full - empty) * k / half) for k in range(half)]
    fall = [round(full - (full - empty) * k / half) for k in range(half)]
    return (rise + fall) * beats + rise


def pairs_of(
    truth: Mapping[str, Sequence[int]], predicted: Mapping[str, Sequence[int]]
) -> list[tuple[Sample, Prediction]]:
    """Samples of squares with these sides, by sequence."""
    return [
        (
            Sample(f"{name}-{n:04d}", name, n, labels=square(side).astype(np.uint8)),
            Prediction(labels=square(predicted[name][n]).astype(np.uint8)),
        )
        for name, sides in truth.items()
        for n, side in enumerate(sides)
    ]
