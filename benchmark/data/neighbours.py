"""A slice of a stack with its neighbours as one image, made the same way from a dataset's stack and from a new one."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..io.images.picture import luma
from ..types import Uint8, UserError

if TYPE_CHECKING:  # datasets need no decoder of films
    from .image_sources import Frames


def between_neighbours(read: Callable[[int], Uint8], place: int, slices: int, where: str) -> Uint8:
    """The slice before, the slice itself and the slice after as channels, (H, W, 3) uint8.

    Parameters
    ----------
    read : gives the (H, W) uint8 slice at a place, from 0.
    place, slices : of the slice, and how many the stack has; a slice stands in for those beyond an end.
    where : names the stack in errors.

    Raises
    ------
    UserError
        Where neighbours are of different sizes.
    """
    three = [read(min(max(near, 0), slices - 1)) for near in (place - 1, place, place + 1)]
    shapes = sorted({image.shape for image in three})
    if len(shapes) > 1:
        sizes = " and ".join(f"{height} x {width}" for height, width in shapes)
        raise UserError(
            f"{where}, slice {place} and its neighbours: are of {sizes} pixels; expected slices of one size"
        )
    return np.stack(three, axis=-1)


def with_neighbours(frames: Frames) -> Frames:
    """Frames of a stack, each between its neighbours; colour is made grey first."""

    def without(skip: Container[int]) -> Iterator[tuple[int, Uint8]]:
        wanted = [index for index in range(len(frames)) if index not in skip]
        needed = {near for index in wanted for near in (index - 1, index, index + 1)}
        source = frames.without(frozenset(range(len(frames))) - needed)
        near: dict[int, Uint8] = {}
        for index in wanted:
            while min(index + 1, len(frames) - 1) not in near:
                place, image = next(source)
                near[place] = luma(image)
            near = {place: image for place, image in near.items() if place >= index - 1}
            yield index, between_neighbours(near.__getitem__, index, len(frames), str(frames.paths[0]))

    return replace(frames, _without=without)
