"""Which scores the results table of a paper shows."""

from __future__ import annotations

from collections.abc import Sequence

from ..evaluation.class_scores import OF_CLASS
from ..registry import dataset_class
from ..runs.record import Record
from ..text import CLASS_COUNTS, some, unknown
from ..types import UserError

MAX_DEFAULT_SCORES = 5


_SHOWN = (
    *("iou_category", "iiou_category", "v_info", "sq", "rq", "pq_things", "pq_stuff", "ap", "ap50", "mean_accuracy"),
    *("pixel_accuracy", "fwiou", "iou_foreground", "hausdorff95", "boundary_f1", "dice"),
)
"""Scores that papers show beside the main one and the dataset's second one, the likeliest first."""


def wanted_scores(records: Sequence[Record], names: Sequence[str]) -> list[str]:
    """The scores of a table: those that were asked for, else the usual ones that every run has.

    Raises
    ------
    UserError
        For a score that is not there, or that some of the runs lack.
    """
    common = [name for name in records[0].scores if all(name in record.scores for record in records)]
    every = dict.fromkeys(name for record in records for name in record.scores)
    for name in names:
        if name not in every:
            raise UserError(unknown("score", name, every))
        if name not in common:
            lacking = [record.run_id for record in records if name not in record.scores]
            raise UserError(
                f"'{name}' is not a score of every run: {len(lacking)} of {len(records)} have none "
                f"({some(lacking, 3)}). Score them with its metric, leave them out, or choose of {', '.join(common)}."
            )
    if names:
        return list(dict.fromkeys(names))
    second: str = dataset_class(records[0].dataset.name).info.second_score
    usual = dict.fromkeys(name for name in (records[0].main_score, second, *_SHOWN) if name in common)
    return list(usual or common)[:MAX_DEFAULT_SCORES]


def class_score(records: Sequence[Record], names: Sequence[str]) -> str:
    """The score of a table of classes: the one that was asked for, else `iou`, else the first one.

    Raises
    ------
    UserError
        For several scores, for one that the classes lack, and for runs without scores of classes.
    """
    rows = [row for record in records for row in record.per_class.values()]
    there = dict.fromkeys(name for row in rows for name in row if name not in CLASS_COUNTS)
    if not there:
        raise UserError(f"no run has scores of single classes ({records[0].dataset.name}); leave out --by-class")
    if len(names) > 1:
        raise UserError(f"--by-class shows one score, found {', '.join(names)}. Give --metric once.")
    score, of_class, _ = names[0].partition(OF_CLASS) if names else ("", "", "")
    if of_class:
        raise UserError(
            f"--by-class has a column for each class, and '{names[0]}' is of chosen ones. Leave --by-class out for "
            f"these alone, or give --metric {score} for all."
        )
    if names and names[0] not in there:
        raise UserError(unknown("score of a class", names[0], there))
    return names[0] if names else "iou" if "iou" in there else next(iter(there))
