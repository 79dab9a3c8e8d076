"""What counts and decodes label maps: the compiled part as the processor allows or in portable code, and NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from segbench.io import native

COMPILED = native.engine() != "numpy"
ENGINES = ("native", "portable", "numpy") if COMPILED else ("numpy",)
"""Those that this installation has, quickest first."""


@contextmanager
def using(engine: str) -> Iterator[None]:
    """Count and decode with one of them, in processes that are started meanwhile too."""
    with pytest.MonkeyPatch.context() as patch:
        if engine == "numpy":
            patch.setenv(native.SWITCH, "0")
            patch.setattr(native, "_native", None)
            yield
            return
        compiled = native._native
        before = compiled.instructions() == "portable"
        patch.setenv(native.SWITCH, engine)
        compiled.portable(engine == "portable")
        try:
            yield
        finally:
            compiled.portable(before)
