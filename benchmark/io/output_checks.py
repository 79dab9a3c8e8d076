"""Whether a file could be written where the user wants it, asked before anything is computed for it."""

from __future__ import annotations

from pathlib import Path

from ..types import UserError


def refuse_below_a_file(path: Path, option: str) -> None:
    """Raise UserError for the name of a new file in a folder that is a file; `option` is how the user gave it."""
    for parent in path.parents:
        if parent.is_dir():
            return
        if parent.exists():
            raise UserError(f"{option} {path}: '{parent}' is a file and no folder; name a file in a folder")
