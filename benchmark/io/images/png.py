"""Decoding PNG files to their stored values, in compiled code that lets other threads run meanwhile."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator

import imagecodecs
import numpy as np

from ...types import Array
from .. import native
from .limits import open_image

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_GREY, _PALETTE = 0, 3
_DEPTHS = {_GREY: (1, 2, 4, 8, 16), 2: (8, 16), _PALETTE: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bits a channel that exist for each colour type."""

_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""First row, first column, and steps of both, of the passes of an interlaced image."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Channels by colour type."""


def decode_png(data: bytes, check_bytes: Callable[[int], None]) -> Array:
    """Decode a PNG file to the values it stores.

    Palette images give their indices, whatever their palette and transparency say; grey images of 2 and 4 bits give
    0 to 3 and 0 to 15, unscaled.

    Parameters
    ----------
    data : bytes
        The whole file.
    check_bytes : callable
        Called with the number of bytes of its values before anything is decoded; raises if they are too many.

    Returns
    -------
    (H, W) or (H, W, C) array
        uint8, uint16 where the file holds 16 bits a channel, bool for a grey image of 1 bit.

    Raises
    ------
    ValueError
        For a file that is cut off or whose checksums are wrong; the decoder raises its own kinds for wrong pixels.
    """
    header, pixels = stream_of_pixels(data, check_bytes)
    values = compiled_values(header, pixels)
    return _other_values(header, pixels) if values is None else values


def stream_of_pixels(data: bytes, check_bytes: Callable[[int], None]) -> tuple[bytes, bytes]:
    """The header of a PNG file (13 bytes) and its compressed pixels; see `decode_png`, which raises the same."""
    chunks = _chunks(data)
    kind, header = next(chunks)
    if kind != b"IHDR" or len(header) != 13:
        raise ValueError("its first chunk is no PNG header")
    depth, color = header[8], header[9]
    if depth not in _DEPTHS.get(color, ()):
        raise ValueError(f"colour type {color} with {depth} bits does not exist")
    pixel = _CHANNELS[color] * (2 if depth == 16 else 1)
    check_bytes(int.from_bytes(header[:4]) * int.from_bytes(header[4:8]) * pixel)
    return header, b"".join([body for kind, body in chunks if kind == b"IDAT"])


def compiled_values(header: bytes, pixels: bytes) -> Array | None:
    """Grey values or indices of a sound file of the usual kind, decoded in C; None for any other."""
    columns, rows, depth, color, *methods = struct.unpack(">IIBBBBB", header)
    if color not in (_GREY, _PALETTE) or any(methods):
        return None
    values = native.png_values(pixels, rows, columns, depth)
    return values.view(np.bool_) if values is not None and color == _GREY and depth == 1 else values


def _other_values(header: bytes, pixels: bytes) -> Array:
    """Values of any file, by libpng, or by Pillow where libpng would scale them; raises for one that is damaged."""
    depth, color = header[8], header[9]
    if depth >= 8:
        # A palette image declared as grey: libpng would replace the indices by colours.
        plain = _file(header, _GREY if color == _PALETTE else color, b"", pixels)
        return np.asarray(imagecodecs.png_decode(plain))
    _check_whole(header, pixels)
    # A grey image declared as one with a palette: every decoder would scale its values to 0..255.
    with open_image(io.BytesIO(_file(header, _PALETTE, bytes(3 << depth), pixels))) as image:
        values = np.asarray(image)
    return values.astype(np.bool_) if color == _GREY and depth == 1 else values


def png_palette(data: bytes) -> Array:
    """Colours with their opacity, (N, 4) uint8, of a PNG file with a palette.

    Raises ValueError for a file that is cut off, or has no palette.
    """
    chunks = {kind: body for kind, body in _chunks(data) if kind in (b"PLTE", b"tRNS")}
    if b"PLTE" not in chunks:
        raise ValueError("it has indices and no palette")
    colours = np.frombuffer(chunks[b"PLTE"][:768], np.uint8)
    colours = colours[: len(colours) // 3 * 3].reshape(-1, 3)
    table = np.full((len(colours), 4), 255, np.uint8)
    table[:, :3] = colours
    opacity = np.frombuffer(chunks.get(b"tRNS", b""), np.uint8)[: len(table)]
    table[: len(opacity), 3] = opacity
    return table


def may_state_orientation(data: bytes) -> bool:
    """Whether a PNG file has a chunk that can hold an orientation: few do, and to look for it decodes the pixels."""
    position = len(SIGNATURE)
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        start = data[position + 8 : position + 40]
        if kind == b"eXIf" or (kind in _TEXTS and start.startswith((b"Raw profile type", b"XML:com.adobe.xmp"))):
            return True
        position += 12 + length
    return False


def png_transparent(data: bytes) -> tuple[int, ...] | None:
    """The grey value or colour that a PNG file without a palette calls transparent, None where there is none.

    Raises ValueError for a file that is cut off.
    """
    body = next((body for kind, body in _chunks(data) if kind == b"tRNS"), b"")
    return struct.unpack(f">{len(body) // 2}H", body[: len(body) // 2 * 2]) or None


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of every chunk up to the end mark, each checked."""
    position = len(SIGNATURE)
    kind = b""
    while kind != b"IEND":
        if position + 12 > len(data):
            raise ValueError("it ends before its end mark")
        length, kind = struct.unpack_from(">I4s", data, position)
        stop = position + 8 + length
        if stop + 4 > len(data):
            raise ValueError(f"it ends within its chunk {kind!r}")
        if zlib.crc32(memoryview(data)[position + 4 : stop]) != int.from_bytes(data[stop : stop + 4]):
            raise ValueError(f"the checksum of its chunk {kind!r} is wrong")
        yield kind, data[position + 8 : stop]
        position = stop + 4


def _check_whole(header: bytes, pixels: bytes) -> None:
    """Refuse a stream of the wrong length: Pillow takes one that ends with a row, and leaves the rest black."""
    width, height, depth, interlaced = *struct.unpack(">II", header[:8]), header[8], header[12]
    steps = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    needed = 0
    for y, x, dy, dx in steps:
        rows, columns = max(0, -(-(height - y) // dy)), max(0, -(-(width - x) // dx))
        needed += rows * (1 + -(-columns * depth // 8)) if columns else 0
    stream = zlib.decompressobj()
    found = len(stream.decompress(pixels, needed + 1))
    if found != needed or not stream.eof:
        raise ValueError(f"its stream of pixels holds {found} bytes, or is cut off; {needed} are needed")


def _file(header: bytes, color: int, palette: bytes, pixels: bytes) -> bytes:
    """A PNG file of nothing but a header with this colour type, a palette if there is one, and pixels."""
    chunks = [(b"IHDR", header[:9] + bytes([color]) + header[10:]), (b"IDAT", pixels), (b"IEND", b"")]
    if palette:
        chunks.insert(1, (b"PLTE", palette))
    parts = [SIGNATURE]
    for kind, body in chunks:
        parts += [struct.pack(">I4s", len(body), kind), body, struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))]
    return b"".join(parts)
