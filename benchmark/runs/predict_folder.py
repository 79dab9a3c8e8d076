"""The folder that `bench predict` writes: its files, what is there already, and that nothing foreign is touched."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from ..data.image_sources import Frames
from ..io.atomic import write_text
from ..io.documents import Document
from ..io.fingerprints import files_sha256
from ..io.images.limits import open_image
from ..io.images.read import read_array
from ..io.images.tiff import opened, pages_of
from ..io.listing import resolved
from ..io.locks import LOCK, BusyError, exclusive
from ..io.text_files import read_json
from ..predictions.find import write_prediction, write_stack
from ..types import DatasetInfo, Prediction, UserError

DOCUMENT = "predict.json"
SCHEMA_VERSION = 1

_PAGES = ".pages"
"""Pages of a stack that is not complete yet."""
_MEASURED_PLAINLY = "Predict again, or remove the file: the masks are then measured as any others"
_SAME_RUN, _SAME_INPUT = ("run_id", "created", "fold"), ("sha256", "frames", "channel", "z")
"""What of the run and of the input must be equal for predictions to be replaced or resumed."""


class PredictingRun(Document):
    """The run whose method predicts; `fold` counts from 1, None where there are none."""

    run_id: str
    created: str
    folder: str
    dataset: str
    origin: str
    method: str
    fold: int | None


class PredictedInput(Document):
    """What is segmented: `sizes` are the different heights and widths of its frames, known at the end.

    `fps` and `pixel_size_um` (height and width) are what the file says, None where it says nothing.
    `readable_sha256` is of the files that could be read, where some could not.
    """

    path: str
    kind: str
    frames: int
    fps: float | None
    sha256: str
    sizes: list[list[int]] = Field(default_factory=list)
    pixel_size_um: list[float] | None = None
    channel: int | None = None
    z: int | None = None
    readable_sha256: str | None = None


class PredictedOutput(Document):
    """Where the predictions are, and what the values of a PNG or of a volume mean."""

    folder: str
    form: str
    values: dict[str, str]


class PredictDocument(Document):
    """`predict.json`, and what `bench predict --json` prints; what follows `warnings` is known at the end.

    `unreadable` are the files that could not be read; predictions without them are not complete.
    """

    schema_version: int
    complete: bool
    created: str
    run: PredictingRun
    input: PredictedInput
    output: PredictedOutput
    batch: int
    environment: dict[str, Any]
    command: str
    warnings: list[str]
    device: str | None = None
    ms_per_frame: float | None = None
    predicted: int | None = None
    kept: int | None = None
    unreadable: list[str] = Field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write it atomically."""
        write_text(folder / DOCUMENT, self.to_json())


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

    @property
    def form(self) -> str:
        """What the files are."""
        return "probabilities in one TIFF" if self.stacked else "label values as PNG"

    @property
    def values(self) -> dict[str, str]:
        """What the values of a PNG mean."""
        info, binary = self.info, self.info.task == "binary"
        named = {str(255 if binary and c.id == info.foreground else c.id): c.name for c in info.classes}
        return {} if self.stacked else named

    def place(self, index: int) -> Path:
        """The file of one frame's prediction."""
        name = self.frames.names[index]
        return self.folder / _PAGES / f"{name}.tif" if self.stacked else self.folder / f"{name}.png"

    def done(self) -> dict[int, tuple[int, int]]:
        """Height and width of the predictions that are there already: those of a whole stack, else of single files."""
        if whole := self._stacked_sizes():
            return dict(enumerate(whole))
        found = {}
        for index in range(len(self.frames)):
            path = self.place(index)
            if path.is_file():
                # What cannot be opened was damaged since, and is predicted again.
                with suppress(OSError), open_image(path) as image:
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
        """Put the pages of a stack together, unless that is done."""
        if not self.stacked:
            return
        if not self._stacked_sizes():
            pages = (self.place(index) for index in range(len(self.frames)))
            write_stack(self.stack, (Prediction(probabilities=read_array(page)) for page in pages))
        shutil.rmtree(self.folder / _PAGES, ignore_errors=True)

    def _stacked_sizes(self) -> list[tuple[int, int]]:
        """Height and width of the pages of a finished stack; empty where there is none with a page for each frame."""
        if not self.stacked or not self.stack.is_file():
            return []
        # What cannot be opened was damaged since, and is predicted again.
        with suppress(UserError), opened(self.stack) as tif:
            sizes = [(int(page.shape[0]), int(page.shape[1])) for page in pages_of(tif)]
            return sizes if len(sizes) == len(self.frames) else []
        return []

    def clear(self) -> None:
        """Remove what was predicted here before; `predict.json` stays, without which the rest would be a stranger's."""
        for name in self.names - {DOCUMENT}:
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / _PAGES, ignore_errors=True)


