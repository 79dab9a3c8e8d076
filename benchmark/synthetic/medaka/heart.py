"""A beating medaka ventricle as an exact outline: size, shape and place at any instant, without a picture.

Every number that reaches a file is rounded first, and random normals are sums of uniforms: a last-bit
difference between two maths libraries then cannot change a byte.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FPS = 15.0
HEIGHT, WIDTH = 480, 640
N_VERTICES = 128
SUBPIXEL = 256

# Logarithms of (major diastole, minor diastole, major systole, minor systole) in pixels: mean over animals,
# and the lower Cholesky factor of their covariance. Lateral: from the 24 sequences of the 503 real masks.
# Ventral: no mask sequence is public, so the one public mask sets the size and the spread is narrowed.
_LOG_AXES = {"lateral": (5.035, 4.47, 4.53, 3.935), "ventral": (4.985, 4.29, 4.70, 3.84)}
_SPREAD = {"lateral": 1.0, "ventral": 0.6}
_CHOLESKY = np.array(
    [[0.122, 0.0, 0.0, 0.0], [0.125, 0.12, 0.0, 0.0], [0.175, 0.016, 0.195, 0.0], [0.175, 0.022, 0.16, 0.16]]
)
# Centre (x, y) of the ventricle and angle of its long axis (degrees, image coordinates): mean and spread.
_PLACE = {
    "lateral": ((341.6, 34.0), (237.7, 31.0), (168.0, 11.0)),
    "ventral": ((250.0, 38.0), (258.0, 24.0), (114.0, 12.0)),
}
# Frames per beat; with the limits a film stays between 75 and 106 beats per minute.
_PERIOD = {"lateral": (10.1, 0.7), "ventral": (9.6, 0.6)}
_PERIOD_LIMITS = (8.8, 11.7)


def normal(rng: np.random.Generator, *shape: int) -> Floats:
    """Nearly normal numbers (sums of 12 uniforms, so never beyond 6), the same on every machine."""
    total = np.zeros(shape)
    for _ in range(12):
        total = total + rng.random(shape)
    return np.asarray(total - 6.0)


@dataclass(frozen=True)
class Wobble:
    """A small smooth random movement: two sinusoids; amplitude 1 means a standard deviation of about 1."""

    periods: Floats
    phases: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator, shortest: float, longest: float) -> "Wobble":
        """Draw one with periods (in frames) between the two limits."""
        return cls(shortest + (longest - shortest) * rng.random(2), rng.random(2))

    def at(self, t: float) -> float:
        """Value at time ``t`` (frames)."""
        return float(np.sum(np.sin(2 * np.pi * (t / self.periods + self.phases))))


@dataclass(frozen=True)
class State:
    """The ventricle at one instant.

    ``contraction`` is 0 when full and 1 when empty; ``phase`` grows from 0 at a diastole to 1 at the next.
    ``centre`` (x, y) and axes are in pixels, ``angle`` in radians; ``drift`` (x, y) shifts the whole animal;
    ``outline`` is (N, 2) x, y.
    """

    contraction: float
    phase: float
    major: float
    minor: float
    centre: tuple[float, float]
    angle: float
    drift: tuple[float, float]
    outline: Floats

    @property
    def volume(self) -> float:
        """Volume of the prolate spheroid in px^3."""
        return spheroid_volume(self.major, self.minor)


@dataclass(frozen=True)
class Heart:
    """One animal in one sequence: beat times, sizes at every extremum, shape and movement.

    ``knots`` are times (frames) of diastole, systole, diastole, ...; ``log_axes`` (n_knots, 2) sizes there.
    """

    view: str
    mirrored: bool
    knots: Floats
    log_axes: Floats
    place: Floats
    slopes: Floats
    shape: Floats
    systolic_shape: Floats
    bend: float
    dents: Floats
    wobbles: tuple[Wobble, ...]

    def contraction(self, t: float) -> float:
        """How empty the ventricle is at ``t``: 0 at a diastole, 1 at a systole."""
        left, u = self._segment(t)
        return u if left % 2 == 0 else 1.0 - u

    def state(self, t: float) -> State:
        """Everything about the ventricle at time ``t`` (frames since the first)."""
        left, u = self._segment(t)
        wobble = [w.at(t) for w in self.wobbles]
        log_axes = self._log_axes_at(t)
        major, minor = np.exp(log_axes)
        away = float(np.sum(log_axes) - np.mean(self.log_axes) * 2)
        drift = (2.5 * wobble[4], 1.5 * wobble[5])
        x = self.place[0] + self.slopes[0] * away + 2.4 * wobble[1] + drift[0]
        y = self.place[1] + self.slopes[1] * away + 1.7 * wobble[2] + drift[1]
        angle = np.radians(self.place[2] + self.slopes[2] * away + 2.6 * wobble[3])
        contraction = u if left % 2 == 0 else 1.0 - u
        outline = fit_axes(self._unit_outline(contraction, wobble[6]), major, minor, float(angle), (x, y))
        if self.mirrored:
            outline, x, angle = (outline * (-1, 1) + (WIDTH - 1, 0))[::-1], WIDTH - 1 - x, np.pi - angle
            drift = (-drift[0], drift[1])
        return State(contraction, self.phase(t), float(major), float(minor), (x, y), float(angle), drift, outline)

    def size(self, t: float) -> tuple[float, float, float]:
        """Volume (px^3), major and minor axis (px) at ``t``."""
        major, minor = map(float, np.exp(self._log_axes_at(t)))
        return spheroid_volume(major, minor), major, minor

    def _log_axes_at(self, t: float) -> Floats:
        left, u = self._segment(t)
        stretch = 0.035 * self.wobbles[0].at(t) * np.array([1.0, -0.5])
        # Stretching one axis and narrowing the other keeps the volume: its extrema stay exactly at the knots.
        return np.asarray((1 - u) * self.log_axes[left] + u * self.log_axes[left + 1] + stretch)

    def phase(self, t: float) -> float:
        """Position in the beat, 0 at a diastole, growing evenly to 1 at the next."""
        diastoles = self.knots[::2]
        beat = int(np.clip(np.searchsorted(diastoles, t, side="right") - 1, 0, len(diastoles) - 2))
        return float((t - diastoles[beat]) / (diastoles[beat + 1] - diastoles[beat]))

    def _segment(self, t: float) -> tuple[int, float]:
        """Index of the knot before ``t`` and the eased position (0 to 1) on the way to the next."""
        left = int(np.clip(np.searchsorted(self.knots, t, side="right") - 1, 0, len(self.knots) - 2))
        u = float(np.clip((t - self.knots[left]) / (self.knots[left + 1] - self.knots[left]), 0.0, 1.0))
        # The real area curves turn sharper than a cosine and rounder than a straight line.
        return left, 0.35 * u + 0.65 * u * u * (3 - 2 * u)

    def _unit_outline(self, contraction: float, wobble: float) -> Floats:
        """The outline before it gets its size: lobes, a dent between them and a systolic bend, (N, 2)."""
        theta = 2 * np.pi * np.arange(N_VERTICES) / N_VERTICES
        order = np.arange(3, 3 + len(self.shape))[:, None]
        weights = (1 - contraction) * self.shape + contraction * self.systolic_shape
        turn = 0.08 * wobble
        radius = 1.0 + np.sum(
            weights[:, :1] * np.cos(order * (theta + turn)) + weights[:, 1:] * np.sin(order * (theta - turn)),
            axis=0,
        )
        for where, depth, width in self.dents:
            away = (theta - where + np.pi) % (2 * np.pi) - np.pi
            radius = radius - depth * (0.6 + 0.4 * contraction) / (1 + (away / width) ** 2) ** 2
        x, y = 1.6 * radius * np.cos(theta), radius * np.sin(theta)
        return np.stack([x, y + self.bend * contraction * x**2], axis=1)


def draw_heart(rng: np.random.Generator, view: str, n_frames: int) -> Heart:
    """Draw one animal's heart beating for ``n_frames``."""
    knots = _draw_knots(rng, view, n_frames)
    (x, x_sd), (y, y_sd), (angle, angle_sd) = _PLACE[view]
    place = np.array([x, y, angle]) + np.array([x_sd, y_sd, angle_sd]) * np.clip(normal(rng, 3), -2.2, 2.2)
    slopes = np.array([-9.0, 6.5, 1.5]) + np.array([9.0, 8.0, 8.0]) * np.clip(normal(rng, 3), -2, 2)
    log_axes = _draw_log_axes(rng, view, len(knots))
    scale = np.array([0.085, 0.055, 0.035, 0.022])[:, None]
    shape, systolic = (scale * normal(rng, 4, 2) for _ in range(2))
    above = np.radians(-75.0 + 30.0 * (rng.random() - 0.5))
    dents = [(above, 0.3 * rng.random(), 0.35 + 0.2 * rng.random())]
    if view == "ventral":
        dents = [(above, 0.1 + 0.3 * rng.random(), 0.35), (above + np.pi, 0.05 + 0.3 * rng.random(), 0.35)]
    limits = [(2.6, 8.0)] * 4 + [(50.0, 160.0)] * 2 + [(3.0, 9.0)]
    wobbles = tuple(Wobble.draw(rng, *pair) for pair in limits)
    mirrored = view == "ventral" and rng.random() < 0.02
    bend = 0.12 * float(normal(rng, 1)[0])
    return Heart(view, mirrored, knots, log_axes, place, slopes, shape, systolic, bend, np.array(dents), wobbles)


