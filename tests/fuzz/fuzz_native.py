"""Damaged PNG files, label maps, points, confidences and sums of runs through the compiled part under sanitizers.

    PYTHONPATH=tests/helpers nice python tests/fuzz/fuzz_native.py [--files 1000000] [--maps 100000] [--sums 20000]
        [--points 20000] [--seed 0] [--portable] [--compiler clang]

The module is compiled for it with `-fsanitize=address,undefined`. Whatever is read or written outside of a buffer
ends the process; and whatever the compiled part decodes or counts must be what is found without it.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from functools import partial
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import numpy as np
from native_builds import COMPILERS, build, load
from native_inputs import label_pairs, png_inputs

from segbench.evaluation.chance import chance_of
from segbench.evaluation.swaps import PairedSums, swap_patterns
from segbench.io import native
from segbench.io.images.png import compiled_values, decode_png, stream_of_pixels
from segbench.metrics.confidence_bins import BINS, ConfidenceBins
from segbench.metrics.joint_counts import joint_counts
from segbench.metrics.nearest import nearest
from segbench.metrics.partition import thin_borders
from segbench.metrics.pooled import mean_of_quotients
from segbench.metrics.skeletons import skeletons

CHECKED = "address,undefined"


def build_checked(folder: Path, compiler: str) -> Path:
    """The module with the sanitizers' checks in it."""
    flags = ["-O1", "-g", "-fno-omit-frame-pointer", f"-fsanitize={CHECKED}", "-fno-sanitize-recover=all"]
    return build(folder, compiler, [*flags, "-shared-libasan"] if compiler == "clang" else flags)


def run_checked(module: Path, compiler: str, arguments: list[str]) -> int:
    """This file in a process whose allocator is the sanitizer's."""
    library = f"libclang_rt.asan-{platform.machine()}.so" if compiler == "clang" else "libasan.so"
    found = subprocess.run([compiler, f"-print-file-name={library}"], capture_output=True, text=True, check=True)
    options = {"ASAN_OPTIONS": "detect_leaks=0", "LD_PRELOAD": found.stdout.strip()}
    command = [sys.executable, __file__, *arguments, "--module", str(module)]
    return subprocess.run(command, env=os.environ | options, check=False).returncode


def decoded(data: bytes) -> tuple[Any, bool]:
    """The values of a file by the compiled part, None where it leaves it to others; and whether these agree."""

    def small(needed: int) -> None:
        if needed > 10_000_000:
            raise ValueError("larger than what was written")

    try:
        header, pixels = stream_of_pixels(data, small)
    except (ValueError, StopIteration):
        return None, True
    found = compiled_values(header, pixels)
    if found is None:
        return None, True
    compiled, native._native = native._native, None
    expected = decode_png(data, small)
    native._native = compiled
    return found, found.dtype == expected.dtype and bool(np.array_equal(found, expected))


def fuzz_files(compiled: Any, count: int, seed: int) -> None:
    """Decode; what is decoded must be the same without the compiled part."""
    native._native, taken = compiled, 0
    for number, data in enumerate(islice(png_inputs(random.Random(seed)), count)):
        found, same = decoded(data)
        assert same, f"seed {seed}, file {number}: {data.hex()}"
        taken += found is not None
    print(f"{count} files: {taken} decoded as by libpng and Pillow, {count - taken} left to them")


def fuzz_maps(compiled: Any, count: int, seed: int) -> None:
    """Count, and count again with NumPy."""
    for number, pair in enumerate(islice(label_pairs(random.Random(seed)), count)):
        native._native = compiled
        found = joint_counts(*pair)
        native._native = None
        expected = joint_counts(*pair)
        same = all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
        assert same, f"seed {seed}, pair {number}: {pair[0].dtype} and {pair[1].dtype}, {pair[0].size} pixels"
    print(f"{count} pairs of label maps: all counted as by NumPy")


def fuzz_sums(compiled: Any, count: int, seed: int) -> None:
    """Test pairs of runs by sums of every shape, many of them 0, and again with NumPy."""
    draw = np.random.default_rng(seed)
    for number in range(count):
        runs, units, quotients, rows = draw.integers([2, 2, 1, 1], [7, 30, 9, 40]).tolist()
        below = draw.integers(0, 60, (runs, units, quotients)) * (draw.random((runs, units, quotients)) < draw.random())
        terms = np.concatenate([draw.binomial(below, 0.5), below], axis=2).astype(np.float64)
        chances = []
        for native._native in (compiled, None):
            sums = PairedSums.of(terms, mean_of_quotients, list(combinations(range(runs), 2)), 1 << 20)
            observed = sums.under(np.ones((1, units))).of(np.arange(len(sums.pairs)))
            chunks = partial(map, sums.under, swap_patterns(units, 2 * rows, rows, number))
            chances.append(chance_of(observed, chunks, holds_observed=False))
        one, other = ([each.p.tolist(), each.adjusted.tolist(), each.alone.tolist()] for each in chances)
        assert repr(one) == repr(other), f"seed {seed}, sums {number}: {terms.shape}, {rows} rows"
    print(f"{count} sets of sums: pairs tested as by NumPy")


