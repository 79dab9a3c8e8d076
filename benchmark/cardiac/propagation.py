"""How the error of masks becomes an error of shortening and ejection fraction: true masks, changed on purpose.

Masks are eroded and dilated with a disc, or their outline is moved by a smooth random field of its own in each frame.
What was changed is held against the masks themselves, by the rules of `.agreement`.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ..types import Array, Float64
from .agreement import HUMAN_RANGE_PP
from .geometry import Silhouette, silhouette

Kind = Literal["erode", "dilate", "jitter"]
Bool = NDArray[np.bool_]

KINDS: tuple[Kind, ...] = ("erode", "dilate", "jitter")
RADII_PX = (1, 2, 3, 4, 6, 8, 10, 12, 14, 16)
"""Radius of the disc that masks are eroded or dilated with; standard deviation of a moved outline."""
SMOOTHNESS = 0.1
"""Length over which a moved outline stays alike, as a part of the heart's equivalent diameter."""

NO_ERRORS = "no beat was found in the true masks, so nothing is known of errors"
_WORDS = {"erode": "Masks that are too small", "dilate": "Masks that are too large", "jitter": "Unsteady outlines"}
_MEASURES = {"fs_minor": "FS minor", "fs_major": "FS major", "ef": "EF"}


@dataclass(frozen=True)
class Changed:
    """One mask, changed in one way: what it measures, and the pixels that it has in common with the true one."""

    kind: Kind
    radius_px: int
    mask: Silhouette
    common: int


def changed_masks(mask: Array, seed: tuple[int, ...], radii: Sequence[int] = RADII_PX) -> Iterator[Changed]:
    """A mask (H, W), non-zero in the ventricle, changed in every way by every radius.

    Parameters
    ----------
    mask : (H, W) bool or integer
        An empty one stays empty.
    seed : tuple of int
        Of the random field; equal for all radii, so that a larger one moves the outline further in the same places.
    radii : sequence of int
        In pixels.
    """
    whole = np.asarray(mask != 0)
    box = _box(whole, 4 * max(radii) + 2)
    inside = np.ascontiguousarray(whole[box])
    depth, distance = _distance(~inside), _distance(inside)
    field = _smooth_field(inside, seed)
    # An outline runs half way between the last pixel inside and the first outside of it.
    signed = np.where(inside, depth - 0.5, 0.5 - distance)
    change: dict[Kind, Callable[[int], Bool]] = {
        "erode": lambda r: depth > r,
        "dilate": lambda r: distance <= r,
        "jitter": lambda r: signed + r * field > 0,
    }
    for kind, do in change.items():
        for radius in radii:
            found = do(radius)
            placed = np.zeros(whole.shape, np.uint8)
            placed[box] = found
            yield Changed(kind, radius, silhouette(placed), int(np.count_nonzero(found & inside)))


def dice(pairs: Iterable[tuple[int, int, int]]) -> tuple[float, float]:
    """Dice pooled over all frames, and its mean over frames, from (true area, changed area, common pixels).

    Frames in which both are empty are left out; NaN without any other.
    """
    counts = np.array([pair for pair in pairs if pair[0] + pair[1]], np.int64).reshape(-1, 3)
    if not len(counts):
        return float("nan"), float("nan")
    total = counts.sum(axis=0)
    each = 2 * counts[:, 2] / (counts[:, 0] + counts[:, 1])
    return float(2 * total[2] / (total[0] + total[1])), float(each.mean())


