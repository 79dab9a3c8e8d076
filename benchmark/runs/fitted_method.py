"""A run's fitted method, loaded again to segment images that are new to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..data.image_sources import Frames, Kind, UnreadableFramesError
from ..data.neighbours import with_neighbours
from ..io.images.picture import luma
from ..predictions.stored import as_stored
from ..registry import make_method, method_class
from ..text import counted, some
from ..types import DatasetInfo, Method, Prediction, Uint8, UserError
from .binding import loading_checkpoint, refuse_other_checkpoint
from .devices import out_of_memory, resolve_device
from .folder import CHECKPOINT
from .record import Record, read_record, recorded_info
from .request import BATCH

_ALONE: dict[Kind, str] = {"image": "a single image", "folder": "one image of a folder", "video": "a film"}
"""What is no stack."""


@dataclass
class Stopwatch:
    """Seconds that predicting took, without decoding and writing, and of how many frames."""

    seconds: float = 0.0
    frames: int = 0

    @property
    def ms_per_frame(self) -> float | None:
        """Milliseconds a frame; None where none was predicted."""
        return round(1000 * self.seconds / self.frames, 3) if self.frames else None


def find_checkpoint(run_folder: Path, fold: int | None) -> tuple[Record, Path]:
    """The record of a run that can predict, and the folder of its checkpoint.

    Raises UserError for a run without one, or with that of another run, or where a fold has to be chosen.
    """
    record = read_record(run_folder)
    folder = run_folder if run_folder.is_dir() else run_folder.parent
    if record.method.from_elsewhere:
        raise UserError(
            f"'{run_folder}' scored files that were made elsewhere ('bench evaluate'): it has no method that could "
            "segment anything. Name a folder made by 'bench run'."
        )
    if record.method.oracle:
        raise UserError(
            f"'{run_folder}' is an oracle: its {record.method.name} uses ground truth, which new images have not. "
            "Name a run without classes=oracle."
        )
    if not record.complete:
        raise UserError(f"'{run_folder}' has not finished. Go on with: {record.command_in(folder, '--resume')}")
    folds = record.dataset.folds
    if fold is not None and not 1 <= fold <= (folds or 0):
        has = f"folds 1 to {folds}" if folds else "no folds"
        raise UserError(f"--fold {fold}: '{run_folder}' has {has}" + ("" if folds else "; leave --fold out"))
    checkpoint = folder / CHECKPOINT / (f"fold-{(fold or 1) - 1}" if folds else "")
    if not checkpoint.is_dir():
        again = record.command_in(folder)
        raise UserError(f"'{checkpoint}' is missing: the run's fitted method was taken away. Run it again: {again}")
    refuse_other_checkpoint(folder, record)
    return record, checkpoint


def load_method(
    run_folder: Path, device: str, *, fold: int | None = None, trust: bool = False
) -> tuple[Method, Record, DatasetInfo]:
    """The fitted method of a run, ready to predict, with the run's record and its dataset.

    Parameters
    ----------
    run_folder : Path
        Holds `record.json` and `checkpoint/`.
    device : str
        auto, cpu, cuda or mps; a classical method runs on the CPU.
    fold : int, optional
        Which method of a cross-validation, from 1; the first by default.
    trust : bool
        The run may be of a method that runs code: a program, or a model file with code in it, which the run names.

    Raises
    ------
    UserError
        For one that runs code and is not trusted, and for a run that is not complete, has no method (`bench evaluate`),
        is an oracle, or lost its checkpoint.
    """
    record, folder = find_checkpoint(run_folder, fold)
    info = recorded_info(record.dataset)
    told = method_class(record.method.name).info
    if told.runs_code and not trust:
        raise UserError(
            f"'{run_folder}' is a run of {record.method.name}, which runs the code or the program that it names. "
            "If you know who made the folder, add --trust."
        )
    method = make_method(record.method.name, record.method.config)
    with loading_checkpoint(run_folder if run_folder.is_dir() else run_folder.parent, record):
        method.load(folder, info, resolve_device(device, bool(told.accelerated)))
    return method, record, info


def as_learned(frames: Frames, run_folder: Path, record: Record) -> tuple[Frames, DatasetInfo]:
    """New frames as the images that a run learned from are, with what is true of these.

    Slices of a stack stand between their neighbours where those of the run do, and are no colours to be made grey.

    Raises UserError for a run that sees more than such frames have.
    """
    info = recorded_info(record.dataset)
    seen = sorted(info.image_options & {name for name, value in record.dataset.options.items() if value})
    if not seen:
        return frames, info
    if seen != [info.context_option]:
        raise UserError(
            f"'{run_folder}' is a run with {some(seen)}, which sees more than the single images that are "
            f"predicted here. It predicts a split of {info.name} while it is made: bench run --split SPLIT"
        )
    if frames.kind != "stack":
        raise UserError(
            f"'{run_folder}' is a run with {seen[0]}, which sees each slice between its neighbours: give it a stack "
            f"(a multi-page TIFF, .npy or .npz). '{frames.paths[0]}' is {_ALONE[frames.kind]}."
        )
    return with_neighbours(frames), replace(info, grey=False)


def predict_frames(
    method: Method,
    info: DatasetInfo,
    frames: Frames,
    *,
    batch: int = BATCH,
    skip: Collection[int] = (),
    stop: Callable[[], bool] = lambda: False,
    seen: Callable[[Uint8], None] = lambda _: None,
    left_out: Callable[[UnreadableFramesError], None] | None = None,
    watch: Stopwatch | None = None,
) -> Iterator[tuple[int, Prediction]]:
    """Index and prediction of every frame, in order, each of its frame's (H, W).

    Parameters
    ----------
    method : of `load_method`.
    frames, info : of `as_learned`; frames are made grey where the images of the run's dataset are.
    batch : frames given to the method at once.
    skip : indices of frames that are not to be predicted.
    stop : asked before every batch; True ends with KeyboardInterrupt.
    seen : called with every frame as it was decoded.
    left_out : called for every file that cannot be read and whose frames are left out; without it, the first is raised.
    watch : adds up what predicting takes.

    Raises
    ------
    UserError
        For a frame that cannot be decoded, after the predictions of those before it; or when memory runs out.
    """
    watch = watch or Stopwatch()
    for coming in _batches(_readable(frames, skip, left_out), batch, stop, seen):
        images = [luma(image) if info.grey else image for _, image in coming]
        start = time.perf_counter()
        predictions = _predicted(method, images, frames.one)
        watch.seconds += time.perf_counter() - start
        watch.frames += len(coming)
        for (index, _), prediction in zip(coming, predictions, strict=True):
            yield index, as_stored(prediction)


def _batches(
    source: Iterator[tuple[int, Uint8]], size: int, stop: Callable[[], bool], seen: Callable[[Uint8], None]
) -> Iterator[list[tuple[int, Uint8]]]:
    """Frames in groups of `size`; what was read before a frame that cannot be decoded comes before its error."""

    def end_if_asked() -> None:
        if stop():
            raise KeyboardInterrupt

    end_if_asked()
    coming: list[tuple[int, Uint8]] = []
    try:
        for index, image in source:
            seen(image)
            coming.append((index, image))
            if len(coming) == size:
                yield coming
                coming = []
                end_if_asked()
    except UserError:
        if coming:
            yield coming
        raise
    if coming:
        yield coming
        end_if_asked()


def _readable(
    frames: Frames, skip: Collection[int], left_out: Callable[[UnreadableFramesError], None] | None
) -> Iterator[tuple[int, Uint8]]:
    """Index and image of every frame that is not to be skipped, but for those of files that are left out."""
    gone = set(skip)
    while True:
        try:
            for index, image in frames.without(gone):
                yield index, image
                gone.add(index)
        except UnreadableFramesError as error:
            if left_out is None:
                raise
            left_out(error)
            gone.update(error.indices)
        else:
            return


def _predicted(method: Method, images: list[Uint8], one: str) -> list[Prediction]:
    try:
        return method.predict(images)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not out_of_memory(error):
            raise
        height, width = images[0].shape[:2]
        what = f"memory ran out with {counted(len(images), one)} of {height} x {width} pixels at a time"
        remedy = "--batch 1" if len(images) > 1 else f"smaller {one}s, or another --device"
        raise UserError(f"{what}. Use {remedy}.") from error
