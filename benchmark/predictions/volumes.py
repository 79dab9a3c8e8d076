"""Predictions as NIfTI volumes, such as nnU-Net writes: each is called as its case, and has a slice per sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..data.own_folder.names import normal
from ..io.images.nifti import is_volume, open_volume, stem
from ..io.listing import files_below
from ..text import counted
from ..types import Dataset, UserError
from .files import PredictionFile
from .matching import Found, SampleIds, extra_warnings, refuse_duplicates, refuse_missing


def volumes_below(place: Path) -> list[Path]:
    """The volumes below a folder, or the one that a path is; none below any other file."""
    files = files_below(place, {".nii", ".gz"}) if place.is_dir() else [place]
    return [path for path in files if is_volume(path)]


def find_volumes(
    dataset: Dataset, ids: SampleIds, volumes: Sequence[Path], place: Path, *, partial: bool = False
) -> Found:
    """Match volumes with groups of samples by their names, and slices with samples by their order.

    Parameters
    ----------
    dataset : whose groups are cases
    ids : samples of the split
    volumes, place : files, and the folder or file that was given
    partial : accept that cases have no prediction

    Raises
    ------
    UserError
        Naming a volume of another number of slices, cases with several volumes, and samples without one.
    """
    cases = _cases(dataset, ids)
    matched: dict[str, list[Path]] = {}
    extra = []
    for path in volumes:
        name = normal(stem(path))
        if name not in cases and len(cases) == len(volumes) == 1:
            name = next(iter(cases))
        if name in cases:
            matched.setdefault(name, []).append(path)
        else:
            extra.append(path.name)
    refuse_duplicates(matched, place if place.is_dir() else place.parent)
    files: dict[str, PredictionFile] = {}
    for name, (path,) in matched.items():
        slices, samples = open_volume(path).slices, cases[name]
        if slices != len(samples):
            raise UserError(
                f"{path}: has {counted(slices, 'slice')} across its largest spacing; case '{name}' has "
                f"{counted(len(samples), 'labelled slice')}. Predict on the grid of the image, and keep its header."
            )
        files |= {i: PredictionFile(path, number) for number, i in enumerate(samples) if i in ids}
    refuse_missing(ids, files, place, extra, partial)
    return Found({i: files[i] for i in ids if i in files}, extra_warnings(extra))


def _cases(dataset: Dataset, ids: Sequence[str]) -> dict[str, list[str]]:
    """All labelled samples of each group that holds samples of the split, in their order, by the group's name."""
    wanted = {dataset.group(i) for i in ids}
    everything = dataset.ids("all")
    cases: dict[str, list[str]] = {}
    for i in everything if set(ids) <= set(everything) else ids:
        if (group := dataset.group(i)) in wanted:
            cases.setdefault(normal(group.rpartition("/")[2]), []).append(i)
    return cases
