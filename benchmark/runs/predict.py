"""Segmenting new images with a run: into a folder of predictions that an interrupted call can be resumed in."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field

from .._version import __version__
from ..data.image_sources import Frames, UnreadableFramesError, open_frames, unreadable_files
from ..data.volume_frames import open_volumes
from ..io.fingerprints import files_sha256
from ..io.interrupts import stoppable
from ..io.reporter import Reporter
from ..registry import method_class
from ..text import counted
from ..types import DatasetInfo, Method, Uint8, UserError
from .devices import resolve_device
from .environment import commit
from .fitted_method import Stopwatch, as_learned, find_checkpoint, load_method, predict_frames
from .predict_folder import (
    SCHEMA_VERSION,
    Output,
    PredictDocument,
    PredictedInput,
    PredictedOutput,
    PredictingRun,
    claimed,
    readable_sha256,
)
from .predicted_volumes import VolumeOutput
from .record import Record, recorded_info
from .request import PredictRequest

_OTHER_SIZE = 1.25
"""Objects that many times larger or smaller than in training are warned of."""


def predict(request: PredictRequest, reporter: Reporter) -> PredictDocument:
    """Do what `bench predict` says; returns the content of `predict.json`.

    Raises
    ------
    UserError
        For a run, an input or an output folder that cannot be used; and naming the images or volumes that cannot be
        read, after all others are written.
    KeyboardInterrupt
        After Ctrl-C; the frames written so far are kept for `--resume`.
    """
    record, _ = find_checkpoint(request.run, request.fold)
    output = _opened(request, record)
    for warning in output.frames.warnings:
        reporter.warn(warning)
    document = _document(request, record, output)
    with claimed(request.out, document, output) as earlier:
        if request.resume and earlier is not None and earlier.complete and len(output.done()) == len(output.frames):
            reporter.say(f"{request.out} is complete: nothing to resume")
            return earlier
        device = resolve_device(request.device, bool(method_class(record.method.name).info.accelerated))
        if record.dataset.folds and request.fold is None:
            reporter.say(f"a cross-validation: fold 1 of {record.dataset.folds} predicts; choose with --fold N")
        method, record, _ = load_method(request.run, device, fold=request.fold, trust=request.trust)
        document.write(request.out)
        if earlier is not None and not request.resume:
            reporter.say(f"replacing the earlier predictions in {request.out}")
            output.clear()
        document.device = device
        sizes = _FrameSizes(record, output.info, f"{output.frames.one}s", reporter)
        return _predict_rest(request, document, method, output, sizes)


def _opened(request: PredictRequest, record: Record) -> Output:
    """The frames of the input as the run's method sees them, and where their predictions go."""
    info = recorded_info(record.dataset)
    volumes = open_volumes(request.input, info.volumes, request.chosen)
    if volumes is not None:
        return VolumeOutput(request.out, info, volumes)
    frames, info = as_learned(open_frames(request.input, request.chosen, info.volumes is not None), request.run, record)
    return Output(request.out, info, frames)


def _predict_rest(
    request: PredictRequest, document: PredictDocument, method: Method, output: Output, sizes: _FrameSizes
) -> PredictDocument:
    """Predict what is not there yet, and write `predict.json`, complete or not.

    Raises UserError naming the files that could not be read, when all others are predicted.
    """
    frames, reporter, watch = output.frames, sizes.reporter, Stopwatch()
    done = output.done() if request.resume else {}
    if done:
        reporter.say(f"{counted(len(done), frames.one)} of {len(frames)} are there already")
    sizes.found.update(done.values())
    unreadable = list(frames.unreadable)
    complete = False
    try:
        with stoppable(reporter) as stop, reporter.progress(f"segmenting {frames.name}") as update:
            found = predict_frames(
                method,
                output.info,
                frames,
                batch=request.batch,
                skip=done.keys(),
                stop=stop,
                seen=sizes,
                watch=watch,
                left_out=unreadable.append,
            )
            for number, (index, prediction) in enumerate(found, len(done) + 1):
                output.write(index, prediction)
                update(number, len(frames))
        if not unreadable:
            output.close()
            complete = True
    finally:
        document.complete, document.kept = complete, len(done)
        document.ms_per_frame, document.predicted = watch.ms_per_frame, watch.frames
        document.unreadable = [str(error.path) for error in unreadable]
        if unreadable:
            document.input.readable_sha256 = readable_sha256(frames.paths, document.unreadable)
        sizes.note(document)
        document.write(request.out)
    if unreadable:
        raise _left_out(document, frames, unreadable)
    return document


