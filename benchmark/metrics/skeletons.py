"""Skeletons of the classes of a label map: what scikit-image's `skeletonize` leaves of each in two dimensions.

Pixels are removed from the border inwards in two passes in turn, all of a pass at once, by the neighbourhood of each
(Zhang & Suen). The compiled part does it for all classes together, and looks at a pixel again only where a neighbour of
its class is gone; scikit-image looks at the whole image in every pass, class after class.

References
----------
Zhang & Suen, "A fast parallel algorithm for thinning digital patterns", CACM 27(3):236-239 (1984).
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from ..io.native import thin_to_lines
from ..types import Array

_DEPARTURES = {
    0: (48, 129),
    1: (3, 6, 11, 12, 14, 131, 134, 161, 194, 198),
    2: (24, 26, 56, 96, 104, 108, 176, 192, 224),
    3: (10, 40, 130, 160),
}
"""Neighbourhoods in which scikit-image 0.26 removes pixels in other passes (bits of the key) than the paper: ends of
lines and corners of steps. Bit k is the neighbour k, clockwise from the upper left."""


def skeletons(places: Array) -> Array:
    """The centrelines of the classes of a map (H, W) of uint8 or uint16, (H, W) uint16; 0 is no class.

    Each piece of a class keeps one pixel at least. All else, and all beyond the border, is outside of a class.
    """
    framed = np.zeros((places.shape[0] + 2, places.shape[1] + 2), np.uint16)
    inside = framed[1:-1, 1:-1]
    inside[:] = places
    if not thin_to_lines(framed, _rules()):
        inside[:] = 0
        for place in np.unique(places[places > 0]).tolist():
            mask = places == place
            left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
            box = slice(top, top + height), slice(left, left + width)
            inside[box][_skeleton(mask[box])] = place
    return inside


def _skeleton(mask: Array) -> Array:
    from skimage.morphology import skeletonize

    return np.asarray(skeletonize(mask))  # type: ignore[no-untyped-call]


@cache
def _rules() -> bytes:
    """Of each neighbourhood the passes in which a pixel is removed: bit 0 of the first, bit 1 of the second."""
    rules = bytearray(256)
    for code in range(256):
        around = [code >> k & 1 for k in range(8)]
        starts = sum(one < other for one, other in zip(around, around[1:] + around[:1], strict=True))
        if starts == 1 and 2 <= sum(around) <= 6:
            upper, right, lower, left = around[1::2]
            rules[code] = (not right * lower * (upper + left)) | (not upper * left * (right + lower)) << 1
    for passes, codes in _DEPARTURES.items():
        for code in codes:
            rules[code] = passes
    return bytes(rules)
