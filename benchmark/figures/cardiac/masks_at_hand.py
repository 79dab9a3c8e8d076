"""Figures of `bench cardiac`: curves, loops, agreement with a truth, and of a single sequence its film."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from ...cardiac.agreement import Agreement
from ...cardiac.beats import Heartbeat
from ...data.image_sources import Frames
from ...runs.cardiac.sides import Sides
from ...runs.cardiac.unfit import Unfit
from ..style import write_figure
from .curves import Assumed
from .film_strip import film_strip, typical_beat
from .overlay import write_overlay_video
from .pages import write_cardiac_plots
from .run_plots import STRIP, VIDEO, write_agreement_plots


def write_plots(
    folder: Path,
    sides: Sides,
    hearts: Sequence[Heartbeat],
    unfits: Mapping[str, Unfit],
    agreement: Agreement | None,
) -> list[Path]:
    """Write all figures of measured sequences below a folder; of pictures, where there are any, the overlay video."""
    truths = {} if agreement is None else {heart.track.name: heart for heart in agreement.truths}
    true = [truths.get(heart.track.name) for heart in hearts]
    known = sides.calibration
    assumed = Assumed(pixels=known.pixel_size_from == "default", fps=known.fps_from == "default")
    written = write_cardiac_plots(folder / "plots", hearts, true, doubts=unfits, assumed=assumed)
    if agreement is not None:
        written += write_agreement_plots(folder / "plots", agreement)
    if sides.frames is not None and len(hearts) == 1:
        written += _film(folder, sides, sides.frames, hearts[0], truths, unfits[hearts[0].track.name], assumed)
    return written


def _film(
    folder: Path,
    sides: Sides,
    frames: Frames,
    heart: Heartbeat,
    truths: Mapping[str, Heartbeat],
    doubt: Unfit,
    assumed: Assumed,
) -> list[Path]:
    """The film strip of a typical beat and the overlay video."""
    name = heart.track.name
    written = []
    if beat := typical_beat(heart):
        draw = partial(film_strip, frames, sides.mask(name), heart, beat, doubt=doubt, assumed=assumed)
        written += write_figure(folder / "plots" / STRIP, draw)
    video = folder / VIDEO
    truth = truths.get(name)
    write_overlay_video(video, frames, sides.mask(name), heart, truth=truth, doubt=doubt, assumed=assumed)
    return [*written, video]
