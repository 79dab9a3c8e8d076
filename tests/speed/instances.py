"""Matching instances at ten IoUs, against StarDist: python tests/speed/instances.py [--side 1024].

SYNTHETIC discs of radius 14 at random centres, and the same with centres moved by 2 px. Processor time of one image,
the best of five; both have to find the same pairs. Needs StarDist: pip install stardist.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from tabulate import tabulate

from segbench.metrics.instance_matching import THRESHOLDS, InstanceMatching
from segbench.registry import dataset_class
from segbench.types import Array, Float64, Prediction, Sample


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=1024)
    given = parser.parse_args()
    matching = import_module("stardist.matching").matching
    random = np.random.default_rng(0)
    centres = random.random((given.side**2 // 1750, 2)) * given.side
    truth, predicted = (discs(each, given.side) for each in (centres, centres + random.normal(0, 2, centres.shape)))
    metric, info = InstanceMatching(), dataset_class("medaka").info
    sample = Sample("a", "g", 0, labels=(truth > 0).astype(np.uint8), instances=truth)
    prediction = Prediction(labels=(predicted > 0).astype(np.uint8), instances=predicted)
    theirs, found = timed(lambda: matching(truth, predicted, thresh=tuple(each / 100 for each in THRESHOLDS)))
    ours, statistic = timed(lambda: metric.measure(sample, prediction, info))
    assert [each.tp for each in found] == [statistic.columns[f"tp_{each}"][0] for each in THRESHOLDS]
    rows = [["stardist.matching", theirs, 1.0], ["segbench, instance-matching", ours, theirs / ours]]
    print(tabulate(rows, [f"{truth.max()} instances in {given.side} x {given.side}", "ms", "times as fast"]))


def discs(centres: Float64, side: int) -> Array:
    """Instance numbers (side, side) int32: every pixel within 14 px has the number of its nearest centre (n, 2)."""
    distance, nearest = cKDTree(centres).query(np.moveaxis(np.indices((side, side)), 0, -1).reshape(-1, 2))
    return np.where(distance < 14, nearest + 1, 0).reshape(side, side).astype(np.int32)


def timed(measure: Callable[[], Any]) -> tuple[float, Any]:
    """Processor time in milliseconds, the best of five after one that is not counted, and the result."""
    result, times = measure(), []
    for _ in range(5):
        started = time.process_time()
        result = measure()
        times.append(time.process_time() - started)
    return 1000 * min(times), result


if __name__ == "__main__":
    main()
