"""Size and shape of a ventricle from its mask: area, axes, volume, place, and what is odd about the mask.

A mask is kept as eleven integers (`Silhouette`); every length, area and volume follows from them.

References
----------
Schutera et al., "Machine Learning Methods for Automated Quantification of Ventricular Dimensions", Zebrafish
16(6):542-545 (2019): axes, prolate spheroid, pixel size. The axes are those of the ellipse with the same second moments
as the mask, as in scikit-image's `regionprops` (population covariance of the pixel coordinates).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from ..types import Array, Uint8, UserError

PIXEL_SIZE_UM = 1.115
"""Micrometres per pixel of a HeartSeg frame at its full size, `FRAME_SHAPE` (Schutera et al. 2019)."""
FRAME_SHAPE = (480, 640)
_CELLS = 80

FLAGS = {
    "empty": "no ventricle in the mask: the frame counts as missing",
    "components": "the mask is in several pieces, all of which were measured",
    "holes": "the mask has holes, which were not filled",
    "border": "the mask touches the edge of the picture, so a part of the heart may lie outside",
}


@dataclass(frozen=True)
class Silhouette:
    """What is kept of a mask of `height` x `width` pixels: integer sums over the coordinates of its pixels.

    `components` counts its 8-connected pieces, `holes` the pixels outside of it that no 4-connected way leads to from
    the edge of the picture, `border` its pixels at that edge.
    """

    height: int
    width: int
    area: int
    sum_y: int
    sum_x: int
    sum_yy: int
    sum_xx: int
    sum_xy: int
    components: int
    holes: int
    border: int

    @property
    def flags(self) -> tuple[str, ...]:
        """What is odd about the mask, see `FLAGS`."""
        if self.area == 0:
            return ("empty",)
        odd = {"components": self.components > 1, "holes": self.holes > 0, "border": self.border > 0}
        return tuple(name for name, is_so in odd.items() if is_so)


@dataclass(frozen=True)
class Shape:
    """Lengths, area and volume in units of the spacing they were asked for in; `centroid` is (y, x).

    The axes are full lengths; the volume is that of the prolate spheroid, pi/6 * minor^2 * major.
    """

    area: float
    axis_major: float
    axis_minor: float
    centroid: tuple[float, float]

    @property
    def equivalent_diameter(self) -> float:
        """Diameter of the circle of the same area."""
        return math.sqrt(4 * self.area / math.pi)

    @property
    def volume(self) -> float:
        """Volume of the prolate spheroid with these axes."""
        return math.pi / 6 * self.axis_minor**2 * self.axis_major


def silhouette(mask: Array) -> Silhouette:
    """Reduce a mask to its integer sums.

    Parameters
    ----------
    mask : (H, W) bool, or any integer type with 0 outside of the ventricle

    Raises
    ------
    UserError
        For an array that is not two-dimensional, or has no pixel.
    """
    if mask.ndim != 2 or not mask.size:
        raise UserError(f"a mask is to be an array (height, width), found shape {mask.shape}")
    inside = np.ascontiguousarray(mask != 0).view(np.uint8)
    left, top, wide, high = cv2.boundingRect(inside)
    if not wide:
        return Silhouette(*mask.shape, *[0] * 9)
    box = np.ascontiguousarray(inside[top : top + high, left : left + wide])
    # Whole numbers far below 2^53 in doubles: exact.
    found = cv2.moments(box, binaryImage=True)
    area, sum_y, sum_x, sum_yy, sum_xx, sum_xy = (int(found[k]) for k in ("m00", "m01", "m10", "m02", "m20", "m11"))
    return Silhouette(
        height=mask.shape[0],
        width=mask.shape[1],
        area=area,
        sum_y=sum_y + top * area,
        sum_x=sum_x + left * area,
        sum_yy=sum_yy + 2 * top * sum_y + top**2 * area,
        sum_xx=sum_xx + 2 * left * sum_x + left**2 * area,
        sum_xy=sum_xy + top * sum_x + left * sum_y + top * left * area,
        components=cv2.connectedComponents(box, connectivity=8)[0] - 1,
        holes=_holes(box),
        border=sum(int(np.count_nonzero(edge)) for edge in (inside[0], inside[-1], inside[1:-1, 0], inside[1:-1, -1])),
    )


def cells_of(mask: Array) -> Uint8:
    """A mask on a coarse grid: of each cell the part that lies in the mask, 0 to 255.

    The longer side of the picture has at most 80 cells, 8 pixels of a HeartSeg frame each; a smaller picture is itself.

    Parameters
    ----------
    mask : (H, W) bool, or any integer type with 0 outside of the ventricle
    """
    inside = (mask != 0).view(np.uint8) * np.uint8(255)
    factor = min(1.0, _CELLS / max(inside.shape))
    height, width = (max(1, round(side * factor)) for side in inside.shape)
    return np.asarray(cv2.resize(inside, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _holes(box: Array) -> int:
    """Pixels outside of a mask that are shut in by it."""
    outside = np.ascontiguousarray(np.pad(1 - box, 1, constant_values=1))
    count, _, sizes, _ = cv2.connectedComponentsWithStats(outside, connectivity=4)
    # The padding makes one component of all that touches the edge; its first pixel is the corner, so its label is 1.
    return int(sizes[2:count, cv2.CC_STAT_AREA].sum())


def shape_of(mask: Silhouette, spacing: tuple[float, float] = (1.0, 1.0)) -> Shape | None:
    """Size and place in units of the spacing (height, width of a pixel); None for an empty mask."""
    if mask.area == 0:
        return None
    n = mask.area
    dy, dx = spacing
    # Whole numbers of any size until the division, so nothing cancels.
    var_y = (n * mask.sum_yy - mask.sum_y**2) / n**2 * dy**2
    var_x = (n * mask.sum_xx - mask.sum_x**2) / n**2 * dx**2
    cov = (n * mask.sum_xy - mask.sum_y * mask.sum_x) / n**2 * dy * dx
    middle, spread = (var_y + var_x) / 2, math.hypot((var_y - var_x) / 2, cov)
    return Shape(
        area=n * dy * dx,
        axis_major=4 * math.sqrt(middle + spread),
        axis_minor=4 * math.sqrt(max(middle - spread, 0.0)),
        centroid=(mask.sum_y / n * dy, mask.sum_x / n * dx),
    )


def spacing_um(masks: Iterable[Silhouette], pixel_size_um: tuple[float, float] | None = None) -> tuple[float, float]:
    """Height and width of a pixel in micrometres.

    Parameters
    ----------
    masks : iterable of Silhouette
        Frames of one video.
    pixel_size_um : (float, float), optional
        Height and width; without it those of HeartSeg, scaled per axis when the frames were resized.

    Raises
    ------
    UserError
        For a size that is not a positive number.
    """
    if pixel_size_um is not None:
        if not all(0 < size < math.inf for size in pixel_size_um):
            raise UserError(f"a pixel size is a positive number of micrometres, found {pixel_size_um}")
        return pixel_size_um
    first = next(iter(masks), None)
    height, width = (first.height, first.width) if first is not None else FRAME_SHAPE
    return PIXEL_SIZE_UM * FRAME_SHAPE[0] / height, PIXEL_SIZE_UM * FRAME_SHAPE[1] / width


def cleaned(mask: Array) -> Array:
    """The largest 8-connected piece of a mask with its holes filled, (H, W) bool: what a heart looks like."""
    inside = np.ascontiguousarray(mask != 0).view(np.uint8)
    count, labels, sizes, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
    if count < 2:
        return inside.astype(bool)
    largest = (labels == 1 + int(np.argmax(sizes[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
    outlines, _ = cv2.findContours(largest, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(largest, outlines, -1, 1, cv2.FILLED)
    return np.asarray(largest, bool)
