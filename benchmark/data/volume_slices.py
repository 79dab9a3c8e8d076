"""The slices of a volume as pictures of 8 bits: alike where a data set is imported and where a run predicts.

Reference: nnU-Net v2 (its file names, and the percentiles that it clips a CT at).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..io.images import nifti
from ..text import counted
from ..types import Array, Uint8, UserError, VolumeSlices

MAX_CHANNELS = 3
"""Channels of a picture; further ones of a volume are left out."""
LOW, HIGH = 0.5, 99.5
"""Percentiles of intensities that become black and white."""

_CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")


def case_and_channel(stem: str, channels: int = 10_000) -> tuple[str, int | None]:
    """The case that a file belongs to, and its channel, where it is called after one of so many.

    >>> case_and_channel("liver_003_0001"), case_and_channel("patient_0007", channels=1)
    (('liver_003', 1), ('patient_0007', None))
    """
    named = _CHANNEL.fullmatch(stem)
    if named is None or int(named["channel"]) >= channels:
        return stem, None
    return named["case"], int(named["channel"])


def read_channels(paths: Sequence[Path]) -> list[Array]:
    """The (N, H, W) intensities of each channel of a case: of one file each, or of a file of several.

    Raises UserError for a file that cannot be read, and for channels of different shapes.
    """
    parts = [nifti.read_slices(path) for path in paths]
    for path, part in zip(paths, parts, strict=True):
        if part.shape[:3] != parts[0].shape[:3]:
            raise UserError(
                f"{path}: is of {slices_in_words(part.shape)}; the first channel, '{paths[0]}', "
                f"is of {slices_in_words(parts[0].shape)}"
            )
    return [part[..., c] for part in (p[..., None] if p.ndim == 3 else p for p in parts) for c in range(part.shape[3])]


def check_grid(path: Path, volume: nifti.Volume, other: nifti.Volume, called: str) -> None:
    """Raise UserError where a volume does not lie on the grid of another one, which is `called` in the message."""
    if volume.shape != other.shape:
        raise UserError(f"{path}: is of {slices_in_words(volume.shape)}; {called} of {slices_in_words(other.shape)}")
    if not volume.spaced_like(other):
        found, expected = (
            f"{each.plane} slices with a spacing of {' x '.join('?' if s is None else f'{s:g}' for s in each.spacing)}"
            for each in (volume, other)
        )
        raise UserError(
            f"{path}: is of {found}; {called} of {expected}. Equal ones differ by a thousandth at most: write both on "
            "one grid, or the header of one with the spacing of the other."
        )


def slice_pictures(channels: Sequence[Array], rule: VolumeSlices) -> Iterator[Uint8]:
    """The picture of every slice, (H, W) uint8, or (H, W, 3) of several channels; of two channels blue is black.

    Parameters
    ----------
    channels : (N, H, W) intensities of each, as `read_channels` gives them; the first three are seen.
    rule : the window of all volumes, if there is one: else percentiles of each channel become black and white.
        Channels of 8 bits stay as they are.
    """
    seen = [(values, _limits(values, rule.window)) for values in channels[:MAX_CHANNELS]]
    for number in range(len(channels[0])):
        shades = [_shades(values[number], limits) for values, limits in seen]
        if len(shades) == 1:
            yield shades[0]
        else:
            black = [np.zeros_like(shades[0])] * (MAX_CHANNELS - len(shades))
            yield np.stack([*shades, *black], axis=-1)


def slices_in_words(shape: Sequence[int]) -> str:
    """The size of slices (N, H, W) in words."""
    return f"{counted(int(shape[0]), 'slice')} of {shape[1]} x {shape[2]}"


def _limits(values: Array, window: tuple[float, float] | None) -> tuple[float, float] | None:
    """The intensities that become black and white; None of 8 bits, which stay."""
    if values.dtype == np.uint8:
        return None
    if window is not None:
        return window
    real = values.dtype.kind == "f"
    finite = values[np.isfinite(values)] if real else values
    if not finite.size:
        return 0.0, 1.0
    low, high = np.percentile(finite, (LOW, HIGH), overwrite_input=real)  # what is finite is a copy already
    return float(low), float(high)


def _shades(values: Array, limits: tuple[float, float] | None) -> Uint8:
    """Intensities (H, W) as 0 to 255; what is no number is black."""
    if limits is None:
        return np.ascontiguousarray(values)
    low, high = limits
    real = np.where(np.isfinite(values), values, low).astype(np.float32)
    scaled = (real - low) / max(high - low, 1e-12)
    return np.ascontiguousarray(np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8))
