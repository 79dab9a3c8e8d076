"""Flicker of masks in words: how far it raises the fractions of a film, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

from ...cardiac.agreement import HUMAN_RANGE_PP
from ...cardiac.blocks import SequenceBlock
from ...cardiac.flicker import Flicker
from ...cardiac.to_json import AXES
from ...text import counted

MAX_BIAS = 0.02
"""Part of 1 by which flicker may raise EF or FS: people are off by 0.05 at their best."""
LEAST_SHOWN = 0.001
"""Part of 1 below which a change of EF or FS is not shown as a number."""
FLICKER = "flicker"
"""The flag."""
FLICKER_IN_WORDS = (
    f"masks that flicker from frame to frame raise EF or FS by an estimated {100 * MAX_BIAS:g} points or more, as "
    "diastole is read at the largest mask and systole at the smallest, or they made beats that are none: use "
    "ef_corrected"
)
READ_AS_PREDICTED = (
    "masks that flicker, as those of a network do, are read with --clean --pulsation --smoothing 2 --refractory 0.5 "
    "(the default with --run)"
)
_RAISED = {"ef": "EF", "fs_minor": "FS minor", "fs_major": "FS major"}


def flickers(found: Flicker | None) -> bool:
    """Whether flicker raises EF or FS by more than is let pass, or made beats."""
    if found is None:
        return False
    return found.false_beats > 0 or max(found.bias[name] for name in _RAISED) > MAX_BIAS


def raised_by_flicker(film: SequenceBlock) -> str | None:
    """How far flicker raises the fractions of a film, and what they are without it; None where that is not known."""
    if film.flicker is None:
        return None
    bias, corrected = film.flicker.bias, film.flicker.corrected
    text = f"its masks flicker by {100 * film.flicker.area_noise:.1f} % of their area from frame to frame"
    if bias and max(abs(bias[key]) for key in _RAISED) < LEAST_SHOWN:
        text += ", which changes EF and FS by less than 0.1 points, as estimated"
    elif bias:
        by = [f"{name} by {round(100 * bias[key], 1) + 0.0:.1f}" for key, name in _RAISED.items()]
        left = ", ".join(f"{name} {100 * corrected[key]:.1f} %" for key, name in _RAISED.items())
        text += f", which raises {by[0]}, {by[1]} and {by[2]} points, as estimated: without it {left}"
        if max(bias[key] for key in AXES) > HUMAN_RANGE_PP[0] / 100:
            text += f". People at their best are off by {HUMAN_RANGE_PP[0]:g} points of FS"
    if count := film.flicker.false_beats:
        text += f". {count} of its {counted(len(film.beats), 'beat')} may be flicker: {READ_AS_PREDICTED}"
    return text


def flicker_for_methods(films: Sequence[SequenceBlock]) -> str:
    """A sentence for a Methods section, with the space before it; nothing where no flicker is known."""
    known = [round(100 * each.flicker.bias["ef"], 1) + 0.0 for each in films if each.flicker and each.flicker.bias]
    if not known:
        return ""
    low, high = f"{min(known):.1f}", f"{max(known):.1f}"
    return (
        " Flicker of the masks was estimated by a parametric bootstrap to raise the mean ejection fraction of a film "
        f"by {low if low == high else f'{low} to {high}'} points ({counted(len(known), 'film')}); means without it are "
        "those called corrected."
    )
