"""What a microscope would show of a beating medaka heart: blood, muscle, light, focus and noise.

The picture is built at half resolution (the real films hold little finer detail) from a still canvas, drawn once
per animal, and from a window around the heart, drawn in every frame.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from .brushes import (
    PAD,
    Grid,
    Layer,
    Skin,
    X,
    Y,
    band,
    box_around,
    depth_in_ellipse,
    paint,
    relief,
    soft_edge,
    texture,
    uniform,
)
from .heart import HEIGHT, WIDTH, Floats, Heart, State, normal
from .scenery import Chamber, lateral, ventral

Image = NDArray[np.uint8]

# How strongly blood takes away red, green and blue light.
ABSORPTION = np.array([0.11, 0.85, 1.1], dtype=np.float32)
# Grain is cut at random places from one larger sheet.
GRAIN_MARGIN = 64
_GRAIN_OF_BYTE = ((np.arange(256, dtype=np.int16) - 122) // 12).astype(np.int8)
# Frames over which the camera gathers light.
EXPOSURE = 0.6


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
        skin = Skin(rng)
        draw = lateral if heart.view == "lateral" else ventral
        canvas, self._chambers = draw(heart, rng, skin)
        light = _light(rng, heart.view)
        self._window = window = _window(heart, self._chambers)
        self._grid: Grid = (X[:, window[1]], Y[window[0]])
        self._under, self._lamp = canvas[:, *window].copy(), light[:, *window].copy()
        self._still = _exposed(canvas, light)
        self._rough, self._relief = skin.rough[window], skin.relief[window]
        self._sharpness = uniform(rng, 0.2, 0.6)
        self._grain = _grain(rng)
        self._muscle = _Muscle(rng, heart.view)
        speckle = np.float32(uniform(rng, 0.05, 0.2)) * (skin.fine + skin.relief) + np.float32(0.1) * skin.rough
        self._speckle = np.clip(1 + speckle, 0.3, 1.8)[window]
        self._mesh = _mesh(rng)[window]

    def frame(self, t: float) -> Image:
        """Colour picture (HEIGHT, WIDTH, 3) at time ``t`` (frames)."""
        state = self._heart.state(t)
        canvas = self._under.copy()
        motion = abs(self._heart.contraction(t + EXPOSURE / 2) - self._heart.contraction(t - EXPOSURE / 2))
        depths = [self._depth(chamber, t) for chamber in self._chambers]
        self._absorb(canvas, np.asarray(sum(depths), dtype=np.float32))
        self._ventricle(canvas, state, motion)
        half = self._still.copy()
        half[self._window] = _exposed(canvas, self._lamp)
        half = blur(half, self._sharpness)
        if self._heart.mirrored:
            half = np.ascontiguousarray(half[:, ::-1])
        half = _shifted(half, state.drift[0] / 2, state.drift[1] / 2)
        full = cv2.resize(half, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR_EXACT)
        row, column = self._rng.integers(0, GRAIN_MARGIN, 2)
        grain = self._grain[row : row + HEIGHT, column : column + WIDTH]
        return np.asarray(cv2.add(full, grain, dtype=cv2.CV_8U), dtype=np.uint8)

    def _absorb(self, canvas: Layer, depth: Layer) -> None:
        """Let light pass through blood of this depth, in place."""
        for plane, absorption in zip(canvas, ABSORPTION, strict=True):
            plane /= 1 + depth * absorption

    def _depth(self, chamber: Chamber, t: float) -> Layer:
        """Blood in a chamber that fills while the ventricle empties."""
        full = chamber.rest + (1 - chamber.rest) * self._heart.contraction(t + chamber.lead)
        rx, ry = ((0.62 + 0.38 * full) * half_axis for half_axis in (chamber.rx, chamber.ry))
        inside = depth_in_ellipse(chamber.x, chamber.y, rx, ry, chamber.tilt, self._grid) + self._rough * 3
        edges = chamber.edge, min(50.0, 1.5 * min(rx, ry))
        body, core = (soft_edge(inside, width) for width in edges)
        return np.asarray(np.float32(chamber.strength * full) * (body * 0.5 + core * 0.6) * self._speckle)

    def _ventricle(self, canvas: Layer, state: State, motion: float) -> None:
        """Draw the ventricle: its muscle, thicker when contracted, and its blood in the meshes of the muscle."""
        centre = np.array(state.centre) - state.drift
        outline = state.outline - state.drift
        if self._heart.mirrored:
            outline, centre = outline * (-1, 1) + (WIDTH - 1, 0), centre * (-1, 1) + (WIDTH - 1, 0)
        muscle = self._muscle
        # The wall keeps its volume, so that its outside moves less than the blood within.
        full = float(np.exp(self._heart.log_axes[::2].sum(axis=1).max() / 2)) / 2
        wall = muscle.thickness + muscle.stillness * (full - np.sqrt(state.major * state.minor) / 2)
        mesh = self._moved_mesh(centre) * np.float32(1 - 0.8 * min(1.0, 2.5 * motion))
        smear = 3.0 * motion
        outer = self._filled(_grown(outline, centre, round(float(wall), 3)), 1.2 + smear)
        edge, inner = self._filled(outline, 0.7 + smear), self._filled(_grown(outline, centre, -4.0), 1.6 + smear)
        paint(canvas, muscle.opacity * np.clip(outer + np.float32(0.5) * (outer - edge), 0, 1), self._flesh(mesh))
        rim = np.clip(edge - inner, 0, 1)
        paint(canvas, muscle.rim * rim * np.clip(0.4 + 0.5 * self._relief, 0, 1), (205, 200, 190))
        near = self._filled(_grown(outline, centre, -muscle.margin), muscle.haziness + smear)
        deep = self._filled(_grown(outline, centre, -muscle.margin - 4.0), 6.0)
        filling = np.float32(muscle.rest + (1 - muscle.rest) * (1 - state.contraction))
        depth = (muscle.near * near + np.float32(0.5) * deep) * self._pools(state, centre)
        depth *= np.clip(1 + muscle.sponge * mesh, 0.1, 2.2) * self._speckle
        self._absorb(canvas, muscle.blood * filling * depth)
        canvas += muscle.grain * mesh * outer + muscle.contour * relief(outer, 6.0)

    def _flesh(self, mesh: Layer) -> Layer:
        """The colour of pale muscle, lit obliquely, (3, rows, columns)."""
        return self._muscle.tone[:, None, None] + (7 * self._relief + 5 * self._rough + 12 * mesh)

    def _moved_mesh(self, centre: Floats) -> Layer:
        """The muscle's fibres, carried along by whole pixels."""
        dx, dy = np.round((centre - self._heart.place[:2]) / 2).astype(int)
        return np.roll(self._mesh, (int(dy), int(dx)), axis=(0, 1))

    def _filled(self, outline: Floats, sigma: float) -> Layer:
        """Coverage 0 to 1 of a polygon (full-resolution coordinates) in the window."""
        rows, columns = self._window
        image = np.zeros(self._under.shape[1:], dtype=np.uint8)
        vertices = np.round(((outline - 0.5) / 2 + PAD - (columns.start, rows.start)) * 16).astype(np.int32)
        cv2.fillPoly(image, [vertices], 255, lineType=cv2.LINE_8, shift=4)
        return blur(image, round(sigma, 2)).astype(np.float32) / np.float32(255)

    def _pools(self, state: State, centre: Floats) -> Layer:
        """Share of blood along the long axis: two pools with a paler place between them."""
        angle = np.pi - state.angle if self._heart.mirrored else state.angle
        cosine, sine = np.round((np.cos(angle), np.sin(angle)), 6).astype(np.float32)
        x, y = self._grid
        along = (x - np.float32(round(centre[0], 3))) * cosine + (y - np.float32(round(centre[1], 3))) * sine
        along = along / np.float32(round(0.5 * state.major, 3)) + np.float32(0.2) * self._rough
        muscle = self._muscle
        share = (1 - muscle.gap * band(along, 0.35)) * (1 + muscle.uneven * np.clip(along, -1, 1))
        return np.asarray(share, dtype=np.float32)


