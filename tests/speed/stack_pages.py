"""Reading a TIFF stack page by page, against tifffile: python tests/speed/stack_pages.py [--pages 1000] [--side 64].

Stacks of one directory per page (deflated), as programs for microscopes and networks write them. Processor time of a
page, after the first; the peer opens the file for every page, as `tifffile.imread(path, key=page)` does.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from tabulate import tabulate

from segbench.io.images.masks import read_labels
from segbench.io.images.picture import read_picture

ASKED = 50
"""Pages that are read, evenly from the whole stack."""


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--side", type=int, default=64)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "stack.tif"
        random = np.random.default_rng(0)
        with tifffile.TiffWriter(path) as writer:
            for _ in range(given.pages):
                page = random.integers(0, 2, (given.side, given.side), np.uint8) * np.uint8(255)
                writer.write(page, contiguous=False, compression="zlib", metadata=None)
        places = [int(place) for place in np.linspace(0, given.pages - 1, ASKED)]
        peer = milliseconds(lambda page: np.asarray(tifffile.imread(path, key=page)), places)
        ways = {
            "tifffile.imread(path, key=page)": peer,
            "read_picture": milliseconds(lambda page: read_picture(path, page), places),
            "read_labels": milliseconds(lambda page: read_labels(path, page, binary=True), places),
        }
    rows = [[name, took, peer / took] for name, took in ways.items()]
    print(tabulate(rows, [f"{given.pages} pages of {given.side} x {given.side}", "ms a page", "times as fast"]))


def milliseconds(read: Callable[[int], object], places: list[int]) -> float:
    """Processor time of a page, in milliseconds."""
    read(places[0])
    started = time.process_time()
    for place in places:
        read(place)
    return (time.process_time() - started) / len(places) * 1000


if __name__ == "__main__":
    main()
