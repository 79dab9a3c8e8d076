"""RANDOM, SYNTHETIC panoptic truths with predictions, also in COCO's files; real ones with predictions made of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from places import shared
from segbench.data.panoptic_annotations import read_annotations
from segbench.datasets.folder import Folder
from segbench.io.images.segment_ids import write_segment_ids
from segbench.types import ClassInfo, DatasetInfo, Panoptic, Prediction, Sample, Segment

CLASSES = tuple(ClassInfo(n, f"class {n}", (9 * n, 80, 200), "thing" if n < 6 else "stuff") for n in range(1, 9))
INFO: DatasetInfo = replace(
    Folder.info, classes=CLASSES, ignore_label=255, panoptic_metrics=("panoptic",), metrics=("overlap",)
)
Pairs = list[tuple[Sample, Prediction]]


def random_pair(seed: int, size: tuple[int, int] = (60, 80)) -> tuple[Sample, Prediction]:
    """Cells of random seeds with classes, void and crowds (often two of one class), and a distorted copy.

    Of the copy borders move, some cells are split, merged, of another class or gone, and some lie on void.
    """
    random = np.random.default_rng(seed)
    cells = _cells(random, size, int(random.integers(6, 22)))
    classes = {0: 0} | {n: int(random.integers(1, 9)) for n in range(1, int(cells.max()) + 1)}
    fate = {n: random.random() for n in classes}
    truth = np.where(np.isin(cells, [n for n in classes if fate[n] < 0.12]), 0, cells)
    crowds = {n for n in classes if fate[n] > 0.85 and classes[n] < 6}
    moved = np.roll(cells, random.integers(-3, 4, 2), (0, 1))
    found, kinds = _distorted(random, moved, classes)
    sample = Sample(f"{seed:012d}", "g", 0, panoptic=_panoptic(random, truth, classes, crowds))
    return sample, Prediction(panoptic=_panoptic(random, found, kinds, set()))


def distorted(truth: Panoptic, seed: int) -> Panoptic:
    """A prediction made of a true map."""
    random = np.random.default_rng(seed)
    numbers = {segment.id: n for n, segment in enumerate(truth.segments, 1)}
    cells = np.zeros(truth.ids.shape, np.int64)
    for number, n in numbers.items():
        cells[truth.ids == number] = n
    classes = {0: 0} | {numbers[segment.id]: segment.category for segment in truth.segments}
    found, kinds = _distorted(random, np.roll(cells, (2, -3), (0, 1)), classes)
    return _panoptic(random, found, kinds, set())


def _cells(random: np.random.Generator, size: tuple[int, int], count: int) -> Any:
    """Numbers from 1 of the nearest of some points, (H, W)."""
    y, x = np.mgrid[: size[0], : size[1]]
    points = random.uniform(0, 1, (count, 2)) * size
    stretch = random.uniform(0.6, 1.6, count)
    distances = [((y - a) ** 2 + (x - b) ** 2) * s for (a, b), s in zip(points, stretch, strict=True)]
    return np.argmin(distances, axis=0) + 1


def _distorted(random: np.random.Generator, cells: Any, classes: dict[int, int]) -> tuple[Any, dict[int, int]]:
    found, kinds = cells.copy(), dict(classes)
    usual = sorted({kind for kind in classes.values() if kind})
    for n in sorted(kinds)[1:]:
        mine, chance = cells == n, random.random()
        if chance < 0.1:
            found[mine] = 0
        elif chance < 0.25:
            kinds[n] = usual[int(random.integers(len(usual)))]
        elif chance < 0.4:
            half = mine & (np.arange(cells.shape[1]) % 40 < random.integers(4, 36))
            kinds[max(kinds) + 1] = kinds[n]
            found[half] = max(kinds)
        elif chance < 0.5:
            found[mine] = max(1, n - 1)
    return found, kinds


def _panoptic(random: np.random.Generator, cells: Any, classes: dict[int, int], crowds: set[int]) -> Panoptic:
    """A map with random segment numbers, its segments in random order."""
    held = [n for n in np.unique(cells).tolist() if n]
    drawn: set[int] = set()
    while len(drawn) < len(held):
        drawn.add(int(random.integers(1, 1 << 24)))
    numbers = dict(zip(held, sorted(drawn), strict=True))
    ids = np.zeros(cells.shape, np.int32)
    for n, number in numbers.items():
        ids[cells == n] = number
    order = random.permutation(len(held)).tolist()
    return Panoptic(ids, tuple(Segment(numbers[held[k]], classes[held[k]], held[k] in crowds) for k in order))


def random_pairs(count: int, start: int = 0) -> Pairs:
    """Pairs of the seeds from `start`."""
    return [random_pair(seed) for seed in range(start, start + count)]


def write_coco(root: Path, pairs: Pairs, classes: tuple[ClassInfo, ...] = CLASSES) -> None:
    """`panoptic.json`, `panoptic/`, `predictions.json` and `predictions/` below a new folder."""
    for name in ("panoptic", "predictions"):
        (root / name).mkdir(parents=True)
    sides: dict[str, list[dict[str, Any]]] = {"panoptic": [], "predictions": []}
    for sample, prediction in pairs:
        for name, side in (("panoptic", sample.panoptic), ("predictions", prediction.panoptic)):
            assert side is not None
            write_segment_ids(root / name / f"{sample.id}.png", side.ids)
            segments = [
                {"id": s.id, "category_id": s.category}
                | ({"iscrowd": int(s.crowd), "area": int((side.ids == s.id).sum())} if name == "panoptic" else {})
                for s in side.segments
            ]
            entry = {"image_id": int(sample.id), "file_name": f"{sample.id}.png", "segments_info": segments}
            sides[name].append(entry)
    categories = [{"id": c.id, "name": c.name, "isthing": int(c.kind == "thing")} for c in classes]
    images = [{"id": int(sample.id), "file_name": f"{sample.id}.jpg"} for sample, _ in pairs]
    truth = {"images": images, "annotations": sides["panoptic"], "categories": categories}
    (root / "panoptic.json").write_text(json.dumps(truth))
    (root / "predictions.json").write_text(json.dumps({"annotations": sides["predictions"]}))


def real_pairs() -> tuple[Pairs, tuple[ClassInfo, ...]]:
    """Segments of COCO of real photographs, the first twice, with predictions made of them, and all categories."""
    folder = shared("data/coco_sample")
    annotations = read_annotations(folder / "panoptic_examples.json")
    pairs = []
    for number, (image_id, seed) in enumerate(((142238, 1), (439180, 2), (142238, 3))):
        annotated = annotations.images[image_id]
        truth = annotated.read(folder / "panoptic_examples" / annotated.file_name)
        name = f"{number:012d}"
        pairs.append((Sample(name, "g", 0, panoptic=truth), Prediction(panoptic=distorted(truth, seed))))
    return pairs, annotations.categories
