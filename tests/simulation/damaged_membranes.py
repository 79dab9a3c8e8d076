"""What scores say of kinds of mistakes in thin structures: python tests/simulation/damaged_membranes.py ROOT

ROOT holds the ISBI 2012 challenge's train-labels.tif. The real membranes of its 30 slices are the truth, and damaged
copies of them the predictions: wider by a pixel on each side, with 20 gaps of 7 px in each slice, with 20 single pixels
that are no membrane, or moved by 2 px. The table is in docs/metrics.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from scipy import ndimage
from tabulate import tabulate

from segbench.metrics.centreline import Centreline
from segbench.metrics.overlap import BinaryOverlap
from segbench.metrics.topology import Topology
from segbench.registry import make_dataset
from segbench.types import Array, Prediction

SCORES = ("dice", "cldice", "topology_precision", "topology_sensitivity", "betti0_error", "betti1_error")
HALF_GAP, MISTAKES = 3, 20
_random = np.random.default_rng(0)


def with_gaps(membrane: Array) -> Array:
    """Without the squares of 7 px around some of its pixels."""
    found = membrane.copy()
    for y, x in _random.choice(np.argwhere(membrane), MISTAKES).tolist():
        found[max(y - HALF_GAP, 0) : y + HALF_GAP + 1, max(x - HALF_GAP, 0) : x + HALF_GAP + 1] = False
    return found


def with_specks(membrane: Array) -> Array:
    """With single pixels more, none of which touches it."""
    found = membrane.copy()
    far = np.argwhere(~ndimage.binary_dilation(membrane, iterations=2))
    found[tuple(_random.choice(far, MISTAKES).T)] = True
    return found


DAMAGES: Mapping[str, Callable[[Array], Array]] = {
    "wider by 1 px on each side": ndimage.binary_dilation,
    "20 gaps of 7 px": with_gaps,
    "20 specks of 1 px": with_specks,
    "moved by 2 px": lambda membrane: np.roll(membrane, 2, axis=1),
}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    dataset = make_dataset("isbi2012", parser.parse_args().root)
    ids = sorted({each for split in ("train", "val", "test") for each in dataset.ids(split)})
    truths = [dataset.load(each, ("labels",)) for each in ids]
    rows = []
    for name, damage in DAMAGES.items():
        cells = [~damage(np.asarray(sample.labels) == 0) for sample in truths]
        pairs = [(s, Prediction(labels=c.astype(np.uint8))) for s, c in zip(truths, cells, strict=True)]
        found: dict[str, float] = {}
        for metric in (BinaryOverlap(), Centreline(), Topology()):
            statistics = [metric.measure(*pair, dataset.info) for pair in pairs]
            found |= metric.per_class(statistics, dataset.info)["membrane"]
        rows.append([name, *(found[score] for score in SCORES)])
    print(tabulate(rows, [f"{len(ids)} slices", *SCORES], floatfmt=".3f"))


if __name__ == "__main__":
    main()
