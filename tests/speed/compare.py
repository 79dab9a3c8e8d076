"""How long comparisons of many runs take: statistics of made-up runs, every pair of them tested.

    python tests/speed/compare.py [--runs 20] [--images 1449] [--classes 21] [--ranks]

`--ranks` tests the pairs alone, as a board does; without it their intervals are made too, as `bench compare` does.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from segbench.evaluation.comparison import Paired
from segbench.evaluation.evaluator import Evaluator
from segbench.metrics.overlap import Overlap
from segbench.types import Statistic


def made_up(images: int, classes: int, errors: list[float]) -> tuple[tuple[Statistic, ...], ...]:
    """Statistics of one run for each error, on images that hold three classes each."""
    random = np.random.default_rng(0)
    runs: list[list[Statistic]] = [[] for _ in errors]
    for k in range(images):
        present = random.choice(classes, 3, replace=False)
        sizes = random.multinomial(200_000, random.dirichlet(np.ones(3)))
        for run, error in zip(runs, errors, strict=True):
            wrong = random.binomial(sizes, np.clip(random.normal(error, 0.1, 3), 0.01, 0.9))
            truth, predicted = np.repeat(present, 2), np.stack([present, np.roll(present, 1)], axis=1).reshape(-1)
            pixels = np.stack([sizes - wrong, wrong], axis=1).reshape(-1)
            columns = {"truth": truth, "prediction": predicted, "pixels": pixels}
            run.append(Statistic(Overlap.name, f"{k:06d}", "one", k, columns))
    return tuple(map(tuple, runs))


def main() -> None:
    """Time one comparison and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--images", type=int, default=1449)
    parser.add_argument("--classes", type=int, default=21)
    parser.add_argument("--ranks", action="store_true")
    arguments = parser.parse_args()
    metric = Overlap()
    errors = np.linspace(0.2, 0.3, arguments.runs).tolist()
    runs = made_up(arguments.images, arguments.classes, errors)
    info = Evaluator(num_classes=arguments.classes).info
    start, before = time.perf_counter(), time.process_time()
    paired = Paired(metric, info, next(s for s in metric.scores if s.name == "miou"), runs)
    found = paired.tested() if arguments.ranks else paired.differences()
    paired.rank_intervals(found)
    seconds, work = time.perf_counter() - start, time.process_time() - before
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{arguments.runs} runs of {arguments.images} images and {arguments.classes} classes, {len(found)} pairs: "
        f"{seconds:.1f} s ({work:.1f} s of processor time), {1000 * work / len(found):.1f} ms per pair, "
        f"{memory:.0f} MB at most; "
        f"{sum(each.significant for each in found)} pairs told apart"
    )


if __name__ == "__main__":
    main()
