"""Synthetic COCO-Stuff 164k: painted scenes of the 80 things and 91 kinds of stuff, in the official layout.

Photographs, label maps of id - 1 with 255 where nothing is labelled, and instance annotations with groups (`iscrowd`).
Every annotation's mask is what is visible of its thing in the label map. Nothing is taken from a photograph.

Reference
---------
Layout and ids: Caesar et al., IEEE Conference on Computer Vision and Pattern Recognition, 1209-1218 (2018).
Annotations: Lin et al., European Conference on Computer Vision, 740-755 (2014).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as mask_api

from ...io.atomic import write_text
from ..output_folder import Mark, building, compact_json, make_all, save_picture
from ..painting.scenes import Canvas, Image, Mask, choose, renumbered
from .scene import Member, Setting
from .surfaces import THINGS

GENERATOR_VERSION = "2"
_NOTICE = (
    "Synthetic: painted by segbench, not photographed. Never publish a score on these images as one on COCO-Stuff."
)
_MARK = Mark("segbench.synthetic.cocostuff", GENERATOR_VERSION, _NOTICE)
_SPLITS = ("train2017", "val2017")
_RATIOS = ((3, 4), (3, 4), (3, 4), (4, 3), (1, 1), (2, 3))
_ATTEMPTS = 6
"""A scene in which other things hide what it is to show is painted again, so often at most."""
_FIRST_ID_OF = {
    **{1: "person", 2: "vehicle", 10: "outdoor", 16: "animal", 27: "accessory", 34: "sports", 44: "kitchen"},
    **{52: "food", 62: "furniture", 72: "electronic", 78: "appliance", 84: "indoor"},
}


@dataclass(frozen=True)
class Plan:
    """How many images to make, and the length of their longer side in pixels."""

    train: int
    val: int
    side: int


SMALL = Plan(train=240, val=80, side=256)
FULL = Plan(train=118287, val=5000, side=640)


def synthesize(
    root: Path,
    *,
    seed: int = 0,
    plan: Plan = SMALL,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Make the dataset below `root`: the same bytes for one seed and plan, whatever the number of workers.

    Parameters and errors are those of every generator: see `segbench.synthetic`. `progress` counts images.
    """
    with building(root, frozenset({"images", "stuffthingmaps", "annotations"}), _MARK, seed, plan) as partial:
        for kind in ("images", "stuffthingmaps"):
            for split in _SPLITS:
                (partial / kind / split).mkdir(parents=True)
        made = make_all(functools.partial(_write, partial, seed, plan), range(plan.train + plan.val), workers, progress)
        for split, positions in zip(
            _SPLITS, (range(plan.train), range(plan.train, plan.train + plan.val)), strict=True
        ):
            content = _annotation_file([made[position] for position in positions])
            write_text(partial / "annotations" / f"instances_{split}.json", compact_json(content))


def _annotation_file(images: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "info": {"description": f"{_MARK.sentence}. {_NOTICE}", "version": GENERATOR_VERSION},
        "licenses": [],
        "images": [entry["image"] for entry in images],
        "annotations": [annotation for entry in images for annotation in entry["annotations"]],
        "categories": [
            {"supercategory": _supercategory(thing.label + 1), "id": thing.label + 1, "name": thing.name}
            for thing in THINGS
        ],
    }


def _supercategory(number: int) -> str:
    return _FIRST_ID_OF[max(first for first in _FIRST_ID_OF if first <= number)]


def _write(folder: Path, seed: int, plan: Plan, position: int) -> dict[str, Any]:
    split = int(position >= plan.train)
    index = position - split * plan.train
    # Odd numbers for training, even ones for validation, with gaps as in the real set.
    number = 6 * index + 1 + split
    photo, labels, objects = scene(seed, split, index, plan.side)
    name = f"{number:012d}"
    save_picture(folder / "images" / _SPLITS[split] / f"{name}.jpg", photo, _MARK)
    save_picture(folder / "stuffthingmaps" / _SPLITS[split] / f"{name}.png", labels, _MARK)
    return {
        "image": {"id": number, "file_name": f"{name}.jpg", "height": photo.shape[0], "width": photo.shape[1]},
        "annotations": [
            _annotation(member, mask, number, 1000 * number + n) for n, (member, mask) in enumerate(objects)
        ],
    }


def _annotation(member: Member, mask: Mask, image: int, number: int) -> dict[str, Any]:
    encoded = mask_api.encode(np.asfortranarray(mask))
    size = [int(n) for n in encoded["size"]]
    # As in the real files, groups have plain run lengths.
    counts = _runs(mask) if member.crowd else encoded["counts"].decode("ascii")
    return {
        "segmentation": {"size": size, "counts": counts},
        "area": int(mask_api.area(encoded)),
        "iscrowd": int(member.crowd),
        "image_id": image,
        "bbox": [float(value) for value in mask_api.toBbox(encoded)],
        "category_id": member.label + 1,
        "id": number,
    }


def _runs(mask: Mask) -> list[int]:
    """Run lengths of a mask by columns, beginning with zeros."""
    flat = mask.ravel(order="F")
    ends = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff([0, *ends.tolist(), flat.size]).tolist()
    return [0, *lengths] if flat[0] else lengths


def scene(seed: int, split: int, index: int, side: int) -> tuple[Image, Mask, list[tuple[Member, Mask]]]:
    """One image (H, W, 3), its label map (H, W) uint8, and its things with their visible masks (H, W) of 0 and 1."""
    for attempt in range(_ATTEMPTS):
        rng = np.random.default_rng([seed, split, index, attempt])
        ratio = _RATIOS[choose(rng, [1] * len(_RATIOS))]
        height, width = (side * part // max(ratio) for part in ratio)
        canvas = Canvas(rng, height, width, void=255)
        setting = Setting(canvas, index)
        setting.paint()
        if setting.shows_what_it_should():
            break
    things, kept = renumbered(canvas.instances, max(4, round(12 * canvas.unit**2)))
    # What is left of a thing that can hardly be seen is not labelled.
    labels = np.where((canvas.instances > 0) & (things == 0), np.uint8(255), canvas.labels)
    objects = [(setting.members[old - 1], (things == new).astype(np.uint8)) for new, old in enumerate(kept, 1)]
    return canvas.finish(), labels, objects
