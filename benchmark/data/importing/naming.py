"""Names of samples from paths in a source: subfolders stay, as groups, and every system takes the names."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath

from ...types import UserError
from ..own_folder.names import MAX_ID_BYTES, UNSAFE, normal
from .places import SPLITS

_OF_TOOLS = frozenset({"images", "jpegimages", "img", "imgs", "labels", "annotations", "data", "."})
"""Folders that only say what lies in them, and make no group."""
_MAX_STEM = 100


class Names:
    """Gives every picture a name of its own."""

    def __init__(self) -> None:
        self._taken: dict[str, tuple[Path | None, str]] = {}
        self.renamed = 0

    def give(self, name: PurePosixPath, picture: Path | None, where: str) -> PurePosixPath:
        """The name of the sample, without an ending: relative, with the subfolders that make its group.

        Raises UserError for a picture that is annotated twice.
        """
        inside = [part for part in name.parts[:-1] if part.lower() not in _OF_TOOLS | SPLITS.keys() and part != ".."]
        wanted = PurePosixPath(*inside, name.stem or name.name)
        safe = PurePosixPath(*map(_safe, wanted.parts))
        if len("__".join(safe.parts).encode()) > MAX_ID_BYTES:
            safe = PurePosixPath(_safe(name.stem)[:_MAX_STEM] + "-" + _digest(str(name)))
        key = "__".join(safe.parts).casefold()
        first = self._taken.get(key)
        if first is not None:
            if picture is None or first[0] is None or first[0] == picture:
                raise UserError(f"{where}: the picture '{name}' is annotated twice; first in {first[1]}")
            safe = safe.with_name(f"{safe.name}-{_digest(str(name))}")
            key = "__".join(safe.parts).casefold()
        self._taken[key] = (picture, where)
        self.renamed += safe != wanted
        return safe


def _safe(part: str) -> str:
    """A part of a name that every system takes, and that is not hidden."""
    plain = "".join("_" if c in UNSAFE or not c.isprintable() else c for c in normal(part)).strip()
    return f"_{plain[1:]}" if plain.startswith(".") else plain or "_"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
