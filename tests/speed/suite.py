"""What a suite of 10 000 cells takes: python tests/speed/suite.py [--cells 10000].

Processor time and memory of `bench suite --dry-run`, `--resume` where all is done, `--status` and `--export`, each in a
process of its own, and of `segbench.load_runs` over the records; and what the process that runs a suite takes for a
cell that begins and ends. One cell runs, on SYNTHETIC data; the others get its record with what is their own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from made_up_suites import finish_by_hand, write_suite
from measured import measure

from segbench.io.reporter import Reporter
from segbench.runs.request import SuiteRequest
from segbench.runs.suite.cells import Control, Job, Outcome
from segbench.runs.suite.engines.engine import Started
from segbench.runs.suite.planned import cell_job, plan_of
from segbench.runs.suite.state import read_state
from segbench.runs.suite.under_way import begin_suite, driving, run_jobs


class NoWork:
    """An engine whose cells end at once: what is left is the suite's own work."""

    sequential = True

    def run(self, jobs: Sequence[Job], control: Control, started: Started) -> Iterator[Outcome]:
        """Say of each cell that it has begun and ended."""
        del control
        for job in jobs:
            started(job, "")
            yield Outcome(job.name, "done", 0, 1.0)


class Nobody:
    """Watches nothing."""

    def begin(self, *_: object) -> None:
        """Nothing is shown."""

    started = ended = begin


def driver_ms(request: SuiteRequest) -> float:
    """Milliseconds of processor time for each cell of a suite all of whose records are there."""
    plan = plan_of(request)
    assert request.out is not None
    with driving(plan, request.out, read_state(request.out)) as state:
        suite = begin_suite(request, plan, request.out, state, Reporter(quiet=True))
        jobs = [cell_job(cell, request, request.out, origin=cell.source) for cell in plan.cells]
        begun = time.process_time()
        run_jobs(suite, jobs, NoWork(), Nobody())
    return 1000 * (time.process_time() - begun) / len(jobs)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=10_000)
    cells = parser.parse_args().cells
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= {"SEGBENCH_DATA": str(folder / "data"), "SEGBENCH_CACHE": str(folder / "cache")}
        first, file = write_suite(folder / "one.yaml", 1), write_suite(folder / "many.yaml", cells)
        words = ["suite", str(first), "--out", str(folder / "one"), "--quiet"]
        subprocess.run([sys.executable, "-m", "segbench", *words], check=True, stdout=subprocess.DEVNULL)
        request = SuiteRequest(file=str(file), out=folder / "many")
        finish_by_hand(request, folder / "one")
        suite: list[str | Path] = ["-m", "segbench", "suite", file, "--out", folder / "many"]
        load = f"import segbench; segbench.load_runs({str(folder / 'many')!r})"
        commands: dict[str, list[str | Path]] = {
            "--dry-run --json": [*suite, "--dry-run", "--json"],
            "--resume, all done": [*suite, "--resume", "--quiet"],
            "--status": [*suite, "--status"],
            "--export": [*suite, "--export", folder / "many.csv"],
            "load_runs": ["-c", load],
        }
        rows = [[name, *measure(command, folder / "cache")] for name, command in commands.items()]
        print(tabulate(rows, [f"{cells:,} cells", "processor, s", "memory at most, MB"], floatfmt=".1f"))
        print(f"the process that runs the suite: {driver_ms(request):.2f} ms of processor time for each cell")


if __name__ == "__main__":
    main()
