"""What a microscope would show of a beating medaka heart: blood, muscle, light, focus and noise.

The picture is built at half resolution (the real films hold no finer detail) from a still canvas, drawn once
per animal, and from chambers drawn in every frame.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from .medaka_heart import HEIGHT, WIDTH, Floats, Heart, State, normal
from .medaka_scenery import (
    COLUMNS,
    PAD,
    ROWS,
    Chamber,
    Layer,
    Skin,
    X,
    Y,
    band,
    ellipse,
    lateral,
    paint,
    ventral,
)

Image = NDArray[np.uint8]

# How strongly blood takes away red, green and blue light.
ABSORPTION = np.array([0.06, 0.85, 1.05], dtype=np.float32)
# Grain is cut at random places from one larger sheet.
GRAIN_MARGIN = 64


def blur(image: Image, sigma: float) -> Image:
    """8-bit Gaussian blur, which OpenCV computes in fixed point."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.uint8)


class Scene:
    """The animal and its surroundings; :meth:`frame` adds the heart at one instant.

    Parameters
    ----------
    heart : Heart
        Shape and timing of the ventricle.
    rng : numpy.random.Generator
        Decides looks only, never the geometry of the ventricle.
    """

    def __init__(self, heart: Heart, rng: np.random.Generator) -> None:
        self._heart, self._rng = heart, rng
        self._skin = Skin(rng)
        draw = lateral if heart.view == "lateral" else ventral
        self._canvas, self._chambers = draw(heart, rng, self._skin)
        self._light = _light(rng, heart.view)
        self._sharpness = 0.35 + 0.6 * float(rng.random())
        self._blood = np.float32(0.65 + 0.4 * rng.random())
        self._grain = _grain(rng)
        speckle = 1 + np.float32(0.16) * (self._skin.fine + self._skin.relief) + np.float32(0.1) * self._skin.rough
        self._speckle = np.clip(speckle, 0.3, 1.8)
        # Blur at the blood's edge (half-resolution pixels), paleness between its two pools, the fuller pool.
        self._haziness = 1.5 + 2.5 * float(rng.random())
        self._gap = np.float32((0.0 if heart.view == "lateral" else 0.3) + 0.45 * rng.random())
        self._uneven = np.float32(0.5 * (rng.random() - 0.5))

    def frame(self, t: float) -> Image:
        """Colour picture (HEIGHT, WIDTH, 3) at time ``t`` (frames)."""
        state = self._heart.state(t)
        canvas = self._canvas.copy()
        depths = [self._depth(chamber, t) for chamber in self._chambers]
        self._absorb(canvas, np.asarray(sum(depths), dtype=np.float32))
        self._ventricle(canvas, state)
        half = np.clip(canvas * self._light + np.float32(0.5), 0, 255).astype(np.uint8)
        half = blur(half, self._sharpness)
        if self._heart.mirrored:
            half = np.ascontiguousarray(half[:, ::-1])
        half = _shifted(half, state.drift[0] / 2, state.drift[1] / 2)
        full = cv2.resize(half, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR_EXACT).astype(np.int16)
        row, column = self._rng.integers(0, GRAIN_MARGIN, 2)
        full += self._grain[row : row + HEIGHT, column : column + WIDTH]
        return np.clip(full, 0, 255).astype(np.uint8)

    def _absorb(self, canvas: Layer, depth: Layer) -> None:
        """Let light pass through blood of this depth, in place."""
        canvas /= 1 + (self._blood * depth)[..., None] * ABSORPTION

    def _depth(self, chamber: Chamber, t: float) -> Layer:
        """Blood in a chamber that fills while the ventricle empties."""
        full = chamber.rest + (1 - chamber.rest) * self._heart.contraction(t + chamber.lead)
        rx, ry = ((0.62 + 0.38 * full) * half_axis for half_axis in (chamber.rx, chamber.ry))
        warp = self._skin.rough * 3
        body, core = (ellipse(chamber.x, chamber.y, rx, ry, soft, chamber.tilt, warp) for soft in (16, 50))
        return np.asarray(np.float32(chamber.strength * full) * (body * 0.5 + core * 0.6) * self._speckle)

    def _ventricle(self, canvas: Layer, state: State) -> None:
        """Draw the ventricle: its muscle, brighter at the rim and thicker when contracted, and its blood."""
        centre = np.array(state.centre) - state.drift
        outline = state.outline - state.drift
        if self._heart.mirrored:
            outline, centre = outline * (-1, 1) + (WIDTH - 1, 0), centre * (-1, 1) + (WIDTH - 1, 0)
        outer = _filled(_grown(outline, centre, 3.0 + 5.0 * state.contraction), 1.2)
        edge, inner = _filled(outline, 0.7), _filled(_grown(outline, centre, -4.0), 1.6)
        lit = self._skin.relief
        pale = np.array([152, 146, 134], dtype=np.float32) + (9 * lit + 5 * self._skin.rough)[..., None]
        paint(canvas, np.clip(np.float32(0.30) * outer + np.float32(0.30) * (outer - edge), 0, 1), pale)
        rim = np.clip(edge - inner, 0, 1)
        paint(canvas, np.float32(0.30) * rim * np.clip(0.4 + 0.5 * lit, 0, 1), (205, 200, 190))
        paint(canvas, np.float32(0.30) * rim * np.clip(0.5 - 0.5 * lit, 0, 1), (48, 44, 46))
        near = _filled(_grown(outline, centre, -6.0), self._haziness)
        deep = _filled(_grown(outline, centre, -9.0), 7.0)
        full = np.float32(0.30 + 0.70 * (1 - state.contraction))
        depth = (np.float32(0.45) * near + np.float32(0.75) * deep) * self._pools(state, centre)
        self._absorb(canvas, full * depth * self._speckle)

    def _pools(self, state: State, centre: Floats) -> Layer:
        """Share of blood along the long axis: two pools with a paler place between them."""
        angle = np.pi - state.angle if self._heart.mirrored else state.angle
        cosine, sine = np.round((np.cos(angle), np.sin(angle)), 6).astype(np.float32)
        along = (X - np.float32(round(centre[0], 3))) * cosine + (Y - np.float32(round(centre[1], 3))) * sine
        along = along / np.float32(round(0.5 * state.major, 3)) + np.float32(0.12) * self._skin.rough
        share = (1 - self._gap * band(along, 0.35)) * (1 + self._uneven * np.clip(along, -1, 1))
        return np.asarray(share, dtype=np.float32)


