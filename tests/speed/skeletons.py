"""What `centreline` takes where classes are thick or many: `python tests/speed/skeletons.py`

SYNTHETIC label maps of 1024 x 2048: one class that fills the image but for a frame, wide blobs, thin vessels, classes
strewn in squares of 32 px; each with a prediction that is moved by 3 px. Measured in turn with the compiled part, which
thins all classes at once, and without it, where scikit-image thins one after the other; the statistics have to be the
same. Milliseconds of processor time, the least of several.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np
from label_metrics import same, timed
from scipy import ndimage
from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from engines import using
from segbench.metrics.centreline import Centreline
from segbench.registry import dataset_class
from segbench.types import Array, DatasetInfo, Prediction, Sample, Statistic

METRIC = Centreline()
BINARY, MANY = dataset_class("medaka").info, dataset_class("cocostuff").info


def scenes(classes: int) -> dict[str, tuple[Array, DatasetInfo]]:
    """True label maps by what they show."""
    random = np.random.default_rng(0)
    filled = np.zeros((1024, 2048), np.uint8)
    filled[8:-8, 8:-8] = 1
    field = ndimage.gaussian_filter(random.normal(size=filled.shape), 40)
    fine = ndimage.gaussian_filter(random.normal(size=filled.shape), 12)
    labels = np.array([each.id for each in MANY.classes[:classes]])
    squares = np.kron(labels[random.integers(0, len(labels), (32, 64))], np.ones((32, 32), int))
    return {
        "one class fills the image": (filled, BINARY),
        "wide blobs": ((field > 0).astype(np.uint8), BINARY),
        "thin vessels": ((np.abs(fine) < 0.15 * fine.std()).astype(np.uint8), BINARY),
        f"{len(labels)} classes in squares of 32 px": (squares.astype(np.uint16), MANY),
    }


def main() -> None:
    """Measure and print a table."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--classes", type=int, default=171)
    asked.add_argument("--rounds", type=int, default=3)
    given = asked.parse_args()
    rows = []
    for name, (truth, info) in scenes(given.classes).items():
        sample, prediction = Sample("a", "g", 0, labels=truth), Prediction(labels=np.roll(truth, 3, axis=1))

        def measured(
            engine: str, sample: Sample = sample, found: Prediction = prediction, info: DatasetInfo = info
        ) -> Statistic:
            with using(engine):
                return METRIC.measure(sample, found, info)

        assert same(measured("native"), measured("numpy"))
        found = timed({engine: partial(measured, engine) for engine in ("native", "numpy")}, given.rounds)
        rows.append([name, found["native"], found["numpy"], found["numpy"] / found["native"]])
    print(tabulate(rows, ["centreline of 1024 x 2048", "ms", "scikit-image, ms", "times"], floatfmt=".3g"))


if __name__ == "__main__":
    main()
