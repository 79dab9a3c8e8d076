"""What a plan of a test set says, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..text import UNDEFINED, counted, duration

if TYPE_CHECKING:
    from .plan_document import Needed, SizePlan


def sentence_of(found: SizePlan, needed: Needed) -> str:
    """For what how many images are needed, in a sentence without a full stop."""
    if needed.what == "width":
        what = f"an interval of full width {needed.target:.4f}"
    else:
        what = f"to see a difference of {needed.target:.4f} in 4 of 5 test sets"
    if needed.target == 0:
        equal = "these samples show no spread" if needed.what == "width" else "the two runs have equal scores"
        return f"{equal}: nothing can be planned from them"
    if needed.units is None:
        return f"{what}: no number of {found.drawn} is known to be enough"
    units = counted(needed.units, found.drawn[:-1])
    images = f" ({needed.images:.0f} images)" if found.drawn == "groups" and needed.images is not None else ""
    ends = ["?" if end is None else str(end) for end in (needed.units_low, needed.units_high)]
    known = f" (between {ends[0]} and {ends[1]}, as far as these samples tell)" if ends != ["?", "?"] else ""
    hours = "" if needed.label_hours is None else f"; labelling them takes {labelling_time(needed.label_hours)}"
    if needed.units == needed.units_low == needed.units_high:  # the fewest that are planned
        return f"{what}: {units}{images} are enough, and fewer are not planned{hours}"
    return f"{what}: about {units}{images}{known}{hours}"


def labelling_time(hours: float | None) -> str:
    """A time in words, or a dash."""
    return UNDEFINED if hours is None else duration(3600 * hours)
