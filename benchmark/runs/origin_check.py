"""Whether the samples of a stored run are real or synthetic, checked against the data on this machine."""

from __future__ import annotations

from collections.abc import Iterable

from ..data.index import DataIndex
from ..data.locations import Location, Origin
from ..data.origin_in_use import every_sample, origin_in_use
from ..types import Dataset
from .record import Record


def origin_here(record: Record, ids: Iterable[str], dataset: Dataset, location: Location) -> Origin:
    """Whether the samples with these ids, those that a record scored, are real as they lie here.

    A record that says synthetic may say so for samples that its method was trained on, which it does not name: then any
    sample of the folder confirms it.
    """
    index, everything = DataIndex(dataset), every_sample(dataset)
    found = origin_in_use(index, location.origin, set(everything).intersection(ids)).origin
    if found == "real" and record.dataset.origin == "synthetic" and not record.method.from_elsewhere:
        return origin_in_use(index, location.origin, everything).origin
    return found