def _draw_knots(rng: np.random.Generator, view: str, n_frames: int) -> Floats:
    """Times (frames) of diastole, systole, diastole, ... from before the first frame to after the last."""
    mean, spread = _PERIOD[view]
    period = float(np.clip(mean + spread * normal(rng, 1)[0], *_PERIOD_LIMITS))
    ejection = float(np.clip(0.555 + 0.03 * normal(rng, 1)[0], 0.45, 0.65))
    knots = [-period * (1.0 + rng.random())]
    while knots[-1] < n_frames + period:
        length = period * (1 + 0.025 * float(np.clip(normal(rng, 1)[0], -2.5, 2.5)))
        knots += [knots[-1] + ejection * length, knots[-1] + length]
    return np.round(np.array(knots), 4)


def _draw_log_axes(rng: np.random.Generator, view: str, n_knots: int) -> Floats:
    """Logarithms of (major, minor) at every knot, (n_knots, 2): one animal, a little different each beat."""
    animal = np.array(_LOG_AXES[view]) + _SPREAD[view] * _CHOLESKY @ np.clip(normal(rng, 4), -2.2, 2.2)
    diastole, systole = np.array([animal[:2], animal[2:]])
    # The real masks are never narrower than about 34 px, and no real ventricle shortens less than this.
    systole = np.clip(systole, (3.85, 3.57), diastole - (0.19, 0.13))
    both = np.where(np.arange(n_knots)[:, None] % 2 == 0, diastole, systole)
    return np.asarray(both + 0.022 * np.clip(normal(rng, n_knots, 1), -2, 2))


