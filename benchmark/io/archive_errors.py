"""What Python's readers of archives raise where an archive is damaged, beside OSError."""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib

DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,  # a way of compression that Python does not know
    RuntimeError,
    ValueError,
    OverflowError,
    MemoryError,
    struct.error,
)