@contextmanager
def claimed(folder: Path, document: PredictDocument, output: Output) -> Iterator[PredictDocument | None]:
    """Keep an output folder to this process; yields what `predict.json` says of the same predictions begun earlier.

    Raises
    ------
    UserError
        If another process writes to it, or it holds anything but these very predictions: nothing is written over.
        After such an error in the block a new folder without any prediction is gone.
    """
    _refuse_foreign(folder, output)
    busy = f"another process is writing to '{folder}'. Wait for it to end, or choose another --out."
    new = not folder.exists()
    try:
        with exclusive(folder / LOCK, busy):
            yield _earlier(folder, document, output.frames.paths)
    except BusyError:
        raise
    except UserError:
        if new and {path.name for path in folder.iterdir()} <= {DOCUMENT, LOCK}:
            shutil.rmtree(folder)
        raise


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


def readable_sha256(paths: Iterable[Path], unreadable: Iterable[str]) -> str:
    """Fingerprint of an input without the files that could not be read."""
    left_out = set(map(resolved, unreadable))
    return files_sha256(path for path in paths if path.resolve() not in left_out)


def _only_repaired(earlier: PredictDocument, paths: Sequence[Path]) -> bool:
    """Whether nothing changed since but files that could not be read, none of which was predicted."""
    if earlier.complete or earlier.input.readable_sha256 is None:
        return False
    return earlier.input.readable_sha256 == readable_sha256(paths, earlier.unreadable)


def _earlier(folder: Path, document: PredictDocument, paths: Sequence[Path]) -> PredictDocument | None:
    if not (folder / DOCUMENT).is_file():
        return None
    earlier = _read(folder / DOCUMENT)
    pairs = {f"run {key}": (getattr(earlier.run, key), getattr(document.run, key)) for key in _SAME_RUN}
    pairs |= {f"input {key}": (getattr(earlier.input, key), getattr(document.input, key)) for key in _SAME_INPUT}
    if pairs["input sha256"][0] != pairs["input sha256"][1] and _only_repaired(earlier, paths):
        del pairs["input sha256"], pairs["input frames"]
    for what, (found, wanted) in pairs.items():
        if found != wanted:
            whose = "by another run" if what.startswith("run") else "of another input, or of files that changed since"
            raise UserError(
                f"--out '{folder}' holds predictions {whose} ({what}: {found}, now {wanted}). Choose a new folder."
            )
    return earlier


def read_predicted(path: Path) -> PredictedInput:
    """What a `predict.json` says of the input. Raises UserError for any other file of that name."""
    return _read(path, _MEASURED_PLAINLY).input


def read_predicting_run(path: Path) -> PredictingRun:
    """What a `predict.json` says of the run. Raises UserError for any other file of that name."""
    return _read(path, _MEASURED_PLAINLY).run


def _read(path: Path, advice: str = "Choose a new folder, for nothing is written there") -> PredictDocument:
    """A `predict.json` of this version. Raises UserError for any other file of that name."""
    try:
        found = read_json(path)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read ({error}). {advice}.") from error
    try:
        document = PredictDocument.model_validate(found)
    except ValidationError:
        document = None
    if document is None or document.schema_version != SCHEMA_VERSION:
        raise UserError(f"{path}: was not written by this version of 'bench predict'. {advice}.")
    return document
