"""Synthetic Cityscapes: painted streets seen from a car, in the official layout with label and instance ids.

Scenes are drawn in perspective with the label ids 0 to 33, numbered things, groups of things, and the borders that a
driving recorder has (ego vehicle, rectification border, out of roi). Cities bear real names and differ in houses, trees
and light, but nothing is taken from a photograph.

Reference
---------
Layout, names and ids: Cordts et al., IEEE Conference on Computer Vision and Pattern Recognition, 3213-3223 (2016).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..output_folder import Mark, building, make_all, save_picture
from ..painting.scenes import Canvas, Image, Mask
from .street import Street, Style

GENERATOR_VERSION = "2"
_NOTICE = "Synthetic: painted by segbench, not filmed. Never publish a score on these images as one on Cityscapes."
_MARK = Mark("segbench.synthetic.cityscapes", GENERATOR_VERSION, _NOTICE)
_SPLITS = ("train", "val")
_ATTEMPTS = 6
"""A street in which other things hide what it is to show is painted again, so often at most."""
_CITIES = (
    *("aachen", "bochum", "bremen", "cologne", "darmstadt", "dusseldorf", "erfurt", "hamburg", "hanover"),
    *("jena", "krefeld", "monchengladbach", "strasbourg", "stuttgart", "tubingen", "ulm", "weimar", "zurich"),
)
_VAL_CITIES = ("frankfurt", "lindau", "munster")


@dataclass(frozen=True)
class Plan:
    """How many images to make in which cities, and their height; they are twice as wide."""

    train: int
    val: int
    height: int
    train_cities: tuple[str, ...]
    val_cities: tuple[str, ...]


# Scores are resampled by city: three more in `val` than in the real set give an interval that means something.
SMALL = Plan(200, 60, 256, _CITIES[:8], (*_VAL_CITIES, "berlin", "bielefeld", "bonn"))
FULL = Plan(2975, 500, 1024, _CITIES, _VAL_CITIES)


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
    with building(root, frozenset({"leftImg8bit", "gtFine"}), _MARK, seed, plan) as partial:
        for split, cities in zip(_SPLITS, (plan.train_cities, plan.val_cities), strict=True):
            for city in cities:
                for kind in ("leftImg8bit", "gtFine"):
                    (partial / kind / split / city).mkdir(parents=True)
        make_all(functools.partial(_write, partial, seed, plan), range(plan.train + plan.val), workers, progress)


def _write(folder: Path, seed: int, plan: Plan, position: int) -> None:
    split = int(position >= plan.train)
    index = position - split * plan.train
    cities, count = ((plan.train_cities, plan.train), (plan.val_cities, plan.val))[split]
    number = index * len(cities) // count
    first = -(-number * count // len(cities))
    photo, labels, instances = scene(seed, split, index, number, plan.height)
    city = cities[number]
    stem = f"{city}_{index - first:06d}_000019"
    truth = folder / "gtFine" / _SPLITS[split] / city
    photo_path = folder / "leftImg8bit" / _SPLITS[split] / city / f"{stem}_leftImg8bit.png"
    save_picture(photo_path, photo, _MARK)
    save_picture(truth / f"{stem}_gtFine_labelIds.png", labels, _MARK)
    save_picture(truth / f"{stem}_gtFine_instanceIds.png", instances, _MARK)


def scene(seed: int, split: int, index: int, city: int, height: int) -> tuple[Image, Mask, NDArray[np.uint16]]:
    """One image (H, 2 H, 3), its label ids (H, 2 H) uint8 and its instance ids (H, 2 H) uint16."""
    style = Style.draw(np.random.default_rng([seed, split, 1_000_000 + city]))
    # The first images show every class once, the rare ones too; later ones show them as seldom as real streets do.
    wanted = {4 + index} if index < 30 else set()
    for attempt in range(_ATTEMPTS):
        canvas = Canvas(np.random.default_rng([seed, split, index, attempt]), height, 2 * height)
        street = Street(canvas, style, wanted)
        street.paint()
        if all((canvas.labels == label).any() for label in wanted):
            break
    return canvas.finish(grain=0.6), canvas.labels, _instance_ids(canvas, street.members)


def _instance_ids(canvas: Canvas, members: list[tuple[int, bool]]) -> NDArray[np.uint16]:
    """Label ids, and label id x 1000 + number for single things; ``members`` are (label id, is a group) by number."""
    table = np.zeros(len(members) + 1, dtype=np.int64)
    seen: dict[int, int] = {}
    visible = np.bincount(canvas.instances.ravel(), minlength=len(members) + 1)
    for number, (label, group) in enumerate(members, 1):
        if group or not visible[number]:
            table[number] = label
            continue
        table[number] = label * 1000 + seen.get(label, 0)
        seen[label] = seen.get(label, 0) + 1
    ids: NDArray[Any] = np.where(canvas.instances > 0, table[canvas.instances], canvas.labels)
    return ids.astype(np.uint16)
