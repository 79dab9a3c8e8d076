"""SYNTHETIC hearts with known truth: an ellipse that beats, drawn without a line of the code that measures it.

The outline is, in the ellipse's own coordinates, rho(theta) = 1 + smooth noise. A pixel belongs to the mask when its
centre lies inside; the true sizes are integrals over the outline, which know nothing of pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

HARMONICS = 12
SHAPE = (180, 240)


@dataclass(frozen=True)
class Plan:
    """What a heart is to be like.

    rate_bpm: mean rate. ef: ejection fraction of a whole beat. contraction: part of a beat from diastole to systole.
    arrhythmia: standard deviation of a beat's length as a part of it. noise_px: standard deviation of the outline in
    every frame. drift_px: way of the centre through the picture. missing: part of the frames that are not there.
    """

    seed: int
    fps: float
    rate_bpm: float
    ef: float
    seconds: float = 10.0
    contraction: float = 0.4
    arrhythmia: float = 0.0
    noise_px: float = 0.0
    drift_px: float = 0.0
    missing: float = 0.0
    major_px: float = 100.0
    aspect: float = 0.65
    major_share: float = 0.3

    @property
    def frames_per_beat(self) -> float:
        return 60 * self.fps / self.rate_bpm


@dataclass(frozen=True)
class BeatingHeart:
    """A heart drawn to a plan. Times are in frames; sizes are full axes in pixels."""

    plan: Plan

    @cached_property
    def frames(self) -> tuple[int, ...]:
        """Frames that are there; the first is."""
        random = np.random.default_rng([self.plan.seed, 1])
        count = round(self.plan.seconds * self.plan.fps)
        there = random.random(count) >= self.plan.missing
        there[0] = True
        return tuple(np.flatnonzero(there).tolist())

    @cached_property
    def diastoles(self) -> Float:
        """True times of the diastoles, from before the first frame to after the last."""
        random = np.random.default_rng([self.plan.seed, 2])
        period = self.plan.frames_per_beat
        count = math.ceil(self.plan.seconds * self.plan.fps / period * 1.5) + 4
        lengths = period * np.clip(1 + self.plan.arrhythmia * random.standard_normal(count), 0.75, 1.35)
        return np.asarray(np.cumsum(lengths) - lengths[0] * (1 + random.random()))

    @property
    def systoles(self) -> Float:
        """True times of the systoles, one after each diastole but the last."""
        return np.asarray(self.diastoles[:-1] + self.plan.contraction * np.diff(self.diastoles))

    def contraction_at(self, times: Float) -> Float:
        """0 at a diastole, 1 at a systole, smooth between."""
        knots = np.sort(np.concatenate([self.diastoles, self.systoles]))
        return np.asarray((1 - np.cos(np.pi * np.interp(times, knots, np.arange(knots.size)))) / 2)

    def axes_at(self, times: Float) -> Float:
        """Major and minor axis (..., 2) of the ellipse, without noise."""
        plan, part = self.plan, self.contraction_at(times)
        # (1 - share * s)(1 - s)^2 = 1 - ef, by bisection.
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            left = (1 - 2 * plan.major_share * middle) * (1 - middle) ** 2
            low, high = (middle, high) if left > 1 - plan.ef else (low, middle)
        major = plan.major_px * (1 - 2 * plan.major_share * low * part)
        return np.stack([major, plan.major_px * plan.aspect * (1 - low * part)], axis=-1)

    @cached_property
    def outlines(self) -> NDArray[np.complex128]:
        """Noise of the outline by frame: Fourier coefficients (frames, harmonics from 0), as parts of the radius."""
        random = np.random.default_rng([self.plan.seed, 3])
        shape = (len(self.frames), HARMONICS + 1)
        values = random.standard_normal(shape) + 1j * random.standard_normal(shape)
        values[:, 0] = values[:, 0].real
        # The variances of all harmonics add up to noise_px^2, white up to the last one.
        radius = np.sqrt(self.axes_at(np.array(self.frames, float)).prod(axis=1)) / 2
        return np.asarray(values * self.plan.noise_px / radius[:, None] / math.sqrt(2 * HARMONICS + 1))

    @cached_property
    def sizes(self) -> Float:
        """True area, major and minor axis (frames, 3) of the drawn outline, from its second moments."""
        theta = np.arange(256) * 2 * np.pi / 256
        waves = np.exp(1j * np.arange(HARMONICS + 1)[:, None] * theta)
        rho = 1 + (self.outlines @ waves).real
        a, b = (self.axes_at(np.array(self.frames, float)) / 2).T[:, :, None]
        x, y, weight = a * np.cos(theta), b * np.sin(theta), a * b * 2 * np.pi / 256

        def moment(power: int, values: Float | float) -> Float:
            return np.asarray((weight * rho ** (power + 2) / (power + 2) * values).sum(axis=1))

        area = moment(0, 1.0)
        mx, my = moment(1, x) / area, moment(1, y) / area
        xx, yy, xy = (moment(2, p) / area for p in (x * x, y * y, x * y))
        xx, yy, xy = xx - mx**2, yy - my**2, xy - mx * my
        spread = np.hypot((xx - yy) / 2, xy)
        return np.stack([area, 4 * np.sqrt((xx + yy) / 2 + spread), 4 * np.sqrt((xx + yy) / 2 - spread)], axis=1)

    def masks(self) -> Iterator[Bool]:
        """One mask (180, 240) for each frame that is there."""
        random = np.random.default_rng([self.plan.seed, 4])
        turn, heading = random.random(2) * 2 * np.pi
        middle, times = np.array(SHAPE) / 2 + random.random(2), np.array(self.frames, float)
        way = self.plan.drift_px * (times / times[-1] - 0.5)[:, None] * [math.sin(heading), math.cos(heading)]
        for axes, noise, centre in zip(self.axes_at(times) / 2, self.outlines, middle + way, strict=True):
            yield _drawn(axes, noise, centre, turn)


def _drawn(axes: Float, noise: NDArray[np.complex128], centre: Float, turn: float) -> Bool:
    mask = np.zeros(SHAPE, bool)
    reach = float(np.abs(noise).sum())
    far = axes[0] * (1 + reach) + 2
    low = np.maximum(np.floor(centre - far).astype(int), 0)
    high = np.minimum(np.ceil(centre + far).astype(int) + 1, SHAPE)
    y, x = (np.arange(low[k], high[k]) - centre[k] for k in (0, 1))
    c, s = math.cos(turn), math.sin(turn)
    u = (c * x[None, :] + s * y[:, None]) / axes[0]
    v = (c * y[:, None] - s * x[None, :]) / axes[1]
    squared = u * u + v * v
    inside = squared < max(1 - reach, 0) ** 2
    # Only near the outline does its noise decide.
    near = np.nonzero((squared < (1 + reach) ** 2) & ~inside)
    rho = np.sqrt(squared[near])
    wave = (u[near] + 1j * v[near]) / np.maximum(rho, 1e-12)
    inside[near] = rho < 1 + np.polyval(noise[::-1], wave).real
    mask[low[0] : high[0], low[1] : high[1]] = inside
    return mask


def plans(count: int, seed: int = 0) -> list[Plan]:
    """Hearts over the whole range: 40 to 240 beats/min, EF 0.2 to 0.9, 15 to 60 fps, 7 frames per beat and more."""
    random = np.random.default_rng(seed)
    found: list[Plan] = []
    while len(found) < count:
        fps, rate = float(random.choice([15, 20, 25, 30, 50, 60])), float(random.uniform(40, 240))
        if 60 * fps / rate < 7:
            continue
        found.append(
            Plan(
                seed=1000 * seed + len(found),
                fps=fps,
                rate_bpm=rate,
                ef=float(random.uniform(0.2, 0.9)),
                contraction=float(random.uniform(0.35, 0.5)),
                arrhythmia=float(random.choice([0.0, 0.05, 0.1])),
                noise_px=float(random.uniform(0, 0.3)),
                drift_px=float(random.uniform(0, 30)),
                missing=float(random.choice([0.0, 0.0, 0.03])),
                aspect=float(random.uniform(0.55, 0.8)),
                major_share=float(random.uniform(0.2, 0.45)),
            )
        )
    return found


def shortening(sizes: Sequence[float], smaller: Sequence[float]) -> dict[str, float]:
    """FS of both axes, fractional area change and EF between two rows of area, major and minor axis."""
    area, major, minor = (1 - small / large for large, small in zip(sizes, smaller, strict=True))
    return {"fs_minor": minor, "fs_major": major, "fac": area, "ef": 1 - (1 - minor) ** 2 * (1 - major)}


def true_rate_bpm(heart: BeatingHeart, diastoles: Sequence[int], systoles: Sequence[int]) -> float:
    """The rate over all true intervals between the first and the last found extremum of each kind.

    Fails where an extremum between them was left out, or one was found that is none.
    """
    span, beats = 0.0, 0
    for found, true in ((diastoles, heart.diastoles), (systoles, heart.systoles)):
        nearest = [int(np.argmin(np.abs(true - frame))) for frame in found]
        assert nearest == list(range(nearest[0], nearest[-1] + 1)), f"seed {heart.plan.seed}: {found}, true {true}"
        span += float(true[nearest[-1]] - true[nearest[0]])
        beats += nearest[-1] - nearest[0]
    return 60 * heart.plan.fps * beats / span
