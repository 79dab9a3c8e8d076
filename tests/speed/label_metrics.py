"""Print what `boundary`, `calibration`, `partition` and counting take: python tests/speed/label_metrics.py

SYNTHETIC images of 1024 x 2048 with 19 classes, void and a tenth of the cells wrong, and a slice of 512 x 512. Each is
measured in turn with the compiled part and without it; the statistics have to be the same bit for bit. Counting is
measured for label maps of every width, with labels in the order of rows and of columns. Milliseconds of processor time,
the least of several.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from evaluate import label_maps
from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from engines import using
from segbench.metrics.boundary import Boundary
from segbench.metrics.calibration import Calibration
from segbench.metrics.joint_counts import joint_counts
from segbench.metrics.partition import Partition
from segbench.registry import dataset_class
from segbench.types import Array, DatasetInfo, Metric, Prediction, Sample, Statistic

INFO = dataset_class("cityscapes").info
IDS = np.array([known.id for known in INFO.classes], np.uint8)
VOID = min(INFO.void)

Row = list[Any]


def image(cells: int, noise: float) -> tuple[Array, Array]:
    """Truth with void along its upper border, and prediction."""
    truth, predicted, _ = label_maps(1, cells, noise)
    truth, predicted = IDS[truth], IDS[predicted]
    truth[:20] = VOID
    return truth, predicted


def probabilities(predicted: Array) -> Array:
    """Of 19 classes, (19, H, W) float32, the predicted one ahead."""
    logits = np.random.default_rng(0).normal(0, 1, (len(IDS), *predicted.shape)).astype(np.float32)
    np.put_along_axis(logits, np.searchsorted(IDS, predicted)[None], 5, axis=0)
    raised = np.exp(logits)
    return np.asarray(raised / raised.sum(axis=0))


def timed(actions: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The least milliseconds of each, measured in turn."""
    least = dict.fromkeys(actions, float("inf"))
    for _ in range(rounds):
        for name, action in actions.items():
            begun = time.process_time()
            action()
            least[name] = min(least[name], 1000 * (time.process_time() - begun))
    return least


def same(one: Statistic, other: Statistic) -> bool:
    """Whether two statistics hold the same bits."""
    return all(np.array_equal(one.columns[name], other.columns[name], equal_nan=True) for name in one.columns)


def by_engine(name: str, metric: Metric, sample: Sample, prediction: Prediction, info: DatasetInfo, rounds: int) -> Row:
    """A row: with and without the compiled part."""

    def measured(engine: str) -> Statistic:
        with using(engine):
            return metric.measure(sample, prediction, info)

    assert same(measured("native"), measured("numpy"))
    found = timed({engine: partial(measured, engine) for engine in ("native", "numpy")}, rounds)
    return [name, *found.values(), found["numpy"] / found["native"]]


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--rounds", type=int, default=5)
    rounds = asked.parse_args().rounds
    cv2.setNumThreads(1)
    rows = []
    for number, noise in ((300, 0.0), (3000, 0.0), (300, 0.02)):
        truth, predicted = image(number, noise)
        sample, name = Sample("image", "", 0, labels=truth), f"boundary, {number} cells, {noise:.0%} noise"
        rows.append(by_engine(name, Boundary(), sample, Prediction(labels=predicted), INFO, rounds))
    truth, predicted = image(300, 0.0)
    sample, values = Sample("image", "", 0, labels=truth), Prediction(probabilities=probabilities(predicted))
    rows.append(by_engine("calibration", Calibration(), sample, values, INFO, rounds))
    cells, slice_info = label_maps(4, 400, 0, (512, 512))[2], dataset_class("isbi2012").info
    membrane = cv2.morphologyEx(cells.astype(np.uint16), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    inside = cv2.GaussianBlur((~membrane).astype(np.float32), (0, 0), 1.5)
    noisy = np.clip(inside + np.random.default_rng(0).normal(0, 0.1, inside.shape), 0, 1).astype(np.float32)
    sample, values = Sample("slice", "", 0, labels=(~membrane).astype(np.uint8)), Prediction(probabilities=noisy)
    rows.append(by_engine("partition", Partition(), sample, values, slice_info, rounds))
    print(tabulate(rows, headers=["per image", "compiled, ms", "NumPy, ms", "ratio"], floatfmt=".2f"))
    pairs = {kind: (truth.astype(kind), predicted.astype(kind)) for kind in ("uint8", "uint16", "int32", "int64")}
    pairs["uint8 by columns"] = np.asfortranarray(truth), np.asfortranarray(predicted)
    found = timed({name: partial(joint_counts, *pair) for name, pair in pairs.items()}, 4 * rounds)
    table = [[name, each, each / found["uint8"]] for name, each in found.items()]
    print(tabulate(table, headers=["counting", "ms", "of uint8"], floatfmt=".2f"))


if __name__ == "__main__":
    main()
