"""Videos as players show them: turned, mirrored, with square pixels, and whatever bits they store a value in."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from segbench.errors import UserError
from segbench.io.images.video import read_video
from videos import encode, picture

ONE = 1 << 16
TURNS: dict[
    str, tuple[tuple[int, int, int, int], Callable[[Any], Any]]
] = {  # (x, y) is shown at (a x + c y, b x + d y); what NumPy calls the same
    "as it is": ((ONE, 0, 0, ONE), lambda image: image),
    "90": ((0, ONE, -ONE, 0), lambda image: np.rot90(image, -1)),
    "180": ((-ONE, 0, 0, -ONE), lambda image: np.rot90(image, 2)),
    "270": ((0, -ONE, ONE, 0), lambda image: np.rot90(image, 1)),
    "mirrored": ((-ONE, 0, 0, ONE), np.fliplr),
    "upside down": ((ONE, 0, 0, -ONE), np.flipud),
    "transposed": ((0, ONE, ONE, 0), lambda image: np.swapaxes(image, 0, 1)),
}


def turn_header(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Put a matrix into the track header of an MP4 or MOV file (ISO 14496-12, 8.3.2)."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    a, b, c, d = matrix
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
@pytest.mark.parametrize("name", TURNS)
def test_a_film_is_turned_as_its_header_says(name: str, suffix: str, tmp_path: Path) -> None:
    matrix, turned = TURNS[name]
    path = encode(tmp_path / f"film.{suffix}", [picture(n) for n in range(4)], "libx264")
    plain = [image.copy() for image in read_video(path)]
    turn_header(path, matrix)
    for found, image in zip(read_video(path), plain, strict=True):
        assert np.array_equal(found, turned(image))


def test_a_film_that_is_turned_by_another_angle_is_refused(tmp_path: Path) -> None:
    path = encode(tmp_path / "film.mp4", [picture(0)], "libx264")
    turn_header(path, (46341, 46341, -46341, 46341))
    with pytest.raises(UserError, match=r"film\.mp4: .*45 degrees; only quarter turns"):
        read_video(path)


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize(("ratio", "width"), [(Fraction(2), 128), (Fraction(1, 2), 32), (Fraction(12, 11), 70)])
def test_pixels_that_are_not_square_become_so(ratio: Fraction, width: int, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"film.{suffix}"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=15)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = ratio
        for number in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number), format="rgb24")))
        container.mux(stream.encode(None))
    frames = list(read_video(path))
    assert {frame.shape for frame in frames} == {(48, width, 3)}
    halves = picture(0).reshape(48, 2, 32, 3).mean(axis=(0, 2))
    wide = frames[0][:, : 2 * (width // 2)].reshape(48, 2, width // 2, 3).mean(axis=(0, 2))
    assert np.abs(wide - halves).max() < 6
    if suffix != "mkv":
        turn_header(path, TURNS["90"][0])
        assert next(iter(read_video(path))).shape == (width, 48, 3)


def write_deep(path: Path, form: str, bits: int) -> list[Any]:
    """A grey film of more than 8 bits a value, in so many bits of them; and its 8-bit twin."""
    greys = [picture(number)[:, :, 0] for number in range(4)]
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=15)
        stream.width, stream.height, stream.pix_fmt = 64, 48, form
        for grey in greys:
            frame = av.VideoFrame.from_ndarray(grey.astype(np.uint16) << (bits - 8), format=form)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return greys


@pytest.mark.parametrize(("form", "bits"), [("gray10le", 10), ("gray12le", 12), ("gray16le", 16)])
def test_deep_greys_are_those_of_the_film_of_8_bits(form: str, bits: int, tmp_path: Path) -> None:
    greys = write_deep(tmp_path / "film.mkv", form, bits)
    for found, grey in zip(read_video(tmp_path / "film.mkv"), greys, strict=True):
        assert np.array_equal(found, grey)


@pytest.mark.parametrize("bits", [10, 12])
def test_fewer_bits_in_words_of_16_are_refused_with_the_depth(bits: int, tmp_path: Path) -> None:
    write_deep(tmp_path / "film.mkv", "gray16le", bits)
    with pytest.raises(UserError, match=r"film\.mkv: its frames are of 16 bits and so dark"):
        read_video(tmp_path / "film.mkv")


def test_a_black_film_of_16_bits_is_black(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=15)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gray16le"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64), np.uint16), format="gray16le")))
        container.mux(stream.encode(None))
    assert not next(iter(read_video(path))).any()
