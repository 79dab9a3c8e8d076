"""A limited address space (`ulimit -v`): how large it is, and libraries that must not run short of it."""

from __future__ import annotations

import os
import sys

MIN_ADDRESS_SPACE = 1 << 30
"""What the libraries take together, with room for small images."""


def address_space() -> int | None:
    """How many bytes of addresses this process may use; None where they are not limited."""
    if sys.platform == "win32" or os.name != "posix":
        return None
    import resource

    allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if allowed == resource.RLIM_INFINITY else allowed


def load_linear_algebra() -> None:
    """Where addresses are limited: load each copy of OpenBLAS, and let it take its buffers, while there is room.

    One that finds none asks again and again without end; everything else says that memory ran out. Each thread of each
    copy takes buffers of its own, so there is one thread, unless the user said how many. To be called before NumPy is
    loaded, and in worker processes.
    """
    if address_space() is None:
        return
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import cv2
    import numpy as np
    from scipy.linalg import blas

    square = np.ones((128, 128))
    np.matmul(square, square)
    blas.dgemm(1.0, square, square)
    cv2.gemm(square, square, 1.0, np.zeros(0), 0.0)
