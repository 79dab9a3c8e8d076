"""SYNTHETIC scenes of Cityscapes' labels and instances, with predictions as label maps and as objects."""

from __future__ import annotations

from typing import Any

import numpy as np

from segbench.types import Object, Prediction, Sample

SHAPE = (60, 80)


def labels_of(instances: Any) -> Any:
    """The label map of an instance map."""
    return np.where(instances < 1000, instances, instances // 1000).astype(np.uint8)


def make_scene(seed: int) -> tuple[Sample, Prediction, Prediction]:
    """Regions, groups, small and large objects; a label map, and objects that repeat, miss, shift and tie."""
    random = np.random.default_rng(seed)
    instances = np.repeat(np.repeat(random.choice([0, 4, 7, 9, 21], (3, 4)), 20, axis=0), 20, axis=1).astype(np.int32)
    for number in range(random.integers(4, 10)):
        label = int(random.choice([24, 26, 26, 28, 29]))
        value = label if random.random() < 0.25 else 1000 * label + number
        top, left = random.integers(0, 40), random.integers(0, 60)
        height, width = random.integers(4, 20, 2)
        instances[top : top + height, left : left + width] = value
    labels = labels_of(instances)
    predicted = np.where(random.random(SHAPE) < 0.3, np.roll(labels, 2, axis=1), labels)
    wrong = random.choice([7, 24, 26, 28, 29, 30], SHAPE)
    predicted = np.where(random.random(SHAPE) < 0.1, wrong, predicted).astype(np.uint8)
    objects = []
    for value in np.unique(instances[instances > 23]).tolist():
        for _ in range(random.integers(0, 4)):
            mask = np.roll(instances == value, random.integers(-3, 4), axis=int(random.integers(2)))
            label = value if value < 1000 else value // 1000
            objects.append(Object(label, mask, float(random.integers(1, 6)) / 5))
    for label in (24, 26, 28):
        mask = np.zeros(SHAPE, bool)
        top, left = random.integers(0, 40), random.integers(0, 60)
        mask[top : top + random.integers(0, 30), left : left + random.integers(1, 30)] = True
        objects.append(Object(label, mask, float(random.integers(1, 6)) / 5))
    sample = Sample(f"scene-{seed:010}", "city", seed % 100, labels=labels, instances=instances)
    return sample, Prediction(labels=predicted), Prediction(objects=tuple(objects))


def make_scenes(seed: int, count: int = 4) -> list[tuple[Sample, Prediction, Prediction]]:
    """Scenes of as many seeds."""
    return [make_scene(seed + n) for n in range(count)]
