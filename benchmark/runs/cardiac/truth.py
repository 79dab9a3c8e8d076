"""Which true masks belong to which of the measured ones, whether they can be compared with them, and their Dice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ...cardiac.blocks import Block
from ...cardiac.propagation import dice
from ...text import counted, some
from ...types import Array, UserError
from .mask_sequences import MaskSequence

MAX_NAMED = 8
"""Pairs that are named."""
_WORD_FOR_MASKS = re.compile(
    "masks?|labels?|truth|true|gt|groundtruth|annotations?|manual|seg|segmentations?|pred|preds|predicted|predictions?"
)


class DiceBlock(Block):
    """Dice of masks against truth over the frames that both have: pooled, and its mean over frames.

    Frames in which both are empty count as paired, but not in the scores; null without any other.
    """

    n_frames: int
    pooled: float | None
    mean_per_frame: float | None


def paired_with_truth(
    masks: Mapping[str, MaskSequence],
    truths: Sequence[MaskSequence],
    say: Callable[[str], None],
    warn: Callable[[str], None],
) -> dict[str, MaskSequence]:
    """True sequences by the names of the measured ones, said pair by pair.

    Sequences of one name belong together, else those whose names differ in words such as "masks" alone, else the one
    film and the one truth that there are. Failing that, file numbers decide, if each sequence has frames in common with
    one of the other side alone. A stack and files of as many frames are taken in order, from whatever number the
    files' names begin. What has no partner is warned of.

    Raises
    ------
    UserError
        Where neither names nor numbers say which belong together, or those that do have no frame in common.
    """
    by, pairs = "by name", _by_names(masks, truths, _whole)
    if not pairs:
        by, pairs = "by what their names have in common", _by_names(masks, truths, _bare)
    if not pairs:
        by, pairs = "by the numbers of their frames", _by_numbers(masks, truths)
    if not pairs:
        raise UserError(_nothing_in_common(masks, truths))
    partners = {truth.name for truth in pairs.values()}
    strangers = [truth.name for truth in truths if truth.name not in partners]
    unjudged = [name for name in masks if name not in pairs]
    told = [
        f"'{name}' with '{truth.name}' ({_frames(_in_common(masks[name], truth))})" for name, truth in pairs.items()
    ]
    say(f"masks and truth paired {by}: {some(told, MAX_NAMED)}")
    for name, truth in pairs.items():
        if note := _doubtful_numbers(masks[name], truth):
            warn(note)
    if strangers:
        warn(f"{counted(len(strangers), 'true sequence')} without masks left out: {some(strangers, MAX_NAMED)}")
    if unjudged:
        warn(f"no truth for {counted(len(unjudged), 'sequence')}: {some(unjudged, MAX_NAMED)}")
    return pairs


def _whole(name: str) -> str:
    return name


def _bare(name: str) -> str:
    """A name without the words that say whose masks these are; empty where it has no others."""
    words = re.split(r"[\W_]+", name.casefold())
    return "_".join(word for word in words if word and not _WORD_FOR_MASKS.fullmatch(word))


def _by_names(
    masks: Mapping[str, MaskSequence], truths: Sequence[MaskSequence], key: Callable[[str], str]
) -> dict[str, MaskSequence]:
    """Pairs of films whose names have one key, and no other film the same, with frames in common."""
    sides = (Counter(map(key, masks)), Counter(key(truth.name) for truth in truths))
    true = {key(truth.name): truth for truth in truths}
    found = {}
    for name, sequence in masks.items():
        if key(name) and all(side[key(name)] == 1 for side in sides):
            aligned = _in_order(sequence, true[key(name)])
            if _in_common(sequence, aligned):
                found[name] = aligned
    return found


def _in_order(masks: MaskSequence, truth: MaskSequence) -> MaskSequence:
    """The truth with the numbers of the masks, where one is a stack, of as many frames as the names of the other span.

    Pages of a stack have no numbers but their places, from 0.
    """
    files = masks if truth.places else truth
    if bool(masks.places) == bool(truth.places) or files.first_frame == 0:
        return truth
    span, pages = files.last_frame - files.first_frame + 1, len(truth if truth.places else masks)
    if span != pages:
        return truth
    shift = files.first_frame if truth.places else -files.first_frame
    return replace(truth, numbers=tuple(number + shift for number in truth.numbers))


def _doubtful_numbers(masks: MaskSequence, truth: MaskSequence) -> str | None:
    """What is odd about numbers that are paired as they are."""
    sides = f"'{masks.name}' has {_span(masks)}, its truth '{truth.name}' {_span(truth)}"
    pages, files = (masks, truth) if masks.places else (truth, masks)
    if pages.places and not files.places and (pages.first_frame, files.first_frame) == (0, 1):
        return (
            f"{sides}: pages of a stack count from 0, so if '{files.files[0].name}' is of the first page, all frames "
            "are one off. Number the files from 0, or give the masks of all frames"
        )
    if len(masks) == len(truth) and masks.first_frame != truth.first_frame:
        return (
            f"{sides}, as many, from another number on: they are paired by number. If both show the same frames, "
            "number them alike"
        )
    return None


def _nothing_in_common(masks: Mapping[str, MaskSequence], truths: Sequence[MaskSequence]) -> str:
    own = [f"'{name}' ({_span(each)})" for name, each in masks.items()]
    true = [f"'{each.name}' ({_span(each)})" for each in truths]
    return (
        f"no frame of the truth has the number of one of the masks. Masks: {some(own, MAX_NAMED)}. Truth: "
        f"{some(true, MAX_NAMED)}. They are paired by the last number in their names, pages of a stack by their place: "
        "number both alike."
    )


def _span(sequence: MaskSequence) -> str:
    what = "page" if sequence.places else "frame"
    first, last = sequence.first_frame, sequence.last_frame
    return f"{what} {first}" if first == last else f"{what}s {first} to {last}"


def joined_frames(truths: Sequence[MaskSequence], warn: Callable[[str], None]) -> tuple[list[MaskSequence], bool]:
    """True sequences, and whether they hold beats: without two consecutive frames single ones of a folder are joined.

    Masks of every fifth frame are no film: each frame would be a sequence of its own, without a beat.
    """
    if any(
        after == before + 1 for each in truths for before, after in zip(each.numbers, each.numbers[1:], strict=False)
    ):
        return list(truths), True
    if all(len(each) == 1 for each in truths) and len({each.files[0].parent for each in truths}) == 1:
        first = min(truths, key=lambda each: each.first_frame)
        ordered = sorted(truths, key=lambda each: each.first_frame)
        numbers = tuple(each.first_frame for each in ordered)
        files = tuple(each.files[0] for each in ordered)
        if len(set(numbers)) == len(numbers) and not any(each.places for each in truths):
            truths = [MaskSequence(first.files[0].parent.name, numbers, files, notes=first.notes)]
    shown = some([str(number) for each in truths for number in each.numbers], 4)
    warn(
        f"the truth holds no two consecutive frames ({shown}), so no beat can be found in it: only the Dice of its "
        "frames is judged. Errors of beats need the true masks of all frames."
    )
    return list(truths), False


def refuse_other_size(name: str, masks: MaskSequence, truth: MaskSequence, warn: Callable[[str], None] | None) -> bool:
    """Whether masks and truth are of one size; for others an error, or a warning where each side has its own pixels.

    Raises
    ------
    UserError
        Naming both sizes, where `warn` is None: pixels of one size in micrometres cannot be those of both.
    """
    (height, width), (true_height, true_width) = (next(iter(each)).shape for each in (masks, truth))
    if (height, width) == (true_height, true_width):
        return True
    sizes = f"masks of '{name}' are of {height} x {width} pixels, the true ones of {true_height} x {true_width}"
    if warn is None:
        raise UserError(
            f"{sizes} ({truth.files[0]}), so they are not of the same frames, and no size of a pixel is that of both. "
            "Give the true masks at the size of the film."
        )
    warn(
        f"{sizes}: both are taken for the whole frame of HeartSeg, so that each side has pixels of its own, and there "
        "is no Dice"
    )
    return False


def dice_of(
    masks: Mapping[str, MaskSequence], truths: Mapping[str, MaskSequence], as_measured: Callable[[str], Iterable[Array]]
) -> DiceBlock:
    """Dice over all frames that masks and truth both have.

    as_measured : gives the masks (H, W) of a sequence by its name, in the order of its numbers, as they are measured.
    """
    counts = []
    for name, truth in truths.items():
        true_numbers = set(truth.numbers)
        found = (pair for pair in zip(masks[name].numbers, as_measured(name), strict=True) if pair[0] in true_numbers)
        own = set(masks[name].numbers)
        true = (pair for pair in zip(truth.numbers, truth, strict=True) if pair[0] in own)
        for (_, predicted), (_, wanted) in zip(found, true, strict=True):
            inside, right = predicted != 0, wanted != 0
            both = int(np.count_nonzero(inside & right))
            counts.append((int(np.count_nonzero(right)), int(np.count_nonzero(inside)), both))
    pooled, mean = (None if np.isnan(value) else value for value in dice(counts))
    return DiceBlock(n_frames=len(counts), pooled=pooled, mean_per_frame=mean)


def _in_common(one: MaskSequence, other: MaskSequence) -> int:
    """How many frames both have."""
    return len(set(one.numbers) & set(other.numbers))


def _by_numbers(masks: Mapping[str, MaskSequence], truths: Sequence[MaskSequence]) -> dict[str, MaskSequence]:
    if len(masks) == len(truths) == 1:
        ((name, sequence),) = masks.items()
        aligned = _in_order(sequence, truths[0])
        return {name: aligned} if _in_common(sequence, aligned) else {}
    owners: dict[int, list[str]] = {}
    for truth in truths:
        for number in set(truth.numbers):
            several = owners.setdefault(number, [])
            several += [truth.name] * (len(several) < 2)  # two are as ambiguous as more
    shared = [
        (name, true)
        for name, sequence in masks.items()
        for true in dict.fromkeys(true for number in sequence.numbers for true in owners.get(number, ()))
    ]
    if len({name for name, _ in shared}) < len(shared) or len({true for _, true in shared}) < len(shared):
        raise UserError(
            f"which truth belongs to which masks cannot be told: masks are {_named(masks)}, the truth is "
            f"{_named([truth.name for truth in truths])}, and several have the same frame numbers. Give folders of the "
            "same names on both sides, or one film at a time."
        )
    by_name = {truth.name: truth for truth in truths}
    return {name: by_name[true] for name, true in shared}


def _named(names: Sequence[str] | Mapping[str, MaskSequence]) -> str:
    return some([f"'{name}'" for name in names], MAX_NAMED)


def _frames(count: int) -> str:
    return f"{counted(count, 'frame')} in common"
