"""Crops of a figure's images: where the user says, or around the largest wrong region."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from ..boards.panel_document import PanelCrop
from ..text import some
from ..types import Array, UserError

_NUMBERS = re.compile(r"\d{1,6}(?:,\d{1,6})+")
_EXPECTED = (
    "expected ID:x,y,width,height in pixels from the upper left corner, such as lateral-test-0021:40,60,200,150; "
    "x,y,width,height for all samples; or width,height, such as 200,150, around the largest region that is wrong"
)


@dataclass(frozen=True)
class Crops:
    """What was asked for: places by sample, a place for all others, and a size that is placed by what is wrong."""

    named: dict[str, tuple[int, ...]] = field(default_factory=dict)
    place: tuple[int, ...] | None = None
    size: tuple[int, ...] | None = None

    @classmethod
    def of(cls, words: Sequence[str]) -> Crops:
        """What the words of `--crop` ask for. Raises UserError for one that says no place, or two of one sample."""
        named: dict[str, tuple[int, ...]] = {}
        place = size = None
        for word in words:
            sample_id, colon, numbers = word.rpartition(":")
            found = tuple(map(int, numbers.split(","))) if _NUMBERS.fullmatch(numbers.replace(" ", "")) else ()
            if len(found) not in ((4,) if colon else (2, 4)) or 0 in found[-2:]:
                raise UserError(f"--crop {word} is no place in an image; {_EXPECTED}")
            if colon:
                if named.setdefault(sample_id, found) != found:
                    raise UserError(f"--crop {word}: another detail of {sample_id} was named before; a row shows one")
            elif place is not None or size is not None:
                raise UserError(f"--crop {word}: another detail of all samples was named before; a row shows one")
            elif len(found) == 4:
                place = found
            else:
                size = found
        return cls(named, place, size)

    def refuse_others(self, shown: Sequence[str]) -> None:
        """Raise UserError naming a sample with a detail that is not shown."""
        for sample_id in self.named:
            if sample_id not in shown:
                raise UserError(
                    f"--crop {sample_id}:…: this sample is not shown, but {some(list(shown), 6)}. Name it with "
                    "--samples, or leave --samples, --pick and --count out to show the samples of --crop."
                )

    def refuse_without_truth(self) -> None:
        """Raise UserError where a detail is to be placed by what is wrong, and nothing says what is."""
        if self.size is not None:
            raise UserError(
                f"--crop {_joined(self.size)} looks for what is wrong, and the labels of this split are not public. "
                "Say where the detail lies: x,y,width,height or ID:x,y,width,height."
            )

    def __call__(self, sample_id: str, shape: Sequence[int], wrong: NDArray[np.bool_]) -> PanelCrop | None:
        """The detail of a sample of this shape (H, W, …), of which `wrong` (H, W) is; None where all of it is shown.

        Raises UserError for one that reaches out of the image.
        """
        height, width = shape[:2]
        place = self.named.get(sample_id, self.place)
        if place is None and self.size is None:
            return None
        size = self.size if place is None else place[2:]
        assert size is not None
        if size[0] > width or size[1] > height:
            raise UserError(
                f"--crop {_joined(place or size)}: {size[0]} x {size[1]} pixels are more than the image of {sample_id} "
                f"has, {width} x {height} (width x height)"
            )
        if place is None:
            x, y = around_largest(wrong, (size[0], size[1]))
            by = "errors" if wrong.any() else "middle"
        else:
            (x, y), by = place[:2], "named"
        if x + size[0] > width or y + size[1] > height:
            raise UserError(
                f"--crop {_joined((x, y, *size))} reaches to x = {x + size[0]} and y = {y + size[1]}, and the image of "
                f"{sample_id} has {width} x {height} pixels (width x height)"
            )
        return PanelCrop.model_validate(
            {"x": x, "y": y, "width": size[0], "height": size[1], "of_width": width, "of_height": height, "by": by}
        )


def cut(pixels: Array, crop: PanelCrop | None) -> Array:
    """The detail of an array (H, W, …); all of it without a crop."""
    return pixels if crop is None else pixels[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width]


def around_largest(wrong: NDArray[np.bool_], size: tuple[int, int]) -> tuple[int, int]:
    """(x, y) of the window (width, height) that holds most of the largest connected region (8 neighbours) of (H, W).

    Of windows that hold equally much the one whose middle is nearest to the region's, so that a small region lies in
    the middle; of equal regions the first. Where nothing is wrong, the middle of the image.

    >>> wrong = np.zeros((20, 30), bool)
    >>> wrong[4:6, 10:14] = wrong[15, 15] = True
    >>> around_largest(wrong, (8, 6)), around_largest(~wrong & wrong, (8, 6))
    ((8, 2), (11, 7))
    """
    rows, columns = wrong.shape
    width, height = size
    middle_y, middle_x = rows / 2, columns / 2
    if not wrong.any():
        return round(middle_x - width / 2), round(middle_y - height / 2)
    _, regions, about, _ = cv2.connectedComponentsWithStats(wrong.astype(np.uint8), connectivity=8)
    largest = 1 + int(np.argmax(about[1:, cv2.CC_STAT_AREA]))
    left, top, wide, high = (int(n) for n in about[largest, :4])
    middle_x, middle_y = left + wide / 2, top + high / 2
    sums = cv2.integral((regions == largest).astype(np.uint8))
    held = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    y, x = np.nonzero(held == held.max())
    nearest = int(np.argmin((x + width / 2 - middle_x) ** 2 + (y + height / 2 - middle_y) ** 2))
    return int(x[nearest]), int(y[nearest])


def _joined(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))
