"""Does `bench plan` hold what it promises? Test sets of a planned size, drawn from populations that are known.

    python tests/simulation/planned_sizes.py [--pilots 40] [--images 30 100] [--sets 100] [--part width|power]

A pilot is a test set of few images. From it the width of the interval on n images is planned, and the smallest
difference that would be visible; then test sets of n images are drawn from the same population, and what their interval
and test really do is measured, through the functions that score a real one. The figures stand in docs/plan.md.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from segbench.evaluation.comparison import ALPHA, Paired
from segbench.evaluation.intervals import score_intervals
from segbench.evaluation.sample_size import planned, units_needed

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from populations import Population, Run, populations

SIZES = (20, 50, 200, 800)
SKILL = 0.04
"""What the second of two methods is better by, in the population's own terms."""


def measured_width(population: Population, images: int, sets: int, seed: int = 50_000) -> float:
    """Mean width of the interval on test sets of so many images."""
    name, widths = population.score.name, []
    for number in range(sets):
        drawn = population.draw(np.random.default_rng(seed + number), images)
        low, high = score_intervals(population.metric, drawn, population.info)[name]
        widths.append(high - low)
    return float(np.nanmean(widths))


def planned_widths(
    population: Population, pilot: int, pilots: int, sizes: Sequence[int]
) -> list[list[tuple[float, ...]]]:
    """Planned width and the ends of its range, for each size the ones of every pilot."""
    found: list[list[tuple[float, ...]]] = [[] for _ in sizes]
    for number in range(pilots):
        paired = _paired(population, population.draw(np.random.default_rng(number), pilot))
        for place, plan in enumerate(planned(paired, sizes, 1000)):
            found[place].append((plan.width.value, plan.width.low, plan.width.high))
    return found


def width(name: str, pilot: int, pilots: int, sets: int) -> str:
    """Planned against measured width, and how often the planned range holds the measured one."""
    population, lines = populations()[name], []
    for size, plans in zip(SIZES, planned_widths(population, pilot, pilots, SIZES), strict=True):
        real = measured_width(population, size, max(sets * 50 // size, 10))
        values = np.array(plans)
        held = np.mean((values[:, 1] <= real) & (real <= values[:, 2]))
        lines.append(
            f"n={size}: measured {real:.4f}, planned {np.nanmedian(values[:, 0]):.4f} (of single pilots from "
            f"{np.nanmin(values[:, 0]):.4f} to {np.nanmax(values[:, 0]):.4f}), range holds it in {100 * held:.0f} %"
        )
    return "; ".join(lines)


@lru_cache
def true_difference(name: str, draws: int = 10, images: int = 10_000) -> float:
    """The difference of the two methods on the whole population, as far as so many images tell it."""
    population, found = populations()[name], []
    for number in range(draws):
        first, second = (
            population.metric.compute(run, population.info)[population.score.name]
            for run in population.pair(np.random.default_rng(3_000_000 + number), images, SKILL)
        )
        found.append(second - first)
    return float(np.mean(found))


def power(name: str, pilot: int, pilots: int, sets: int) -> str:
    """How often test sets show the true difference that are as large as a pilot asks for, over all pilots."""
    population, difference = populations()[name], true_difference(name)
    sizes = [5, 10, 20, 50, 100, 200, 500, 1000]
    needed, seen = [], []
    for number in range(pilots):
        pair = population.pair(np.random.default_rng(40_000 + number), pilot, SKILL)
        asked = units_needed(planned(_paired(population, *pair), sizes, 1000), difference, lambda p: p.visible.value)
        needed.append(asked or 0)
        for test in range(max(sets // 10, 1)):
            tested = population.pair(np.random.default_rng([number, 80_000 + test]), needed[-1], SKILL)
            seen.append(_paired(population, *tested).p_value(0, 1) < ALPHA)
    told = float(np.mean(seen))
    return (
        f"a difference of {difference:.4f} asks for {int(np.median(needed))} images (single pilots {min(needed)} to "
        f"{max(needed)}); it is found in {100 * told:.0f} % of the test sets that pilots ask for, known to "
        f"{100 * math.sqrt(told * (1 - told) / len(seen)):.0f} points, 80 meant"
    )


def _paired(population: Population, *runs: Run) -> Paired:
    return Paired(population.metric, population.info, population.score, runs, resamples=1000)


PARTS: dict[str, Callable[[str, int, int, int], str]] = {"width": width, "power": power}


def main() -> None:
    """Run the parts that were asked for and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pilots", type=int, default=40)
    parser.add_argument("--images", type=int, nargs="+", default=[100])
    parser.add_argument("--sets", type=int, default=100)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--population", choices=populations(), action="append")
    arguments = parser.parse_args()
    asked = [
        (part, name, images)
        for part in arguments.part or PARTS
        for name in arguments.population or populations()
        for images in arguments.images
    ]
    for part, name, images in asked:
        start = time.perf_counter()
        said = PARTS[part](name, images, arguments.pilots, arguments.sets)
        print(f"{part}, {name}, {arguments.pilots} pilots of {images} images: {said}", flush=True)
        print(f"  ({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
