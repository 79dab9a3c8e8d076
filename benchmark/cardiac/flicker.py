"""How far masks that flicker from frame to frame push shortening and ejection up.

Diastole is read at the largest mask and systole at the smallest, so errors of single frames do not cancel: they push
the two apart. How far is found by a parametric bootstrap: flicker of the film's own size is added to its smoothed
curves, which then are the known truth, and the beats are read again as the definition says.

What can be seen is what changes from one frame to the next and does not come again in every beat. Masks that are wrong
in the same way in each beat, or for many frames on end, look like a heart that beats so.

References
----------
Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 10: bias. Hall, Kay and Titterington, Biometrika
77(3):521-528 (1990): variance of noise from differences. Mallows, Technometrics 15(4):661-675 (1973): how much to
smooth. Savitzky and Golay, Analytical Chemistry 36(8):1627-1639 (1964).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..types import Array, Float64, Int64
from .beats import Heartbeat

SIMULATED_BEATS = 4000
"""Over all repetitions: the bias is then known to a tenth of a point, beside what is not known of the film."""
MEASURES = ("ef", "fs_minor", "fs_major", "fac", "stroke_volume_nl")
_REAL = 0.5
"""Part of what a beat ejects that the smoothed curve has to have too, else flicker alone made it."""
_MAX_FALSE = 0.1
_LEAST = 1e-3
"""Part of its mean that a length has at least, so that none is divided by 0."""
_REPETITIONS = (20, 400)
_ORDERS = (3, 4, 5, 6)
_ORDERS_BESIDE_TEMPLATE = (2, 4)
"""Orders of the differences that noise is read from: of the curves, and of what a mean beat leaves of them."""
_MIN_DIFFERENCES = 12
_MAX_HARMONICS = 5


@dataclass(frozen=True)
class Flicker:
    """What masks change from frame to frame beside the beat, and the means over the beats without it.

    `area_noise` is its standard deviation as a part of the area; `false_beats` counts the beats that it made. The
    `corrected` means by measure are over all other beats; `bias` is how far those of a `Heartbeat` are above them.
    Both have the unit of the measure: parts of 1, and nanolitres of the stroke volume. They are empty where over a
    tenth of the beats are false: what is left of the others is not known well.
    """

    area_noise: float
    false_beats: int
    corrected: Mapping[str, float]
    bias: Mapping[str, float]


@dataclass(frozen=True)
class _Window:
    """Where an extremum can lie: frames from `first` to `last`; the largest area of a diastole has `sign` 1."""

    first: int
    last: int
    sign: int


def flicker_of(heart: Heartbeat) -> Flicker | None:
    """The bias that flicker gives to the means over the beats; None without a beat, or with too few to tell.

    The same film always has the same: the random numbers are fixed.
    """
    if not heart.beats or heart.frames_per_beat is None:
        return None
    lengths, there = _lengths(heart)
    usual = lengths.mean(axis=1)
    if not usual.all():
        return None
    # How much the logarithm of the volume changes with each length.
    to_volume = np.array((0.0, 2.0, 1.0)) / usual
    noise = _noise(lengths, there, to_volume, heart)
    if noise is None:
        return None
    least = _LEAST * usual[:, None]
    smooth = np.maximum(_smoothed(lengths, noise, to_volume, heart.frames_per_beat), least)
    count = int(np.clip(SIMULATED_BEATS // len(heart.beats), *_REPETITIONS))
    random = np.random.default_rng(0).standard_normal((count, 3, smooth.shape[1]))
    values, vectors = np.linalg.eigh(noise)
    spread = vectors * np.sqrt(np.maximum(values, 0.0))
    windows = _windows(heart, smooth.shape[1])
    known = _read(smooth[None], smooth, there, windows, heart)
    flickering = np.maximum(smooth + np.einsum("ij,rjn->rin", spread, random), least)
    pushed = (_read(flickering, smooth, there, windows, heart) - known).mean(axis=1)
    found = np.array([[getattr(beat, name) for name in MEASURES] for beat in heart.beats], np.float64)
    real = known[:, 0, 0] >= _REAL * found[:, 0]
    of_area, false = 2 * math.sqrt(noise[0, 0]) / float(usual[0]), int((~real).sum())
    if false > _MAX_FALSE * real.size:
        return Flicker(of_area, false, {}, {})
    corrected = (found - pushed)[real].mean(axis=0)
    bias = found.mean(axis=0) - corrected
    if not np.isfinite(bias).all():
        return None
    return Flicker(of_area, false, *(dict(zip(MEASURES, each.tolist(), strict=True)) for each in (corrected, bias)))


def _lengths(heart: Heartbeat) -> tuple[Float64, Array]:
    """Root of the area, minor and major axis in µm (3, frames), and which frames have a mask (frames,) bool.

    An outline that is off by a pixel changes a length by the same in a large heart and in a small one. Frames without
    a mask are interpolated, so that none is left out; nothing is read from them.
    """
    every = np.arange(heart.track.frames[-1] + 1)
    sizes = {
        frame: (math.sqrt(shape.area), shape.axis_minor, shape.axis_major)
        for frame, shape in zip(heart.track.frames, heart.shapes_um, strict=True)
        if shape is not None
    }
    columns = np.array(list(sizes.values()), np.float64).T
    lengths = np.array([np.interp(every, list(sizes), column) for column in columns])
    return lengths, np.isin(every, list(sizes))


def _noise(lengths: Float64, there: Array, to_volume: Float64, heart: Heartbeat) -> Float64 | None:
    """Covariance (3, 3) of what changes from frame to frame; None where too few frames follow each other, or beats.

    The beat itself is in every estimate, in some more than in others, and makes each too large: the least is taken.
    """
    if (rest := _beside_template(lengths, heart)) is None:
        return None
    left, inside = rest
    found = [_of_differences(lengths, there, order) for order in _ORDERS]
    found += [_of_differences(left, there[inside], order) for order in _ORDERS_BESIDE_TEMPLATE]
    known = [each for each in found if each is not None]
    return min(known, key=lambda each: float(to_volume @ each @ to_volume), default=None)


def _of_differences(lengths: Float64, there: Array, order: int) -> Float64 | None:
    """Covariance of noise from differences of an order, which leave little of what is smooth."""
    signs = np.array([(-1) ** k * math.comb(order, k) for k in range(order + 1)], np.float64)
    weights = signs / math.sqrt(math.comb(2 * order, order))
    whole = np.convolve(there, np.ones(order + 1), "valid") == order + 1
    if whole.sum() < _MIN_DIFFERENCES:
        return None
    left = np.array([np.convolve(length, weights, "valid")[whole] for length in lengths])
    covariance: Float64 = left @ left.T / left.shape[1]
    return covariance


def _beside_template(lengths: Float64, heart: Heartbeat) -> tuple[Float64, slice] | None:
    """What a mean beat, by harmonics of the phase between diastoles, leaves of the lengths; None with too few beats."""
    diastoles = heart.diastoles
    if len(diastoles) < 3 or heart.frames_per_beat is None:
        return None
    inside = slice(diastoles[0], diastoles[-1] + 1)
    times = np.arange(diastoles[0], diastoles[-1] + 1)
    phase = 2 * np.pi * np.interp(times, diastoles, np.arange(len(diastoles)))
    harmonics = range(1, int(np.clip((heart.frames_per_beat - 1) // 2, 1, _MAX_HARMONICS)) + 1)
    waves = [wave(k * phase) for k in harmonics for wave in (np.cos, np.sin)]
    parts = np.stack([np.ones(times.size), times / times.size, *waves], axis=1)
    free = times.size - parts.shape[1]
    if free < _MIN_DIFFERENCES:
        return None
    fitted = parts @ np.linalg.lstsq(parts, lengths[:, inside].T, rcond=None)[0]
    return (lengths[:, inside] - fitted.T) * math.sqrt(times.size / free), inside


def _smoothed(lengths: Float64, noise: Float64, to_volume: Float64, frames_per_beat: float) -> Float64:
    """Lengths with local parabolas through them, as wide as Mallows' criterion finds best for the volume."""
    from scipy.signal import savgol_coeffs, savgol_filter

    volume, variance = to_volume @ lengths, float(to_volume @ noise @ to_volume)
    best, least = lengths, 2 * variance * volume.size
    for half in range(2, max(3, math.ceil(frames_per_beat / 2))):
        if 2 * half + 1 > volume.size:
            break
        smooth = np.asarray(savgol_filter(lengths, 2 * half + 1, 2, axis=1), np.float64)
        own = float(savgol_coeffs(2 * half + 1, 2)[half])
        risk = float(((to_volume @ smooth - volume) ** 2).sum()) + 2 * variance * volume.size * own
        if risk < least:
            best, least = smooth, risk
    return best


