"""Which true masks belong to which of the measured ones, whether they can be compared with them, and their Dice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from ...cardiac.propagation import dice
from ...cardiac.to_json import Block
from ...text import counted, some
from ...types import Array, UserError
from .mask_sequences import MaskSequence

MAX_NAMED = 8
"""Pairs that are named."""


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
    """True sequences by the names of the measured ones, said pair by pair; nothing where none belong together.

    Sequences of one name belong together. Where no name is on both sides, file numbers decide, if each sequence has
    frames in common with one of the other side alone. What has no partner is warned of.

    Raises
    ------
    UserError
        Where neither names nor numbers say which belong together.
    """
    common = {truth.name: _in_common(masks[truth.name], truth) for truth in truths if truth.name in masks}
    pairs = {truth.name: truth for truth in truths if common.get(truth.name)}
    by = "by name"
    if not pairs:
        pairs, by = _by_numbers(masks, truths), "by the numbers of their frames"
    if not pairs:
        return {}
    partners = {truth.name for truth in pairs.values()}
    strangers = [truth.name for truth in truths if truth.name not in partners]
    unjudged = [name for name in masks if name not in pairs]
    told = [
        f"'{name}' with '{truth.name}' ({_frames(_in_common(masks[name], truth))})" for name, truth in pairs.items()
    ]
    say(f"masks and truth paired {by}: {some(told, MAX_NAMED)}")
    if strangers:
        warn(f"{counted(len(strangers), 'true sequence')} without masks left out: {some(strangers, MAX_NAMED)}")
    if unjudged:
        warn(f"no truth for {counted(len(unjudged), 'sequence')}: {some(unjudged, MAX_NAMED)}")
    return pairs


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
