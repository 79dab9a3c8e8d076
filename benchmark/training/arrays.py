"""Samples as small decoded arrays: prepared once, kept in memory up to a limit, decoded in threads beyond it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import cv2
import numpy as np

from ..errors import UserError
from ..types import Array, DatasetInfo, Float32, Sample, Uint8
from .config import TrainingConfig
from .losses import IGNORE

CACHE_BYTES = 4 * 1024**3


class Pair(NamedTuple):
    """One training example: image (H, W, C) uint8 and target (H, W) uint8 (1, 0 or `IGNORE`)."""

    image: Uint8
    target: Uint8


def prepare_image(image: Uint8, config: TrainingConfig) -> Uint8:
    """Grey or colour as configured, resized to `config.size`: (H, W) or (H, W, 3) uint8 to (H', W', C) uint8."""
    if config.input == "grey" and image.ndim == 3:
        image = _uint8(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    elif config.input == "rgb" and image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    if config.size is not None and image.shape[:2] != tuple(config.size):
        height, width = config.size
        shrinks = height <= image.shape[0] and width <= image.shape[1]
        mode = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        image = _uint8(cv2.resize(image, (width, height), interpolation=mode))
    return np.ascontiguousarray(image if image.ndim == 3 else image[..., None])


def prepare_target(labels: Array, config: TrainingConfig, dataset: DatasetInfo) -> Uint8:
    """Label values to 1 (foreground), 0 or `IGNORE`, resized to `config.size` without values in between."""
    target: Uint8 = (labels == dataset.foreground).astype(np.uint8)
    if dataset.ignore_label is not None:
        target[labels == dataset.ignore_label] = IGNORE
    if config.size is not None and target.shape != tuple(config.size):
        target = _uint8(cv2.resize(target, (config.size[1], config.size[0]), interpolation=cv2.INTER_NEAREST_EXACT))
    return target


def resize_probabilities(probabilities: Float32, shape: tuple[int, int]) -> Float32:
    """Bilinear resize of an (H, W) map to `shape`; values stay within those of the map."""
    if probabilities.shape == shape:
        return probabilities
    return np.asarray(cv2.resize(probabilities, shape[::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _uint8(array: Array) -> Uint8:
    return np.asarray(array, dtype=np.uint8)


class PairStore:
    """Training examples by index: up to `limit` bytes of them are kept, others decoded each time they are asked for."""

    def __init__(
        self,
        samples: Sequence[Sample],
        config: TrainingConfig,
        dataset: DatasetInfo,
        workers: int = 0,
        limit: int = CACHE_BYTES,
    ) -> None:
        self._samples, self._config, self._dataset, self._limit = samples, config, dataset, limit
        self._kept: dict[int, Pair] = {}
        self._bytes = 0
        # OpenCV and the decoders release the interpreter lock, so threads are enough and nothing is pickled.
        self._threads = ThreadPoolExecutor(max(1, workers))

    def __len__(self) -> int:
        return len(self._samples)

    def batches(self, plan: Sequence[Sequence[int]]) -> Iterator[list[Pair]]:
        """The examples of each planned batch, the next batch being decoded while the caller works on this one."""
        ahead: list[Future[Pair]] = self._submit(plan[0]) if plan else []
        for position in range(len(plan)):
            current = ahead
            ahead = self._submit(plan[position + 1]) if position + 1 < len(plan) else []
            yield [future.result() for future in current]

    def close(self) -> None:
        """End the threads and drop the arrays."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._kept.clear()

    def __enter__(self) -> PairStore:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _submit(self, indices: Sequence[int]) -> list[Future[Pair]]:
        return [self._threads.submit(self._get, int(index)) for index in indices]

    def _get(self, index: int) -> Pair:
        pair = self._kept.get(index)
        if pair is None:
            pair = self._decode(index)
            size = pair.image.nbytes + pair.target.nbytes
            if self._bytes + size <= self._limit:
                self._kept[index] = pair
                self._bytes += size
        return pair

    def _decode(self, index: int) -> Pair:
        sample = self._samples[index]
        if sample.image is None or sample.labels is None:
            raise UserError(f"sample '{sample.id}' has no image or no labels, so it cannot be learned from")
        if sample.image.shape[:2] != sample.labels.shape:
            found = f"image {sample.image.shape[:2]}, labels {sample.labels.shape}"
            raise UserError(f"sample '{sample.id}': image and labels differ in size ({found})")
        return Pair(
            prepare_image(sample.image, self._config), prepare_target(sample.labels, self._config, self._dataset)
        )
