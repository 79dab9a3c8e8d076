"""Suite files of cells that take a moment."""

from __future__ import annotations

from pathlib import Path


def write_suite_file(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path
