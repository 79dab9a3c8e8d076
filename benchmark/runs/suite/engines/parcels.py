"""Folders of a suite on their way to a machine that does not see them, and back: tar archives in parts.

Whoever receives one trusts nothing in it, and the folder that it becomes is replaced at once or not at all.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from ....data.download.unpack import unpack
from ....io.atomic import replace_folder, temporary_folder

PART_BYTES = 16 * 1024**2
"""Of an archive that is sent: what both sides hold in memory."""


def packed(folder: Path) -> Iterator[bytes]:
    """A folder as an archive, in parts; nothing of a folder that is not there. Links are left out."""
    if not folder.is_dir():
        return
    with temporary_folder(folder) as beside:
        archive = beside / "parcel.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(folder, ".", filter=_sent)
        with archive.open("rb") as file:
            while part := file.read(PART_BYTES):
                yield part


def _sent(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return member if member.isreg() or member.isdir() else None


def unpacked(parts: Iterable[bytes], folder: Path) -> None:
    """Put what an archive holds in the place of a folder. Without parts nothing is changed.

    Raises UserError for an archive that is cut short, or holds what would leave the folder.
    """
    with temporary_folder(folder) as beside:
        archive, made = beside / f"{folder.name}.tar", beside / "made"
        with archive.open("wb") as file:
            for part in parts:
                file.write(part)
            size = file.tell()
        if size:
            unpack(archive, made, beside / "staging")
            replace_folder(made, folder)
