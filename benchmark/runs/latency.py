"""How long a fitted method takes per image: warm, without decoding, alone and in the batch that suits it best."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..types import Dataset, Method, Uint8, UserError

MAX_IMAGES = 8
"""Number of images, evenly spread, that are predicted again to be timed."""

_BUDGET_S = 1.0
_MAX_CALLS = 32
_MIN_CALLS = 3
_MAX_BATCH = 64
_MIN_GAIN = 1.05
"""How many times faster per image a larger batch has to be, or the smaller one is the best."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds per image in batches of one (the median call), and in the best batch; arithmetic of one image.

    None where it was not measured; `macs_per_image` also for a method that does not count its operations.
    """

    predict_ms_per_image: float | None = None
    best_batch: int | None = None
    best_batch_ms_per_image: float | None = None
    macs_per_image: int | None = None


def measure_latency(
    method: Method, dataset: Dataset, ids: Sequence[str], stop: Callable[[], bool] = lambda: False
) -> Latency:
    """Time a method that has just predicted, so that it is warm. It returns arrays, so the device has finished.

    Parameters
    ----------
    method : fitted.
    dataset, ids : whose images are predicted.
    stop : asked between calls; True ends the measurement with KeyboardInterrupt.

    Raises UserError where there is no image to time.
    """
    chosen = [ids[int(n)] for n in np.unique(np.linspace(0, len(ids) - 1, min(MAX_IMAGES, len(ids))).astype(int))]
    images = [image for i in chosen if (image := dataset.load(i, ("image",)).image) is not None]
    if not images:
        raise UserError(f"no sample of '{dataset.info.name}' has an image to time a method on")

    def call(batch: list[Uint8]) -> float:
        if stop():
            raise KeyboardInterrupt
        start = time.perf_counter()
        method.predict(batch)
        return 1000 * (time.perf_counter() - start) / len(batch)

    alone = _median(lambda number: call([images[number % len(images)]]))
    best, best_ms, size = 1, alone, 2
    begun = time.perf_counter()
    while size <= _MAX_BATCH and time.perf_counter() - begun + 2 * size * best_ms / 1000 < _BUDGET_S:
        batch = [images[number % len(images)] for number in range(size)]
        try:
            ms = min(call(batch), call(batch))
        except (MemoryError, RuntimeError, UserError):
            break  # too large for the memory
        if ms * _MIN_GAIN > best_ms:
            break
        best, best_ms, size = size, ms, 2 * size
    return Latency(round(alone, 3), best, round(best_ms, 3), method.macs(images[0].shape[:2]))


def _median(call: Callable[[int], float]) -> float:
    times: list[float] = []
    begun = time.perf_counter()
    while len(times) < _MIN_CALLS or (len(times) < _MAX_CALLS and time.perf_counter() - begun < _BUDGET_S):
        times.append(call(len(times)))
    return statistics.median(times)
