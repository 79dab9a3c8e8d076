"""`bench cardiac MASKS --propagation`: which Dice is needed for an error within the human range."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ...cardiac.agreement import MEASURES
from ...cardiac.blocks import Block
from ...cardiac.geometry import Silhouette, silhouette
from ...cardiac.propagation import KINDS, RADII_PX, SMOOTHNESS, Kind, changed_masks, dice, in_words, needed, seed_of
from ...evaluation.intervals import score_intervals
from ...evaluation.scores import defined
from ...evaluation.statistics import Statistics
from ...metrics.cardiac import Cardiac, statistic_of
from ...types import Array, DatasetInfo
from .mask_sequences import MaskSequence

Frame = tuple[str, int, int, Silhouette]
"""Sequence, file number, place in the sequence, and the true mask."""
_PLAIN = ("beat_detection_rate", "beat_precision", "beat_frame_error", "heart_rate_error_bpm")


class PropagationRow(Block):
    """One kind and strength of change: Dice, and errors with their intervals, percentage points unless named else."""

    kind: Kind
    radius_px: int
    dice: float | None
    dice_per_image: float | None
    fs_minor_error_pp: float | None
    fs_minor_error_pp_low: float | None
    fs_minor_error_pp_high: float | None
    fs_minor_bias_pp: float | None
    fs_major_error_pp: float | None
    fs_major_error_pp_low: float | None
    fs_major_error_pp_high: float | None
    fs_major_bias_pp: float | None
    ef_error_pp: float | None
    ef_error_pp_low: float | None
    ef_error_pp_high: float | None
    ef_bias_pp: float | None
    beat_detection_rate: float | None
    beat_precision: float | None
    beat_frame_error: float | None
    heart_rate_error_bpm: float | None


class NeededDice(Block):
    """See `segbench.cardiac.propagation.needed`."""

    kind: Kind
    measure: str
    limit_pp: float
    dice: float | None
    dice_interval: float | None
    exceeded: bool


class PropagationBlock(Block):
    """The block `propagation`: errors by kind and strength of change, the Dice that is needed, and that in words."""

    smoothness: float
    rows: list[PropagationRow]
    needed_dice: list[NeededDice]
    answer: list[str]


def propagation(
    masks: Mapping[str, Iterable[Array]],
    sequences: Mapping[str, MaskSequence],
    metric: Cardiac,
    info: DatasetInfo,
    update: Callable[[int, int, str], None],
    radii: Sequence[int] = RADII_PX,
) -> PropagationBlock:
    """Change true masks in every way and strength, and hold them against themselves.

    Parameters
    ----------
    masks : mapping of str to iterable of (H, W)
        The masks of each sequence of the same name.
    sequences : mapping of str to MaskSequence
    metric : Cardiac
    info : DatasetInfo
        Of the masks: frames per second, size of a pixel.
    update : callable
        Told of the frames that are done, of how many, and a word.
    radii : sequence of int
        Strengths in pixels.
    """
    frames: list[Frame] = []
    changed: dict[tuple[Kind, int], list[tuple[Silhouette, int]]] = {(k, r): [] for k in KINDS for r in radii}
    total = sum(len(sequence) for sequence in sequences.values())
    for name, sequence in sequences.items():
        for number, mask in zip(sequence.numbers, masks[name], strict=True):
            frames.append((name, number, number - sequence.first_frame, silhouette(mask)))
            for found in changed_masks(mask, seed_of(name, number), radii):
                changed[found.kind, found.radius_px].append((found.mask, found.common))
            update(len(frames), total, "")
    unchanged = _row(frames, [(true, true.area) for *_, true in frames], metric, info)
    rows: list[dict[str, Any]] = []
    for kind in KINDS:
        rows.append({"kind": kind, "radius_px": 0, **unchanged})
        for radius in radii:
            rows.append({"kind": kind, "radius_px": radius, **_row(frames, changed[kind, radius], metric, info)})
    found_needed = needed(rows)
    return PropagationBlock.model_validate(
        {"smoothness": SMOOTHNESS, "rows": rows, "needed_dice": found_needed, "answer": in_words(found_needed)}
    )


def _row(
    frames: Sequence[Frame], changed: Sequence[tuple[Silhouette, int]], metric: Cardiac, info: DatasetInfo
) -> dict[str, Any]:
    """Dice and errors of one kind and strength of change, with intervals that draw whole sequences."""
    held = (
        statistic_of(name, number, place, true, mask)
        for (name, number, place, true), (mask, _) in zip(frames, changed, strict=True)
    )
    statistics = Statistics(held).of(metric.name)
    scores, intervals = metric.compute(statistics, info), score_intervals(metric, statistics, info)
    agreement = metric.agreement(statistics, info)
    sizes = ((true.area, mask.area, common) for (*_, true), (mask, common) in zip(frames, changed, strict=True))
    pooled, mean = dice(sizes)
    row: dict[str, Any] = {"dice": defined(pooled), "dice_per_image": defined(mean)}
    for measure in MEASURES:
        name = f"{measure}_error_pp"
        low, high = intervals[name]
        row |= {name: defined(scores[name]), f"{name}_low": defined(low), f"{name}_high": defined(high)}
        row[f"{measure}_bias_pp"] = agreement.limits(measure).bias
    return row | {name: defined(scores[name]) for name in _PLAIN}
