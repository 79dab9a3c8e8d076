"""The rhythm of a heart from everything about its masks that moves, without looking for beats.

Area, both axes and both coordinates of the centroid beat at one rate. A mask that is wrong in one frame seldom is so in
all five, and seldom at that rate.
"""

from __future__ import annotations

import math

import numpy as np

from ..types import Float64, Uint8
from .geometry import shape_of
from .track import Track

RATES = (30.0, 240.0)
"""Beats per minute between which a rhythm is looked for."""

BAND = (0.2, 1.4)
"""The part of a rhythm's rate that a pulsation keeps: slower is drift, and the first overtone, at 2, is flicker too."""

_EDGE = 0.2
_NEAR = 0.06
_CELL_MOVES = 5.0
"""Deviation of a cell, of 255: less is the edge of a mask that trembles."""
_STEADY = 0.25
_STILL = 1e-18
"""A signal of less power than this, relative to its size, does not change: what is left is rounding."""


def main_rhythm(track: Track) -> float | None:
    """The rate at which the masks change, between 30 and 240 per minute, in beats per minute.

    The highest point of the summed spectra of the five signals, each of power 1 in that range (linear trend removed,
    Hann window, zero-padded; missing frames interpolated). One signal alone may show double the rate, as the area of a
    mask that gains at one end what it loses at the other. Where half that rate has at least half the power, it is taken
    instead. None in fewer than 2 seconds, or where nothing changes.
    """
    signals = _signals(track)
    if signals is None:
        return None
    frames, curves = signals
    size = max(4096, 8 * frames.size)
    rates = np.asarray(60 * np.fft.rfftfreq(size, 1 / track.fps), np.float64)
    heard = (rates >= RATES[0]) & (rates <= RATES[1])
    spectrum = np.zeros(int(heard.sum()))
    for curve in curves:
        level = _trend_of(curve)
        power = np.abs(np.fft.rfft((curve - level) * np.hanning(curve.size), size))[heard] ** 2
        if power.sum() > _STILL * curve.size * max(1.0, float(curve.max())) ** 2:
            spectrum += power / power.sum()
    if not spectrum.any():
        return None
    return fundamental(rates[heard], spectrum)


def pulsation(track: Track, rate_bpm: float) -> tuple[Float64, Float64]:
    """What the masks have in common near a rhythm: frames, and its value in each; it rises with the area.

    The first principal component, between `BAND` of the rate, of the five signals (each divided by its deviation there
    and weighted by the part of its movement that lies there) or of the cells of the masks, where these are at hand:
    whichever has the larger part of its power within a quarter of the rate. The signals are steadier where whole masks
    flicker, the cells where masks are wrong in places. Its deviation is 1. Missing frames are interpolated.
    """
    signals = _signals(track)
    assert signals is not None  # there is a rate
    frames, curves = signals
    near = np.array([_within(curve - _trend_of(curve), track.fps, rate_bpm) for curve in curves])
    found = [_in_common(_parts_of_signals(curves, near), near[0])]
    if track.cells is not None and len(cells := _parts_of_cells(track, track.cells, frames, rate_bpm)):
        found.append(_in_common(cells, near[0]))
    return frames, max(found, key=lambda common: _steadiness(common, track.fps, rate_bpm))


def _in_common(parts: Float64, area: Float64) -> Float64:
    """The first principal component (frames,) of parts (n, frames), of deviation 1, rising with the area."""
    n, frames = parts.shape
    if n < frames:
        common: Float64 = np.linalg.eigh(parts @ parts.T)[1][:, -1] @ parts
    else:
        common = np.linalg.eigh(parts.T @ parts)[1][:, -1]
    common *= math.copysign(1.0, float(common @ area))
    return common / float(common.std())


def _steadiness(curve: Float64, fps: float, rate_bpm: float) -> float:
    """The part of a curve's power within a quarter of a rate, 0 to 1."""
    power = np.abs(np.fft.rfft(curve * np.hanning(curve.size))) ** 2
    rates = 60 * np.fft.rfftfreq(curve.size, 1 / fps) / rate_bpm
    return float(power[np.abs(rates - 1) < _STEADY].sum() / power.sum())


def _parts_of_signals(curves: Float64, near: Float64) -> Float64:
    deviation = near.std(axis=1, keepdims=True)
    moves = deviation[:, 0] > 1e-9 * np.maximum(1.0, curves.max(axis=1))
    share = deviation[moves] / curves[moves].std(axis=1, keepdims=True)
    parts: Float64 = near[moves] / deviation[moves] * share
    return parts


def _parts_of_cells(track: Track, cells: Uint8, frames: Float64, rate_bpm: float) -> Float64:
    """The cells that are in the mask at times, near the rhythm, (n, frames)."""
    seen = np.array([mask.area > 0 for mask in track.silhouettes])
    numbers = np.array(track.frames, np.float64)[seen]
    time = frames - frames.mean()
    # One by one: all cells of a long film as doubles would be a gigabyte.
    curves = (np.interp(frames, numbers, cell) for cell in cells[seen].T if cell.std() > _CELL_MOVES)
    level = (curve - curve.mean() for curve in curves)
    still = (curve - time * float(curve @ time) / float(time @ time) for curve in level)
    return np.array([_within(curve, track.fps, rate_bpm) for curve in still])


def _signals(track: Track) -> tuple[Float64, Float64] | None:
    """Every frame from the first to the last mask, and the five signals (5, frames); None in fewer than 2 seconds."""
    shapes = [(f, shape_of(mask)) for f, mask in zip(track.frames, track.silhouettes, strict=True)]
    seen = [(f, shape) for f, shape in shapes if shape is not None]
    if not seen or seen[-1][0] - seen[0][0] < 2 * track.fps:
        return None
    frames = np.array([f for f, _ in seen], np.float64)
    curves = np.array([(s.area, s.axis_minor, s.axis_major, *s.centroid) for _, s in seen], np.float64).T
    every = np.arange(frames[0], frames[-1] + 1)
    return every, np.array([np.interp(every, frames, curve) for curve in curves])


def _trend_of(curve: Float64) -> Float64:
    places = np.arange(curve.size)
    trend: Float64 = np.polynomial.Polynomial.fit(places, curve, 1)(places)
    return trend


def _within(curve: Float64, fps: float, rate_bpm: float) -> Float64:
    """A curve between `BAND` of a rate, without shift in time; mirrored at its ends, which so stay what they are."""
    mirrored = np.concatenate((curve[::-1], curve, curve[::-1]))
    rates = 60 * np.fft.rfftfreq(mirrored.size, 1 / fps) / rate_bpm
    low, high = BAND
    kept = np.clip((rates / low - (1 - _EDGE)) / _EDGE, 0, 1) * np.clip(((1 + _EDGE) - rates / high) / _EDGE, 0, 1)
    return np.fft.irfft(np.fft.rfft(mirrored) * kept, mirrored.size)[curve.size : 2 * curve.size]


def fundamental(rates: Float64, spectrum: Float64) -> float:
    """The rate of the highest point, or half of it: a beat has overtones, and with half the power there that is it.

    `rates` and `spectrum` are (n,), beats per minute and their power.
    """
    best = float(rates[np.argmax(spectrum)])
    beside = np.where(np.abs(rates / (best / 2) - 1) < _NEAR, spectrum, 0.0)
    return float(rates[np.argmax(beside)]) if beside.max() >= spectrum.max() / 2 else best
