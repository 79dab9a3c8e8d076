"""The files of your own folder, wherever they lie: in images/ and masks/, or where `classes.yaml` says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...io.images.masks import read_labels
from ...io.images.read import binary_mask
from ...types import Array, UserError
from ..frame_numbers import natural
from .classes_file import FILE, Classes
from .grouping import grouped
from .layout import Layout, Located, locate, regions_beside
from .names import called, folders, group_of, normal, scan, split_of_folder
from .panoptic import SEGMENTS, PanopticTruth


def find(root: Path, classes: Classes | None, panoptic: PanopticTruth | None) -> Located:
    """The files of every sample, with the group and the split that their places say, in the order of the samples.

    Raises UserError as `names.scan` and `layout.locate` do, and for a name that has no group.
    """
    where = str(root / FILE)
    if classes is not None and classes.layout.images:
        found = locate(root, classes.layout, where)
    else:
        found = _usual(root, classes.names if classes else {}, panoptic)
        if classes is not None and panoptic is None and found.masks:
            found.regions = regions_beside(root, classes.layout, found.masks, where)
    if classes is not None and classes.coding == "instances":
        found.instances = dict(found.masks)
    order = sorted(found.groups, key=natural)
    if classes is not None and classes.group is not None:
        found.groups = grouped({i: found.own_names[i] for i in order}, classes.group, f"{where}: group")
    found.groups = {i: found.groups[i] for i in order}
    return found


def _usual(root: Path, names: Mapping[str, str], panoptic: PanopticTruth | None) -> Located:
    """The files of images/, masks/ and instances/; of segments their own."""
    images, masks, instances = scan(root, names)
    if panoptic is not None:
        images, masks, instances = panoptic.images(images), dict(panoptic.files), dict(panoptic.files)
    files = {i: (masks if i in masks else images)[i] for i in sorted(images.keys() | masks.keys(), key=natural)}
    return Located(
        images,
        masks,
        instances,
        {},
        {i: group_of(path, root) for i, path in files.items()},
        {i: split_of_folder((*folders(path, root), "")[0]) for i, path in files.items()},
        {i: _without_folders(i, path, root) for i, path in files.items()},
    )


def _without_folders(sample_id: str, path: Path, root: Path) -> str:
    return sample_id.removeprefix("".join(f"{normal(name)}__" for name in folders(path, root)))


def called_names(root: Path, found: Located, layout: Layout, panoptic: PanopticTruth | None) -> dict[str, str]:
    """Samples by the names of their files, with subfolders as an id has them; those of one file name alone."""
    if layout.images:
        names: dict[str, set[str]] = {}
        for part in (found.images, found.masks):
            for sample_id, path in part.items():
                names.setdefault(normal(path.stem), set()).add(sample_id)
        return {name: next(iter(ids)) for name, ids in names.items() if len(ids) == 1}
    folder = root / ("masks" if panoptic is None else SEGMENTS)
    both = {**called(found.images, root / "images"), **called(found.masks, folder)}
    return both if panoptic is None else {**both, **panoptic.image_ids}


def inside_region(path: Path, shape: tuple[int, ...]) -> Array:
    """Pixels (H, W) bool of a region, which is a mask of two tones. Raises UserError for one of another size."""
    inside = binary_mask(read_labels(path, binary=True, upright=True), str(path)).astype(np.bool_)
    if inside.shape != shape:
        raise UserError(
            f"{path}: the region is {' x '.join(map(str, inside.shape))}, the labels are {' x '.join(map(str, shape))} "
            "(height x width); expected equal sizes"
        )
    return inside
