"""RANDOM, SYNTHETIC objects of COCO with detections, and what other evaluators say of them."""

from __future__ import annotations

import contextlib
import copy
import io
from typing import Any

import numpy as np
from pycocotools import mask as mask_api
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from segbench.datasets.cocostuff import COCOStuff
from segbench.types import Object, Prediction, Sample

INFO = COCOStuff.info
THINGS = [c.id for c in INFO.classes if c.kind == "thing"]
Pairs = list[tuple[Sample, Prediction]]


def random_pairs(
    seed: int, images: int, *, classes: int = 3, most: int = 5, ties: bool = True, size: tuple[int, int] = (120, 160)
) -> Pairs:
    """Images with true ellipses (some of them crowds, some with another area than the mask's) and detections.

    Detections are shifted truths, often doubled, and noise; with `ties` the scores have one digit. Some images have no
    true objects, some no detections, some neither.
    """
    random = np.random.default_rng(seed)
    pairs = []
    for number in range(images):
        truths, found = [], []
        for _ in range(int(random.integers(0, most + 1)) if random.random() > 0.15 else 0):
            label = THINGS[int(random.integers(classes)) * 7 % 80]
            middle, axes = random.uniform(0, 1, 2) * size, random.uniform(2, size[0] / 2, 2)
            mask = _ellipse(size, middle, axes)
            area = float(mask.sum()) * (random.choice([0.8, 1.3]) if random.random() < 0.2 else 1)
            truths.append(Object(label, _rle(mask), crowd=bool(random.random() < 0.15), area=area))
            for _ in range(int(random.integers(0, 3))):
                shifted = _ellipse(size, middle + random.normal(0, axes.min() / 6, 2), axes * random.uniform(0.9, 1.1))
                found.append((label if random.random() > 0.05 else THINGS[0], shifted))
        for _ in range(int(random.integers(0, 3)) if random.random() > 0.2 else 0):
            noise = _ellipse(size, random.uniform(0, 1, 2) * size, random.uniform(2, size[0] / 3, 2))
            found.append((THINGS[int(random.integers(classes)) * 7 % 80], noise))
        if random.random() < 0.1:
            found.clear()
        scores = random.random(len(found))
        objects = tuple(
            Object(label, _rle(mask), float(np.round(score, 1) if ties else score))
            for (label, mask), score in zip(found, scores, strict=True)
        )
        name = f"{number:012d}"
        pairs.append((Sample(name, "g", 0, objects=tuple(truths)), Prediction(objects=objects)))
    return pairs


def _ellipse(size: tuple[int, int], middle: Any, axes: Any) -> Any:
    y, x = np.ogrid[: size[0], : size[1]]
    return ((y - middle[0]) / axes[0]) ** 2 + ((x - middle[1]) / axes[1]) ** 2 <= 1


def _rle(mask: Any) -> dict[str, Any]:
    rle = mask_api.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(rle["size"]), "counts": rle["counts"].decode()}


def as_coco(pairs: Pairs) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Annotations and results in COCO's JSON."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for sample, prediction in pairs:
        number = int(sample.id)
        assert sample.objects is not None
        assert prediction.objects is not None
        size = next((o.mask["size"] for o in (*sample.objects, *prediction.objects)), [120, 160])
        images.append({"id": number, "height": size[0], "width": size[1], "file_name": f"{sample.id}.jpg"})
        for entry in sample.objects:
            box = [float(v) for v in mask_api.toBbox(entry.mask)]
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": entry.label + 1, "bbox": box}
                | {"segmentation": entry.mask, "iscrowd": int(entry.crowd), "area": entry.area}
            )
        results += [
            {"image_id": number, "category_id": o.label + 1, "segmentation": o.mask, "score": o.score}
            for o in prediction.objects
        ]
    categories = [{"id": c.id + 1, "name": c.name} for c in INFO.classes if c.kind == "thing"]
    return {"info": {}, "images": images, "annotations": annotations, "categories": categories}, results


def official(truth: dict[str, Any], results: list[dict[str, Any]]) -> COCOeval:
    """pycocotools' COCOeval after evaluate, accumulate and summarize."""
    with contextlib.redirect_stdout(io.StringIO()):
        dataset = COCO()
        dataset.dataset = copy.deepcopy(truth)
        dataset.createIndex()
        evaluation = COCOeval(dataset, dataset.loadRes(copy.deepcopy(results)), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation
