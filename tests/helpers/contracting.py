"""SYNTHETIC ellipses that contract as told, and the heartbeat that is found in them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from segbench.cardiac.beats import Heartbeat, beats_of
from segbench.cardiac.detection import Detection
from segbench.cardiac.geometry import silhouette
from segbench.cardiac.track import tracks
from segbench.types import Float64, Uint8


def masks(contraction: Float64, minor: float = 0.25, flicker: Float64 | float = 0.0) -> list[Uint8]:
    """SYNTHETIC ellipses, of which the minor axis shortens by this part and the major one by 12 %, (160, 200).

    Both axes of each frame are too long by its part of `flicker`.
    """
    found = []
    for part, wrong in zip(contraction, np.broadcast_to(flicker, len(contraction)), strict=True):
        canvas = np.zeros((160, 200), np.uint8)
        # Sixteenths of a pixel: whole ones would be steps of the area.
        whole = 16 * (1 + wrong)
        sides = round(whole * 60 * (1 - 0.12 * part)), round(whole * 38 * (1 - minor * part))
        cv2.ellipse(canvas, (16 * 100, 16 * 80), sides, 20, 0, 360, 1, cv2.FILLED, shift=4)
        found.append(canvas)
    return found


def heart(
    drawn: Sequence[Uint8], fps: float = 30.0, pixel_um: float = 0.65, detection: Detection | None = None
) -> Heartbeat:
    rows = [("a", number, silhouette(mask)) for number, mask in enumerate(drawn)]
    return beats_of(tracks(rows, fps, (pixel_um, pixel_um))[0], detection)


def even(frames: int, period: float, start: float = 0.0) -> Float64:
    """Contraction of a heart that beats every `period` frames."""
    return np.asarray((1 - np.cos(2 * np.pi * (np.arange(frames) + start) / period)) / 2, np.float64)


def of_beats(lengths: Sequence[float], strengths: Sequence[float] | None = None) -> Float64:
    """Contraction over beats of these lengths in frames, and strengths."""
    starts = np.cumsum([0.0, *lengths])
    frames = np.arange(int(starts[-1]))
    beat = np.searchsorted(starts, frames, "right") - 1
    phase = (frames - starts[beat]) / np.array(lengths)[beat]
    strong = np.ones(len(lengths)) if strengths is None else np.array(strengths)
    return np.asarray(strong[beat] * (1 - np.cos(2 * np.pi * phase)) / 2, np.float64)
