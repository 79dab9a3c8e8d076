"""Films cut between training and scoring: frames next to each other by name that look alike, one on each side.

Whoever keeps all frames in one folder gets every frame held apart by itself, and a score on the neighbours of what was
learned. Names alone do not tell: unrelated images are numbered too. So the pictures are asked: held-out ones of a cut
film look far more like the training image next to them than like other training images.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..io.images.picture import luma
from ..text import counted, some
from ..types import Array, Dataset, Float64, UserError
from .frame_numbers import natural

MAX_LOOKED_AT = 32
"""Held-out samples, evenly spread, that are compared with training samples."""
MIN_LOOKED_AT = 4
"""With fewer, chance makes them look alike too often."""
MAX_APART = 2
"""Places by which a sample and its neighbour lie apart, in the order of their names."""
MIN_FAR = 4
"""Places from which on another training sample is no neighbour."""
MAX_BY_CHANCE = 3.0
"""Standard deviations of the mean rank of unrelated neighbours, about 1 of 1000."""
MAX_RATIO = 0.9
"""Of the difference from a neighbour to that from another training sample, in the median."""

_SIDE = 16
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True)
class Neighbours:
    """A held-out sample, the training sample next to it by name, and the place of both in the order of names."""

    held_out: str
    trained: str
    place: int


def cut_films(dataset: Dataset, train: Sequence[str], held_out: Sequence[str]) -> str:
    """The sentence for films or other groups with frames on both sides, "" where there is nothing to say.

    At most 32 pairs of images are decoded. Official splits are as they were published, and are not asked.

    Parameters
    ----------
    dataset : Dataset
    train, held_out : sequences of str
        Samples that are learned from, and that are scored or chosen by.
    """
    if any(split.official_size for split in dataset.info.splits.values()):
        return ""
    group_of = {i: dataset.group(i) for i in (*train, *held_out)}
    cut = sorted({group_of[i] for i in train} & {group_of[i] for i in held_out})
    # All samples are of one group, too, where a dataset says nothing of groups.
    if cut and len(set(group_of.values())) > 1:
        which = f"group {_quoted(cut)} is" if len(cut) == 1 else f"groups {_quoted(cut)} are"
        return f"{which} trained on and scored: {_HARM}. Name whole groups in splits/train.txt, val.txt and test.txt"
    if cut and dataset.info.frames_per_second:
        return (
            f"all samples are frames of one film, and some are trained on, others scored: {_HARM}. Put the frames of "
            "each film into a subfolder of its own, which stays whole"
        )
    pairs = _neighbours(train, held_out, group_of)
    alike = _alike(pairs, dataset) if len(pairs) >= MIN_LOOKED_AT else None
    if alike is None:
        return ""
    compared, first = counted(len(pairs), "held-out sample"), pairs[0]
    return (
        f"frames of one film seem to be trained on and scored: of {compared} {alike} look more like the training "
        f"sample next to them by name than like others, such as '{first.held_out}' beside '{first.trained}': {_HARM}. "
        "Put the frames of each film into a subfolder of its own, which stays whole"
    )


_HARM = "the score is that of samples whose neighbours were learned, and too good for others"


def _quoted(names: Sequence[str]) -> str:
    return some([f"'{name}'" for name in names], 5)


def _neighbours(train: Sequence[str], held_out: Sequence[str], group_of: Mapping[str, str]) -> list[Neighbours]:
    """Held-out samples, evenly spread, that have a neighbour to learn from, with that."""
    order = sorted({*train, *held_out}, key=natural)
    learned = set(train)
    sizes = Counter(group_of.values())

    def related(one: str, other: str) -> bool:
        same = group_of[one] == group_of[other] or sizes[group_of[one]] == sizes[group_of[other]] == 1
        return same and _DIGITS.search(one) is not None and _DIGITS.sub("0", one) == _DIGITS.sub("0", other)

    found = []
    for place, held in enumerate(order):
        if held in learned:
            continue
        near = [order[k] for d in range(1, MAX_APART + 1) for k in (place - d, place + d) if 0 <= k < len(order)]
        trained = next((i for i in near if i in learned and related(held, i)), None)
        if trained is not None:
            found.append(Neighbours(held, trained, place))
    chosen = np.unique(np.linspace(0, len(found) - 1, MAX_LOOKED_AT).astype(int)) if found else ()
    return [found[n] for n in chosen]


def _thumbnail(dataset: Dataset, sample_id: str) -> Float64:
    """A sample's image, grey and small, (16, 16); raises UserError where it has none."""
    image = dataset.load(sample_id, ("image",)).image
    if image is None:
        raise UserError(f"sample '{sample_id}' has no image")
    grey = Image.fromarray(luma(image)).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(grey, np.float64)


def _alike(pairs: Sequence[Neighbours], dataset: Dataset) -> int | None:
    """Number of samples whose neighbour is nearer than most others; None where that may be chance."""
    try:
        seen = {i: _thumbnail(dataset, i) for pair in pairs for i in (pair.held_out, pair.trained)}
    except (UserError, OSError):  # told where every sample is read
        return None
    ranks, ratios = [], []
    for pair in pairs:
        far = {other.trained for other in pairs if abs(other.place - pair.place) >= MIN_FAR} - {pair.trained}
        if len(far) < MIN_LOOKED_AT - 1:
            continue
        others = np.array([_apart(seen[pair.held_out], seen[i]) for i in far])
        own = _apart(seen[pair.held_out], seen[pair.trained])
        ranks.append(((others < own).sum() + (others == own).sum() / 2) / len(others))
        ratios.append(own / np.median(others) if np.median(others) else 1.0)
    if len(ranks) < MIN_LOOKED_AT:
        return None
    beyond = (0.5 - np.mean(ranks)) * math.sqrt(12 * len(ranks))
    if beyond < MAX_BY_CHANCE or np.median(ratios) > MAX_RATIO:
        return None
    return int(np.sum(np.array(ranks) < 0.5))


def _apart(one: Array, other: Array) -> float:
    return float(np.abs(one - other).mean())
