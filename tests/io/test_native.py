"""The compiled part is optional: it is built where it can be, and `SEGBENCH_NATIVE` turns it off."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from native_builds import COMPILERS, build, load, missing_for, release_flags

from segbench.evaluation.swaps import PairedSums, swap_patterns
from segbench.io import native
from segbench.io.native import SWITCH
from segbench.metrics.pooled import mean_of_quotients


def _engine(value: str | None) -> str:
    code = "from segbench.io.native import engine; print(engine())"
    environment = {name: text for name, text in os.environ.items() if name != SWITCH}
    environment |= {} if value is None else {SWITCH: value}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.slow
def test_the_switch_chooses_the_engine() -> None:
    assert _engine("0") == "numpy"
    found = _engine(None)
    assert _engine("portable") == ("numpy" if found == "numpy" else "native (portable)")


@pytest.mark.slow
def test_it_is_there_where_it_can_be_compiled() -> None:
    """An installation on a machine with a compiler has it; else no test would see that its build broke."""
    missing = missing_for("gcc") if sys.platform == "linux" else "looked for on Linux only"
    if missing:
        pytest.skip(missing)
    assert _engine(None).startswith("native")


def _flags_that_fuse() -> list[str] | None:
    """Those that let a compiler fuse a product with a sum; None for a processor that cannot, or is unknown."""
    if platform.machine() in ("aarch64", "arm64"):
        return []
    cpu = Path("/proc/cpuinfo")
    return ["-mfma"] if platform.machine() == "x86_64" and cpu.is_file() and " fma " in cpu.read_text() else None


@pytest.fixture(scope="module", params=COMPILERS)
def fusing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The module as an installation compiles it, for a processor with fused multiply-adds, and without a warning."""
    flags, missing = _flags_that_fuse(), missing_for(request.param)
    if missing or flags is None:
        pytest.skip(missing or "this processor is not known to have fused multiply-adds")
    return load(build(tmp_path_factory.mktemp("build"), request.param, [*release_flags(), *flags]))


@pytest.mark.slow
@pytest.mark.parametrize("only_portable", [True, False])
def test_a_class_without_pixels_is_noticed_whatever_the_processor(
    fusing: Any, only_portable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One unit holds all of the first class, and the first run none of it; squares of counts exceed a double's bits.

    Fused, D D - d d of `quotients.c` would be what the rounding of one product left, and mIoU differ by more than 1.
    """
    random = np.random.default_rng(0)
    below = random.integers(10**7, 4 * 10**9, (9, 4, 3)).astype(np.float64)
    below[:, 1:, 0] = below[0, :, 0] = 0
    terms = np.concatenate([np.floor(below * random.random(below.shape)), below], axis=2)
    pairs = list(combinations(range(9), 2))
    patterns = np.concatenate(list(swap_patterns(4, 8, 8, seed=0)))
    fusing.portable(only_portable)
    found = []
    for engine in (fusing, None):
        monkeypatch.setattr(native, "_native", engine)
        sums = PairedSums.of(terms, mean_of_quotients, pairs, swaps=1 << 20)  # so many that errors are not asked for
        found.append(sums.under(patterns).of(np.arange(len(pairs))).apart)
    with_module, with_numpy = found
    assert np.allclose(with_module, with_numpy, rtol=1e-12, atol=1e-13)
    assert abs(with_numpy).max() <= 1