def _left_out(document: PredictDocument, frames: Frames, unreadable: Sequence[UnreadableFramesError]) -> UserError:
    """The error for files that could not be read, which says where the predictions of the others are."""
    others = (document.predicted or 0) + (document.kept or 0)
    folder = document.output.folder
    rest = f"All that can be read is segmented: {counted(others, frames.one)} in '{folder}'." if others else ""
    return unreadable_files(unreadable, rest)


@dataclass
class _FrameSizes:
    """Notes the size of every frame, and says once where frames are unlike the images of the training.

    called : what frames of this input are called, such as `slices`.
    """

    record: Record
    info: DatasetInfo
    called: str
    reporter: Reporter
    found: set[tuple[int, int]] = field(default_factory=set)
    _said: set[tuple[int, ...]] = field(default_factory=set)

    def __call__(self, image: Uint8) -> None:
        self.found.add((image.shape[0], image.shape[1]))
        if image.shape in self._said:
            return
        self._said.add(image.shape)
        shape = (self.record.dataset.model_extra or {}).get("image_shape")
        colour = image.ndim == 3
        if self.info.grey and colour:
            self.reporter.say(f"colour {self.called} are turned into grey ones, as the images of {self.info.name} are")
        elif shape is not None and not self.info.grey and colour != (len(shape) == 3):
            kinds = ("in colour", "grey") if colour else ("grey", "in colour")
            self.reporter.warn(
                f"{self.called} are {kinds[0]}, but the run learned from images that are {kinds[1]}: expect worse masks"
            )
        if shape is not None:
            self._compare(image.shape, shape)

    def note(self, document: PredictDocument) -> None:
        """Put into a document what was found and said."""
        document.input.sizes = sorted(map(list, self.found))
        document.warnings = list(self.reporter.warnings)

    def _compare(self, found: tuple[int, ...], learned: list[int]) -> None:
        down, across = found[0] / learned[0], found[1] / learned[1]
        sizes = [f"{height} x {width}" for height, width, *_ in (found, learned)]
        what = f"{self.called} are {sizes[0]} pixels, the run learned from images of {sizes[1]}"
        # A network that is given everything at one size sees only what became of the proportions.
        resized = self.record.method.config.get("size") is not None
        scale = max(down / across, across / down) if resized else max(down, 1 / down, across, 1 / across)
        if scale > _OTHER_SIZE:
            seen = "with other proportions" if resized else "larger or smaller"
            self.reporter.warn(f"{what}: it sees objects {seen} than it knows them, so expect worse masks")


def _document(request: PredictRequest, record: Record, output: Output) -> PredictDocument:
    """`predict.json` before anything is predicted."""
    frames = output.frames
    head, dirty = commit()
    return PredictDocument(
        schema_version=SCHEMA_VERSION,
        complete=False,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        run=PredictingRun(
            run_id=record.run_id,
            created=record.created,
            folder=str(request.run),
            dataset=record.dataset.name,
            origin=record.dataset.origin,
            method=record.method.name,
            fold=(request.fold or 1) if record.dataset.folds else None,
        ),
        input=PredictedInput(
            path=str(request.input),
            kind=frames.kind,
            frames=len(frames),
            fps=frames.fps,
            sha256=files_sha256(frames.paths),
            pixel_size_um=None if frames.pixel_size_um is None else list(frames.pixel_size_um),
            channel=request.channel,
            z=request.z,
        ),
        output=PredictedOutput(
            folder=str(request.out),
            form=output.form,
            values=output.values,
        ),
        batch=request.batch,
        environment={"segbench": __version__, "commit": head, "dirty": dirty},
        command=request.command(),
        warnings=[],
    )