class _Muscle:
    """How one animal's ventricle looks: wall (px, strengths 0 to 1), fibres, and blood."""

    def __init__(self, rng: np.random.Generator, view: str) -> None:
        lateral = view == "lateral"
        self.thickness = uniform(rng, 3.0, 9.0)
        self.stillness = uniform(rng, 0.15, 0.85)
        self.opacity = np.float32(uniform(rng, 0.2, 0.7))
        self.contour = np.float32(uniform(rng, -3.0, 12.0))
        self.rim = np.float32(uniform(rng, 0.1, 0.35))
        level = uniform(rng, 128, 166)
        self.tone = np.array([level, 0.96 * level, 0.88 * level], dtype=np.float32)
        self.grain = np.float32(uniform(rng, 5.0, 16.0))
        self.sponge = np.float32(uniform(rng, 0.3, 0.9))
        self.blood = np.float32(uniform(rng, 0.5, 1.15))
        self.rest = uniform(rng, 0.1, 0.65)
        self.near = np.float32(uniform(rng, 0.45, 0.8))
        # The blood ends a little inside its outline, at an edge of this blur (half-resolution pixels).
        self.margin = uniform(rng, 1.0, 5.0)
        self.haziness = uniform(rng, 1.2, 3.5)
        # Paleness between the two pools of blood, and the fuller pool.
        self.gap = np.float32((0.0 if lateral else 0.2) + 0.6 * rng.random())
        self.uneven = np.float32(1.0 * (rng.random() - 0.5))


