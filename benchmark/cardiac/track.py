"""The masks of one film, reduced to what beats are found from, each at its place in time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from ..types import Uint8, UserError
from .geometry import Shape, Silhouette, shape_of, spacing_um

_AREA_JUMP, _SHAPE_JUMP, _PLACE_JUMP = 1.9, 1.7, 0.35


@dataclass(frozen=True)
class Track:
    """The masks of one sequence, reduced; `frames` count from the file number `first_frame` (so the first is 0).

    `frames` ascend, one for each silhouette; a number that is left out is a missing frame. `pixel_size_um` is the
    height and width of a pixel. `cells` are the masks on a coarse grid, (frames, cells) 0 to 255, where they are at
    hand (see `cells_of`).
    """

    name: str
    first_frame: int
    frames: tuple[int, ...]
    silhouettes: tuple[Silhouette, ...]
    fps: float
    pixel_size_um: tuple[float, float]
    cells: Uint8 | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.frames or len(self.frames) != len(self.silhouettes):
            raise UserError(f"sequence '{self.name}': {len(self.frames)} frame numbers, {len(self.silhouettes)} masks")
        if any(after <= before for before, after in pairwise(self.frames)):
            raise UserError(f"sequence '{self.name}': its frame numbers do not ascend")
        if not 0 < self.fps < math.inf:
            raise UserError(f"frames per second is a positive number, found {self.fps}; give it with --fps")

    @property
    def missing(self) -> tuple[int, ...]:
        """File numbers between the first and the last frame that are not there."""
        there = set(self.frames)
        return tuple(self.first_frame + n for n in range(self.frames[-1]) if n not in there)


def jumping_part(track: Track) -> float:
    """The part of the steps from a frame to the next in which the mask changes as no ventricle does, 0 to 1.

    A change of area by a factor over 1.9, of the ratio of the axes by one over 1.7, or of place by over 0.35 of the
    smaller diameter. Of true masks of beating hearts at 7 and more frames per beat none does in any step.
    """
    shapes = [shape_of(mask) for mask in track.silhouettes]
    steps = [
        (before, after)
        for (first, before), (second, after) in pairwise(zip(track.frames, shapes, strict=True))
        if second == first + 1 and before is not None and after is not None
    ]
    return sum(_jumps(before, after) for before, after in steps) / len(steps) if steps else 0.0


def _jumps(before: Shape, after: Shape) -> bool:
    moved = math.dist(before.centroid, after.centroid)
    areas, axes = after.area / before.area, (after.axis_major * before.axis_minor, before.axis_major * after.axis_minor)
    return (
        max(areas, 1 / areas) > _AREA_JUMP
        or max(axes) > _SHAPE_JUMP * min(axes)
        or moved > _PLACE_JUMP * min(before.equivalent_diameter, after.equivalent_diameter)
    )


def tracks(
    rows: Sequence[tuple[str, int, Silhouette]],
    fps: float,
    pixel_size_um: tuple[float, float] | None = None,
    cells: Mapping[str, Mapping[int, Uint8]] | None = None,
) -> list[Track]:
    """Sequences from (group, frame number, silhouette) in any order; frame numbers count from the group's first.

    `cells` has the masks of a group on a coarse grid, each (h, w) uint8, by frame number (see `cells_of`); a frame
    without is empty.

    Raises UserError for two silhouettes of one frame, or sizes that differ within a group.
    """
    groups: dict[str, dict[int, Silhouette]] = {}
    for group, number, mask in rows:
        if number in groups.setdefault(group, {}):
            raise UserError(f"sequence '{group}' has frame {number} twice")
        groups[group][number] = mask
    found = []
    for group, masks in groups.items():
        numbers = sorted(masks)
        ordered = tuple(masks[n] for n in numbers)
        spacing = spacing_um(ordered, pixel_size_um)
        coarse = _laid_out(numbers, cells[group]) if cells and cells.get(group) else None
        found.append(Track(group, numbers[0], tuple(n - numbers[0] for n in numbers), ordered, fps, spacing, coarse))
    return found


def _laid_out(numbers: Sequence[int], cells: Mapping[int, Uint8]) -> Uint8:
    nothing = np.zeros_like(next(iter(cells.values())))
    return np.array([cells.get(number, nothing).ravel() for number in numbers])
