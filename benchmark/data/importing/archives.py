"""A source that is an archive: unpacked beside the output folder, and removed when that is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...io.atomic import temporary_folder
from ...types import UserError
from ..download.unpack import unpack
from .recognition import recognised

_UNPACKED = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")
_OTHERS = (".7z", ".rar", ".gz", ".bz2", ".xz", ".zst")


def is_archive(source: Path) -> bool:
    """Whether a source is a file that holds others, by its name."""
    return source.is_file() and source.name.lower().endswith((*_UNPACKED, *_OTHERS))


@contextmanager
def unpacked(source: Path, out: Path) -> Iterator[Path]:
    """The folder with what an archive holds, for as long as the block lasts; any other source as it is.

    Raises
    ------
    UserError
        For an archive that is broken, or refused for what it holds, and of a kind that is not read here. Messages of
        the block name the archive in place of the folder.
    """
    if not is_archive(source):
        yield source
        return
    if not source.name.lower().endswith(_UNPACKED):
        raise UserError(f"'{source}' is an archive of a kind that is not read here: unpack it, and give the folder")
    with temporary_folder(out.absolute()) as place:
        folder = place / source.name
        unpack(source, folder, place / "staging")
        try:
            yield _innermost(folder)
        except UserError as error:
            text = str(error)
            for hidden in (folder.resolve(), folder):
                text = text.replace(str(hidden), str(source))
            raise type(error)(text) from error


def _innermost(folder: Path) -> Path:
    """The first folder that holds more than one other, unless annotations are known further out alone."""
    inner = folder
    while len(inside := list(inner.iterdir())) == 1 and inside[0].is_dir():
        inner = inside[0]
    return folder if recognised(folder) and not recognised(inner) else inner