def _windows(heart: Heartbeat, frames: int) -> dict[int, _Window]:
    """The frames around each extremum that are nearer to no other, which are not the first and the last of all."""
    marked = sorted([(frame, 1) for frame in heart.diastoles] + [(frame, -1) for frame in heart.systoles])
    found, before = {}, [(0, 0), *marked]
    after = [*marked[1:], (frames - 1, 0)]
    for (left, left_sign), (frame, sign), (right, right_sign) in zip(before, marked, after, strict=False):
        first = (left + frame) // 2 + 1 if left_sign == sign else left + 1
        last = (frame + right) // 2 if right_sign == sign else right - 1
        found[frame] = _Window(first, last, sign)
    return found


def _read(lengths: Float64, smooth: Float64, there: Array, windows: Mapping[int, _Window], heart: Heartbeat) -> Float64:
    """Measures of `MEASURES` of every beat (beats, repetitions, 5) in lengths (repetitions, 3, frames)."""
    roots, detection = lengths[:, 0], heart.detection
    looked_at = roots
    if detection.pulsation:
        # What the masks have in common near their rhythm hardly knows of single frames.
        looked_at = np.broadcast_to(smooth[0], roots.shape)
    elif detection.smoothing:
        looked_at = _averaged(roots, detection.smoothing)
    moved = detection.pulsation or detection.smoothing > 0
    places = {frame: _place(roots, looked_at, there, window, moved) for frame, window in windows.items()}
    rows, beats = np.arange(len(lengths)), heart.beats
    full = np.stack([lengths[rows, :, places[beat.diastolic_frame]] for beat in beats])
    empty = np.stack([lengths[rows, :, places[beat.systolic_frame]] for beat in beats])
    area, minor, major = (1 - (empty[..., k] / full[..., k]) ** power for k, power in enumerate((2, 1, 1)))
    before, after = (math.pi / 6 * each[..., 1] ** 2 * each[..., 2] / 1e6 for each in (full, empty))
    return np.stack([1 - after / before, minor, major, area, before - after], axis=-1)


