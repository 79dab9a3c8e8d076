"""Measured masks compared with true ones, in the same way as in a run on a dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...cardiac.agreement import Agreement
from ...cardiac.blocks import AgreementBlock, SequenceBlock
from ...cardiac.geometry import Silhouette, silhouette
from ...evaluation.scores import Score
from ...evaluation.scoring import score
from ...evaluation.statistics import Statistics
from ...metrics.cardiac import Cardiac, statistic_of
from ...text import counted
from ...types import DatasetInfo, Statistic
from .mask_sequences import MaskSequence


@dataclass(frozen=True)
class Judged:
    """True and predicted beats side by side, the blocks that say so, and the scores with their intervals."""

    agreement: Agreement
    truth: list[SequenceBlock]
    block: AgreementBlock
    scores: dict[str, Score]


def held_against_truth(
    measured: Mapping[str, Mapping[int, Silhouette]],
    truths: Mapping[str, MaskSequence],
    metric: Cardiac,
    info: DatasetInfo,
    warn: Callable[[str], None],
) -> Judged:
    """Errors of measured masks; a true frame without a mask counts as an empty one, and is warned of.

    Parameters
    ----------
    measured : mapping of str to mapping of int to Silhouette
        The masks by sequence and file number.
    truths : mapping of str to MaskSequence
        True masks by the names of the measured ones; a sequence without a truth takes no part.
    metric : Cardiac
    info : DatasetInfo
        Of the masks: frames per second, size of a pixel.
    warn : callable

    Raises
    ------
    UserError
        Naming the file of a true mask that cannot be read.
    """
    statistics: list[Statistic] = []
    absent = 0
    for name, sequence in truths.items():
        for number, mask in zip(sequence.numbers, sequence, strict=True):
            true = silhouette(mask)
            predicted = measured[name].get(number)
            absent += predicted is None
            nothing = Silhouette(true.height, true.width, *[0] * 9)
            statistics.append(statistic_of(name, number, number - sequence.first_frame, true, predicted or nothing))
    if absent:
        warn(f"{counted(absent, 'true frame')} without a mask: taken as empty")
    held = Statistics(statistics)
    scored = score(held, [metric], info)
    block = scored.details[metric.name]
    return Judged(
        metric.agreement(held.of(metric.name), info),
        [SequenceBlock.model_validate(sequence) for sequence in block["truth"]],
        AgreementBlock.model_validate(block["agreement"]),
        scored.scores,
    )
