"""The rhythm of a film's own colours, found without any mask: a witness that no segmentation has touched."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import cast

import cv2
import numpy as np

from ..types import Float32, Float64, Uint8
from .rhythm import RATES, fundamental

SIDE = 96
"""Frames are averaged down to at most so many pixels a side: a heart stays many pixels, noise does not."""

PERIODIC_PART = 0.02
"""The part of the pixels, the most periodic ones, that the rhythm is read from."""


def film_rhythm(frames: Iterable[Uint8], numbers: Iterable[int], fps: float) -> float | None:
    """The rate at which a film's most periodic pixels change, between 30 and 240 per minute, in beats per minute.

    Of each pixel red less the mean of green and blue (blood), or its grey; the power of each pixel's spectrum (linear
    trend removed, Hann window) between the two rates, of which the highest point's part says how periodic it is. The
    spectra of the most periodic 2 % are averaged, each of power 1, and the highest point is the rhythm; where half that
    rate has at least half the power, it is taken instead, as of masks. None in fewer than 2 seconds, or where nothing
    changes.

    Parameters
    ----------
    frames : iterable of (H, W) or (H, W, 3) uint8
    numbers : of each frame, ascending; what is missing is interpolated
    fps : frames per second
    """
    signals = np.array([_signal(frame).ravel() for frame in frames], np.float32)
    at = np.fromiter(numbers, np.float64, len(signals))
    if len(signals) < 4 or at[-1] - at[0] < 2 * fps:
        return None
    curves = _every_frame(signals, at)
    length = len(curves)
    size = max(4096, 8 * length)
    rates = np.asarray(60 * np.fft.rfftfreq(size, 1 / fps), np.float64)
    heard = (rates >= RATES[0]) & (rates <= RATES[1])
    window = np.hanning(length).astype(np.float32)[:, None]
    # A first look at the resolution that the film has, the second one, fine, at the pixels that count.
    coarse = 60 * np.fft.rfftfreq(length, 1 / fps)
    power = np.abs(np.fft.rfft(curves * window, axis=0)[(coarse >= RATES[0]) & (coarse <= RATES[1])]) ** 2
    total = power.sum(axis=0)
    if not len(power) or total.max() <= 1e-6:
        return None
    moving = total > 1e-3 * total.max()
    periodic = np.where(moving, power.max(axis=0) / np.where(moving, total, 1.0), 0.0)
    count = max(1, math.ceil(PERIODIC_PART * periodic.size))
    best = np.argsort(-periodic, kind="stable")[:count]
    spectra = np.abs(np.fft.rfft(curves[:, best] * window, size, axis=0)[heard]) ** 2
    spectrum = (spectra / spectra.sum(axis=0)).mean(axis=1)
    return fundamental(rates[heard], cast(Float64, spectrum))


def _signal(frame: Uint8) -> Float32:
    """Redness, or grey, of a frame made small."""
    height, width = frame.shape[:2]
    factor = min(1.0, SIDE / max(height, width))
    shape = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = cv2.resize(frame, shape, interpolation=cv2.INTER_AREA).astype(np.float32)
    if small.ndim == 3:
        return cast(Float32, small[..., 0] - (small[..., 1] + small[..., 2]) / 2)
    return cast(Float32, small)


def _every_frame(signals: Float32, at: Float64) -> Float32:
    """Signals (frames, pixels) with missing frames interpolated and each pixel's linear trend removed."""
    every = np.arange(at[0], at[-1] + 1)
    after = np.clip(np.searchsorted(at, every), 1, len(at) - 1)
    part = ((every - at[after - 1]) / (at[after] - at[after - 1])).astype(np.float32)[:, None]
    filled = signals[after - 1] * (1 - part) + signals[after] * part
    time = (every - every.mean()).astype(np.float32)[:, None]
    filled -= filled.mean(axis=0)
    filled -= time * ((time * filled).sum(axis=0) / (time**2).sum())
    return cast(Float32, filled)