def needed(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The Dice from which on an error stays at or below each edge of the human range, by kind and measure.

    `dice` is None where not even the best masks do; `exceeded` is False where even the strongest change does, and
    `dice` is then that of this change. `dice_interval` is the same for the upper end of the error's interval, as a
    verdict asks for it.
    """
    found = []
    for kind in dict.fromkeys(str(row["kind"]) for row in rows):
        for measure in _MEASURES:
            name = f"{measure}_error_pp"
            upper = [{**row, name: row.get(f"{name}_high")} for row in rows]
            errors = [row[name] for row in rows if row["kind"] == kind and row[name] is not None]
            for limit in HUMAN_RANGE_PP:
                found.append(
                    {
                        "kind": kind,
                        "measure": measure,
                        "limit_pp": limit,
                        "dice": needed_dice(rows, measure, kind, limit),
                        "dice_interval": needed_dice(upper, measure, kind, limit),
                        "exceeded": any(error > limit for error in errors),
                    }
                )
    return found


def in_words(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """One sentence for each kind of change: which Dice keeps the shortening below the edges of the human range."""
    if not any(row["exceeded"] or row["dice"] is not None for row in found):
        return [NO_ERRORS]
    low, high = HUMAN_RANGE_PP
    lines = []
    for kind in dict.fromkeys(row["kind"] for row in found):
        known = {(row["measure"], row["limit_pp"]): row for row in found if row["kind"] == kind}
        parts = [
            f"{_MEASURES[measure]} errs by at most {high:g} pp {_from(known[measure, high])}, "
            f"by at most {low:g} pp {_from(known[measure, low])}"
            for measure in ("fs_minor", "fs_major")
        ]
        lines.append(f"{_WORDS[kind]} ({kind}): {'; '.join(parts)}.")
    return lines


def _from(row: Mapping[str, Any]) -> str:
    if row["dice"] is None:
        return "at no Dice tried" if row["exceeded"] else "at a Dice that is not known"
    interval = "" if row["dice_interval"] is None else f" ({row['dice_interval']:.3f} with its interval)"
    if not row["exceeded"]:
        return f"at every Dice tried, down to {row['dice']:.3f}{interval}"
    return f"from Dice {row['dice']:.3f} on{interval}"


def seed_of(name: str, number: int) -> tuple[int, int]:
    """A seed for one frame of a sequence, the same on every machine."""
    return zlib.crc32(name.encode("utf-8", "surrogatepass")), number


def _box(mask: Bool, margin: int) -> tuple[slice, slice]:
    """The mask's box with a margin, within the picture; one pixel for an empty mask."""
    left, top, wide, high = cv2.boundingRect(mask.view(np.uint8))
    if not wide:
        return slice(0, 1), slice(0, 1)
    return (
        slice(max(top - margin, 0), min(top + high + margin, mask.shape[0])),
        slice(max(left - margin, 0), min(left + wide + margin, mask.shape[1])),
    )


def _distance(sources: Bool) -> Float64:
    """Of each pixel the distance to the nearest of these pixels, 0 on them; infinite where there are none."""
    if not sources.any():
        return np.full(sources.shape, np.inf)
    others = np.ascontiguousarray(~sources).view(np.uint8)
    return cv2.distanceTransform(others, cv2.DIST_L2, cv2.DIST_MASK_PRECISE).astype(np.float64)


def _smooth_field(inside: Bool, seed: tuple[int, ...]) -> Float64:
    """A smooth random field over the picture, of mean 0 and variance 1."""
    area = int(np.count_nonzero(inside))
    sigma = max(SMOOTHNESS * float(np.sqrt(4 * area / np.pi)), 0.5)
    kernel = cv2.getGaussianKernel(2 * int(np.ceil(3 * sigma)) + 1, sigma, cv2.CV_64F)
    noise = np.random.default_rng(seed).standard_normal(inside.shape)
    smooth = cv2.sepFilter2D(noise, cv2.CV_64F, kernel, kernel, borderType=cv2.BORDER_REFLECT)
    return np.asarray(smooth / float((kernel**2).sum()), np.float64)


def needed_dice(rows: Sequence[Mapping[str, Any]], measure: str, kind: str, limit_pp: float) -> float | None:
    """Least Dice from which on the error stays at or below a limit, on straight lines between the rows of one kind.

    None where even the best masks of this kind are above the limit, or there are none.
    """
    points = sorted(
        (
            (float(row["dice"]), error)
            for row in rows
            if row["kind"] == kind and (error := _number(row, f"{measure}_error_pp")) is not None
        ),
        reverse=True,
    )
    if not points or points[0][1] > limit_pp:
        return None
    for (better, low), (worse, high) in pairwise(points):
        if high > limit_pp:
            return better - (better - worse) * (limit_pp - low) / (high - low)
    return points[-1][0]


def _number(row: Mapping[str, Any], key: str) -> float | None:
    value = row.get(key)
    return None if value is None or not math.isfinite(value) else float(value)
