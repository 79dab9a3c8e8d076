"""Panoptic maps as PNG files: every colour stands for the number of a segment, R + 256 G + 65536 B, and black for none.

Reference: cocodataset.org, "Data format", 4. Panoptic Segmentation.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ...types import Array, UserError
from ..atomic import atomic_path
from .read import read_array

MAX_ID = (1 << 24) - 1
"""The largest number that a colour of three channels of 8 bits can hold."""


def read_segment_ids(path: Path) -> Array:
    """Segment numbers (H, W) int32 of a PNG of three channels, or of four that are opaque throughout.

    Raises
    ------
    UserError
        Naming the file, if it cannot be decoded, or is no colour image of 8 bits.
    """
    values = read_array(path)
    if values.ndim == 3 and values.shape[2] == 4 and values.dtype == np.uint8 and (values[:, :, 3] == 255).all():
        values = values[:, :, :3]
    if values.ndim != 3 or values.shape[2] != 3 or values.dtype != np.uint8:
        raise UserError(
            f"{path}: has shape {values.shape} and type {values.dtype}; expected a colour PNG of 8 bits a channel, "
            "whose colours are segment numbers (R + 256 G + 65536 B)"
        )
    import cv2  # 20 MB that no other evaluation needs

    # With a fourth channel a pixel is one number of 32 bits: several times as quick as sums of channels.
    packed = cv2.cvtColor(np.ascontiguousarray(values), cv2.COLOR_RGB2RGBA).view("<u4")[:, :, 0]
    return np.asarray(packed & MAX_ID, np.int32)


def write_segment_ids(path: Path, ids: Array) -> None:
    """Write segment numbers (H, W), 0 to 2**24 - 1, as a colour PNG. Raises UserError for a number beyond."""
    low, high = int(ids.min(initial=0)), int(ids.max(initial=0))
    if low < 0 or high > MAX_ID:
        raise UserError(f"'{path.name}': segment numbers from {low} to {high}; a PNG holds those from 0 to {MAX_ID}")
    channels = np.ascontiguousarray(ids, "<u4").view(np.uint8).reshape(*ids.shape, 4)[:, :, :3]
    with atomic_path(path) as temporary:
        Image.fromarray(np.ascontiguousarray(channels)).save(temporary, format="PNG")
