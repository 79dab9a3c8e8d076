"""The folder that `bench predict` writes: its files, what is there already, and that nothing foreign is touched."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from PIL import Image

from ..data.image_sources import Frames
from ..io.images.read import read_array
from ..predictions.find import write_prediction, write_stack
from ..types import DatasetInfo, Prediction, UserError
from .record import LOCK

DOCUMENT = "predict.json"
SCHEMA_VERSION = 1

_PAGES = ".pages"
"""Pages of a stack that is not complete yet."""


@dataclass(frozen=True)
class Output:
    """Where the predictions of frames go: a PNG each, or the pages of one TIFF for a stack of a stacked dataset."""

    folder: Path
    info: DatasetInfo
    frames: Frames

    @property
    def stacked(self) -> bool:
        """Whether the result is one TIFF."""
        return self.info.stacked and self.frames.kind == "stack"

    @property
    def stack(self) -> Path:
        """That TIFF."""
        return self.folder / f"{self.frames.name}.tif"

    @property
    def names(self) -> set[str]:
        """Names of all files that belong here; hidden ones are never looked at."""
        return {DOCUMENT} | ({self.stack.name} if self.stacked else {f"{name}.png" for name in self.frames.names})

    def place(self, index: int) -> Path:
        """The file of one frame's prediction."""
        name = self.frames.names[index]
        return self.folder / _PAGES / f"{name}.tif" if self.stacked else self.folder / f"{name}.png"

    def done(self) -> dict[int, tuple[int, int]]:
        """Height and width of the predictions that are there already."""
        found = {}
        for index in range(len(self.frames)):
            path = self.place(index)
            if path.is_file():
                # What cannot be opened was damaged since, and is predicted again.
                with suppress(OSError), Image.open(path) as image:
                    found[index] = (image.height, image.width)
        return found

    def write(self, index: int, prediction: Prediction) -> None:
        """Write one frame's prediction; it appears whole or not at all."""
        path = self.place(index)
        if self.stacked:
            write_stack(path, (prediction,))
        else:
            write_prediction(path.parent, path.stem, prediction, self.info)

    def close(self) -> None:
        """Put the pages of a stack together."""
        if self.stacked:
            pages = (self.place(index) for index in range(len(self.frames)))
            write_stack(self.stack, (Prediction(probabilities=read_array(page)) for page in pages))
            shutil.rmtree(self.folder / _PAGES)

    def clear(self) -> None:
        """Remove what was predicted here before."""
        for name in self.names:
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / _PAGES, ignore_errors=True)


@contextmanager
def alone(folder: Path, document: Mapping[str, Any], output: Output) -> Iterator[dict[str, Any] | None]:
    """Keep an output folder to this process; yields what `predict.json` says of the same predictions begun earlier.

    Raises
    ------
    UserError
        If another process writes to it, or it holds anything but these very predictions: nothing is written over.
    """
    _refuse_foreign(folder, output)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"another process is writing to '{folder}'. Wait for it to end, or choose another --out."
        ) from None
    try:
        yield _earlier(folder, document)
    finally:
        lock.release()


def _refuse_foreign(folder: Path, output: Output) -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out '{folder}' is a file; it is to be a folder")
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []
    own = output.names if DOCUMENT in names else set()
    if own:
        _read(folder / DOCUMENT)
    foreign = [name for name in names if name not in own]
    if foreign:
        raise UserError(
            f"--out '{folder}' holds '{foreign[0]}', which is no prediction of this input. Choose a new folder."
        )


def _earlier(folder: Path, document: Mapping[str, Any]) -> dict[str, Any] | None:
    if not (folder / DOCUMENT).is_file():
        return None
    earlier = _read(folder / DOCUMENT)
    for block, keys in (("run", ("run_id", "created", "fold")), ("input", ("sha256", "frames"))):
        for key in keys:
            found, wanted = earlier[block].get(key), document[block][key]
            if found != wanted:
                what = "by another run" if block == "run" else "of another input, or of files that changed since"
                raise UserError(
                    f"--out '{folder}' holds predictions {what} ({block} {key}: {found}, now {wanted}). "
                    "Choose a new folder."
                )
    return earlier


def _read(path: Path) -> dict[str, Any]:
    """A `predict.json` of this version. Raises UserError for any other file of that name."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: cannot be read ({error}), so nothing is written there. Choose a new folder."
        ) from error
    blocks = isinstance(found, dict) and all(isinstance(found.get(key), dict) for key in ("run", "input"))
    if not blocks or found.get("schema_version") != SCHEMA_VERSION or not isinstance(found.get("complete"), bool):
        raise UserError(f"{path}: was not written by this version of 'bench predict'. Choose a new folder.")
    return dict(found)


def as_json(document: Mapping[str, Any]) -> str:
    """The text of `predict.json`."""
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
