"""How often are methods told apart that were trained with several seeds? python tests/simulation/seeds.py [--sets 200]

On simulated test sets, of methods whose skill differs from training to training. *Error*: the share of test sets in
which any two equal methods are told apart, at most 5 % meant. *Power*: the share of unequal pairs that are, where every
other method is better by four standard deviations of training. *One training* judges the first seed of each method as
a comparison of single runs does: for other samples alone. The second half of the methods may have fewer seeds than the
first. The figures stand in docs/statistics.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

import numpy as np
from populations import films, populations

from segbench.evaluation.comparison import Paired
from segbench.evaluation.over_seeds import method_tests
from segbench.evaluation.training_variance import Trainings
from segbench.types import Float64

TRAINING = 0.02
"""The standard deviation of skill over trainings; of methods that are unlike, the usual one."""


def paired_of(population: str, skills: Float64, units: int, seed: int) -> Paired:
    """Runs of methods (K, S) on one test set, row by row."""
    drawn = {**populations(), "films": films()}[population]
    runs = drawn.methods(np.random.default_rng(50_000 + seed), units, skills.ravel().tolist())
    return Paired(drawn.metric, drawn.info, drawn.score, runs, resamples=100)


def judged(population: str, units: int, shape: tuple[int, int, int], unlike: float, sets: int) -> tuple[float, ...]:
    """Error, error of one training and power in percent. `shape` : methods, seeds of the first half, of the second."""
    methods, seeds, fewer = shape
    counts = np.where(np.arange(methods) < methods / 2, seeds, fewer)
    shown = np.arange(seeds) < counts[:, None]
    ends = np.cumsum(counts)
    trained = [Trainings(np.arange(end - count, end)) for end, count in zip(ends, counts, strict=True)]
    better = np.arange(methods) % 2
    wrong = alone = power = 0.0
    for seed in range(sets):
        random = np.random.default_rng([seed, units, methods, seeds])
        spread = TRAINING * np.exp(unlike * random.standard_normal((methods, 1)))
        skills = spread * random.standard_normal((methods, seeds))
        paired = paired_of(population, skills[shown], units, seed)
        wrong += any(each.significant for each in method_tests(paired, trained))
        first = replace(paired, runs=tuple(paired.runs[each.places[0]] for each in trained))
        alone += any(each.significant for each in first.tested())
        unequal = paired_of(population, (skills + 4 * TRAINING * better[:, None])[shown], units, seed)
        told = [each.significant for each in method_tests(unequal, trained) if better[each.a] != better[each.b]]
        power += float(np.mean(told))
    return tuple(100 * part / sets for part in (wrong, alone, power))


def main() -> None:
    """Print a line for each population, number of units, methods and seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument("--units", type=int, action="append")
    parser.add_argument("--unlike", type=float, action="append", help="standard deviation of the logarithm of spreads")
    given = parser.parse_args()
    for units in given.units or (12, 100):
        for shape in ((2, 2, 2), (2, 3, 3), (2, 5, 5), (6, 2, 2), (6, 3, 3), (10, 2, 1), (10, 3, 1)):
            for unlike in given.unlike or (0.0, 0.7):
                start = time.perf_counter()
                wrong, alone, power = judged("mean Dice", units, shape, unlike, given.sets)
                seeds = f"{shape[1]}" if shape[1] == shape[2] else f"{shape[1]} or {shape[2]}"
                print(
                    f"{units} units, {shape[0]} methods of {seeds} seeds, trainings "
                    f"{'unlike' if unlike else 'alike'}: error {wrong:.1f} %, of one training {alone:.1f} %, "
                    f"power {power:.0f} % ({time.perf_counter() - start:.0f} s)",
                    flush=True,
                )


if __name__ == "__main__":
    main()
