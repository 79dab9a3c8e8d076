"""Figures of `bench cardiac`: curves, loops, agreement with a truth, and of a single sequence its film."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ...cardiac.agreement import Agreement
from ...cardiac.beats import Heartbeat
from ...data.image_sources import Frames
from ...runs.cardiac.sides import Sides
from ...runs.cardiac.unfit import Unfit
from ..style import write_figure
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
    written = write_cardiac_plots(folder / "plots", hearts, true, doubts=unfits)
    if agreement is not None:
        written += write_agreement_plots(folder / "plots", agreement)
    if sides.frames is not None and len(hearts) == 1:
        written += _film(folder, sides, sides.frames, hearts[0], truths, unfits[hearts[0].track.name])
    return written


def _film(
    folder: Path, sides: Sides, frames: Frames, heart: Heartbeat, truths: Mapping[str, Heartbeat], doubt: Unfit
) -> list[Path]:
    """The film strip of a typical beat and the overlay video."""
    name = heart.track.name
    written = []
    if beat := typical_beat(heart):
        assumed = sides.calibration.pixel_size_from == "default"
        look: dict[str, Any] = {"doubt": doubt, "assumed_pixels": assumed}
        draw = partial(film_strip, frames, sides.mask(name), heart, beat, **look)
        written += write_figure(folder / "plots" / STRIP, draw)
    video = folder / VIDEO
    write_overlay_video(video, frames, sides.mask(name), heart, truth=truths.get(name))
    return [*written, video]
