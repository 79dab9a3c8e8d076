"""Is a slice called worse where nothing but chance makes it so? Simulated test sets with properties that mean nothing.

    python tests/simulation/slices.py [--sets 400] [--units 12 --units 60] [--permutations 500]

For every population, number of units and kind of property: in how many test sets any slice is called different from the
rest (the family-wise error, at most 5 % meant), for one run and for two. Figures stand in docs/questions.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

from null_slices import KINDS, called
from populations import films, populations


def main() -> None:
    """Print a line for each population, number of units and kind of property."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=400)
    parser.add_argument("--units", type=int, action="append")
    parser.add_argument("--permutations", type=int, default=500)
    arguments = parser.parse_args()
    known = {name: populations()[name] for name in ("pooled mIoU", "mean Dice")} | {"films": films()}
    for units in arguments.units or (12, 60):
        for name, population in known.items():
            for kind in KINDS if name == "films" else KINDS[:-1]:
                for skills in ((0.0,), (0.0, 0.05)):
                    start = time.perf_counter()
                    sets = range(arguments.sets)
                    errors = sum(called(population, kind, units, seed, arguments.permutations, skills) for seed in sets)
                    part, seconds = 100 * errors / arguments.sets, time.perf_counter() - start
                    told = f"{units} units, {name}, {kind}, {len(skills)} runs: error {part:.1f} %"
                    print(f"{told} of {arguments.sets} sets ({seconds:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
