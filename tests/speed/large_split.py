"""Memory and time of an evaluation as large as COCO-Stuff's training split: python tests/speed/large_split.py.

`bench evaluate` of 2 000, 10 000, 30 000 and 118 287 generated label maps (64 x 64, the 171 classes of COCO-Stuff, a
dozen regions each), each in a process of its own: its processor time, and the most memory that it held. Maps are
SYNTHETIC: the first ones are drawn, the others links to them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from measured import measure
from stuff_maps import evaluation_of, write_stuff_maps

NUMBERS = (2_000, 10_000, 30_000, 118_287)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="*", default=NUMBERS)
    arguments = parser.parse_args()
    rows = []
    for number in arguments.images:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            predictions = write_stuff_maps(root, number)
            seconds, memory = measure(evaluation_of(root, predictions), root / "cache")
        rows.append([f"{number:,}", seconds, memory])
        print(tabulate(rows, ["maps", "processor, s", "memory at most, MB"], floatfmt=".0f"), flush=True)


if __name__ == "__main__":
    main()
