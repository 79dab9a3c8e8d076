"""`bench predict`: segment new images, stacks, folders or videos with a trained run."""

from __future__ import annotations

import datetime
import shlex
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import __version__
from ..data.image_sources import Frames, open_frames
from ..io.atomic import write_text
from ..io.fingerprints import files_sha256
from ..io.images.read import luma
from ..io.interrupts import stoppable
from ..io.reporter import Reporter
from ..methods.devices import out_of_memory, resolve_device
from ..predictions.stored import as_stored
from ..registry import make_method
from ..runs.environment import commit
from ..runs.predict_folder import DOCUMENT, SCHEMA_VERSION, Output, alone, as_json
from ..runs.record import CHECKPOINT, Record, read_record, recorded_info
from ..text import counted
from ..types import DatasetInfo, Method, Prediction, Uint8, UserError

BATCH = 8
_OTHER_SIZE = 1.25
"""Objects that many times larger or smaller than in training are warned of."""


@dataclass(frozen=True)
class PredictRequest:
    """What was asked for on the command line; `fold` counts from 1."""

    run: Path
    input: Path
    out: Path
    device: str = "auto"
    batch: int = BATCH
    fold: int | None = None
    resume: bool = False

    def command(self) -> str:
        """The command that does the same, without --resume."""
        words = ["bench", "predict", str(self.run), str(self.input), "--out", str(self.out)]
        for name, value, usual in (("device", self.device, "auto"), ("batch", self.batch, BATCH)):
            words += [f"--{name}", str(value)] if value != usual else []
        words += ["--fold", str(self.fold)] if self.fold is not None else []
        return shlex.join(words)


@dataclass
class Stopwatch:
    """Seconds that predicting took, without decoding and writing, and of how many frames."""

    seconds: float = 0.0
    frames: int = 0

    @property
    def ms_per_frame(self) -> float | None:
        """Milliseconds a frame; None where none was predicted."""
        return round(1000 * self.seconds / self.frames, 3) if self.frames else None


def load_method(run_folder: Path, device: str, *, fold: int | None = None) -> tuple[Method, Record, DatasetInfo]:
    """The fitted method of a run, ready to predict, with the run's record and its dataset.

    Parameters
    ----------
    run_folder : Path
        Holds `record.json` and `checkpoint/`.
    device : str
        auto, cpu, cuda or mps; a classical method runs on the CPU.
    fold : int, optional
        Which method of a cross-validation, from 1; the first by default.

    Raises
    ------
    UserError
        For a run that is not complete, has no method (`bench evaluate`), is an oracle, or lost its checkpoint.
    """
    record, folder = _usable(run_folder, fold)
    info = recorded_info(record.dataset)
    method = make_method(record.method.name, record.method.config)
    method.load(folder, info, resolve_device(device, record.method.family == "learned"))
    return method, record, info


def predict_frames(
    method: Method,
    info: DatasetInfo,
    frames: Frames,
    *,
    batch: int = BATCH,
    skip: Collection[int] = (),
    stop: Callable[[], bool] = lambda: False,
    seen: Callable[[Uint8], None] = lambda _: None,
    watch: Stopwatch | None = None,
) -> Iterator[tuple[int, Prediction]]:
    """Index and prediction of every frame, in order, each of its frame's (H, W).

    Parameters
    ----------
    method, info : of `load_method`.
    frames : of `open_frames`; made grey where the images of the run's dataset are.
    batch : frames given to the method at once.
    skip : indices of frames that are not to be predicted.
    stop : asked before every batch; True ends with KeyboardInterrupt.
    seen : called with every frame as it was decoded.
    watch : adds up what predicting takes.

    Raises
    ------
    UserError
        For a frame that cannot be decoded, or when memory runs out.
    """
    watch = watch or Stopwatch()
    coming: list[tuple[int, Uint8]] = []
    source = frames.without(skip)
    while True:
        if stop():
            raise KeyboardInterrupt
        for index, image in source:
            seen(image)
            coming.append((index, luma(image) if info.grey else image))
            if len(coming) == batch:
                break
        if not coming:
            return
        start = time.perf_counter()
        predictions = _predicted(method, [image for _, image in coming])
        watch.seconds += time.perf_counter() - start
        watch.frames += len(coming)
        for (index, _), prediction in zip(coming, predictions, strict=True):
            yield index, as_stored(prediction)
        coming = []


