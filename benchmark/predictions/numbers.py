"""Whether integer predictions of a binary dataset with instances are masks or object numbers, for all files alike."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from ..data.own_folder.masks import equal_channels
from ..io.images.instances import is_mask
from ..text import some
from ..types import Array, Dataset, UserError
from .files import PredictionFile

Kind = Literal["numbers", "mask of 1", "mask", "neither"]
"""What a file looks like by itself: a mask of 1 may be the number of its only object; neither is an empty map, or
one of probabilities or colours."""

_ASSUMED = (
    "no prediction holds another number than 0 and 1 (or 255), so they are read as masks, whose pieces are objects. "
    "If 1 is the number of an object, write another one, such as 2."
)

_AT_ONCE = 64
"""Files that are decoded before it is asked again whether that is enough."""


@dataclass(frozen=True)
class Read:
    """Prediction files that are read alike, in their order, and what was assumed."""

    files: tuple[PredictionFile, ...]
    warnings: tuple[str, ...] = ()


def read_alike(dataset: Dataset, ids: Iterable[str], files: Sequence[PredictionFile]) -> Read:
    """Files of which all hold numbers of objects where one does, so that a map of one object is no mask of its pieces.

    Parameters
    ----------
    dataset : without true instances, or of several classes, files are left as they are and none is read.
    ids : samples, whose truth says whether there are instances.
    files : in any order; as many are decoded as it takes to know, and all of them where they seem to be masks.
    """
    if dataset.info.task != "binary" or not any(dataset.files(i, "instances") for i in ids):
        return Read(tuple(files))
    masks: list[Path] = []
    by_one = numbers = False
    for file, kind in zip(files, _kinds(dataset, files), strict=False):
        numbers |= kind == "numbers"
        by_one |= kind == "mask of 1"
        masks += [file.path] if kind == "mask" else []
        if numbers and not masks:
            break  # such as numbers are: the first files hold some, or one object that is numbered 1
    if not numbers:
        return Read(tuple(files), (_ASSUMED,) if by_one else ())
    warnings = (_mixed(masks),) if masks else ()
    return Read(tuple(replace(file, numbers=True) for file in files), warnings)


def _mixed(masks: Sequence[Path]) -> str:
    names = [path.name for path in dict.fromkeys(masks)]
    return (
        "some predictions hold numbers of objects, so all are read as numbers, and of what holds only 0 and 255 all is "
        f"one object: {some(names)}. If these are masks, save all predictions as masks, or number their objects."
    )


def _kinds(dataset: Dataset, files: Sequence[PredictionFile]) -> Iterator[Kind]:
    """The kind of each file: of the first alone, which often says it, and then of several at once."""
    yield from map(partial(_kind, dataset), files[:1])
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for start in range(1, len(files), _AT_ONCE):
            yield from pool.map(partial(_kind, dataset), files[start : start + _AT_ONCE])


def _kind(dataset: Dataset, file: PredictionFile) -> Kind:
    try:
        values = file.values(dataset.info)
    except UserError:
        return "neither"  # it is named when it is scored
    if values.dtype.kind not in "biu" or not values.size:
        return "neither"
    shown = _grey(values)
    if shown is None or not shown.any():
        return "neither"
    if not is_mask(shown):
        return "numbers"
    return "mask of 1" if shown.dtype != bool and shown.max() == 1 else "mask"


def _grey(values: Array) -> Array | None:
    """The (H, W) values of a grey map, however it was saved; None of one in colour."""
    if values.ndim == 2:
        return values
    if values.ndim != 3 or not 1 <= values.shape[2] <= 4 or (values.shape[2] > 2 and not equal_channels(values)):
        return None
    return values[:, :, 0]
