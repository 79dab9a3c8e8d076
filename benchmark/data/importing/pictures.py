"""Sizes and kinds of pictures, from a file or from the bytes that a source holds of one."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import ExifTags

from ...io.images import tiff
from ...io.images.limits import open_image, unreadable
from ...io.images.picture import orientation
from ...io.images.read import FORMATS, numpy_shape, open_file
from ...io.images.stacks import STACK_SUFFIXES
from ...types import UserError
from .items import Item, Size

_SUFFIXES = {
    "PNG": ".png", "JPEG": ".jpg", "MPO": ".jpg", "BMP": ".bmp", "DIB": ".bmp", "GIF": ".gif", "WEBP": ".webp",
    "TIFF": ".tif",
}  # fmt: skip
"""Endings by Pillow's names of formats."""
_QUARTER_TURN = 5
_ORIENTATION = int(ExifTags.Base.Orientation)


def stored_size(path: Path) -> tuple[Size, int]:
    """Height and width as they are stored, and the orientation (1 to 8) that the file states; no pixel is decoded.

    Raises UserError for a file that cannot be read.
    """
    try:
        if path.suffix.lower() in tiff.SUFFIXES:
            with tiff.opened(path) as tif:
                page = tiff.pages_of(tif)[0]
                return (int(page.imagelength), int(page.imagewidth)), tiff.orientation_of(page)
        if path.suffix.lower() in STACK_SUFFIXES:
            height, width = numpy_shape(path)[:2]
            return (int(height), int(width)), 1
        with open_image(path, FORMATS) as image:
            width, height = image.size
    except UserError:
        raise
    except Exception as error:  # every decoder raises its own kinds on bad bytes
        raise unreadable(path, error) from error
    return (height, width), orientation(path)


def upright(size: Size, stated: int) -> Size:
    """The size of what a viewer shows of a file of this size and orientation."""
    return size[::-1] if stated >= _QUARTER_TURN else size


def upright_size(picture: Path | bytes, where: str) -> Size:
    """Height and width of what a viewer shows; raises UserError for what is no picture."""
    if isinstance(picture, Path):
        return upright(*stored_size(picture))
    try:
        with open_file(picture) as image:
            width, height = image.size
            stated = image.getexif().get(_ORIENTATION, 1)
    except Exception as error:  # every decoder raises its own kinds on bad bytes
        raise UserError(f"{where} is no picture of a kind that is read") from error
    return upright((height, width), stated if isinstance(stated, int) else 1)


def suffix_of(content: bytes, where: str) -> str:
    """The ending of a file that holds these bytes; raises UserError for what is no picture that is read."""
    try:
        with open_image(io.BytesIO(content), FORMATS) as image:
            return _SUFFIXES[str(image.format)]
    except Exception as error:  # every decoder raises its own kinds on bad bytes
        raise UserError(f"{where} is no picture of a kind that is read") from error


def checked_size(item: Item) -> tuple[Size | None, int]:
    """Height and width of what was annotated, and the orientation by which it has to be turned, 1 for none.

    Raises UserError where the picture is of another size.
    """
    if item.picture is None:
        return item.size, 1
    if isinstance(item.picture, bytes):
        seen, stored, stated = (size := upright_size(item.picture, item.where)), size, 1
    else:
        stored, stated = stored_size(item.picture)
        seen = upright(stored, stated)
    if item.size is None or item.size == seen:
        return seen, 1
    if item.size == stored:
        return stored, stated
    raise UserError(
        f"{item.where}: says that the picture is {item.size[0]} x {item.size[1]} (height x width); "
        f"'{item.picture if isinstance(item.picture, Path) else 'what it holds'}' is {seen[0]} x {seen[1]}"
    )
