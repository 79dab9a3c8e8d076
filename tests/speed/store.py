"""What looking at a store of 10 000 records takes: python tests/speed/store.py [--records 10000] [--datasets NAME …].

The store holds committed records of these datasets in turn, each under a seed and an id of its own and with its
statistics beside it; of medaka a record has 300 KB, of the others 4 to 25. Processor time and memory of `bench` alone,
`segbench.load_runs`, `bench leaderboard --json` and `bench compare --dataset` of the two runs that are there of another
dataset, each in a process of its own. Nothing is kept between them.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from measured import measure
from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from many_records import write_store

ALONE = "cityscapes"
"""The dataset of which there are two runs."""


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--datasets", nargs="+", default=["isbi2012", "camvid", "voc2012", "cocostuff"])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chdir(folder)
        write_store(folder / "runs", given.datasets, given.records)
        write_store(folder / "runs" / ALONE, [ALONE], 2)
        rows = [[command, *measure(words, folder / "cache")] for command, words in _commands().items()]
        size = sum(path.stat().st_size for path in folder.rglob("record.json")) / given.records / 1000
        about = f"{given.records:,} records of {size:.0f} KB"
        print(tabulate(rows, [about, "processor, s", "memory at most, MB"], floatfmt=".1f"))


def _commands() -> dict[str, Sequence[str]]:
    bench = ["-m", "segbench"]
    return {
        "nothing (Python, pandas)": ["-c", "import segbench, pandas; segbench.load_runs"],
        "load_runs": ["-c", "import segbench; segbench.load_runs('runs')"],
        "bench": bench,
        "bench leaderboard --json": [*bench, "leaderboard", "runs", "--json", "--quiet"],
        f"bench compare --dataset {ALONE}": [*bench, "compare", "runs", "--dataset", ALONE, "--quiet"],
    }


if __name__ == "__main__":
    main()
