"""Titles and decimals of the columns of a paper's table."""

from __future__ import annotations

import math
from collections.abc import Sequence

_WHOLE = {"v_rand": "V_Rand", "v_info": "V_Info", "miou_171": "mIoU (171)", "miou_182": "mIoU (182)"}
_WORDS = {
    **{"iou": "IoU", "miou": "mIoU", "fwiou": "fwIoU", "iiou": "iIoU", "dice": "Dice", "ap": "AP", "ap50": "AP50"},
    **{"ap75": "AP75", "pq": "PQ", "sq": "SQ", "rq": "RQ", "nsd": "NSD", "ef": "EF", "fs": "FS", "f1": "F1"},
    **{"ece": "ECE", "nll": "NLL", "voi": "VOI", "hausdorff95": "Hausdorff 95", "brier": "Brier"},
}
_UNIT_ENDINGS = {"pp": "pp", "um": "µm", "bpm": "beats/min"}


def title_of(score: str, unit: str) -> str:
    """A score as the head of a column: its name in the words of the field, without the unit, which stands beside it.

    >>> title_of("iou_foreground", "fraction"), title_of("ef_error_pp", "pp"), title_of("v_rand", "fraction")
    ('IoU foreground', 'EF error', 'V_Rand')

    >>> title_of("iou@car", "fraction")
    'IoU car'
    """
    score, _, classes = score.partition("@")
    if classes:
        return f"{title_of(score, unit)} {classes}"
    if score in _WHOLE:
        return _WHOLE[score]
    words = score.split("_")
    if len(words) > 1 and _UNIT_ENDINGS.get(words[-1]) == unit:
        words = words[:-1]
    return " ".join(_WORDS.get(word, word) for word in words)


def decimals_of(values: Sequence[float | None], unit: str, *, percent: bool) -> int:
    """How many decimals the values of a column are shown with: one for percent, three for a fraction.

    Of other units about three digits of the largest one.

    >>> decimals_of([0.1], "fraction", percent=True), decimals_of([3.2, 61.9], "px", percent=False)
    (1, 1)
    """
    if percent:
        return 1
    if unit == "fraction":
        return 3
    known = [abs(value) for value in values if value is not None and math.isfinite(value)]
    largest = max(known, default=0.0)
    return 1 if largest >= 10 else 2 if largest >= 1 else 3
