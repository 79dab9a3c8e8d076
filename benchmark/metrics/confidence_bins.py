"""Sums of pixels by the bin of their confidence: the histograms that calibration is computed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..io import native
from ..types import Array, Float64, Int64

BINS = 15
"""Bins of equal width over confidences of 0 to 1; a confidence on an edge belongs to the lower bin, as in Guo et al."""


class ConfidenceBins:
    """Histograms of R kinds of confidence of the same pixels, which are added in pieces that stay in the cache.

    Every sum of doubles goes on where the piece before has left it, pixel by pixel: so it has the same bits in whatever
    pieces the pixels come, and with the compiled part as without it.

    Parameters
    ----------
    kinds : int
        R.
    names : str
        What is summed up besides the confidence.
    """

    def __init__(self, kinds: int, *names: str) -> None:
        self._names = ("confidence", *names)
        self._pixels, self._right = np.zeros((2, kinds * BINS), np.int64)
        self._sums = np.zeros((len(self._names), kinds * BINS))

    def add(self, confidence: Float64, right: tuple[Array | int, Array], **values: Float64) -> None:
        """Add n pixels, in their order.

        Parameters
        ----------
        confidence : (R, n) float64
            In 0..1.
        right : pair of index arrays
            Which came true: of which kind, and which pixel.
        values : (R, n) float64
            What is summed up besides, by name.

        Raises
        ------
        ValueError
            For a confidence that is not in 0..1, if the compiled part is in use.
        """
        columns = [confidence, *(values[name] for name in self._names[1:])]
        if not native.add_to_bins(BINS, self._pixels, self._sums, columns):
            codes = (_bins(confidence) + BINS * np.arange(len(confidence))[:, None]).reshape(-1)
            self._pixels += np.bincount(codes, minlength=self._pixels.size)
            for sums, each in zip(self._sums, columns, strict=True):
                sums[:] = _added(sums, codes, each.reshape(-1))
        self._right += np.bincount(_bins(confidence[right]) + BINS * right[0], minlength=self._right.size)

    def columns(self, kinds: Sequence[int]) -> dict[str, Array]:
        """A row for each bin that holds pixels; `kinds` are the numbers (R,) that the kinds of confidence go by."""
        held = np.flatnonzero(self._pixels)
        return {
            "class": np.array(kinds)[held // BINS],
            "bin": held % BINS,
            "pixels": self._pixels[held],
            "right": self._right[held],
            **{name: sums[held] for name, sums in zip(self._names, self._sums, strict=True)},
        }


def joined(first: Mapping[str, Array], second: Mapping[str, Array]) -> dict[str, Array]:
    """The rows (R,) of both one below the other, with 0 for a sum that one of them does not have."""
    rows = [len(each["bin"]) for each in (first, second)]
    return {
        name: np.concatenate([each.get(name, np.zeros(n)) for each, n in zip((first, second), rows, strict=True)])
        for name in {**first, **second}
    }


def _bins(confidence: Float64) -> Int64:
    """The bins of confidences in 0..1, of the same shape."""
    return np.maximum(np.ceil(confidence * BINS), 1).astype(np.int64) - 1


def _added(before: Float64, codes: Int64, values: Float64) -> Float64:
    """Sums to which the values (n,) are added one by one: the sums before lead them, each in its bin."""
    places = np.concatenate([np.arange(before.size), codes])
    return np.asarray(np.bincount(places, np.concatenate([before, values]), minlength=before.size), np.float64)
