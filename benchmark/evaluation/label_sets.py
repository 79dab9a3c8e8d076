"""Label sets that belong to no dataset, as an Evaluator takes them: a number of classes, or their names."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from ..types import ClassInfo, DatasetInfo, SplitInfo, UserError


def label_set(
    num_classes: int | None, names: Sequence[str] | None, ignore_index: int | None, task: str | None
) -> DatasetInfo:
    """The description of a label set that belongs to no dataset.

    Raises UserError for one that is no label set: no classes, names that repeat, a void label that is a class.
    """
    if (num_classes is None) == (names is None):
        raise UserError(
            "Evaluator takes a dataset, or num_classes, or classes: exactly one. For example num_classes=19"
        )
    if isinstance(names, str):
        raise UserError(f"classes='{names}' is one text; expected a sequence of names")
    count = len(names) if names is not None else _whole("num_classes", num_classes, 1)
    if count < 1:
        raise UserError("classes is empty; expected a name for each class")
    ignore_index = None if ignore_index is None else _whole("ignore_index", ignore_index)
    given = list(names) if names is not None else ["foreground"] if count == 1 else [f"class-{n}" for n in range(count)]
    labels = ["background", *given] if count == 1 else given
    binary = count == 1 or task == "binary"
    if len(set(labels)) < len(labels) or task not in (None, "binary", "multiclass"):
        raise UserError(f"classes {labels} with task {task!r}: expected different names, and binary or multiclass")
    if (binary and len(labels) != 2) or (count == 1 and task == "multiclass"):
        raise UserError(f"task '{task}' does not fit {count} classes; a binary task has a background and a foreground")
    if ignore_index is not None and 0 <= ignore_index < len(labels):
        raise UserError(f"ignore_index={ignore_index} is a class; labels are 0 to {len(labels) - 1}, void is another")
    return DatasetInfo(
        name="labels",
        version="1",
        summary=f"{len(labels)} classes" + ("" if ignore_index is None else f", void {ignore_index}"),
        task="binary" if binary else "multiclass",
        classes=tuple(
            ClassInfo(n, name, (0, 0, 0), "background" if name.lower() == "background" else "stuff")
            for n, name in enumerate(labels)
        ),
        splits={"all": SplitInfo(None, "every sample")},
        default_split="all",
        metrics=("binary-overlap",) if binary else ("overlap",),
        main_score="dice" if binary else "miou",
        licence="–",
        citation="–",
        homepage="–",
        layout="–",
        ignore_label=ignore_index,
    )


def _whole(name: str, value: Any, least: int | None = None) -> int:
    """A whole number of Python, NumPy or PyTorch, from `least` where there is one; UserError for anything else."""
    found = None
    if not isinstance(value, bool | np.bool_):
        with suppress(TypeError):
            found = operator.index(value)
    if found is None or (least is not None and found < least):
        raise UserError(f"{name} is {value!r}; expected a whole number{'' if least is None else f' from {least}'}")
    return found
