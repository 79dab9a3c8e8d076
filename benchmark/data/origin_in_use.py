"""Whether the samples in use are real or synthetic: read from their own files, even if the folder's marker is gone."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from ..text import counted
from ..types import Dataset, UserError
from .index import DataIndex
from .locations import Origin


@dataclass(frozen=True)
class OriginInUse:
    """The origin of some samples: synthetic where the folder or any of their files says so.

    told : the sentence that says which files did, where the folder does not; else "".
    mixed : whether others of the samples are real.
    """

    origin: Origin
    told: str = ""
    mixed: bool = False


def origin_in_use(index: DataIndex, folder: Origin, ids: Iterable[str]) -> OriginInUse:
    """The origin of these samples, in a folder of this origin (`locations.origin_of`).

    A folder that says that it is synthetic is believed: a picture loses its mark where it is saved again. Else the
    marks of the files decide, so that neither a lost marker nor a copied picture makes anything real.
    """
    if folder == "synthetic":
        return OriginInUse("synthetic")
    ids = tuple(ids)
    marked = index.marked(ids)
    if not marked:
        return OriginInUse("real")
    first, path = next(iter(marked.items()))
    which = f"first '{first}', by the mark in {path}"
    if len(marked) == len(ids):
        return OriginInUse("synthetic", f"all {counted(len(ids), 'sample')} in use are SYNTHETIC ({which})")
    told = (
        f"{len(marked)} of {counted(len(ids), 'sample')} in use {'is' if len(marked) == 1 else 'are'} SYNTHETIC "
        f"({which}): a mixed set counts as synthetic. For a result on real data take "
        f"{'it' if len(marked) == 1 else 'them'} out of '{index.dataset.root}'"
    )
    return OriginInUse("synthetic", told, mixed=True)


def every_sample(dataset: Dataset) -> tuple[str, ...]:
    """The samples of every split that can be used, and the labelled ones of none, each once."""
    found = dict.fromkeys(dataset.readable())
    for split in dataset.info.splits:
        with suppress(UserError):
            found |= dict.fromkeys(dataset.ids(split))
    return tuple(found)