def _place(roots: Float64, looked_at: Float64, there: Array, window: _Window, moved: bool) -> Int64:
    """Where each repetition has an extremum of its areas, found as the heart's own were; arrays (repetitions, frames).

    `moved`: found in `looked_at`, and then moved to the extremum of the areas beside it.
    """
    inside = np.arange(window.first, window.last + 1)
    seen = window.sign * looked_at[:, inside]
    if not moved:
        return np.asarray(inside[0] + np.where(there[inside], seen, -np.inf).argmax(axis=1), np.int64)
    beside = np.clip((inside[0] + seen.argmax(axis=1))[:, None] + np.arange(-1, 2), 1, roots.shape[1] - 2)
    heights = np.where(there[beside], window.sign * np.take_along_axis(roots, beside, axis=1), -np.inf)
    return np.asarray(np.take_along_axis(beside, heights.argmax(axis=1)[:, None], axis=1)[:, 0], np.int64)


def _averaged(roots: Float64, times: int) -> Float64:
    """Roots of areas (repetitions, frames) averaged with their neighbours, as often as the search for beats does."""
    for _ in range(times):
        padded = np.pad(roots, ((0, 0), (1, 1)), mode="edge")
        roots = 0.25 * padded[:, :-2] + 0.5 * padded[:, 1:-1] + 0.25 * padded[:, 2:]
    return roots
