"""Where figures stand on the page: two of one height side by side, any other one with its caption beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..html import Html, tag
from .runs import Drawn

COLUMN_PX = 610
"""Width of a figure in one of the two columns of a wide screen."""
MAX_BESIDE_PX = 900
"""A wide figure up to this width leaves room for its caption beside it."""
MAX_TALLER = 1.25
MAX_TALLER_PX = 60
"""How much taller, as a factor or in pixels, one of two figures in a row may be."""


def plots(figures: Sequence[Drawn]) -> Html:
    """Figures in the order that they come in, with no hole between them."""
    return tag("div", [figure.html() for figure in arranged(figures)], class_="plots")


def arranged(figures: Sequence[Drawn]) -> list[Drawn]:
    """Figures with their places: each that may stand in a column next to the first later one of about its height.

    One that finds no partner takes the whole width, as a wide one does, and has its caption beside it where there is
    room.
    """
    left = list(figures)
    found: list[Drawn] = []
    while left:
        figure = left.pop(0)
        partner = None if figure.size else next((each for each in left if _level(figure, each)), None)
        if partner is None:
            found.append(replace(figure, size="wide beside" if figure.pixels[0] <= MAX_BESIDE_PX else "wide"))
        else:
            left.remove(partner)
            found += [figure, partner]
    return found


def _level(one: Drawn, other: Drawn) -> bool:
    if other.size:
        return False
    low, high = sorted(height * min(1, COLUMN_PX / width) for width, height in (one.pixels, other.pixels))
    return high <= MAX_TALLER * low or high - low <= MAX_TALLER_PX
