"""What the compiled part costs, in instructions: these do not depend on what else the machine does."""

from __future__ import annotations

import platform
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from engines import COMPILED, using
from places import ROOT
from segbench.metrics.joint_counts import joint_counts

PIXELS = 256 * 1024
MOST = {"runs": 3.3, "noise": 8.2, "wide runs": 12.0, "decoding": 0.6}
"""Instructions per pixel: half as many again as GCC 12 needs."""


def _instructions(program: Path, kind: str, repeats: int) -> int:
    """Of the whole run of the program, as Callgrind counts them."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", str(program), kind, str(repeats)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stderr.split("Collected :")[1].split()[0])


@pytest.mark.slow
@pytest.mark.skipif(
    platform.machine() != "x86_64" or not (shutil.which("valgrind") and shutil.which("gcc")),
    reason="counting instructions takes valgrind, gcc and an x86-64 processor",
)
def test_counting_and_decoding_take_few_instructions(tmp_path: Path) -> None:
    native = ROOT / "benchmark" / "native"
    sources = [str(native / f"{name}.c") for name in ("count", "unfilter", "cpu")]
    program = tmp_path / "instructions"
    own = str(ROOT / "tests" / "speed" / "instructions.c")
    subprocess.run(["gcc", "-O3", "-Wall", "-Werror", f"-I{native}", own, *sources, "-o", str(program)], check=True)
    found = {}
    for kind in MOST:
        few, more = (_instructions(program, kind[0], repeats) for repeats in (1, 3))
        found[kind] = round((more - few) / (2 * PIXELS), 2)
    assert all(0.1 < found[kind] <= MOST[kind] for kind in MOST), f"instructions per pixel {found}, at most {MOST}"


@pytest.mark.slow
@pytest.mark.skipif(not COMPILED, reason="segbench._native is not built here")
def test_the_compiled_part_counts_twice_as_fast_as_numpy() -> None:
    """Of many runs the quickest are compared, in turn and by the processor's time: only the code can make this fail."""
    y, x = np.indices((512, 1024))
    first = ((x + y // 3) // 60 * 7 + y // 30 * 13) % 19
    pair = first.astype(np.uint8), np.roll(first, 3, axis=1).astype(np.uint8)
    best = {"native": float("inf"), "numpy": float("inf")}
    for _ in range(60):
        for engine in best:
            with using(engine):
                begun = time.process_time()
                joint_counts(*pair)
                best[engine] = min(best[engine], time.process_time() - begun)
        if 2 * best["native"] < best["numpy"]:
            return
    pytest.fail(f"seconds: {best}")
