"""Decoding images ahead of the method that predicts them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from ..types import Dataset, Uint8


class ImagesAhead:
    """Batches of images in the order of their ids; `prefetch` has the next one decoded meanwhile, in threads.

    Never more than two batches are in memory: the one that was taken and the next.

    Parameters
    ----------
    dataset : whose images are decoded.
    ids : of samples that have an image.
    size : images in a batch, the last of which may be smaller.
    change : makes another image, (H, W) or (H, W, 3) uint8, of each one and its id.
    """

    def __init__(
        self, dataset: Dataset, ids: Sequence[str], size: int, change: Callable[[Uint8, str], Uint8] | None = None
    ) -> None:
        self._dataset = dataset
        self._change = change
        self._batches = [ids[start : start + size] for start in range(0, len(ids), size)]
        self._taken = 0
        self._coming: list[Future[Uint8 | None]] = []
        # Decoders leave the interpreter's lock, so threads work side by side.
        self._threads = ThreadPoolExecutor(min(size, os.cpu_count() or 1), thread_name_prefix="decode")

    def prefetch(self) -> None:
        """Begin to decode the next batch, if there is one and it is not begun."""
        if not self._coming and self._taken < len(self._batches):
            batch = self._batches[self._taken]
            self._coming = [self._threads.submit(self._image, sample_id) for sample_id in batch]

    def take(self) -> tuple[Sequence[str], list[Uint8]] | None:
        """Ids and images of the next batch, (H, W) or (H, W, 3) uint8 each; None after the last.

        Raises UserError that names the file that cannot be decoded.
        """
        if self._taken == len(self._batches):
            return None
        self.prefetch()
        coming, self._coming = self._coming, []
        self._taken += 1
        images = [image for future in coming if (image := future.result()) is not None]
        return self._batches[self._taken - 1], images

    def _image(self, sample_id: str) -> Uint8 | None:
        image = self._dataset.load(sample_id, ("image",)).image
        return image if image is None or self._change is None else self._change(image, sample_id)

    def __enter__(self) -> ImagesAhead:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