def _window(heart: Heart, chambers: list[Chamber]) -> tuple[slice, slice]:
    """Rows and columns of the canvas that hold all that moves."""
    reach = 0.75 * float(np.exp(heart.log_axes.max())) + 40
    boxes = [(heart.place[0], heart.place[1], reach)]
    boxes += [(chamber.x, chamber.y, 1.75 * max(chamber.rx, chamber.ry) + 20) for chamber in chambers]
    left, top = (min(box[axis] - box[2] for box in boxes) for axis in (0, 1))
    right, bottom = (max(box[axis] + box[2] for box in boxes) for axis in (0, 1))
    return box_around(left, top, right, bottom)


def _exposed(canvas: Layer, light: Layer) -> Image:
    """What the camera sees of a canvas (3, rows, columns) under this light, (rows, columns, 3)."""
    lit = canvas * light
    lit += np.float32(0.5)
    return np.asarray(cv2.merge(list(np.clip(lit, 0, 255, out=lit).astype(np.uint8))), dtype=np.uint8)


def _mesh(rng: np.random.Generator) -> Layer:
    """The sponge of fibres inside the ventricle under oblique light: mean near 0, sd near 1."""
    stretch = ((1.0, 1.0), (1.4, 0.9), (0.9, 1.4))[int(rng.integers(3))]
    coarse, fine = texture(rng, uniform(rng, 6.0, 12.0), stretch), texture(rng, uniform(rng, 2.5, 5.0), stretch)
    return np.asarray(np.float32(0.65) * (relief(coarse, 2.0) + relief(fine, 1.6)) + np.float32(0.5) * coarse)


def _grown(outline: Floats, centre: Floats, by: float) -> Floats:
    """The outline with every vertex moved ``by`` pixels away from (or towards) the centre."""
    arm = outline - centre
    length = np.sqrt(np.sum(arm * arm, axis=1, keepdims=True))
    return np.asarray(centre + arm * np.maximum(1 + by / length, 0.15))


def _shifted(image: Image, dx: float, dy: float) -> Image:
    """The visible part of a padded image moved by (dx, dy) pixels, in sixteenths, with integer arithmetic."""
    sub_x, sub_y = round(dx * 16), round(dy * 16)
    column, row = PAD - (-(-sub_x // 16)), PAD - (-(-sub_y // 16))
    right, down = -sub_x % 16, -sub_y % 16
    # 255 times 16 times 16, and a half, is still below 2**16.
    part = image[row : row + HEIGHT // 2 + 1, column : column + WIDTH // 2 + 1].astype(np.uint16)
    part = part[:, :-1] * np.uint16(16 - right) + part[:, 1:] * np.uint16(right)
    part = part[:-1] * np.uint16(16 - down) + part[1:] * np.uint16(down)
    return np.asarray((part + np.uint16(128)) >> np.uint16(8), dtype=np.uint8)


def _light(rng: np.random.Generator, view: str) -> Layer:
    """Brightness of the field (3, ROWS, COLUMNS): uneven lamp, dark corners, colour balance, exposure."""
    dx, dy = X / np.float32(WIDTH) - np.float32(0.5), Y / np.float32(HEIGHT) - np.float32(0.5)
    tilt_x, tilt_y = np.float32(0.5) * (rng.random(2).astype(np.float32) - np.float32(0.5))
    field = 1 + tilt_x * dx + tilt_y * dy - np.float32(0.25) * (dx * dx + dy * dy)
    exposure = uniform(rng, 0.75, 1.25) if view == "lateral" else uniform(rng, 0.8, 1.2)
    balance = exposure * (1 + 0.02 * np.clip(normal(rng, 3), -2, 2))
    return np.asarray(field * balance.astype(np.float32)[:, None, None])


def _grain(rng: np.random.Generator) -> NDArray[np.int8]:
    """Sensor noise after film compression: correlated over about two pixels, a little in colour."""
    rows, columns = HEIGHT + GRAIN_MARGIN, WIDTH + GRAIN_MARGIN
    strength = uniform(rng, 1.6, 3.6)
    # The sum of four bytes is nearly normal; 148 is its standard deviation.
    first, second, *rest = rng.integers(0, 256, (4, rows // 2, columns // 2, 4), dtype=np.uint8)
    total = first.astype(np.int16) + second
    for more in rest:
        total += more
    noise = (total - np.int16(510)) * np.float32(strength / 148)
    coarse = noise[..., :1] + np.float32(0.55) * noise[..., 1:]
    as_bytes = np.round(coarse * np.float32(12) + np.float32(128)).clip(0, 255).astype(np.uint8)
    fine = cv2.resize(as_bytes, (columns, rows), interpolation=cv2.INTER_LINEAR_EXACT)
    return np.asarray(cv2.LUT(fine, _GRAIN_OF_BYTE), dtype=np.int8)
