"""Do the statistics hold what they promise? Simulated test sets, on which the truth is known.

    python tests/simulation/intervals_and_tests.py [--sets 500] [--images 200] [--part coverage|compare|check]
    python tests/simulation/intervals_and_tests.py --part records --sets 1000 --images 5

A population of images is made up: each holds a few of the classes and has a difficulty of its own, from which the
pixels that a method gets wrong follow. Test sets are drawn from it, and for each of them segbench computes what it
would for a real one, from the same statistics and through the same functions. `records` draws test sets from the 30
slices of committed records instead, whose score of all slices is the truth. The figures stand in docs/statistics.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from segbench.boards.regression import ALPHA, loss_of
from segbench.evaluation.comparison import Paired
from segbench.types import Statistic

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from coverage_of_intervals import coverage, neighbours_hold
from populations import CROSS_VALIDATED, RECORDS, Population, one_long_film, populations, recorded


def coverage_of(population: Population, sets: int, images: int) -> str:
    """How often the 95 % interval holds the score of the whole population; a percentile interval beside it."""
    return str(coverage(population, sets, images))


def of_records(run_id: str, sets: int, images: int) -> str:
    """The same of test sets from a committed record, and of those that are neighbouring slices."""
    population = recorded(RECORDS / run_id)
    held, drawn = neighbours_hold(population, images)
    return f"{coverage(population, sets, images)}; of neighbouring slices {held} of {drawn} hold it"


def equal_methods(population: Population, sets: int, images: int) -> str:
    """How often two equally good methods are called different, how often the interval of their difference holds 0."""
    pairs = (population.pair(np.random.default_rng(5000 + seed), images, 0.0) for seed in range(sets))
    found = [_paired(population, *pair).difference(0, 1) for pair in pairs]
    different = [each.p < 0.05 for each in found]
    hold_zero = [each.low <= 0 <= each.high for each in found]
    both = [p and interval for p, interval in zip(different, hold_zero, strict=True)]
    return (
        f"no difference found in {100 * (1 - np.mean(different)):.1f} %; the interval holds 0 in "
        f"{100 * np.mean(hold_zero):.1f} %, and a difference is found all the same in {100 * np.mean(both):.1f} %"
    )


def gate(population: Population, sets: int, images: int) -> str:
    """How often the gate closes for an equal method, and for one that is worse by twice the detectable drop."""
    false = 0
    drops = []
    for seed in range(sets):
        now, before = population.pair(np.random.default_rng(9000 + seed), images, 0.0)
        found = loss_of(_paired(population, now, before))
        false += found.beyond(0.0, found.p)
        drops.append(found.visible())
    detectable = float(np.median(drops))
    skill = _skill_for(population, 2 * detectable)
    caught = 0
    for seed in range(sets):
        now, before = population.pair(np.random.default_rng(20_000 + seed), images, skill)
        found = loss_of(_paired(population, now, before))
        caught += found.beyond(0.0, found.p)
    return (
        f"closes for an equal method in {100 * false / sets:.1f} % (at most {100 * ALPHA:.0f} meant); smallest drop "
        f"that would be seen {detectable:.4f}; catches twice that in {100 * caught / sets:.1f} %"
    )


def _skill_for(population: Population, drop: float) -> float:
    """The skill that makes a method better by this much, by bisection on a large sample."""
    low, high = 0.0, 0.5
    base = population.score_of(population.draw(np.random.default_rng(2), 5000))
    for _ in range(20):
        middle = (low + high) / 2
        gained = population.score_of(population.draw(np.random.default_rng(2), 5000, middle)) - base
        low, high = (middle, high) if gained < drop else (low, middle)
    return (low + high) / 2


def _paired(population: Population, now: tuple[Statistic, ...], before: tuple[Statistic, ...]) -> Paired:
    return Paired(population.metric, population.info, population.score, (now, before), resamples=1000)


PARTS: dict[str, Callable[[Population, int, int], str]] = {
    "coverage": coverage_of,
    "compare": equal_methods,
    "check": gate,
}


def known_populations() -> dict[str, Population]:
    """Every population by its name, whose units are images, or films of which one is long."""
    return {**populations(), "one long film": one_long_film()}


def main() -> None:
    """Run the parts that were asked for and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=500)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--part", choices=[*PARTS, "records"], action="append")
    parser.add_argument("--population", choices=known_populations(), action="append")
    arguments = parser.parse_args()
    for part in arguments.part or PARTS:
        for name in CROSS_VALIDATED if part == "records" else arguments.population or populations():
            start = time.perf_counter()
            if part == "records":
                said = of_records(CROSS_VALIDATED[name], arguments.sets, arguments.images)
            else:
                said = PARTS[part](known_populations()[name], arguments.sets, arguments.images)
            print(f"{part}, {name}, {arguments.sets} sets of {arguments.images} images: {said}", flush=True)
            print(f"  ({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
