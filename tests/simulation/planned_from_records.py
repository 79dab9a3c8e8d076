"""Does `bench plan` ask for the right number of images of real methods? Pilots drawn from committed records of CamVid.

    python tests/simulation/planned_from_records.py [--pilots 40] [--images 20 30 60 100] [--sets 200]

The 233 test images of two records are the population, and the difference of both on all of them is the true one. How
many images show it in 4 of 5 test sets is found by drawing test sets and testing each. Then pilots of few images are
drawn, each asks for a number of images to see the true difference, and that is compared with the number found. A third
of the images hold a bicyclist, and one of them holds 11 % of all its pixels: in a small pilot one image decides. The
figures stand in docs/plan.md.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from segbench.evaluation.comparison import ALPHA, Paired
from segbench.evaluation.sample_size import POWER, planned, units_needed

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from populations import RECORDS, recorded

PAIRS = (
    ("canny-a9c54b26", "deconvnet-f78e977c"),
    ("fpn-58874915", "fpn-1da54489"),
    ("kmeans-68482788", "slic-ff931fd1"),
    ("espnetv2-f64ef65e", "espnetv2-d3232f75"),
    ("espnetv2-191ad89a", "unet-90c3e8d9"),
    ("espnetv2-c3614125", "maskrcnn-a8609fbb"),
)
TESTED = (5, 10, 20, 30, 50, 80, 120, 200, 350, 600)
PLANNED = (5, 10, 20, 50, 100, 200, 500, 1000)


class Truth:
    """Two records as a population of images: the true difference, and how often test sets of a size show it."""

    def __init__(self, first: str, second: str, sets: int) -> None:
        self.runs = [recorded(RECORDS / f"camvid-{name}", "miou") for name in (first, second)]
        self.images = len(self.runs[0].samples)
        whole = self.paired(np.arange(self.images), 50)
        self.difference = abs(float(whole.values[0] - whole.values[1]))
        found: list[float] = []
        for size in TESTED:
            sure = found and found[-1] == 1
            found.append(1.0 if sure else self._found(size, sets))
        self.power = np.maximum.accumulate(found)

    def drawn(self, size: int, *seed: int, resamples: int = 50) -> Paired:
        """A test set of this many images."""
        return self.paired(np.random.default_rng([size, *seed]).integers(0, self.images, size), resamples)

    def paired(self, places: np.ndarray[tuple[int], np.dtype[np.int64]], resamples: int) -> Paired:
        """Both methods on these images of the population."""
        one = self.runs[0]
        runs = tuple(
            tuple(
                replace(run.samples[place], sample_id=f"{k:06d}", group="one", index=k)
                for k, place in enumerate(places.tolist())
            )
            for run in self.runs
        )
        return Paired(one.metric, one.info, one.score, runs, resamples=resamples)

    def _found(self, size: int, sets: int) -> float:
        return float(np.mean([self.drawn(size, k).p_value(0, 1) < ALPHA for k in range(sets)]))

    def power_of(self, size: float) -> float:
        """In which part of the test sets of a size the difference is found, interpolated between the tested ones."""
        return float(np.interp(math.log(size), np.log(TESTED), self.power))

    @property
    def enough(self) -> float:
        """The number of images that show it in 4 of 5 test sets."""
        return float(np.exp(np.interp(POWER, self.power, np.log(TESTED))))


def asked(truth: Truth, images: int, pilots: int) -> list[int]:
    """For how many images each pilot asks, to see the true difference."""
    found = []
    for number in range(pilots):
        plans = planned(truth.drawn(images, number, 7, resamples=500), PLANNED, 500)
        found.append(units_needed(plans, truth.difference, lambda plan: plan.visible.value) or 10**9)
    return found


def main() -> None:
    """Print a line for every pair, and one for every size of pilots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pilots", type=int, default=40)
    parser.add_argument("--images", type=int, nargs="+", default=[20, 30, 60, 100])
    parser.add_argument("--sets", type=int, default=200)
    arguments = parser.parse_args()
    start = time.perf_counter()
    truths = [Truth(*pair, arguments.sets) for pair in PAIRS]
    for truth, pair in zip(truths, PAIRS, strict=True):
        print(f"{' and '.join(pair)}: {truth.difference:.4f} apart, {truth.enough:.0f} images show it", flush=True)
    for images in arguments.images:
        ratios, power = [], []
        for truth in truths:
            for number in asked(truth, images, arguments.pilots):
                ratios.append(number / truth.enough)
                power.append(truth.power_of(number))
        low, middle, high, most = np.quantile(ratios, [0.05, 0.5, 0.95, 1])
        print(
            f"pilots of {images} images ask for {middle:.2f} times as many as needed ({low:.2f} to {high:.2f} in 9 of "
            f"10, at most {most:.1f}); found in {100 * np.mean(power):.0f} %, 80 meant",
            flush=True,
        )
    print(f"  ({time.perf_counter() - start:.0f} s)")


if __name__ == "__main__":
    main()
