"""Patterns of file names for your own folder, where images and masks are named differently, and guessing them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

PLACE = "{name}"
"""Stands for the sample in a pattern such as `{name}_training`."""

PARTS = ("image", "mask", "instances")
Names = Mapping[str, str]
"""Pattern of the names of files, without their endings, by part."""

_MIN_SHARE = 0.5
"""Of the files of a folder that have to be called alike before that is taken for a pattern."""
_MAX_LOOKED_AT = 2000
_BOUNDARY = re.compile(r"(?=[ _.\-])|(?<=[ _.\-])|(?<=\d)(?=[^\W\d_])|(?<=[^\W\d_])(?=\d)")
_SEPARATORS = " _.-"

Stem = tuple[str, str]
"""The subfolder of a file, and its name without ending."""


@dataclass(frozen=True)
class Guess:
    """Patterns that pair images with masks: how many of them, and of how many masks."""

    names: Names
    pairs: int
    masks: int


def named_by(stem: str, pattern: str | None) -> str | None:
    """What stands for the name in a stem that is called so, all of it without a pattern; None where it is not.

    >>> named_by("21_manual1", "{name}_manual1"), named_by("21_manual2", "{name}_manual1"), named_by("a", None)
    ('21', None, 'a')
    """
    if pattern is None:
        return stem
    before, _, after = pattern.partition(PLACE)
    inside = len(stem) > len(before) + len(after) and stem.startswith(before) and stem.endswith(after)
    return stem[len(before) : len(stem) - len(after)] if inside else None


def written(names: Names) -> str:
    """Patterns as a line of YAML holds them.

    >>> written({"mask": "{name}_mask2"})
    '{mask: "{name}_mask2"}'
    """
    return "{" + ", ".join(f"{part}: {json.dumps(text, ensure_ascii=False)}" for part, text in names.items()) + "}"


def guess_names(images: Sequence[Stem], masks: Sequence[Stem], paired: int) -> Guess | None:
    """Patterns that pair more images with masks than their names alone do, None where none does.

    Parameters
    ----------
    images, masks : what lies in the two folders.
    paired : number of masks that have an image already.
    """
    best: Guess | None = None
    shortest = 0
    of_masks = _patterns(masks)
    for image, named_images in _patterns(images).items():
        for mask, named_masks in of_masks.items():
            pairs, left_out = len(named_images & named_masks), len(image) + len(mask)
            if pairs > (best.pairs if best else paired) or (best and pairs == best.pairs and left_out < shortest):
                names = {part: text for part, text in (("image", image), ("mask", mask)) if text != PLACE}
                best, shortest = Guess(names, pairs, len(masks)), left_out
    return best if best and best.pairs > _MIN_SHARE * min(len(images), len(masks)) else None


def _patterns(stems: Sequence[Stem]) -> dict[str, set[Stem]]:
    """Every pattern that a good part of the files fits, with the samples that they then belong to."""
    count: Counter[str] = Counter()
    for _, stem in _some(stems):
        count.update(_patterns_of(stem))
    often = [pattern for pattern, n in count.items() if n >= _MIN_SHARE * min(len(stems), _MAX_LOOKED_AT)]
    found = {}
    for pattern in often:
        named = [(folder, name) for folder, stem in stems if (name := named_by(stem, pattern)) is not None]
        if len(set(named)) == len(named):
            found[pattern] = set(named)
    return found


def _patterns_of(stem: str) -> Iterable[str]:
    """The name alone, and it with what stands before or after it up to a boundary between words or numbers."""
    yield PLACE
    for place in {match.start() for match in _BOUNDARY.finditer(stem)} - {0, len(stem)} if "{" not in stem else ():
        if stem[place - 1] not in _SEPARATORS:
            yield PLACE + stem[place:]
        if stem[place] not in _SEPARATORS:
            yield stem[:place] + PLACE


def _some(stems: Sequence[Stem]) -> Sequence[Stem]:
    step = max(1, len(stems) // _MAX_LOOKED_AT)
    return stems[::step][:_MAX_LOOKED_AT]