def predict(request: PredictRequest, reporter: Reporter) -> dict[str, Any]:
    """Do what `bench predict` says; returns the content of `predict.json`.

    Raises
    ------
    UserError
        For a run, an input or an output folder that cannot be used.
    KeyboardInterrupt
        After Ctrl-C; the frames written so far are kept for `--resume`.
    """
    record, _ = _usable(request.run, request.fold)
    frames = open_frames(request.input)
    for warning in frames.warnings:
        reporter.warn(warning)
    output = Output(request.out, recorded_info(record.dataset), frames)
    document = _document(request, record, frames, output)
    with alone(request.out, document, output) as earlier:
        if request.resume and earlier is not None and earlier["complete"]:
            reporter.say(f"{request.out} is complete: nothing to resume")
            return dict(earlier)
        if earlier is not None and not request.resume:
            reporter.say(f"replacing the earlier predictions in {request.out}")
            output.clear()
        device = resolve_device(request.device, record.method.family == "learned")
        if record.dataset.folds and request.fold is None:
            reporter.say(f"a cross-validation: fold 1 of {record.dataset.folds} predicts; choose with --fold N")
        method, record, info = load_method(request.run, device, fold=request.fold)
        write_text(request.out / DOCUMENT, as_json(document))
        return _run(request, document | {"device": device}, method, record, info, frames, output, reporter)


def _run(
    request: PredictRequest,
    document: dict[str, Any],
    method: Method,
    record: Record,
    info: DatasetInfo,
    frames: Frames,
    output: Output,
    reporter: Reporter,
) -> dict[str, Any]:
    """Predict what is not there yet, and write `predict.json`, complete or not."""
    done = output.done() if request.resume else {}
    if done:
        reporter.say(f"{counted(len(done), 'frame')} of {len(frames)} are there already")
    sizes, watch = set(done.values()), Stopwatch()
    look = _Look(record, info, reporter, sizes)
    complete = False
    try:
        with stoppable(reporter) as stop, reporter.progress(f"segmenting {frames.name}") as update:
            found = predict_frames(
                method, info, frames, batch=request.batch, skip=done.keys(), stop=stop, seen=look, watch=watch
            )
            for number, (index, prediction) in enumerate(found, len(done) + 1):
                output.write(index, prediction)
                update(number, len(frames), "")
        output.close()
        complete = True
    finally:
        document |= {
            "complete": complete,
            "input": document["input"] | {"sizes": sorted(map(list, sizes))},
            "ms_per_frame": watch.ms_per_frame,
            "predicted": watch.frames,
            "kept": len(done),
            "warnings": list(reporter.warnings),
        }
        write_text(request.out / DOCUMENT, as_json(document))
    return document