def fuzz_points(compiled: Any, count: int, seed: int) -> None:
    """Distances of points of every spread, some out of order or out of range, and again with SciPy."""
    draw = np.random.default_rng(seed)
    for number in range(count):
        pair = []
        for _ in range(2):
            side = 10 ** draw.uniform(0, draw.choice([2, 4, 7.3], size=2))
            points = (draw.random((int(draw.integers(1, 60)), 2)) * side + draw.integers(-1, 300, 2)).astype(np.int64)
            pair.append(np.unique(points, axis=0) if draw.random() < 0.9 else points)
        native._native = compiled
        found = nearest(pair[0], pair[1], (1.0, 1.0))
        native._native = None
        assert np.array_equal(found, nearest(pair[0], pair[1], (1.0, 1.0))), f"seed {seed}, points {number}"
    print(f"{count} sets of points: distances as by SciPy")


def fuzz_confidences(compiled: Any, count: int, seed: int) -> None:
    """Histograms of any number of kinds, many confidences on the edges of bins, and again with NumPy."""
    draw = np.random.default_rng(seed)
    for number in range(count):
        kinds, pixels = int(draw.integers(1, 30)), int(draw.choice([0, 1, 3, 511, 512, 513, 1200]))
        values = draw.random((kinds, pixels)) ** draw.integers(1, 30)
        edges = draw.random(values.shape) < draw.random()
        values[edges] = np.round(values[edges] * BINS) / BINS
        right = draw.random(values.shape) < draw.random()
        columns = []
        for native._native in (compiled, None):
            bins = ConfidenceBins(kinds, "squared_error")
            for piece in np.array_split(np.arange(pixels), int(draw.integers(1, 4))):
                kind, place = np.nonzero(right[:, piece])
                bins.add(values[:, piece], (kind, place), squared_error=values[:, piece] ** 2)
            columns.append({name: column.tolist() for name, column in bins.columns(range(kinds)).items()})
        assert columns[0] == columns[1], f"seed {seed}, confidences {number}"
    print(f"{count} histograms of confidences: summed as by NumPy")


def fuzz_borders(compiled: Any, count: int, seed: int) -> None:
    """Proposals of cells of every texture thinned, and again with NumPy."""
    draw = np.random.default_rng(seed)
    for number in range(count):
        zoom = draw.integers(1, 4, 2)
        proposal = draw.random(draw.integers(1, 20, 2)) < draw.random()
        proposal = np.repeat(np.repeat(proposal, zoom[0], axis=0), zoom[1], axis=1)
        native._native = compiled
        found = thin_borders(proposal)
        native._native = None
        assert np.array_equal(found, thin_borders(proposal)), f"seed {seed}, proposal {number}"
    print(f"{count} proposals of cells: thinned as by NumPy")


def fuzz_lines(compiled: Any, count: int, seed: int) -> None:
    """Label maps of every texture and number of classes thinned to lines, and again by scikit-image."""
    draw = np.random.default_rng(seed)
    for number in range(count):
        zoom, classes = draw.integers(1, 6, 2), int(draw.choice([1, 1, 2, 5, 300]))
        labels = draw.integers(0, classes + 1, draw.integers(1, 12, 2)) * (draw.random() < 0.95)
        labels = np.repeat(np.repeat(labels, zoom[0], axis=0), zoom[1], axis=1)
        labels = np.where(draw.random(labels.shape) < draw.choice([0, 0.02, 0.3]), 0, labels).astype(np.uint16)
        native._native = compiled
        found = skeletons(labels)
        native._native = None
        assert np.array_equal(found, skeletons(labels)), f"seed {seed}, label map {number}"
    print(f"{count} label maps: thinned as by scikit-image")


def main() -> None:
    """Build, start the checked process, and in it do the work."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--files", type=int, default=1_000_000)
    asked.add_argument("--maps", type=int, default=100_000)
    asked.add_argument("--sums", type=int, default=20_000)
    asked.add_argument(
        "--points",
        type=int,
        default=20_000,
        help="as many histograms of confidences, proposals of cells, and masks",
    )
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--portable", action="store_true")
    asked.add_argument("--compiler", choices=COMPILERS, default="gcc")
    asked.add_argument("--module", type=Path, help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.module is None:
        with tempfile.TemporaryDirectory() as folder:
            module = build_checked(Path(folder), given.compiler)
            sys.exit(run_checked(module, given.compiler, sys.argv[1:]))
    logging.disable()  # decoders tell of every damage
    compiled, begun = load(given.module), time.process_time()
    compiled.portable(given.portable)
    fuzz_files(compiled, given.files, given.seed)
    fuzz_maps(compiled, given.maps, given.seed)
    fuzz_sums(compiled, given.sums, given.seed)
    fuzz_points(compiled, given.points, given.seed)
    fuzz_confidences(compiled, given.points, given.seed)
    fuzz_borders(compiled, given.points, given.seed)
    fuzz_lines(compiled, given.points, given.seed)
    print(f"{compiled.instructions()}, no fault, {time.process_time() - begun:.0f} s of processor time")


if __name__ == "__main__":
    main()
