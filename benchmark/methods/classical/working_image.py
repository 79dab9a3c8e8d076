"""An image as the classical methods work on it: a part of the frame, at a bounded size, with its smoothed channels.

The arithmetic of a candidate is often that of another one with one step more, so what was computed is cached for as
long as the working image is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast, get_args

import cv2
import numpy as np

from ...text import unknown
from ...types import Array, Float32, Uint8, UserError

Channel = Literal["grey", "red", "red_excess", "green_excess", "chroma"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)
SPACES = ("rgb", "lab")
MIN_SIDE = 8
"""A shorter side is padded by its border: filters and superpixels need a neighbourhood."""

Box = tuple[float, float, float, float]
"""Part of a frame: top, left, bottom, right in fractions of its height and width."""
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)

Result = TypeVar("Result")


@dataclass
class WorkingImage:
    """One image (H, W) or (H, W, 3) uint8, seen through a box and shrunk to at most `max_pixels`.

    `fit` brings any map of the frame to the working size, `restore` brings a map of the working size back.
    """

    image: Uint8
    max_pixels: int = 1 << 20
    box: Box = WHOLE
    _cache: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def frame(self) -> tuple[int, int]:
        """(H, W) of the image."""
        return cast(tuple[int, int], self.image.shape[:2])

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the box, at least one pixel."""
        slices = []
        for side, low, high in zip(self.frame, self.box[:2], self.box[2:], strict=True):
            first = min(int(np.floor(low * side)), side - 1)
            slices.append(slice(first, max(int(np.ceil(high * side)), first + 1)))
        return slices[0], slices[1]

    @property
    def inner(self) -> tuple[int, int]:
        """(h, w) of the box after shrinking, before padding."""
        height, width = (part.stop - part.start for part in self.window)
        scale = min(1.0, float(np.sqrt(self.max_pixels / (height * width))))
        return max(1, round(height * scale)), max(1, round(width * scale))

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w) that methods work at."""
        return max(self.inner[0], MIN_SIDE), max(self.inner[1], MIN_SIDE)

    def fit(self, values: Array) -> Array:
        """A map of the frame at the working size: integers nearest, others averaged."""
        rows, columns = self.window
        part = np.ascontiguousarray(values[rows, columns])
        if part.shape[:2] != self.inner:
            exact = part.dtype != np.uint8 or values is not self.image
            mode = cv2.INTER_NEAREST_EXACT if exact and part.dtype.kind in "iu" else cv2.INTER_AREA
            part = cv2.resize(part, self.inner[::-1], interpolation=mode)
        missing = [(0, self.shape[axis] - self.inner[axis]) for axis in range(2)]
        return np.pad(part, [*missing, *[(0, 0)] * (part.ndim - 2)], mode="edge")

    def restore(self, values: Array, outside: float = 0) -> Array:
        """A map of the working size in the frame: integers and masks nearest, floats bilinear; `outside` the box."""
        rows, columns = self.window
        part = values[: self.inner[0], : self.inner[1]]
        shape = rows.stop - rows.start, columns.stop - columns.start
        if part.shape != shape:
            exact = part.dtype.kind != "f"
            part = part.astype(np.int32) if exact else np.ascontiguousarray(part)
            part = cv2.resize(
                part, shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT if exact else cv2.INTER_LINEAR
            ).astype(values.dtype)
        if shape == self.frame:
            return part
        whole = np.full(self.frame, outside, values.dtype)
        whole[rows, columns] = part
        return whole

    def cached(self, key: Any, make: Callable[[], Result]) -> Result:
        """What was made for this key before, or now."""
        if key not in self._cache:
            self._cache[key] = make()
        return cast(Result, self._cache[key])

    @property
    def steps(self) -> dict[str, Array]:
        """What was made of the image so far, by its name and parameters, in the order in which it was made.

        Maps (h, w), or colours (h, w, C); whole numbers are labels.
        """
        kept = {key: value for key, value in self._cache.items() if isinstance(key, tuple)}
        return {f"{key[0]} ({', '.join(map(str, key[1:]))})": np.asarray(value) for key, value in kept.items()}

    @property
    def constant(self) -> bool:
        """Whether all pixels are alike, so that there is nothing to separate."""
        return self.cached("constant", lambda: bool((self.pixels == self.pixels[:1, :1]).all()))

    @property
    def colored(self) -> bool:
        """Whether the image has three channels."""
        return self.image.ndim == 3

    @property
    def pixels(self) -> Uint8:
        """(h, w) or (h, w, 3) uint8 at the working size."""
        return self.cached("pixels", lambda: self.fit(self.image))

    def channel(self, name: str) -> Float32:
        """(h, w) float32, mostly in 0..1; every channel of a grey image is the grey value itself.

        Raises UserError for a name that is none of `CHANNELS`.
        """
        return self.cached(("channel", name), lambda: _channel(self.pixels, name))

    def smooth(self, name: str, sigma: float) -> Float32:
        """A channel after a Gaussian of `sigma` pixels."""
        return self.cached(("smooth", name, sigma), lambda: blur(self.channel(name), sigma))

    def gradient(self, name: str, sigma: float) -> Float32:
        """Magnitude of the Sobel gradient of the smoothed channel, per pixel."""
        return self.cached(("gradient", name, sigma), lambda: gradient(self.smooth(name, sigma)))

    def color(self, space: str, sigma: float = 0.0) -> Float32:
        """(h, w, C) float32 in "rgb" (0..1) or "lab" (units of 100); one channel of a grey image.

        Raises UserError for another space.
        """
        return self.cached(("color", space, sigma), lambda: _color(self.pixels, space, sigma))

    def positions(self) -> tuple[Float32, Float32]:
        """Row and column of every pixel as fractions of the whole frame."""
        return self.cached("positions", self._positions)

    def _positions(self) -> tuple[Float32, Float32]:
        top, left, bottom, right = self.box
        rows = np.linspace(top, bottom, self.shape[0], dtype=np.float32)
        columns = np.linspace(left, right, self.shape[1], dtype=np.float32)
        y, x = np.meshgrid(rows, columns, indexing="ij")
        return y, x


def blur(values: Float32, sigma: float) -> Float32:
    """Gaussian of `sigma` pixels of values (h, w), cut at 4 sigma, the border repeated."""
    if sigma <= 0:
        return values
    size = 2 * int(np.ceil(4 * sigma)) + 1
    return np.asarray(cv2.GaussianBlur(values, (size, size), sigma, borderType=cv2.BORDER_REPLICATE), np.float32)


def solved_small(values: Float32, pixels: int, solve: Callable[[Float32], Float32]) -> Float32:
    """What `solve` makes of a map (h, w), computed at `pixels` pixels at most and interpolated to (h, w)."""
    scale = min(1.0, float(np.sqrt(pixels / values.size)))
    if scale == 1:
        return solve(values)
    side = [max(2, round(length * scale)) for length in values.shape]
    small = np.asarray(cv2.resize(values, side[::-1], interpolation=cv2.INTER_AREA), np.float32)
    return np.asarray(cv2.resize(solve(small), values.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def gradient(values: Float32) -> Float32:
    """Magnitude of the Sobel gradient of values (h, w), in values per pixel."""
    across = (
        cv2.Sobel(values, cv2.CV_32F, dx, 1 - dx, ksize=3, scale=1 / 8, borderType=cv2.BORDER_REPLICATE)
        for dx in (1, 0)
    )
    return np.asarray(cv2.magnitude(*across), np.float32)


def _unit(pixels: Array) -> Float32:
    """Values 0..255 as 0..1."""
    return np.asarray(pixels / np.float32(255), np.float32)


def _channel(pixels: Uint8, name: str) -> Float32:
    if name not in CHANNELS:
        raise UserError(unknown("channel", name, CHANNELS))
    if pixels.ndim == 2:
        return _unit(pixels)
    if name == "grey":
        return _unit(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
    if name == "chroma":
        return _unit(np.ptp(pixels, axis=2))
    red, green, blue = (_unit(pixels[..., place]) for place in range(3))
    if name == "red":
        return red
    first, second, third = (red, green, blue) if name == "red_excess" else (green, red, blue)
    return np.asarray(first - (second + third) / 2, np.float32)


def _color(pixels: Uint8, space: str, sigma: float) -> Float32:
    if space not in SPACES:
        raise UserError(unknown("colour space", space, SPACES))
    values = _unit(pixels)
    if values.ndim == 2:
        return blur(values, sigma)[..., None]
    if space == "lab":
        values = np.asarray(cv2.cvtColor(values, cv2.COLOR_RGB2Lab) / np.float32(100), np.float32)
    return blur(values, sigma)