@dataclass
class _Look:
    """Notes the size of every frame, and says once where frames are unlike the images of the training."""

    record: Record
    info: DatasetInfo
    reporter: Reporter
    sizes: set[tuple[int, int]]
    _said: set[tuple[int, ...]] = field(default_factory=set)

    def __call__(self, image: Uint8) -> None:
        self.sizes.add((image.shape[0], image.shape[1]))
        if image.shape in self._said:
            return
        self._said.add(image.shape)
        shape = (self.record.dataset.model_extra or {}).get("image_shape")
        colour = image.ndim == 3
        if self.info.grey and colour:
            self.reporter.say(f"colour frames are turned into grey ones, as the images of {self.info.name} are")
        elif shape is not None and not self.info.grey and colour != (len(shape) == 3):
            kinds = ("in colour", "grey") if colour else ("grey", "in colour")
            self.reporter.warn(
                f"frames are {kinds[0]}, but the run learned from images that are {kinds[1]}: expect worse masks"
            )
        if shape is not None:
            self._size(image.shape, shape)

    def _size(self, found: tuple[int, ...], learned: list[int]) -> None:
        down, across = found[0] / learned[0], found[1] / learned[1]
        what = f"frames are {found[0]} x {found[1]} pixels, the run learned from images of {learned[0]} x {learned[1]}"
        # A network that is given everything at one size sees only what became of the proportions.
        resized = self.record.method.config.get("size") is not None
        scale = max(down / across, across / down) if resized else max(down, 1 / down, across, 1 / across)
        if scale > _OTHER_SIZE:
            seen = "with other proportions" if resized else "larger or smaller"
            self.reporter.warn(f"{what}: it sees objects {seen} than it knows them, so expect worse masks")


def _usable(run_folder: Path, fold: int | None) -> tuple[Record, Path]:
    """The record of a run that can predict, and the folder of its checkpoint."""
    record = read_record(run_folder)
    folder = run_folder if run_folder.is_dir() else run_folder.parent
    if record.method.family == "external":
        raise UserError(
            f"'{run_folder}' scored files that were made elsewhere ('bench evaluate'): it has no method that could "
            "segment anything. Name a folder made by 'bench run'."
        )
    if record.method.oracle:
        raise UserError(
            f"'{run_folder}' is an oracle: its {record.method.name} is told the truth, which new images have not. "
            "Name a run without classes=oracle."
        )
    if not record.complete:
        raise UserError(f"'{run_folder}' has not finished. Go on with: {record.command} --resume")
    folds = record.dataset.folds
    if fold is not None and not 1 <= fold <= (folds or 0):
        has = f"folds 1 to {folds}" if folds else "no folds"
        raise UserError(f"--fold {fold}: '{run_folder}' has {has}" + ("" if folds else "; leave --fold out"))
    checkpoint = folder / CHECKPOINT / (f"fold-{(fold or 1) - 1}" if folds else "")
    if not checkpoint.is_dir():
        raise UserError(
            f"'{checkpoint}' is missing: the run's fitted method was taken away. Run it again: {record.command}"
        )
    return record, checkpoint


def _predicted(method: Method, images: list[Uint8]) -> list[Prediction]:
    try:
        return method.predict(images)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not out_of_memory(error):
            raise
        height, width = images[0].shape[:2]
        what = f"memory ran out with {counted(len(images), 'frame')} of {height} x {width} pixels at a time"
        remedy = "--batch 1" if len(images) > 1 else "smaller frames, or another --device"
        raise UserError(f"{what}. Use {remedy}.") from error


def _document(request: PredictRequest, record: Record, frames: Frames, output: Output) -> dict[str, Any]:
    """`predict.json` before anything is predicted."""
    info, binary = output.info, output.info.task == "binary"
    head, dirty = commit()
    return {
        "schema_version": SCHEMA_VERSION,
        "complete": False,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "run": {
            "run_id": record.run_id,
            "created": record.created,
            "folder": str(request.run),
            "dataset": record.dataset.name,
            "origin": record.dataset.origin,
            "method": record.method.name,
            "fold": (request.fold or 1) if record.dataset.folds else None,
        },
        "input": {
            "path": str(request.input),
            "kind": frames.kind,
            "frames": len(frames),
            "fps": frames.fps,
            "sha256": files_sha256(frames.paths),
        },
        "output": {
            "folder": str(request.out),
            "form": "probabilities in one TIFF" if output.stacked else "label values as PNG",
            "values": {}
            if output.stacked
            else {str(255 if binary and c.id == info.foreground else c.id): c.name for c in info.classes},
        },
        "batch": request.batch,
        "environment": {"segbench": __version__, "commit": head, "dirty": dirty},
        "command": request.command(),
        "warnings": [],
    }
