"""Does `bench doctor` find mistakes, and only these? Random mistakes in predictions of varying quality.

    python tests/simulation/doctor_mistakes.py [--models 25] [--mistakes 9] [--bad 4] [--dataset NAME ...] [--verbose]

Predictions are the truth of small SYNTHETIC samples made worse to a mean IoU of 0.3 to 0.95; to each set a random
mistake of the catalogue is made, or none. A mistake is found when the remedies bring the right score back. Advice is
false where there was no mistake, or where it names another one and does not bring the right score back. The table
stands in docs/doctor.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

import cv2
from judged_advice import Trial, trials
from random_mistakes import DATASETS, make_truths
from tabulate import tabulate


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=25)
    parser.add_argument("--mistakes", type=int, default=9)
    parser.add_argument("--bad", type=int, default=4)
    parser.add_argument("--dataset", nargs="*", default=list(DATASETS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    found: list[Trial] = []
    for name in given.dataset:
        begun = time.perf_counter()
        with TemporaryDirectory() as folder:
            truths = make_truths(name, Path(folder) / "data")
            for trial in trials(truths, Path(folder), given.seed, given.models, given.mistakes, given.bad):
                found.append(trial)
                if given.verbose and (trial.false or not trial.found):
                    print(trial.line(), flush=True)
        print(f"{name}: {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    _tables(found)


def _tables(found: list[Trial]) -> None:
    print(tabulate([_row(name, [t for t in found if t.dataset == name]) for name in _names(found)], HEAD, "github"))
    groups: dict[str, list[Trial]] = defaultdict(list)
    for trial in found:
        groups[trial.mistake].append(trial)
    rows = [(name, len(g), sum(t.found for t in g), sum(t.false for t in g)) for name, g in sorted(groups.items())]
    print()
    print(tabulate(rows, ("mistake", "sets", "found or rightly silent", "false advice"), "github"))


HEAD = ("dataset", "mistakes", "found", "false advice", "right or merely bad", "false advice")


def _names(found: list[Trial]) -> list[str]:
    return list(dict.fromkeys(trial.dataset for trial in found))


def _row(name: str, found: list[Trial]) -> tuple[str | int, ...]:
    wrong = [trial for trial in found if trial.is_mistake]
    right = [trial for trial in found if not trial.is_mistake]
    share = f"{sum(t.found for t in wrong) / max(1, len(wrong)):.1%}"
    return name, len(wrong), share, sum(t.false for t in wrong), len(right), sum(t.false for t in right)


if __name__ == "__main__":
    main()
