"""Does `bench plan` hold what it promises? Test sets of a planned size, drawn from populations that are known.

    python tests/simulation/planned_sizes.py [--pilots 40] [--images 100] [--sets 100] [--part width|power]

A pilot is a test set of few images. From it the width of the interval on n images is planned, and the smallest
difference that would be visible; then test sets of n images are drawn from the same population, and what their interval
and test really do is measured, through the functions that score a real one. The figures stand in docs/plan.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from segbench.evaluation.comparison import Paired
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


def width(population: Population, pilot: int, pilots: int, sets: int) -> str:
    """Planned against measured width, and how often the planned range holds the measured one."""
    lines = []
    for size, plans in zip(SIZES, planned_widths(population, pilot, pilots, SIZES), strict=True):
        real = measured_width(population, size, max(sets * 50 // size, 10))
        values = np.array(plans)
        held = np.mean((values[:, 1] <= real) & (real <= values[:, 2]))
        lines.append(
            f"n={size}: measured {real:.4f}, planned {np.nanmedian(values[:, 0]):.4f} (of single pilots from "
            f"{np.nanmin(values[:, 0]):.4f} to {np.nanmax(values[:, 0]):.4f}), range holds it in {100 * held:.0f} %"
        )
    return "; ".join(lines)


def power_at(population: Population, images: int, skill: float, sets: int, seed: int = 80_000) -> float:
    """Part of the test sets in which two methods are told apart."""
    found = 0
    for number in range(sets):
        pair = population.pair(np.random.default_rng(seed + number), images, skill)
        found += _paired(population, *pair).p_value(0, 1) < 0.05
    return found / sets


def true_difference(population: Population, skill: float, images: int = 20_000) -> float:
    """The difference of the two methods on the whole population, as far as so many images tell it."""
    values = [
        population.metric.compute(run, population.info)[population.score.name]
        for run in population.pair(np.random.default_rng(3), images, skill)
    ]
    return values[1] - values[0]


def power(population: Population, pilot: int, pilots: int, sets: int) -> str:
    """The power on as many images as the pilots, in the middle, ask for to see the true difference."""
    difference = true_difference(population, SKILL)
    sizes = [5, 10, 20, 50, 100, 200, 500, 1000]
    needed = []
    for number in range(pilots):
        pair = population.pair(np.random.default_rng(40_000 + number), pilot, SKILL)
        asked = units_needed(planned(_paired(population, *pair), sizes, 1000), difference, lambda p: p.visible.value)
        needed.append(asked or 0)
    images = int(np.median(needed))
    told = power_at(population, images, SKILL, sets)
    return (
        f"a difference of {difference:.4f} asks for {images} images (single pilots {min(needed)} to {max(needed)}); "
        f"there it is found in {100 * told:.0f} % of the test sets, 80 meant"
    )


def _paired(population: Population, *runs: Run) -> Paired:
    return Paired(population.metric, population.info, population.score, runs, resamples=1000)


PARTS: dict[str, Callable[[Population, int, int, int], str]] = {"width": width, "power": power}


def main() -> None:
    """Run the parts that were asked for and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pilots", type=int, default=40)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--sets", type=int, default=100)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--population", choices=populations(), action="append")
    arguments = parser.parse_args()
    for part in arguments.part or PARTS:
        for name in arguments.population or populations():
            start = time.perf_counter()
            said = PARTS[part](populations()[name], arguments.images, arguments.pilots, arguments.sets)
            print(f"{part}, {name}, {arguments.pilots} pilots of {arguments.images} images: {said}", flush=True)
            print(f"  ({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
