"""Surface distances of a volume, against MONAI: python tests/speed/volume_surfaces.py [--slices 120 --side 256].

SYNTHETIC ellipsoids of three classes, and the same moved by a voxel or two, with 2.5 mm between slices and 1 mm within
them. Processor time of one volume, the best of three: surface Dice within 2 mm, average symmetric surface distance and
95 % Hausdorff distance of every class, which have to be the same on both sides.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from monai.metrics.hausdorff_distance import compute_hausdorff_distance
from monai.metrics.surface_dice import compute_surface_dice
from monai.metrics.surface_distance import compute_average_surface_distance
from tabulate import tabulate

from segbench.metrics.surface_distance import SurfaceDistance
from segbench.registry import dataset_class
from segbench.types import Array, ClassInfo, Float64, Prediction, Sample, VolumeSlices

SPACING = (2.5, 1.0, 1.0)
METRIC = SurfaceDistance()
INFO = replace(
    dataset_class("folder").info,
    classes=(
        ClassInfo(0, "background", (0, 0, 0), "background"),
        *(ClassInfo(n, f"organ {n}", (n, n, n)) for n in (1, 2, 3)),
    ),
    volumes=VolumeSlices(spacing_mm={"case": SPACING}),
)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=120)
    parser.add_argument("--side", type=int, default=256)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    shape = (given.slices, given.side, given.side)
    truth, predicted = organs(shape, (0, 0, 0)), organs(shape, (1, 2, -1))
    theirs, wanted = timed(lambda: by_monai(truth, predicted))
    ours, found = timed(lambda: by_segbench(truth, predicted))
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    rows = [["MONAI", theirs, 1.0], ["segbench, surface-distance", ours, theirs / ours]]
    print(tabulate(rows, [f"3 classes in {' x '.join(map(str, shape))}", "s", "times as fast"], floatfmt=".2f"))


def organs(shape: tuple[int, int, int], moved: Sequence[int]) -> Array:
    """Labels (N, H, W) uint8 of three ellipsoids."""
    labels = np.zeros(shape, np.uint8)
    grid = np.ogrid[: shape[0], : shape[1], : shape[2]]
    for label, (middle, radius) in enumerate(
        (((0.5, 0.4, 0.4), 0.3), ((0.5, 0.8, 0.8), 0.15), ((0.2, 0.25, 0.25), 0.1)), 1
    ):
        centre = [part * side + by for part, side, by in zip(middle, shape, moved, strict=True)]
        far = sum(((g - c) * mm) ** 2 for g, c, mm in zip(grid, centre, SPACING, strict=True))
        labels[far <= (radius * shape[1]) ** 2] = label
    return labels


def by_monai(truth: Array, predicted: Array) -> Float64:
    """The three scores of each class, (3, 3)."""
    found, true = (
        torch.stack([torch.from_numpy(each == n) for n in range(4)])[None].float() for each in (predicted, truth)
    )
    scores = (
        compute_surface_dice(found, true, [METRIC.tolerance_mm] * 3, spacing=SPACING),
        compute_average_surface_distance(found, true, symmetric=True, spacing=SPACING),
        compute_hausdorff_distance(found, true, percentile=95, spacing=SPACING),
    )
    return np.stack([each[0].numpy().astype(np.float64) for each in scores])


def by_segbench(truth: Array, predicted: Array) -> Float64:
    """The same from slices."""
    parts = [
        METRIC.measure(Sample(f"{z:04d}", "case", z, labels=t), Prediction(labels=p), INFO)
        for z, (t, p) in enumerate(zip(truth, predicted, strict=True))
    ]
    rows = METRIC.per_class(METRIC.of_group(parts, INFO), INFO)
    return np.array([[row[score.name] for row in rows.values()] for score in METRIC.scores])


def timed(measure: Callable[[], Any]) -> tuple[float, Any]:
    """Processor time in seconds, the best of three, and the result."""
    times = []
    for _ in range(3):
        started = time.process_time()
        result = measure()
        times.append(time.process_time() - started)
    return min(times), result


if __name__ == "__main__":
    main()
