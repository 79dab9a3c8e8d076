"""Synthetic PASCAL VOC 2012: painted scenes with things of the 20 classes, in the official layout.

Borders of 255 surround every thing as in the real annotation, and classes are as unequally frequent. Nothing is taken
from a photograph.

Reference
---------
Layout, names and palette: Everingham et al., International Journal of Computer Vision 111(1):98-136 (2015).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..io.images.read import palette_color
from .output_folder import Mark, building, make_all, save_picture
from .painting.backdrops import BACKDROPS
from .painting.scenes import Box, Canvas, Image, Look, Mask, choose, look, renumbered, seams, uniform
from .painting.silhouettes import SILHOUETTES

GENERATOR_VERSION = "2"
VOID = 255
_NOTICE = "Synthetic: painted by segbench, not photographed. Never publish a score on these images as one on VOC 2012."
_MARK = Mark("segbench.synthetic.voc2012", GENERATOR_VERSION, _NOTICE)
_FOLDER = Path("VOCdevkit") / "VOC2012"
_PALETTE = [channel for index in range(256) for channel in palette_color(index)]
_SHAPES = ((3, 4), (3, 4), (3, 4), (4, 3), (4, 3), (2, 3), (1, 1))
_SPLITS = ("train", "val")


@dataclass(frozen=True)
class Plan:
    """How many images to make, and the length of their longer side in pixels."""

    train: int
    val: int
    side: int


SMALL = Plan(train=240, val=80, side=256)
FULL = Plan(train=1464, val=1449, side=500)


@dataclass(frozen=True)
class Kind:
    """A class of things: outlines, surface, height beside a person's, where it is met, how often in real images."""

    shapes: tuple[str, ...]
    look: Look
    size: float
    scenes: tuple[str, ...]
    images: int


# In the order of the classes 1 to 20; `images` are those of the real trainval set.
KINDS = (
    Kind(("plane",), look("d8dadd c2c8d0 e6e2da", "panel", 7, 0.4), 1.0, ("sky", "field"), 178),
    Kind(("bicycle",), look("b02c2c 2a5ea8 3a8a4a 303034", "flat", 5), 0.65, ("street", "room"), 144),
    Kind(("bird", "flyer"), look("7a5a3c 4a6a8e c0b8a8 3a3a3e", "fur", 16, 0.4), 0.3, ("sky", "field", "water"), 208),
    Kind(("boat", "ship"), look("8e4a34 36506e e0dcd0 5a6a4a", "board", 9, 0.5), 1.5, ("water",), 150),
    Kind(("bottle",), look("2e5c38 5c3a22 8ea6a0 a83232", "smooth", 12, 0.3), 0.2, ("room",), 183),
    Kind(("bus",), look("c23a2e d8a826 3a6ab0 e4e2dc", "panel", 5, 0.6), 1.7, ("street",), 152),
    Kind(
        ("car", "front"), look("a82626 28487e c4c6ca 2c2c30 50704e", "smooth", 9, 0.4), 0.85, ("street", "field"), 255
    ),
    Kind(("cat",), look("b8783c 6a6460 2e2a2a d8cab4", "fur", 20, 0.5), 0.35, ("room", "field"), 250),
    Kind(("chair",), look("8a5a34 b04038 3c3a44 c8b48c", "board", 12, 0.4), 0.6, ("room",), 271),
    Kind(("cow",), look("6e4630 2c2624 e0d6c8", "blotch", 30, 0.6), 0.85, ("field",), 135),
    Kind(("table",), look("8c6440 a8804e d6cab6", "wood", 14, 0.6), 0.5, ("room",), 157),
    Kind(("dog",), look("a67c4a 4a3424 d6c6a4 303034", "fur", 18, 0.6), 0.4, ("room", "field", "street"), 249),
    Kind(("horse",), look("6a3c22 3a2a20 a87a4e", "smooth", 14, 0.5), 1.05, ("field",), 147),
    Kind(("motorbike",), look("a02424 26262a 30509a c86a20", "panel", 8, 0.4), 0.7, ("street",), 157),
    Kind(("person", "sitter"), look("34507e a03a3a d0ccc2 4a6444 2e2e36 b88a3c", "fold", 10, 0.5), 1.0, (), 888),
    Kind(("plant",), look("3c6e34 557f3a 2e5638", "leaf", 24, 0.6), 0.5, ("room", "street"), 167),
    Kind(("sheep",), look("dcd6c6 c4bca8 ece8dc", "wool", 22, 0.6), 0.55, ("field",), 120),
    Kind(("sofa",), look("7a4a3a 4c5c6e b8a684 5a3e5a", "check", 9, 1.0), 0.55, ("room",), 183),
    Kind(("train",), look("b83a30 35608a d4b43a 5c6c64", "panel", 8, 0.8), 1.9, ("rail",), 167),
    Kind(("tv",), look("20242c 2c4468 46586c", "smooth", 18, 0.4), 0.4, ("room",), 157),
)
_PERSON = 15
_TROUSERS = look("2c3a5a 3a3a3e 6a5a48 8a8478", "grain")
_POT = look("a8623c 8a8a86 c8c0b0", "grain")
_RIDDEN = (2, 13, 14)
_SCENES = ("street", "field", "sky", "water", "room", "rail")
_MEMBERS = {scene: [n for n, kind in enumerate(KINDS, 1) if scene in kind.scenes and n != _PERSON] for scene in _SCENES}


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
    with building(root, frozenset({"VOCdevkit"}), _MARK, seed, plan) as partial:
        for name in ("JPEGImages", "SegmentationClass", "SegmentationObject", "ImageSets/Segmentation"):
            (partial / _FOLDER / name).mkdir(parents=True)
        make_all(functools.partial(_write, partial, seed, plan), range(plan.train + plan.val), workers, progress)
        names: dict[str, list[str]] = {split: [] for split in _SPLITS}
        for position in range(plan.train + plan.val):
            names[_place(plan, position)[0]].append(_name(plan, position))
        names["trainval"] = sorted(names["train"] + names["val"])
        for split, listed in names.items():
            path = partial / _FOLDER / "ImageSets" / "Segmentation" / f"{split}.txt"
            path.write_bytes("".join(f"{name}\n" for name in listed).encode())


