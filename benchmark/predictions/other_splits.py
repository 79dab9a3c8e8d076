"""Files that belong to no sample of a split: which of them are of other splits of the dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..types import Dataset, UserError
from .matching import SampleIds


def of_other_splits(dataset: Dataset, ids: Sequence[str], extra: Sequence[str], folder: Path) -> str:
    """How many of the files belong to which other split, as a sentence; empty where none does.

    Parameters
    ----------
    dataset : Dataset
    ids : sequence of str
        The samples of the split, to which none of the files belongs.
    extra : sequence of str
        Files, relative to `folder`.
    folder : Path
        The folder of predictions, whose own name may say which view or set it holds.
    """
    if not extra:
        return ""
    paths, found = [Path(folder.resolve().name) / name for name in extra], []
    for split in dataset.info.splits:
        try:
            others = SampleIds(dataset.ids(split))
        except UserError:  # a split that is not there, or not whole
            continue
        if frozenset(others) <= frozenset(ids):
            continue
        rest = [path for path in paths if dataset.match_prediction(path, others) is None]
        if len(rest) < len(paths):
            found.append(f"{len(paths) - len(rest)} to split '{split}'")
            paths = rest
    if not found:
        return ""
    return f"Of these {len(extra)}, {' and '.join(found)} of {dataset.info.name} (choose a split with --split)"
