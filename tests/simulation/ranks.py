"""Do ranks hold what they promise? Several methods on simulated test sets, on which it is known which are equal.

    python tests/simulation/ranks.py [--sets 200] [--units 5 --units 12] [--case equal]

For every population, number of units and mixture of methods: in how many test sets a difference is seen where there is
none (the family-wise error, at most 5 % meant), and which part of the true differences is seen. Beside step-down max T,
as segbench has it, stands Holm's correction of the same pairs' p values, which it had before. The figures stand in
docs/statistics.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

import numpy as np
from populations import Population, films, one_long_film, populations

from segbench.evaluation.comparison import ALPHA, Paired, holm

CASES = {
    "12 equal": [0.0] * 12,
    "2 equal, 10 far worse": [0.0, 0.0, *(-0.3 - 0.01 * k for k in range(10))],
    "3 clusters of 4": [0.0] * 4 + [-0.1] * 4 + [-0.3] * 4,
}

_FILMS = ("films", "one long film")


def judge(population: Population, skills: Sequence[float], units: int, sets: int) -> dict[str, tuple[float, float]]:
    """Family-wise error and power in percent: of step-down max T, of Holm, of Holm over the pairs with the leader."""
    errors, found = {"max T": 0, "Holm": 0, "leader first": 0}, {"max T": 0.0, "Holm": 0.0, "leader first": 0.0}
    for seed in range(sets):
        runs = population.methods(np.random.default_rng(40_000 + seed), units, skills)
        paired = Paired(population.metric, population.info, population.score, runs, resamples=200)
        pairs = paired.tested()
        same = np.array([skills[each.a] == skills[each.b] for each in pairs])
        leader = int(np.argmax(paired.values))
        with_leader = np.array([leader in (each.a, each.b) for each in pairs])
        alone = np.full(len(pairs), np.nan)
        alone[with_leader] = holm([each.p for each, mine in zip(pairs, with_leader, strict=True) if mine])
        for name, p in (
            ("max T", np.array([each.p_adjusted for each in pairs])),
            ("Holm", np.array(holm([each.p for each in pairs]))),
            ("leader first", alone),
        ):
            hit = p < ALPHA
            errors[name] += bool((hit & same).any())
            found[name] += float(hit[~same].mean()) if (~same).any() else 0.0
    return {name: (100 * errors[name] / sets, 100 * found[name] / sets) for name in errors}


def main() -> None:
    """Print a line for each population, number of units and mixture of methods."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument("--units", type=int, action="append")
    parser.add_argument("--population", choices=("pooled mIoU", "mean Dice", *_FILMS), action="append")
    parser.add_argument("--case", choices=CASES, action="append")
    arguments = parser.parse_args()
    known = {**populations(), "films": films(), "one long film": one_long_film()}
    for units in arguments.units or (5, 12, 200):
        for name in arguments.population or ("pooled mIoU", "mean Dice", *_FILMS):
            for case in arguments.case or CASES:
                start = time.perf_counter()
                judged = judge(known[name], CASES[case], units, arguments.sets)
                told = "; ".join(
                    f"{key}: error {error:.1f} %, power {power:.0f} %" for key, (error, power) in judged.items()
                )
                seconds = time.perf_counter() - start
                print(f"{units} units, {name}, {case}, {arguments.sets} sets: {told} ({seconds:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
