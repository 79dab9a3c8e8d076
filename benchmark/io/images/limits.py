"""What every decoder of pixels shares: how large a file may be, and the sentence for one that cannot be read."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ...errors import MemoryShortError, UserError

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 300_000_000
"""Values of a video's frame; larger ones are refused before they are decoded."""
MAX_BYTES = 300_000_000
"""Bytes of decoded values that one file may ask for at once: with what decoding takes beside, well below a gigabyte.

A small file must not fill the memory. `TRUST_LARGE` lifts it.
"""
MAX_STRUCTURES = 100_000
"""Pages of one file, and other parts that each are looked at before anything is decoded."""
_MAX_SCANS = 100
"""Scans of a JPEG file; an honest progressive one has about ten."""
_MAX_SCANNED = 10**10
"""Pixels that are gone over in all scans of such a file."""
MAX_SHARED = 4
"""How often the pages of a file may use its bytes: those of an honest file use them once."""

TRUST_LARGE = "SEGBENCH_TRUST_LARGE"
"""The environment variable that lifts the limit on memory, here and in workers; `--trust-large` sets it."""


_OPENING = threading.Lock()


def check_bytes(path: Path, needed: int) -> None:
    """Raise UserError for a file whose values take more memory than one file may, unless large files are trusted."""
    if needed > MAX_BYTES and os.environ.get(TRUST_LARGE) != "1":
        raise UserError(
            f"{path}: its {path.stat().st_size} bytes need {needed} bytes of memory at once; more than {MAX_BYTES} are "
            "not read. If you trust the file, add --trust-large."
        )


def check_scans(path: Path, data: bytes, pixels: int) -> None:
    """Raise UserError for a JPEG file that goes over its pixels again and again: decoding takes time for every scan.

    The marker of a scan is not in compressed pixels; what else a file holds may look like some more of them.
    """
    scans = data.count(b"\xff\xda") if data.startswith(b"\xff\xd8") else 0
    if scans > _MAX_SCANS and scans * pixels > _MAX_SCANNED:
        raise UserError(f"{path}: goes over its {pixels} pixels in {scans} scans; such a file is not read")


def check_structures(path: Path, found: int, what: str) -> None:
    """Raise UserError for a file of more parts than are looked at."""
    if found > MAX_STRUCTURES:
        raise UserError(f"{path}: holds more than {MAX_STRUCTURES} {what}; such a file is not read")


def unreadable(path: Path, error: Exception) -> UserError:
    """The error that names a file which cannot be decoded, and says why."""
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path}: no such file")
    if isinstance(error, PermissionError):
        return UserError(f"{path}: may not be read (permission denied)")
    if path.is_dir():
        return UserError(f"{path}: is a folder; expected a file")
    if path.is_symlink() and not path.is_file():
        return UserError(f"{path}: is a link that leads to no file. Put the file itself there.")
    size = path.stat().st_size if path.is_file() else 0
    if size == 0:
        return UserError(f"{path}: is empty (0 bytes). Fetch or write it again.")
    if isinstance(error, MemoryError) or "insufficient memory" in str(error).lower():
        return MemoryShortError(
            f"{path}: needs more memory than there is to be decoded (the file has {size} bytes). Allow more, use fewer "
            "--workers, or fetch it again where it should be small."
        )
    if isinstance(error, OSError) and error.errno is not None:
        return UserError(f"{path}: cannot be read ({error.strerror or error})")
    return UserError(
        f"{path}: cannot be decoded ({type(error).__name__}: {error}; the file has {size} bytes). "
        "It is truncated, corrupt or no image: fetch or write it again."
    )


def open_image(source: Path | IO[bytes], formats: tuple[str, ...] | None = None) -> Image.Image:
    """What Pillow opens, which decodes nothing yet, without Pillow's own limit: `check_bytes` holds every file to one.

    Theirs is for pictures; an honest label map of 14 000 x 14 000 is larger.

    Raises UnidentifiedImageError, without the address in memory that Pillow names, for what no decoder knows.
    """
    from PIL import Image, UnidentifiedImageError  # `bench run --help` names the limits and opens nothing

    with _OPENING:
        theirs, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(source, formats=formats)
        except UnidentifiedImageError:
            raise UnidentifiedImageError("of no known kind, or its header is damaged") from None
        finally:
            Image.MAX_IMAGE_PIXELS = theirs