def _place(plan: Plan, position: int) -> tuple[str, int]:
    """Split and index there of an image; the images of `val` are spread evenly among the others."""
    before, after = (n * plan.val // (plan.train + plan.val) for n in (position, position + 1))
    return ("val", before) if after > before else ("train", position - before)


def _name(plan: Plan, position: int) -> str:
    year = 2007 + 5 * position // (plan.train + plan.val)
    return f"{year}_{position + 1:06d}"


def _write(folder: Path, seed: int, plan: Plan, position: int) -> None:
    split, index = _place(plan, position)
    photo, classes, things = scene(seed, _SPLITS.index(split), index, plan.side)
    name = _name(plan, position)
    save_picture(folder / _FOLDER / "JPEGImages" / f"{name}.jpg", photo, _MARK)
    save_picture(folder / _FOLDER / "SegmentationClass" / f"{name}.png", classes, _MARK, _PALETTE)
    save_picture(folder / _FOLDER / "SegmentationObject" / f"{name}.png", things, _MARK, _PALETTE)


def scene(seed: int, split: int, index: int, side: int) -> tuple[Image, Mask, Mask]:
    """One image (H, W, 3) with its classes and its things, (H, W) uint8, both 255 on borders."""
    rng = np.random.default_rng([seed, split, index])
    ratio = _SHAPES[choose(rng, [1] * len(_SHAPES))]
    height, width = (side * part // max(ratio) for part in ratio)
    canvas = Canvas(rng, height, width)
    # The first images show every class once; then classes come as often as in the real set.
    main = index + 1 if index < len(KINDS) else 1 + choose(rng, [kind.images for kind in KINDS])
    places = KINDS[main - 1].scenes or ("street", "field", "room", "street", "room")
    place = places[int(rng.integers(len(places)))]
    horizon = BACKDROPS[place](canvas)
    _populate(canvas, main, place, horizon)
    return canvas.finish(), *_truth(canvas)


def _truth(canvas: Canvas) -> tuple[Mask, Mask]:
    """Label maps with void borders; things too small to be seen are void, the others numbered from 1."""
    size = max(3, 2 * round(2.5 * max(canvas.height, canvas.width) / 500) + 1)
    border = seams(canvas.instances, size)
    things, _ = renumbered(np.where(border, 0, canvas.instances), round(40 * canvas.unit**2))
    lost = (canvas.instances > 0) & (things == 0)
    classes = np.where(things > 0, canvas.labels, 0).astype(np.uint8)
    classes[border | lost] = VOID
    numbers = things.astype(np.uint8)
    numbers[border | lost] = VOID
    return classes, numbers


def _populate(canvas: Canvas, main: int, place: str, horizon: float) -> None:
    """Things from far to near: some of those that belong to the place, and the main one, large."""
    rng = canvas.rng
    members = [*_MEMBERS[place], *([_PERSON] * (3 if place != "sky" else 0))]
    others = [members[int(rng.integers(len(members)))] for _ in range(choose(rng, (3, 4, 3, 2, 1)))] if members else []
    if rng.random() < 0.35:
        others += [main] * int(rng.integers(1, 4))
    nearness = sorted(uniform(rng, 0.15, 0.8) for _ in others)
    person = canvas.height * uniform(rng, 0.6, 1.0)
    number = 0
    for kind, near in zip(others, nearness, strict=True):
        number = _put(canvas, kind, number, place, horizon, near, KINDS[kind - 1].size * person * near)
    size = uniform(rng, 0.4, 0.85) * min(canvas.height, canvas.width)
    number = _put(canvas, main, number, place, horizon, uniform(rng, 0.75, 1.0), size)
    if number > 1 and rng.random() < 0.3 and place != "sky":
        # Somebody half outside of the picture, in front of all.
        tall = canvas.height * uniform(rng, 0.7, 1.1)
        x = -0.05 * tall if rng.random() < 0.5 else canvas.width - 0.25 * tall
        _paint(
            canvas, _PERSON, number + 1, (x, canvas.height - 0.8 * tall, x + 0.36 * tall, canvas.height + 0.2 * tall)
        )


def _put(canvas: Canvas, kind: int, number: int, place: str, horizon: float, near: float, tall: float) -> int:
    """Paint one thing of a class, with its rider or what stands on it; returns the last number given."""
    rng = canvas.rng
    shape = _shape_of(canvas, kind, place)
    aspect = _aspect(shape) * uniform(rng, 0.85, 1.15)
    wide = min(tall * aspect, 0.95 * canvas.width)
    tall = wide / aspect
    x = uniform(rng, -0.15 * wide, canvas.width - 0.85 * wide)
    if place == "sky" and kind in (1, 3):
        bottom = uniform(rng, tall, max(tall + 1, horizon))
    else:
        bottom = horizon + (canvas.height - horizon) * (0.12 + 0.86 * near)
        bottom = max(bottom, 0.9 * tall)
    box = (x, bottom - tall, x + wide, bottom)
    number += 1
    _paint(canvas, kind, number, box, shape, near)
    if kind in _RIDDEN and rng.random() < 0.5:
        number += 1
        middle, size = x + wide * uniform(rng, 0.32, 0.5), tall * (0.75 if kind == 13 else 1.05)
        top = box[1] - size * (0.5 if kind == 13 else 0.36)
        _paint(canvas, _PERSON, number, (middle - 0.3 * size, top, middle + 0.32 * size, top + size), "rider", near)
    if kind == 11:
        for _ in range(int(rng.integers(0, 4))):
            number += 1
            size = tall * uniform(rng, 0.35, 0.6)
            foot, left = box[1] + 0.12 * tall, x + wide * uniform(rng, 0.15, 0.75)
            _paint(canvas, 5, number, (left, foot - size, left + 0.33 * size, foot), "bottle", near)
    return number


def _shape_of(canvas: Canvas, kind: int, place: str) -> str:
    shapes = KINDS[kind - 1].shapes
    if kind == 3:
        return "flyer" if place == "sky" else "bird"
    if kind == _PERSON:
        return "sitter" if place == "room" and canvas.rng.random() < 0.5 else "person"
    return shapes[int(canvas.rng.integers(len(shapes)))]


def _aspect(shape: str) -> float:
    return SILHOUETTES[shape].aspect


def _paint(canvas: Canvas, kind: int, number: int, box: Box, shape: str = "person", near: float = 1.0) -> None:
    second = None
    if kind == _PERSON:
        second = _TROUSERS.colour(canvas.rng)
    elif kind == 16:
        second = _POT.colour(canvas.rng)
    elif kind == 20:
        second = (30.0, 30.0, 34.0)
    flying = shape in ("flyer", "plane") or kind == 4
    canvas.thing(
        *(shape, box, KINDS[kind - 1].look, kind, number),
        second=second,
        on_ground=not flying,
        haze=0.3 * (1 - near) * (1 - near),
    )
