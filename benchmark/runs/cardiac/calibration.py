"""Frames per second and size of a pixel of masks or a film, and who says so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...cardiac.geometry import FRAME_SHAPE, PIXEL_SIZE_UM
from ...data.image_sources import Frames
from ...io.images.read import IMAGE_SUFFIXES
from ...io.images.stacks import STACK_SUFFIXES, open_stack
from ...io.listing import files_below
from ...io.reporter import Reporter
from ...types import UserError
from ..folder import PREDICTIONS, RECORD
from ..predict_folder import DOCUMENT, read_predicted
from ..record import read_record, recorded_info
from .mask_sequences import stacks_of
from .request import CardiacRequest

Source = Literal["option", "file", "dataset", "default"]
"""Who says a number: the user, the file or what predicted it, the dataset of a run, or nobody."""

FPS = 15.0
"""Frames per second of HeartSeg, taken where nobody says otherwise."""


@dataclass(frozen=True)
class Calibration:
    """Frames per second, height and width of a pixel in micrometres (None: that of HeartSeg), and who says each."""

    fps: float
    fps_from: Source
    pixel_size_um: tuple[float, float] | None
    pixel_size_from: Source


@dataclass(frozen=True)
class _Said:
    fps: float | None = None
    pixel_size_um: tuple[float, float] | None = None
    by: Source = "file"
    as_heartseg: bool = False
    """Whether the frames are HeartSeg's, so that the size of a pixel follows from theirs."""


def calibration(request: CardiacRequest, frames: Frames | None, reporter: Reporter) -> Calibration:
    """What the user says, else the file, else HeartSeg; what was taken is said, and warned of where nobody said it.

    frames : the film that a run segments; None where masks are given.

    Raises UserError for a rate that is no positive number.
    """
    said = _Said(frames.fps, frames.pixel_size_um) if frames is not None else _said_by(request)
    fps, fps_from = request.fps, "option"
    if fps is None:
        fps, fps_from = said.fps, said.by
    elif said.fps is not None and not math.isclose(fps, said.fps, rel_tol=1e-6):
        reporter.say(f"frames per second: {fps:g}, as --fps says; '{request.input}' itself says {said.fps:g}")
    if fps is None:
        fps, fps_from = FPS, "default"
        reporter.note(
            f"'{request.input}' does not say its frames per second: {FPS:g}, those of HeartSeg, are taken, and every "
            "heart rate rests on them; give your own with --fps"
        )
    if not 0 < fps < math.inf:
        raise UserError(f"--fps is a positive number of frames per second, found {fps:g}")
    size, size_from = request.pixel_size, "option"
    if size is None:
        known = said.pixel_size_um is not None or said.as_heartseg
        size, size_from = said.pixel_size_um, said.by if known else "default"
    elif said.pixel_size_um is not None and size != said.pixel_size_um:
        own = " x ".join(f"{side:g}" for side in dict.fromkeys(said.pixel_size_um))
        reporter.say(
            f"size of a pixel: {size[0]:g} µm, as --pixel-size-um says; '{request.input}' itself says {own} µm"
        )
    if size_from == "default":
        reporter.note(
            f"'{request.input}' does not say the size of its pixels: {PIXEL_SIZE_UM} µm for frames of "
            f"{FRAME_SHAPE[0]} x {FRAME_SHAPE[1]}, that of HeartSeg, is taken (scaled for others, each side by itself)"
            ", and every length and volume rests on it; give your own with --pixel-size-um"
        )
    return Calibration(fps, fps_from, size, size_from)  # type: ignore[arg-type]


def _said_by(request: CardiacRequest) -> _Said:
    """What masks at hand say: the stacks, what predicted them, or the dataset of the run that stored them."""
    path = request.input
    if path.is_file():
        return _of_file(path)
    if (path / DOCUMENT).is_file():
        about = read_predicted(path / DOCUMENT)
        size = about.pixel_size_um
        return _Said(about.fps, (size[0], size[1]) if size is not None and len(size) == 2 else None)
    if (run := run_folder_of(path)) is not None:
        info = recorded_info(read_record(run).dataset)
        as_heartseg = info.pixel_size_um == (PIXEL_SIZE_UM, PIXEL_SIZE_UM)
        return _Said(
            info.frames_per_second, None if as_heartseg else info.pixel_size_um, "dataset", as_heartseg=as_heartseg
        )
    return _of_stacks(stacks_of(files_below(path, IMAGE_SUFFIXES)), request)


def run_folder_of(path: Path) -> Path | None:
    """The run folder that masks at hand are, or lie in as its predictions; None where they are neither."""
    for run in (path, path.resolve().parent if path.resolve().name == PREDICTIONS else path):
        if (run / RECORD).is_file():
            return run
    return None


def _of_stacks(files: Sequence[Path], request: CardiacRequest) -> _Said:
    """What all stacks of a folder say. Raises UserError where they differ in what the user does not say."""
    every = {file: _of_file(file) for file in files}
    rates = {file: None if said.fps is None else round(said.fps, 4) for file, said in every.items()}
    sizes = {file: said.pixel_size_um for file, said in every.items()}
    for what, values, option, given in (
        ("frames per second", rates, "--fps", request.fps),
        ("size of a pixel in µm", sizes, "--pixel-size-um", request.pixel_size),
    ):
        if len(set(values.values())) > 1 and given is None:
            first = next(iter(values))
            other = next(file for file in values if values[file] != values[first])
            raise UserError(
                f"the films differ in their {what}: '{first}' says {_told(values[first])}, '{other}' "
                f"{_told(values[other])}. Measure films of one kind together, or give {option} for all."
            )
    return next(iter(every.values()), _Said())


def _told(value: float | tuple[float, float] | None) -> str:
    if value is None:
        return "nothing"
    return " x ".join(f"{side:g}" for side in ([value] if isinstance(value, float) else dict.fromkeys(value)))


def _of_file(path: Path) -> _Said:
    if path.suffix.lower() not in STACK_SUFFIXES:
        return _Said()
    stack = open_stack(path)
    return _Said(None if stack.interval_s is None else 1 / stack.interval_s, stack.pixel_size_um)
