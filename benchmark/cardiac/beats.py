"""Beats of a heart from the areas of its masks: diastoles, systoles, heart rate, shortening and ejection fraction.

A diastole is a local maximum of the area, a systole a local minimum; a beat is a diastole and its next systole. All
sizes of a beat are read at the frames of its area extrema, which `segbench.cardiac.detection` finds. A frame that is
missing, or whose mask is empty, keeps its place in time but has no area.

References
----------
Schutera et al., Zebrafish 16(6):542-545 (2019): definitions. A video's rate is frames per second over frames per beat;
1 + frames per beat, as found in published code, is 11 % low at a normal rate.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from .detection import LONG_INTERVAL, Detection, extrema_of
from .geometry import Shape, shape_of
from .rhythm import main_rhythm
from .track import Track, jumping_part

MEASURES = ("fs_minor", "fs_major", "fac", "ef")
"""The parts by which a heart shortens from diastole to systole: axes, area, volume."""

_DISAGREEMENT = 0.10
_MAX_EJECTION = 0.85
MAX_JUMPING = 0.05
"""Part of the steps in which masks may jump (see `jumping_part`)."""

SEQUENCE_FLAGS = {
    "no_beat": "no diastole followed by a systole was found",
    "no_rate": "fewer than two like extrema were found, so there is no heart rate",
    "few_frames_per_beat": "fewer than 7 frames per beat: sizes are off by the sampling",
    "rates_disagree": "the rate of the beats is over 10 % off the main rhythm of the masks: where masks flicker "
    "the rhythm is right, where the heart drops beats the beats are; look at the area curve",
    "implausible": "masks jump in area, place or shape from frame to frame, or eject over 85 %: distrust their volumes",
    "irregular": "an interval is over 1.6 times the median: a beat was skipped, by the heart or by the detection",
}
BEAT_FLAGS = {
    "beside_missing": "a frame beside an extremum is missing or empty, so the extremum may lie there",
    "few_frames_per_beat": SEQUENCE_FLAGS["few_frames_per_beat"],
}


@dataclass(frozen=True)
class Refined:
    """A beat with its extrema placed between the frames, on the parabola through each and its two neighbours."""

    diastolic_time: float
    systolic_time: float
    heart_rate_bpm: float | None
    fs_minor: float
    fs_major: float
    fac: float
    ef: float


@dataclass(frozen=True)
class Beat:
    """A diastole and its next systole. `heart_rate_bpm` takes the interval to the next diastole: None without one."""

    diastolic_frame: int
    systolic_frame: int
    heart_rate_bpm: float | None
    fs_minor: float
    fs_major: float
    fac: float
    ef: float
    stroke_volume_px3: float
    stroke_volume_nl: float
    refined: Refined | None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Distribution:
    """Mean, standard deviation (n - 1), median and quartiles (linear between ranks); None where undefined."""

    n: int
    mean: float | None = None
    std: float | None = None
    median: float | None = None
    q25: float | None = None
    q75: float | None = None


@dataclass(frozen=True)
class Rhythm:
    """Beat-to-beat variability from the refined times of like extrema, in seconds; None where too few.

    `interval_sd_s` is the standard deviation (n - 1) of the diastole-to-diastole intervals (systoles where there are
    more of them), `interval_cv` the same over their mean, `rmssd_s` the root mean square of successive differences.
    """

    intervals: int
    interval_mean_s: float | None = None
    interval_sd_s: float | None = None
    interval_cv: float | None = None
    rmssd_s: float | None = None


@dataclass(frozen=True)
class Heartbeat:
    """All that is known of one sequence: sizes frame by frame, extrema, beats."""

    track: Track
    detection: Detection
    diastoles: tuple[int, ...]
    systoles: tuple[int, ...]

    @cached_property
    def shapes_px(self) -> tuple[Shape | None, ...]:
        """Per frame, in pixels; None where the mask is empty."""
        return tuple(shape_of(mask) for mask in self.track.silhouettes)

    @cached_property
    def shapes_um(self) -> tuple[Shape | None, ...]:
        """Per frame, in micrometres; the axes of pixels that are not square are right in these alone."""
        return tuple(shape_of(mask, self.track.pixel_size_um) for mask in self.track.silhouettes)

    @property
    def intervals(self) -> tuple[int, ...]:
        """Frames between like extrema: diastole to diastole, then systole to systole."""
        return tuple(b - a for extrema in (self.diastoles, self.systoles) for a, b in pairwise(extrema))

    @property
    def heart_rate_bps(self) -> float | None:
        """Beats per second: frames per second over the mean of all intervals between like extrema."""
        return self.track.fps / float(np.mean(self.intervals)) if self.intervals else None

    @property
    def heart_rate_bpm(self) -> float | None:
        """Beats per minute."""
        return None if self.heart_rate_bps is None else 60 * self.heart_rate_bps

    @property
    def heart_rate_bpm_refined(self) -> float | None:
        """The same from the refined times of the extrema."""
        gaps = [b - a for extrema in (self.diastoles, self.systoles) for a, b in pairwise(map(self.time_of, extrema))]
        return 60 * self.track.fps / float(np.mean(gaps)) if gaps else None

    @cached_property
    def heart_rate_bpm_spectral(self) -> float | None:
        """The main rhythm of the masks, found without looking for beats: a check on the rate of the beats."""
        return main_rhythm(self.track)

    @cached_property
    def frames_per_beat(self) -> float | None:
        """Mean interval between like extrema, in frames."""
        return float(np.mean(self.intervals)) if self.intervals else None

    @cached_property
    def beats(self) -> tuple[Beat, ...]:
        """Every diastole that is followed by a systole before the next diastole."""
        ends = (*self.diastoles[1:], math.inf)
        found = []
        for diastole, end in zip(self.diastoles, ends, strict=False):
            place = bisect_right(self.systoles, diastole)
            if place < len(self.systoles) and self.systoles[place] < end:
                found.append(self._beat(diastole, self.systoles[place], None if end == math.inf else int(end)))
        return tuple(found)

    @property
    def rhythm(self) -> Rhythm:
        """How evenly it beats."""
        extrema = self.diastoles if len(self.diastoles) >= len(self.systoles) else self.systoles
        gaps = np.diff([self.time_of(frame) for frame in extrema]) / self.track.fps
        if not gaps.size:
            return Rhythm(0)
        mean = float(gaps.mean())
        if gaps.size < 2:
            return Rhythm(1, mean)
        spread = float(gaps.std(ddof=1))
        return Rhythm(gaps.size, mean, spread, spread / mean, float(np.sqrt(np.mean(np.diff(gaps) ** 2))))

    @property
    def is_empty(self) -> bool:
        """Whether no mask of the whole sequence holds a ventricle."""
        return not any(silhouette.area for silhouette in self.track.silhouettes)

    @property
    def flags(self) -> tuple[str, ...]:
        """What to know before trusting the numbers, see `SEQUENCE_FLAGS`."""
        intervals = self.intervals
        odd = {
            "no_beat": not self.beats,
            "no_rate": not intervals,
            "few_frames_per_beat": self._few_frames,
            "rates_disagree": self._rates_disagree,
            "implausible": self._implausible,
            "irregular": bool(intervals) and max(intervals) > LONG_INTERVAL * float(np.median(intervals)),
        }
        return tuple(name for name, is_so in odd.items() if is_so)

    def distribution(self, measure: str) -> Distribution:
        """Of a measure over the beats for which it is defined."""
        return distribution(value for beat in self.beats if (value := getattr(beat, measure)) is not None)

    def shape_at(self, frame: int) -> Shape | None:
        """The shape in micrometres; None where there is no frame, or no heart in it."""
        place = self._places.get(frame)
        return None if place is None else self.shapes_um[place]

    def time_of(self, frame: int) -> float:
        """Where an extremum lies between the frames (in frames); the frame itself where a neighbour is missing."""
        return frame + self._shift(frame)

    @cached_property
    def _places(self) -> dict[int, int]:
        return {frame: place for place, frame in enumerate(self.track.frames)}

    @property
    def _few_frames(self) -> bool:
        return self.frames_per_beat is not None and self.frames_per_beat < self.detection.enough_frames

    @property
    def _rates_disagree(self) -> bool:
        counted, seen = self.heart_rate_bpm, self.heart_rate_bpm_spectral
        return counted is not None and seen is not None and rates_disagree(counted, seen)

    @property
    def _implausible(self) -> bool:
        ejected = self.distribution("ef").median
        too_much = ejected is not None and ejected > _MAX_EJECTION
        return too_much or (not self._few_frames and jumping_part(self.track) > MAX_JUMPING)

    def _area(self, frame: int) -> float | None:
        shape = self.shape_at(frame)
        return None if shape is None else shape.area

    def _shift(self, frame: int) -> float:
        before, here, after = (self._area(f) for f in (frame - 1, frame, frame + 1))
        if before is None or here is None or after is None:
            return 0.0
        bend = before - 2 * here + after
        return 0.0 if bend == 0 else float(np.clip((before - after) / (2 * bend), -1.0, 1.0))

    def _beat(self, diastole: int, systole: int, following: int | None) -> Beat:
        full, empty = self._sizes(diastole, 0.0), self._sizes(systole, 0.0)
        px = [shape.volume for f in (diastole, systole) if (shape := self.shapes_px[self._places[f]]) is not None]
        beside = [f for extremum in (diastole, systole) for f in (extremum - 1, extremum + 1)]
        flags = {name for f in (diastole, systole) for name in self.track.silhouettes[self._places[f]].flags}
        flags |= {"beside_missing"} if any(self._area(f) is None for f in beside) else set()
        flags |= {"few_frames_per_beat"} if self._few_frames else set()
        return Beat(
            diastole,
            systole,
            None if following is None else 60 * self.track.fps / (following - diastole),
            **_shortening(full, empty),
            stroke_volume_px3=px[0] - px[1],
            # A nanolitre is a million cubic micrometres.
            stroke_volume_nl=(_volume(full) - _volume(empty)) / 1e6,
            refined=self._refined(diastole, systole, following),
            flags=tuple(sorted(flags)),
        )

    def _refined(self, diastole: int, systole: int, following: int | None) -> Refined | None:
        if any(self._area(f + step) is None for f in (diastole, systole) for step in (-1, 1)):
            return None
        start, end = self.time_of(diastole), self.time_of(systole)
        rate = None if following is None else 60 * self.track.fps / (self.time_of(following) - start)
        sizes = (self._sizes(f, self._shift(f)) for f in (diastole, systole))
        return Refined(start, end, rate, **_shortening(*sizes))

    def _sizes(self, frame: int, shift: float) -> tuple[float, float, float]:
        """Minor axis, major axis and area at a time, on the parabola through a frame and its neighbours."""
        here = self.shape_at(frame)
        assert here is not None  # an extremum has an area
        now = (here.axis_minor, here.axis_major, here.area)
        if shift == 0:
            return now
        before, after = self.shape_at(frame - 1), self.shape_at(frame + 1)
        assert before is not None  # else there is no shift
        assert after is not None

        def at(left: float, middle: float, right: float) -> float:
            return middle + shift * (right - left) / 2 + shift**2 * (left - 2 * middle + right) / 2

        return (
            at(before.axis_minor, now[0], after.axis_minor),
            at(before.axis_major, now[1], after.axis_major),
            at(before.area, now[2], after.area),
        )


def beats_of(track: Track, detection: Detection | None = None) -> Heartbeat:
    """Find the extrema of a sequence's areas; the first and the last frame are never one."""
    detection = detection or Detection()
    return Heartbeat(track, detection, *extrema_of(track, detection))


def rates_disagree(rate: float, other: float) -> bool:
    """Whether two rates of one heart are over 10 % apart."""
    return abs(rate / other - 1) > _DISAGREEMENT


def _shortening(full: tuple[float, float, float], empty: tuple[float, float, float]) -> dict[str, float]:
    part: Callable[[float, float], float] = lambda large, small: (large - small) / large if large else math.nan  # noqa: E731
    return {
        "fs_minor": part(full[0], empty[0]),
        "fs_major": part(full[1], empty[1]),
        "fac": part(full[2], empty[2]),
        "ef": part(_volume(full), _volume(empty)),
    }


def _volume(sizes: tuple[float, float, float]) -> float:
    return math.pi / 6 * sizes[0] ** 2 * sizes[1]


def distribution(values: Iterable[float]) -> Distribution:
    """Summarise numbers; those that are NaN are left out."""
    kept = np.array([value for value in values if not math.isnan(value)], np.float64)
    if not kept.size:
        return Distribution(0)
    q25, median, q75 = (float(q) for q in np.quantile(kept, (0.25, 0.5, 0.75)))
    std = float(kept.std(ddof=1)) if kept.size > 1 else None
    return Distribution(kept.size, float(kept.mean()), std, median, q25, q75)
