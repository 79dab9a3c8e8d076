"""Guessing classes, task and void from what masks hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ...types import UserError
from .checked_values import MAX_LABEL
from .classes_file import FILE
from .mask_contents import MAX_CLASSES, VOC_VOID, VOID, WHITE, MaskContents, pixels_in_all

_FAR = {VOID: 100, MAX_LABEL: 1000}
"""Values below these stand far from what may be void."""


@dataclass(frozen=True)
class ClassesGuess:
    """The task, the value or colour of every class and of void, and what the guess rests on.

    colored: whether keys are colours (0xRRGGBB) and not values.
    """

    task: str
    why: str
    keys: tuple[int, ...]
    void: int | None = None
    why_void: str = ""
    colored: bool = False


def refuse_no_labels(seen: Sequence[MaskContents]) -> None:
    """Raise UserError for masks of one value alone, and for those that hold no labels, such as probabilities."""
    total = pixels_in_all(seen)
    if len(total) < 2:
        what = f"hold the value {next(iter(total))} alone" if total else "are empty"
        raise UserError(f"all {len(seen)} masks below '{seen[0].path.parent}' {what}; there is nothing to tell apart")
    most = max(seen, key=lambda one: len(one.pixels))
    # Resized or lossy two-valued masks: nearly all is the two values, and a little of everything lies between.
    two = sum(n for _, n in total.most_common(2))
    blurred = len(total) > 16 and two > 0.9 * total.total()
    if len(total) > MAX_CLASSES or blurred:
        raise UserError(
            f"the masks below '{seen[0].path.parent}' hold {len(total)} different values, '{most.path}' alone "
            f"{len(most.pixels)}: these are no labels of classes. Were they resized with interpolation, saved as JPEG "
            f"once, or are they probabilities? Numbers of objects of one class are read where {FILE} says 'masks: "
            "instances'; of objects of several classes they go into instances/."
        )


def guess_values(seen: Sequence[MaskContents]) -> ClassesGuess:
    """The classes of masks that hold values."""
    total = pixels_in_all(seen)
    for pair, why in (
        ((0, 1), "all masks hold only 0 and 1"),
        ((0, 255), "all masks hold only 0 and 255"),
        ((0, MAX_LABEL), "all masks hold only 0 and 65535"),
    ):
        if set(total) <= set(pair):
            return ClassesGuess("binary", why, (0, pair[1]))
    if set(total) == {0, 1, VOID} and not any({1, VOID} <= one.pixels.keys() for one in seen):
        return ClassesGuess("binary", "every mask holds only 0 and 255, or only 0 and 1", (0, 1))
    void, why_void = _void_value(total, seen)
    keys = tuple(sorted(set(total) - {void}))
    if keys == (0, 1):
        return ClassesGuess("binary", f"all masks hold only 0 and 1, and {void} to ignore", keys, void, why_void)
    return ClassesGuess("multiclass", f"the masks hold {len(keys)} values", keys, void, why_void)


def _void_value(total: Counter[int], seen: Sequence[MaskContents]) -> tuple[int | None, str]:
    void = max(total)  # in 8 bits, or in 16
    others = sorted(set(total) - {void})
    if void not in (VOID, MAX_LABEL) or len(others) < 2:
        return None, ""
    part = sum(one.thin.get(void, 0) for one in seen) / total[void]
    if part > 0.5:
        return void, f"{part:.0%} of the pixels of {void} lie in thin borders, as is usual for pixels that do not count"
    # Two values besides may be grey levels, such as 0, 60 and 255, that somebody chose to be seen.
    if others[-1] < _FAR[void] and (len(others) > 2 or others[-1] - others[0] == 1):
        return (
            void,
            f"{void} stands far from the other values ({others[0]} to {others[-1]}), though not as thin borders",
        )
    return None, ""


def guess_colors(seen: Sequence[MaskContents]) -> ClassesGuess:
    """The classes of masks that hold RGB colours: black first, as the background, then the most frequent."""
    total = pixels_in_all(seen)
    void, why_void = None, ""
    for key in (VOC_VOID, WHITE):
        part = sum(one.thin.get(key, 0) for one in seen) / total[key] if key in total else 0
        if part > 0.5 and len(total) > 2:
            void, why_void = key, f"{part:.0%} of the pixels of this colour lie in thin borders"
            break
    keys = tuple(key for key, _ in sorted(total.items(), key=lambda item: (-item[1], item[0])) if key != void)
    if 0 in keys:
        keys = (0, *(key for key in keys if key != 0))
    task = "binary" if len(keys) == 2 else "multiclass"
    return ClassesGuess(task, f"the masks hold {len(keys)} colours", keys, void, why_void, colored=True)
