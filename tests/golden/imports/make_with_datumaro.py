"""Writes SYNTHETIC pictures with annotations in several layouts, through datumaro's exporters (datumaro 1.13.12).

These are the exporters behind CVAT's own exports. Run it where datumaro is installed: `python make_with_datumaro.py`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from datumaro import Dataset, DatasetItem
from datumaro.components.annotation import AnnotationType, Bbox, LabelCategories, Mask, MaskCategories, Polygon
from datumaro.components.media import Image

HERE = Path(__file__).parent
SIZE = (40, 52)
FORMATS = {
    "coco_instances": "datumaro_coco",
    "coco_panoptic": "datumaro_coco_panoptic",
    "cvat": "datumaro_cvat",
    "voc_segmentation": "datumaro_voc",
}
LABELS = ("background", "cell", "nucleus")


def categories() -> dict[AnnotationType, object]:
    """Classes with colours."""
    labels = LabelCategories.from_iterable(LABELS)
    colors = MaskCategories({0: (0, 0, 0), 1: (200, 30, 30), 2: (30, 30, 220)})
    return {AnnotationType.label: labels, AnnotationType.mask: colors}


def picture(number: int) -> Image:
    """A random picture of a few grey levels."""
    grey = np.random.default_rng(number).integers(0, 4, SIZE) * 60
    return Image.from_numpy(data=np.repeat(grey[:, :, None], 3, axis=2).astype(np.uint8), ext=".png")


def polygons(subset: str, number: int) -> DatasetItem:
    """Two overlapping polygons, the smaller one first, and a box."""
    return DatasetItem(
        id=f"{subset}_{number}",
        subset=subset,
        media=picture(number),
        annotations=[
            Polygon([12, 12, 18, 12, 18, 20, 12, 20], label=2, id=1, group=1, z_order=1),
            Polygon([5, 4, 28, 6, 25, 30, 7, 25], label=1, id=2, group=2, z_order=0),
            *([Bbox(35, 5, 10, 8, label=2, id=3, group=3)] if number == 1 else []),
        ],
        attributes={"id": number},
    )


def masks(subset: str, number: int) -> DatasetItem:
    """Two masks that do not overlap, the first with a hole; the second is a crowd."""
    ring, bar = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    ring[5:25, 5:30] = True
    ring[10:15, 12:20] = False
    bar[30:36, 10:45] = True
    return DatasetItem(
        id=f"{subset}_{number}",
        subset=subset,
        media=picture(number),
        annotations=[
            Mask(ring, label=1, id=1, group=1, attributes={"is_crowd": False}),
            Mask(bar, label=2, id=2, group=2, attributes={"is_crowd": number % 2 == 0}),
        ],
        attributes={"id": number},
    )


def main() -> None:
    """Write one folder for each format."""
    for name, folder in FORMATS.items():
        target = HERE / folder
        shutil.rmtree(target, ignore_errors=True)
        of_masks = name in ("coco_panoptic", "voc_segmentation")
        make = masks if of_masks else polygons
        items = [make("train", 1), make("train", 2), make("val", 3)]
        if name == "coco_instances":
            items.append(masks("val", 4))
        Dataset.from_iterable(items, categories=categories(), media_type=Image).export(
            str(target), name, save_media=True
        )


if __name__ == "__main__":
    main()