def spheroid_volume(major: float, minor: float) -> float:
    """Volume of a prolate spheroid with these axes."""
    return float(np.pi / 6 * minor**2 * major)


def moments(outline: Floats) -> tuple[float, Floats, Floats]:
    """Area, centroid (2,) and covariance (2, 2) of the inside of a polygon (N, 2), by Green's theorem."""
    origin = outline.mean(axis=0)
    x0, y0 = (outline - origin).T
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    cross = x0 * y1 - x1 * y0
    area = np.sum(cross) / 2
    mean = np.array([np.sum((x0 + x1) * cross), np.sum((y0 + y1) * cross)]) / (6 * area)
    xx = np.sum((x0 * x0 + x0 * x1 + x1 * x1) * cross) / (12 * area) - mean[0] ** 2
    yy = np.sum((y0 * y0 + y0 * y1 + y1 * y1) * cross) / (12 * area) - mean[1] ** 2
    xy = np.sum((x0 * y1 + 2 * x0 * y0 + 2 * x1 * y1 + x1 * y0) * cross) / (24 * area) - mean[0] * mean[1]
    return float(abs(area)), mean + origin, np.array([[xx, xy], [xy, yy]])


def axes(covariance: Floats) -> tuple[float, float]:
    """Full major and minor axis of the ellipse with this covariance, 4 * sqrt(eigenvalue)."""
    half_trace = (covariance[0, 0] + covariance[1, 1]) / 2
    root = np.sqrt(((covariance[0, 0] - covariance[1, 1]) / 2) ** 2 + covariance[0, 1] ** 2)
    return float(4 * np.sqrt(half_trace + root)), float(4 * np.sqrt(half_trace - root))


def fit_axes(shape: Floats, major: float, minor: float, angle: float, centre: tuple[float, float]) -> Floats:
    """Stretch, turn and move a polygon so that its inside has exactly these axes, angle and centroid."""
    _, mean, covariance = moments(shape)
    determinant = np.sqrt(covariance[0, 0] * covariance[1, 1] - covariance[0, 1] ** 2)
    root = (covariance + determinant * np.eye(2)) / np.sqrt(covariance[0, 0] + covariance[1, 1] + 2 * determinant)
    whitened = (shape - mean) @ np.linalg.inv(root)
    cosine, sine = np.cos(angle), np.sin(angle)
    fitted = whitened * (major / 4, minor / 4) @ np.array([[cosine, sine], [-sine, cosine]]) + centre
    return np.asarray(np.round(fitted * SUBPIXEL) / SUBPIXEL)


def rasterise(outline: Floats) -> NDArray[np.bool_]:
    """Pixels (HEIGHT, WIDTH) whose centre lies inside the outline (N, 2)."""
    x0, y0 = outline.T
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    first, last = max(0, int(np.floor(y0.min()))), min(HEIGHT, int(np.ceil(y0.max())) + 1)
    rows = np.arange(first, last)[:, None]
    row, edge = np.nonzero((y0 <= rows) != (y1 <= rows))
    crossing = x0[edge] + (row + first - y0[edge]) * (x1[edge] - x0[edge]) / (y1[edge] - y0[edge])
    changes = np.zeros((last - first, WIDTH), dtype=np.uint8)
    np.add.at(changes, (row, np.ceil(crossing).astype(np.intp)), 1)
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
    mask[first:last] = np.cumsum(changes, axis=1, dtype=np.uint8) % 2 == 1
    return mask


def mask_covariance(mask: NDArray[np.bool_]) -> Floats:
    """Covariance (2, 2) of x and y over the pixels of a mask, from sums of whole numbers."""
    columns = np.arange(mask.shape[1])
    per_row, across = mask.sum(axis=1), mask.astype(np.int64) @ columns
    rows, count = np.arange(mask.shape[0]), int(per_row.sum())
    x, y = across.sum() / count, (per_row @ rows) / count
    xx = (mask.sum(axis=0) @ columns**2) / count - x * x
    yy = (per_row @ rows**2) / count - y * y
    xy = (across @ rows) / count - x * y
    return np.array([[xx, xy], [xy, yy]])
