"""Synthetic CamVid: painted streets seen from a car, in the layout of SegNet's copy with its 11 classes and void.

The streets are those of the synthetic Cityscapes in another format, with their labels grouped into CamVid's classes.
Films differ in houses, trees and light. Nothing is taken from a film.

Reference
---------
Layout and classes: Badrinarayanan, Kendall and Cipolla, IEEE TPAMI 39(12):2481-2495 (2017).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .cityscapes import street
from .output_folder import Mark, building, make_all, save_picture
from .painting.scenes import Canvas, Image, Mask

GENERATOR_VERSION = "1"
VOID = 11
_NOTICE = "Synthetic: painted by segbench, not filmed. Never publish a score on these images as one on CamVid."
_MARK = Mark("segbench.synthetic.camvid", GENERATOR_VERSION, _NOTICE)
_SPLITS = ("train", "val", "test")
_ATTEMPTS = 6
"""A street in which other things hide what it is to show is painted again, so often at most."""

# Labels of the streets that each class stands for, in the order of the classes 0 to 10; the first is asked for.
MEMBERS: tuple[tuple[int, ...], ...] = (
    (street.SKY,),
    (street.BUILDING, street.WALL, street.BRIDGE, street.TUNNEL),
    (street.POLE, street.POLEGROUP),
    (street.ROAD,),
    (street.SIDEWALK, street.PARKING),
    (street.VEGETATION, street.TERRAIN),
    (street.SIGN, street.LIGHT),
    (street.FENCE, street.GUARD_RAIL),
    (street.CAR, street.TRUCK, street.BUS, street.CARAVAN, street.TRAILER, street.TRAIN),
    (street.PERSON,),
    (street.RIDER, street.BICYCLE, street.MOTORCYCLE),
)


@dataclass(frozen=True)
class Plan:
    """How many images to make of which films, and their height; they are a third wider."""

    train: int
    val: int
    test: int
    height: int
    films: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


# Scores are resampled by film: five in `test`, where the real set has two, give an interval that means something.
FILMS = (("0001TP", "0006R0", "0016E5"), ("0016E6",), ("Seq05VD", "Seq06VD", "Seq07VD", "Seq08VD", "Seq09VD"))
SMALL = Plan(160, 40, 60, 180, FILMS)
FULL = Plan(367, 101, 233, 360, FILMS)


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
    with building(root, frozenset({"CamVid"}), _MARK, seed, plan) as partial:
        for split in _SPLITS:
            for folder in (split, f"{split}annot"):
                (partial / "CamVid" / folder).mkdir(parents=True)
        total = plan.train + plan.val + plan.test
        make_all(functools.partial(_write, partial, seed, plan), range(total), workers, progress)


def _write(folder: Path, seed: int, plan: Plan, position: int) -> None:
    split, index = _place(plan, position)
    films, count = plan.films[split], (plan.train, plan.val, plan.test)[split]
    number = index * len(films) // count
    first = -(-number * count // len(films))
    photo, labels = scene(seed, split, index, number, plan.height)
    name = f"{films[number]}_f{30 * (index - first):05d}.png"
    save_picture(folder / "CamVid" / _SPLITS[split] / name, photo, _MARK)
    save_picture(folder / "CamVid" / f"{_SPLITS[split]}annot" / name, labels, _MARK)


def _place(plan: Plan, position: int) -> tuple[int, int]:
    """Split and index there of an image."""
    for split, count in enumerate((plan.train, plan.val)):
        if position < count:
            return split, position
        position -= count
    return 2, position


def scene(seed: int, split: int, index: int, film: int, height: int) -> tuple[Image, Mask]:
    """One image (H, 4/3 H, 3) and its classes (H, 4/3 H) uint8, 11 where void."""
    style = street.Style.draw(np.random.default_rng([seed, split, 1_000_000 + film]))
    # The first images show every class once, the rare ones too; later ones show them as seldom as real streets do.
    wanted = {MEMBERS[index][0]} if index < len(MEMBERS) else set()
    for attempt in range(_ATTEMPTS):
        canvas = Canvas(np.random.default_rng([seed, split, index, attempt]), height, 4 * height // 3)
        street.Street(canvas, style, wanted).paint()
        if all((canvas.labels == label).any() for label in wanted):
            break
    return canvas.finish(grain=0.6), _CLASSES[canvas.labels]


def _table(members: Mapping[int, tuple[int, ...]]) -> Mask:
    """Class of every label of a street, 11 for those that have none."""
    table = np.full(256, VOID, np.uint8)
    for label, own in members.items():
        table[list(own)] = label
    return table


_CLASSES = _table(dict(enumerate(MEMBERS)))