def _grown(outline: Floats, centre: Floats, by: float) -> Floats:
    """The outline with every vertex moved ``by`` pixels away from (or towards) the centre."""
    arm = outline - centre
    length = np.sqrt(np.sum(arm * arm, axis=1, keepdims=True))
    return np.asarray(centre + arm * np.maximum(1 + by / length, 0.15))


def _filled(outline: Floats, sigma: float) -> Layer:
    """Coverage 0 to 1 of a polygon (full-resolution coordinates) on the padded half-resolution canvas."""
    image = np.zeros((ROWS, COLUMNS), dtype=np.uint8)
    vertices = np.round(((outline - 0.5) / 2 + PAD) * 16).astype(np.int32)
    cv2.fillPoly(image, [vertices], 255, lineType=cv2.LINE_8, shift=4)
    return blur(image, sigma).astype(np.float32) / np.float32(255)


def _shifted(image: Image, dx: float, dy: float) -> Image:
    """The visible part of a padded image moved by (dx, dy) pixels, in sixteenths, with integer arithmetic."""
    sub_x, sub_y = round(dx * 16), round(dy * 16)
    column, row = PAD - (-(-sub_x // 16)), PAD - (-(-sub_y // 16))
    right, down = -sub_x % 16, -sub_y % 16
    part = image[row : row + HEIGHT // 2 + 1, column : column + WIDTH // 2 + 1].astype(np.int32)
    part = part[:, :-1] * (16 - right) + part[:, 1:] * right
    part = part[:-1] * (16 - down) + part[1:] * down
    return np.asarray((part + 128) // 256, dtype=np.uint8)


def _light(rng: np.random.Generator, view: str) -> Layer:
    """Brightness of the field (ROWS, COLUMNS, 3): uneven lamp, dark corners, colour balance, exposure."""
    dx, dy = X / np.float32(WIDTH) - np.float32(0.5), Y / np.float32(HEIGHT) - np.float32(0.5)
    tilt_x, tilt_y = np.float32(0.25) * (rng.random(2).astype(np.float32) - np.float32(0.5))
    field = 1 + tilt_x * dx + tilt_y * dy - np.float32(0.25) * (dx * dx + dy * dy)
    exposure = (0.92 if view == "lateral" else 0.95) + 0.3 * float(rng.random())
    balance = exposure * (1 + 0.02 * np.clip(normal(rng, 3), -2, 2))
    return np.asarray(field[..., None] * balance.astype(np.float32))


def _grain(rng: np.random.Generator) -> NDArray[np.int8]:
    """Sensor noise after film compression: correlated over about two pixels, a little in colour."""
    rows, columns = HEIGHT + GRAIN_MARGIN, WIDTH + GRAIN_MARGIN
    strength = 1.3 + 0.8 * float(rng.random())
    brightness = normal(rng, rows // 2, columns // 2)
    colour = normal(rng, rows // 2, columns // 2, 3)
    coarse = strength * (brightness[..., None] + 0.55 * colour)
    as_bytes = np.round(coarse * 12 + 128).clip(0, 255).astype(np.uint8)
    fine = cv2.resize(as_bytes, (columns, rows), interpolation=cv2.INTER_LINEAR_EXACT).astype(np.int16) - 128
    return np.asarray((fine + 6) // 12, dtype=np.int8)
