"""What an engine costs beside the cells that it runs, and how time falls with workers:

    PYTHONPATH=tests/helpers python tests/speed/suite_engines.py [--cells 50] [--workers 1 2]

Cells do next to nothing (`constant` on small SYNTHETIC stacks), so that what is around them shows. A suite runs on this
machine, `--jobs` at a time, on a Ray cluster of as many nodes with one CPU each, and on a SLURM cluster where SLURM is
installed. What a suite of one cell takes is taken off. A cell's own time is its process from start to end; what is left
of the time of its place is the engine's.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import mean

from slurm_cluster import PROGRAMS, slurm_cluster
from tabulate import tabulate

from ray_clusters import ray_cluster
from synthetic_roots import write_stacks

HEADERS = ["engine", "workers", "one cell, s", "all cells, s", "a cell's own, s", "engine, s per cell"]


def suite(folder: Path, out: str, cells: int, *words: str) -> tuple[float, float]:
    """Run a suite of so many cells: seconds in all, and those of a cell on average."""
    seeds = ", ".join(map(str, range(cells)))
    grid = f"datasets: [isbi2012]\nmethods: [constant]\nseeds: [{seeds}]\n"
    (folder / "cells.yaml").write_text(grid + "resources: {cpus: 1, memory_gb: 1}\n")
    command = [sys.executable, "-c", "from segbench.cli import main; main()", "suite", "cells.yaml", "--quiet"]
    command += ["--root", "isbi2012=isbi", "--out", out, *words]
    begun = time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - begun
    found = json.loads((folder / out / "suite.json").read_text())["cells"]
    return wall, mean(cell["seconds"] for cell in found.values())


def main() -> None:
    """Run each engine and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=50)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name, ray_cluster(cpus=0) as cluster, ExitStack() as stack:
        folder = Path(name)
        engines = [("local", []), ("ray", ["--address", cluster.address])]
        if all(map(shutil.which, PROGRAMS)):
            os.environ.update(stack.enter_context(slurm_cluster()).environment)
            engines.append(("slurm", []))
        write_stacks(folder / "isbi")
        for workers in sorted(arguments.workers):
            while len(cluster.nodes) <= workers:
                cluster.add().wait()
            for engine, more in engines:
                words = ["--engine", engine, "--jobs", str(workers), *more]
                one, _ = suite(folder, f"{engine}-{workers}-1", 1, *words)
                wall, own = suite(folder, f"{engine}-{workers}", arguments.cells, *words)
                rest = workers * (wall - one) / (arguments.cells - 1) - own
                rows.append([engine, workers, one, wall, own, rest])
    print(tabulate(rows, HEADERS, floatfmt=".2f"))


if __name__ == "__main__":
    main()
