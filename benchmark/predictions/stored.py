"""The predictions that a run folder holds: `find_predictions` reads them back, and they give the same statistics.

Label maps are PNG files named by sample id. Maps of a stacked dataset are pages of one TIFF named by the split, or one
TIFF for each sample where only some are there. Objects are what their official tool takes: `<sample id>_pred.txt` with
masks, or COCO results in one JSON file; segments are a JSON file and a folder of PNG files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._former_names import former_names
from ..io.atomic import replace_folder, take_away, temporary_folder
from ..types import Dataset, DatasetInfo, Object, Prediction
from .find import write_prediction, write_stack
from .matching import Found
from .panoptic_results import STORED, store_panoptic

if not TYPE_CHECKING:  # mypy takes only what is there now
    __getattr__ = former_names(__name__)

RESULTS = "results.json"
"""The file of stored COCO results."""

SEGMENTS = f"{STORED}.json"
"""The file of stored segments, beside the folder of its PNG files."""

Pairs = Iterable[tuple[str, Prediction]]

MAX_SHOWN = 12
"""Samples whose predictions every run keeps, so that a report can show some."""


def shown_ids(ids: Iterable[str]) -> tuple[str, ...]:
    """At most `MAX_SHOWN` of these samples, evenly apart in the order of their names: the same of every run on them.

    >>> shown_ids(f"{number:02d}" for number in range(100))[:3]
    ('00', '09', '18')
    """
    every = sorted(ids)
    count = min(len(every), MAX_SHOWN)
    return tuple(every[place * (len(every) - 1) // max(count - 1, 1)] for place in range(count))


@dataclass
class PredictionWriter:
    """Stores the predictions of a run as they pass: as files, or in memory until all are there for a stack, for objects
    and for segments, which lie in one file.

    `only` are the samples to store, each as a file of its own; None stores all.
    `soft` stores probabilities of a binary dataset, not only whether they are above 0.5: some families ask for more.
    """

    folder: Path
    info: DatasetInfo
    soft: bool = False
    only: frozenset[str] | None = None
    _pages: dict[str, Prediction] = field(default_factory=dict)
    _found: dict[str, Prediction] = field(default_factory=dict)

    def tee(self, pairs: Pairs) -> Iterator[tuple[str, Prediction]]:
        """Pass predictions on, each after it was stored."""
        for sample_id, prediction in pairs:
            structured = prediction.objects is not None or prediction.panoptic is not None
            if self.only is not None and (structured or sample_id not in self.only):
                pass  # a report draws label maps alone
            elif structured:
                self._found[sample_id] = prediction
            elif self.info.stacked and self.only is None:
                self._pages[sample_id] = prediction
            else:
                _write_one(self.folder, sample_id, prediction, self.info, soft=self.soft)
            yield sample_id, prediction

    def close(self, split: str, ids: Sequence[str]) -> None:
        """Write what was kept in memory, in the order of these ids."""
        if self._found:
            found = [(i, self._found[i]) for i in ids]
            with _replaced(self.folder) as place:
                if found[0][1].panoptic is not None:
                    store_panoptic(place, ((i, each.panoptic) for i, each in found if each.panoptic is not None))
                else:
                    write_objects(place, ((i, each.objects or ()) for i, each in found), self.info)
        if self._pages:
            write_stack(self.folder / f"{split}.tif", [self._pages[i] for i in ids])


def _write_one(folder: Path, sample_id: str, prediction: Prediction, info: DatasetInfo, *, soft: bool) -> None:
    """Write the file of one sample: a TIFF for a slice, and for probabilities where asked; else a label map."""
    if info.stacked or (soft and info.task == "binary" and prediction.probabilities is not None):
        write_stack(folder / f"{sample_id}.tif", (prediction,))
    else:
        write_prediction(folder, sample_id, prediction, info)


def as_stored(prediction: Prediction) -> Prediction:
    """Probabilities as 32-bit floats, as they are stored, so that a run and its stored predictions score the same."""
    if prediction.probabilities is None or prediction.probabilities.dtype == np.float32:
        return prediction
    return replace(prediction, probabilities=prediction.probabilities.astype(np.float32))


def store_found(
    folder: Path,
    dataset: Dataset,
    found: Found,
    split: str,
    *,
    whole: bool,
    soft: bool,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Read predictions that lie elsewhere once more, one by one, and store them.

    Parameters
    ----------
    folder : Path
        Replaced with all that is in it when the last one is written, and untouched by an error before.
    dataset : Dataset
    found : Found
        In the order of the split.
    split : str
        Names the stack of a stacked dataset.
    whole : bool
        Every sample of the split is there. A part of a stack is stored as one file for each sample, for a stack has no
        place to say which pages are missing.
    soft : bool
        Store the probabilities of a binary dataset, not only whether they are above 0.5: some families ask for more.
    progress : callable, optional
        Called with the number of predictions stored so far.

    Raises
    ------
    UserError
        For labels that no PNG can keep.
    """
    info = dataset.info

    def read() -> Iterator[tuple[str, Prediction]]:
        for done, (sample_id, source) in enumerate(found.files.items(), 1):
            yield sample_id, source.read(dataset)
            progress(done)

    with _replaced(folder) as place:
        if found.kind == "panoptic":
            segments = ((sample_id, prediction.panoptic) for sample_id, prediction in read())
            store_panoptic(place, ((sample_id, each) for sample_id, each in segments if each is not None))
        elif found.kind == "objects":
            write_objects(place, ((sample_id, prediction.objects or ()) for sample_id, prediction in read()), info)
        elif info.stacked and whole and len(found.files) > 1:
            write_stack(place / f"{split}.tif", (prediction for _, prediction in read()))
        else:
            for sample_id, prediction in read():
                _write_one(place, sample_id, prediction, info, soft=soft)


def write_objects(folder: Path, pairs: Iterable[tuple[str, Sequence[Object]]], info: DatasetInfo) -> None:
    """Write objects into an empty folder as the dataset's official tool takes them."""
    from .coco_results import takes_results
    from .coco_results_writer import write_object_results
    from .official_formats import write_cityscapes_objects

    if takes_results(info):
        write_object_results(folder / RESULTS, pairs, info.category_ids)
    else:
        write_cityscapes_objects(folder, pairs)


@contextmanager
def _replaced(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder` that takes its place when the block ends without an error.

    Only the process that holds the lock of the run folder may call it: what a killed one left is removed.
    """
    for left in folder.parent.glob(f".{folder.name}.*.tmp"):
        take_away(left)
    with temporary_folder(folder) as temporary:
        new = temporary / "new"
        new.mkdir()  # with the rights that the user's umask says, which a temporary folder does not have
        yield new
        replace_folder(new, folder)
