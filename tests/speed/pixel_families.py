"""What `centreline`, `topology` and `pixel-ranking` take: `python tests/speed/pixel_families.py --side 1024`.

SYNTHETIC vessels of 3 to 8 px, and probabilities that find most of them. Beside each family stands the same by calls of
well-known libraries, which have to give the same numbers: both skeletons by scikit-image, pieces and holes of all
64 px patches by SciPy, and curves of the same probabilities by scikit-learn. Processor time of one image by one thread,
as in a worker of an evaluation, in turn, the least of five. With `--images` two methods' rankings of so many images of
256 x 256 noisy pixels are compared, once.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
from scipy import ndimage
from skimage.morphology import skeletonize
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve
from tabulate import tabulate

from segbench.evaluation.comparison import Paired
from segbench.metrics.centreline import Centreline
from segbench.metrics.pixel_ranking import PixelRanking
from segbench.metrics.topology import PATCH_PX, Topology
from segbench.registry import dataset_class
from segbench.types import Array, Metric, Prediction, Sample

INFO = dataset_class("medaka").info


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--images", type=int, default=0)
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    side = asked.side
    random = np.random.default_rng(0)
    field = ndimage.gaussian_filter(random.normal(size=(side, side)), 12)
    truth = np.abs(field) < 0.15 * field.std()
    smooth = ndimage.gaussian_filter(truth.astype(np.float32) + random.normal(0, 0.4, truth.shape), 1.5)
    values = np.clip(smooth, 0, 1).astype(np.float32)
    sample, prediction = Sample("a", "g", 0, labels=truth.astype(np.uint8)), Prediction(probabilities=values)
    found = values > 0.5
    rows = []
    libraries: tuple[tuple[Metric, str, Callable[[], dict[str, float]]], ...] = (
        (Centreline(), "scikit-image", lambda: cldice(truth, found)),
        (Topology(), "SciPy", lambda: betti_errors(truth, found)),
        (PixelRanking(), "scikit-learn", lambda: curves(truth, values)),
    )
    for metric, name, library in libraries:
        ours, theirs, statistic, expected = in_turn(partial(metric.measure, sample, prediction, INFO), library)
        measured = metric.compute([statistic], INFO)
        # levels make a small difference
        tolerance = 5e-4 if isinstance(metric, PixelRanking) else 1e-12
        assert all(abs(measured[score] - value) < tolerance for score, value in expected.items())
        rows.append([metric.name, ours, name, theirs, theirs / ours])
    if asked.images:
        print(f"{asked.images} images compared in {compared(asked.images):.1f} s of processor time")
    print(tabulate(rows, [f"{side} x {side}", "ms", "library", "ms", "times as fast"], floatfmt=".1f"))


def compared(images: int) -> float:
    """Processor seconds of `bench compare` with a score of `pixel-ranking`, after its files are read."""
    metric = PixelRanking()
    runs = []
    for seed, skill in enumerate((2.0, 1.9)):
        random, run = np.random.default_rng(seed), []
        for number in range(images):
            truth = (random.random((256, 256)) < 0.2).astype(np.uint8)
            values = 1 / (1 + np.exp(-random.normal(skill * (2.0 * truth - 1), 3)))
            sample = Sample(f"{number:05}", f"{number:05}", number, labels=truth)
            run.append(metric.measure(sample, Prediction(probabilities=values.astype(np.float32)), INFO))
        runs.append(tuple(run))
    begun = time.process_time()
    Paired(metric, INFO, metric.scores[1], tuple(runs)).difference(0, 1)
    return time.process_time() - begun


def in_turn(ours: Callable[[], Any], theirs: Callable[[], Any]) -> tuple[float, float, Any, Any]:
    """Least processor time of both in milliseconds, and their results."""
    results, least = [ours(), theirs()], [float("inf")] * 2
    for _ in range(5):
        for place, action in enumerate((ours, theirs)):
            begun = time.process_time()
            action()
            least[place] = min(least[place], 1000 * (time.process_time() - begun))
    return least[0], least[1], *results


def cldice(truth: Array, found: Array) -> dict[str, float]:
    """The two skeletons, and what of each lies in the other mask."""
    lines = [skeletonize(each) for each in (truth, found)]  # type: ignore[no-untyped-call]
    sensitivity, precision = found[lines[0]].mean(), truth[lines[1]].mean()
    return {"cldice": 2 * precision * sensitivity / (precision + sensitivity)}


def betti_errors(truth: Array, found: Array) -> dict[str, float]:
    """Numbers of pieces and holes of the image and of each patch, one call after the other."""
    corners = np.ones((3, 3), bool)

    def numbers(mask: Array) -> Array:
        outside = np.pad(~mask, 1, constant_values=True)
        return np.array([ndimage.label(mask, corners)[1], ndimage.label(outside)[1] - 1])

    height, width = truth.shape
    places = [
        np.s_[y : y + PATCH_PX, x : x + PATCH_PX] for y in range(0, height, PATCH_PX) for x in range(0, width, PATCH_PX)
    ]
    whole = np.abs(numbers(truth) - numbers(found))
    patches = np.mean([np.abs(numbers(truth[place]) - numbers(found[place])) for place in places], axis=0)
    return dict(
        zip(
            ("betti0_error", "betti1_error", "betti0_patch_error", "betti1_patch_error"),
            (*whole.tolist(), *patches.tolist()),
            strict=True,
        )
    )


def curves(truth: Array, values: Array) -> dict[str, float]:
    """The three scores by scikit-learn."""
    true, ranked = truth.ravel(), values.ravel()
    fpr, tpr, _ = roc_curve(true, ranked, drop_intermediate=False)
    return {
        "roc_auc": float(roc_auc_score(true, ranked)),
        "average_precision": float(average_precision_score(true, ranked)),
        "fpr_at_95_tpr": float(fpr[np.flatnonzero(tpr >= 0.95)[0]]),
    }


if __name__ == "__main__":
    main()
