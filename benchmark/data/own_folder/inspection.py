"""Guessing the classes of a folder of masks, and writing the guess down with what each line rests on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from .classes_guess import guess_colors, guess_values, refuse_no_labels
from .grouping import GuessedGroup
from .guessed_file import classes_text, group_lines, name_lines, numbered_text, place_lines
from .layout import Places
from .mask_contents import are_numbers, as_all_show, as_values, read_all, refuse_grey_among_colors
from .naming import Guess

MAX_MASKS = 1000
"""Largest number of masks that are read, spread evenly over the folder."""


def inspect(
    name: str,
    masks: Sequence[Path],
    progress: Callable[[int, int], None] | None = None,
    called: Guess | None = None,
    places: Places | None = None,
    group: GuessedGroup | None = None,
) -> str:
    """The text of the `classes.yaml` that these masks seem to need.

    Parameters
    ----------
    name : str
        What the data set is to be called.
    masks : sequence of Path
        Files that `images.read_array` decodes.
    progress : callable, optional
        Called with (done, in all).
    called : Guess, optional
        How images and masks are called, where they differ.
    places : Places, optional
        Where they lie, where that is not images/ and masks/.
    group : GuessedGroup, optional
        By which names seem to say what goes together; of two groups, which are too few for three splits, it is only
        told.

    Raises
    ------
    UserError
        Naming the file, where the masks are no label maps: too many values, one value alone, probabilities, grey
        images and RGB ones mixed.
    """
    chosen = [masks[n * len(masks) // min(len(masks), MAX_MASKS)] for n in range(min(len(masks), MAX_MASKS))]
    seen = as_all_show(read_all(chosen, progress))
    placed = place_lines(places) + name_lines(called) + group_lines(group)
    if any(one.kind == "colors" for one in seen):
        refuse_grey_among_colors(seen)
        refuse_no_labels(seen)
        return classes_text(name, guess_colors(seen), seen, len(masks), placed)
    seen = [as_values(one) for one in seen]
    if are_numbers(seen):
        return numbered_text(name, seen, len(masks), placed)
    refuse_no_labels(seen)
    return classes_text(name, guess_values(seen), seen, len(masks), placed)
