"""Small drawn pictures and videos of every kind."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np


def picture(number: int, size: tuple[int, int] = (48, 64)) -> Any:
    """A smooth coloured picture whose mean grows with the number."""
    y, x = np.mgrid[: size[0], : size[1]]
    waves = np.stack([np.sin(y / 9), np.cos(x / 7), np.sin((x + y) / 11)], axis=-1)
    return np.clip(90 + 5 * number + 40 * waves, 0, 255).astype(np.uint8)


def encode(path: Path, frames: Sequence[Any], codec: str, times: Sequence[int] | None = None, fps: int = 15) -> Path:
    """A video of these frames, each at its time in frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = frames[0].shape[:2]
        stream.bit_rate = 8_000_000
        if codec == "libx264":
            stream.options = {"qp": "0"}  # nothing lost but colours
        grey = frames[0].ndim == 2
        stream.pix_fmt = {"mjpeg": "yuvj420p", "ffv1": "gray" if grey else "bgr0"}.get(codec, "yuv420p")
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="gray" if grey else "rgb24")
            frame.pts = number if times is None else times[number]
            frame.time_base = Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
