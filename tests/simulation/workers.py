"""How time falls with workers: a suite of cells that take as long as recorded runs, given out to 1 to 512 of them.

    python tests/simulation/workers.py [--seeds 20] [--driver-ms 5] [--plot docs/images/workers.svg]
    python tests/simulation/workers.py --records leaderboards/records    # takes their times anew, into workers.json

Every committed run whose cost is known gives a cell for each seed. A free worker takes the
next cell, in the order of the file or the longest first; each begin and each end of a cell first waits for the driver,
which is one process and takes half of `--driver-ms` for it (`tests/speed/suite.py` measures it). A third order begins
with what is expected to take longest where the expectation is wrong by a factor, drawn from a log-normal distribution.
"""

from __future__ import annotations

import argparse
import heapq
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tabulate import tabulate

from segbench.figures.style import COLORS, DASHES, MARKERS, plain_ticks, write_svg
from segbench.io.atomic import write_text
from segbench.runs.find import find_runs

TIMES = Path(__file__).with_suffix(".json")
"""Seconds that each committed run took, of the records at the end of November 2026."""
WORKERS = (1, 2, 8, 16, 32, 64, 128, 256, 512)
WRONG_BY = 2.0
"""Standard deviation of the factor by which an expectation is wrong."""


def recorded_times(records: Path) -> list[float]:
    """Seconds that each run below a folder took to fit and to predict, in the order of their ids."""
    costs = [(run.record.cost, run.record.dataset.n) for run in find_runs([records])]
    known = [(cost.train_s, cost.predict_ms_per_image, n) for cost, n in costs]
    return [fit + predict / 1000 * n for fit, predict, n in known if fit is not None and predict is not None]


def makespan(times: Sequence[float], workers: int, driver_s: float) -> float:
    """Seconds until the last of these cells has ended, each begun in turn as soon as a worker is free."""
    free = [(0.0, worker) for worker in range(workers)]
    driver = end = 0.0
    for number, seconds in enumerate(times):
        ready, worker = heapq.heappop(free)
        # The driver notes that the worker's last cell has ended and that this one begins.
        share = driver_s if number >= workers else driver_s / 2
        driver = max(driver, ready) + share
        finished = driver + seconds
        end = max(end, finished + driver_s / 2)
        heapq.heappush(free, (finished, worker))
    return end


def orders(times: Sequence[float], seed: int = 0) -> dict[str, list[float]]:
    """The same cells in the orders that are compared."""
    factors = np.exp(np.random.default_rng(seed).normal(0.0, np.log(WRONG_BY), len(times)))
    guessed = np.argsort(-np.asarray(times) * factors, kind="stable")
    return {
        "order of the file": list(times),
        "longest first": sorted(times, reverse=True),
        f"longest first, expected times wrong by a factor of about {WRONG_BY:g}": [times[place] for place in guessed],
    }


def drawn(found: dict[str, list[float]], bound: list[float]) -> Figure:
    """Hours over workers."""
    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for color, marker, dash, (name, seconds) in zip(COLORS, MARKERS, DASHES, found.items(), strict=False):
        hours = np.array(seconds) / 3600
        axes.plot(WORKERS, hours, color=color, marker=marker, linestyle=dash, label=name, markersize=5)
    axes.plot(WORKERS, np.array(bound) / 3600, color="0.6", linewidth=1, label="no schedule is quicker")
    axes.set(xscale="log", yscale="log")
    axes.set_xticks(WORKERS, [str(each) for each in WORKERS])
    axes.minorticks_off()
    plain_ticks(axes.yaxis)
    axes.set(xlabel="workers (log scale)", ylabel="hours until all cells are done (log scale)")
    axes.legend(frameon=False, fontsize=9)
    return figure


@dataclass(frozen=True)
class Simulated:
    """Seconds until all cells are done for each of `WORKERS`, by their order, and what no schedule undercuts."""

    cells: int
    total: float
    longest: float
    found: dict[str, list[float]]
    bound: list[float]

    @classmethod
    def of(cls, once: Sequence[float], seeds: int = 20, driver_ms: float = 5.0) -> Simulated:
        """Cells of as many seeds that take as long as these."""
        times = [seconds for seconds in once for _ in range(seeds)]
        bound = [max(sum(times) / workers, max(times)) for workers in WORKERS]
        found = {
            name: [makespan(cells, workers, driver_ms / 1000) for workers in WORKERS]
            for name, cells in orders(times).items()
        }
        return cls(len(times), sum(times), max(times), found, bound)

    def table(self) -> list[list[str]]:
        """Workers, hours in each order, and hours at least."""
        return [
            [str(workers), *(f"{each[place] / 3600:.2f}" for each in (*self.found.values(), self.bound))]
            for place, workers in enumerate(WORKERS)
        ]


def main() -> None:
    """Simulate, print a table, and draw it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--driver-ms", type=float, default=5.0)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    if arguments.records is not None:
        write_text(TIMES, json.dumps([round(each, 3) for each in recorded_times(arguments.records)]) + "\n")
    done = Simulated.of(json.loads(TIMES.read_text(encoding="utf-8")), arguments.seeds, arguments.driver_ms)
    print(f"{done.cells} cells, {done.total / 3600:.1f} h one after another, the longest {done.longest / 60:.0f} min")
    heads = ["workers", *(f"h, {name}" for name in done.found), "h, at least"]
    print(tabulate(done.table(), heads, tablefmt="github"))
    if arguments.plot is not None:
        write_svg(arguments.plot, lambda: drawn(done.found, done.bound))


if __name__ == "__main__":
    main()
