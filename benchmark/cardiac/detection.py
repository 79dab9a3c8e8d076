"""Finding diastoles and systoles: the maxima and minima of the areas of a heart's masks.

References
----------
Virtanen et al., "SciPy 1.0", Nature Methods 17 (2020): `find_peaks` (prominence, distance).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..types import Float64, Int64, UserError
from .rhythm import main_rhythm, pulsation
from .track import Track

LONG_INTERVAL = 1.6
"""Part of the median interval above which one is long: a beat may have been skipped there."""
_RANGE_OF_EVEN_BEAT = 2 * math.sqrt(2)
"""From top to bottom of a sine of deviation 1."""
_SECOND_LOOK = 0.5


@dataclass(frozen=True)
class Detection:
    """How extrema are found.

    prominence: how far one must stand out, as a part of the range of the sequence's areas. distance: least number of
    frames between two like extrema. smoothing: times that the areas are averaged with their neighbours (weights 1, 2,
    1) before extrema are looked for; each is then moved to the true extremum of the areas beside it. refractory: least
    time between two like extrema, as a part of a period of the masks' main rhythm (see `main_rhythm`); a heart does not
    beat again at once. pulsation: extrema are looked for in what the masks have in common near the main rhythm (see
    `pulsation`), of which the prominence is a part of the range of an even beat of its power, and are then moved
    likewise; where there is no rhythm, in the areas. Between two that are over 1.6 times the median apart, half the
    prominence is enough (the search back of Pan and Tompkins, IEEE Trans. Biomed. Eng. 32(3):230-236, 1985).
    enough_frames: frames per beat below which a result is flagged.

    The defaults are the published definition. `for_predicted_masks` is for masks of a network, which flicker from frame
    to frame: it does not take that for beats, at the price that an extra beat right after another is not seen.
    """

    prominence: float = 0.20
    distance: int = 4
    smoothing: int = 0
    refractory: float = 0.0
    pulsation: bool = False
    enough_frames: float = 7.0

    @classmethod
    def for_predicted_masks(cls) -> Detection:
        """Steadier against flicker."""
        return cls(smoothing=2, refractory=0.5, pulsation=True)

    def __post_init__(self) -> None:
        if not 0 < self.prominence < 1:
            raise UserError(f"prominence is a part of the range of areas (0 to 1), found {self.prominence}")
        if self.distance < 1:
            raise UserError(f"the distance is a number of frames from 1; found {self.distance}")
        if not 0 <= self.smoothing <= 20:
            raise UserError(f"smoothing is a number of times from 0 to 20; found {self.smoothing}")
        if not 0 <= self.refractory < 1:
            raise UserError(f"refractory is a part of a period, from 0 to below 1; found {self.refractory}")


def extrema_of(track: Track, detection: Detection) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Frames of the diastoles and of the systoles, counted from the first; the first and the last are never one."""
    filled = [(f, mask.area) for f, mask in zip(track.frames, track.silhouettes, strict=True) if mask.area]
    frames = np.array([f for f, _ in filled], np.int64)
    areas = np.array([area for _, area in filled], np.float64)
    rate = main_rhythm(track) if detection.refractory or detection.pulsation else None
    period = 60 * track.fps / rate if rate else 0.0
    apart = max(detection.distance, math.floor(detection.refractory * period))
    if detection.pulsation and rate:
        places, beating = pulsation(track, rate)
        found = [_peaks_of_pulsation(frames, s * areas, places, s * beating, detection, apart) for s in (1, -1)]
    else:
        found = [_peaks(frames, side * areas, detection, apart) for side in (1, -1)]
    return found[0], found[1]


def _peaks_of_pulsation(
    frames: Int64, areas: Float64, places: Float64, beating: Float64, detection: Detection, apart: int
) -> tuple[int, ...]:
    """Frames of the peaks of a pulsation, each moved to the highest area beside it; where no mask is, there is none."""
    from scipy.signal import find_peaks

    prominence = detection.prominence * _RANGE_OF_EVEN_BEAT
    found, _ = find_peaks(beating, prominence=prominence, distance=apart)
    if areas.size < 3:
        return ()
    kept = set()
    for peak in _searched_back(beating, _told_apart(beating, found.tolist(), prominence), prominence):
        nearest = int(np.argmin(np.abs(frames - places[peak])))
        if abs(float(frames[nearest] - places[peak])) <= 1:
            kept.add(int(frames[_highest_beside(areas, nearest)]))
    return tuple(sorted(kept))


def _peaks(frames: Int64, values: Float64, detection: Detection, apart: int) -> tuple[int, ...]:
    from scipy.signal import find_peaks

    if values.size < 3 or np.ptp(values) == 0:
        return ()
    looked_at = values
    for _ in range(detection.smoothing):
        looked_at = np.convolve(np.pad(looked_at, 1, mode="edge"), (0.25, 0.5, 0.25), mode="valid")
    prominence = detection.prominence * np.ptp(looked_at)
    found, _ = find_peaks(looked_at, prominence=prominence, distance=apart)
    found = _told_apart(looked_at, found.tolist(), prominence)
    if detection.smoothing:
        found = [_highest_beside(values, int(place)) for place in found]
    return tuple(sorted({int(frames[place]) for place in found}))


def _told_apart(values: Float64, peaks: Sequence[int], prominence: float) -> list[int]:
    """Peaks without the second of two equally high ones that only noise parts: these do not limit each other."""
    kept: list[int] = []
    for peak in peaks:
        if kept and min(values[kept[-1]], values[peak]) - values[kept[-1] : peak].min() < prominence:
            continue
        kept.append(peak)
    return kept


def _searched_back(values: Float64, peaks: Sequence[int], prominence: float) -> list[int]:
    """Peaks, and lower ones in the gaps between them, at least half a usual interval from either side."""
    from scipy.signal import find_peaks

    if len(peaks) < 3:
        return list(peaks)
    usual = float(np.median(np.diff(peaks)))
    found = list(peaks)
    for start, end in pairwise(peaks):
        if end - start > LONG_INTERVAL * usual:
            apart = max(1, math.ceil(usual / 2))
            low, _ = find_peaks(values[start : end + 1], prominence=_SECOND_LOOK * prominence, distance=apart)
            found += [start + int(place) for place in low if apart <= place <= end - start - apart]
    return sorted(found)


def _highest_beside(values: Float64, place: int) -> int:
    """The place of the highest of a value and its two neighbours, never the first or the last of all."""
    start, end = max(place - 1, 1), min(place + 2, values.size - 1)
    return start + int(np.argmax(values[start:end]))
