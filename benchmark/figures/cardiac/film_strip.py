"""The film strip of one beat: masks on their images, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np

from ...cardiac.beats import Beat, Heartbeat
from ...cardiac.geometry import cleaned
from ...runs.cardiac.mask_sequences import Bool
from ...runs.cardiac.unfit import Unfit, unfit
from ...text import shown
from ...types import Uint8
from .agreement import QUIET, SMALL
from .curves import DIASTOLE_COLOR, DOUBT, STATED, SYSTOLE_COLOR, Assumed, beat_end
from .overlay import EXTRA_RGB, MISSED_RGB, PREDICTED_RGB, RGB, TRUE_RGB, image_or_grey, outlined, resized, shots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROW = 4
"""Frames side by side."""
_BARS_UM = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


def film_strip(
    images: Iterable[Uint8 | None] | None,
    masks: Iterable[Bool],
    heartbeat: Heartbeat,
    beat: Beat,
    truths: Iterable[Bool] | None = None,
    count: int = 8,
    *,
    doubt: Unfit | None = None,
    assumed: Assumed = STATED,
) -> Figure:
    """Frames of one beat, from its diastole to the next (or the last frame), cut out around the heart.

    Parameters
    ----------
    images, masks, truths : iterables
        One for each of `heartbeat.track.frames`, in that order; taken one by one. Images (H, W) or (H, W, 3) uint8,
        masks (H, W) bool. A mask without an image lies on grey.
    heartbeat, beat
        The beat is one of the heartbeat's.
    count : int
        Most frames that are shown; diastoles and systole always are.
    doubt : Unfit, optional
        What is not to be used of the film, which the title says; by default what the masks alone tell.
    assumed : Assumed
        Whether nobody said the size of a pixel, which the scale bar says.

    Raises
    ------
    UserError
        If a mask has another size than its image, or there are not as many of both as the heartbeat has frames.
    """
    from matplotlib.figure import Figure

    end = beat_end(heartbeat, beat)
    frames = _chosen(heartbeat.track.frames, beat, end, count)
    taken = takewhile(lambda shot: shot[0] <= end, shots(images, masks, truths, heartbeat))
    kept = {frame: (image, mask, truth) for frame, image, mask, truth in taken if frame in frames}
    rows, columns = _window([m for _, mask, truth in kept.values() for m in (mask, truth) if m is not None])
    dy, dx = heartbeat.track.pixel_size_um
    extent = (columns.stop - columns.start) * dx, (rows.stop - rows.start) * dy
    across = min(_ROW, len(frames))
    lines = math.ceil(len(frames) / across)
    width, high = 2.2 * across + 0.2, float(np.clip(2.2 * extent[1] / extent[0], 0.9, 4.4)) + 0.45
    below = 0.3 if truths is None else 0.65
    tall = high * lines + 0.3 + below
    figure = Figure(figsize=(width, tall))
    figure.subplots_adjust(0.1 / width, below / tall, 1 - 0.1 / width, 1 - 0.62 / tall, 0.06, 0.45 / (high - 0.45))
    for place, frame in enumerate(frames):
        axes = figure.add_subplot(lines, across, place + 1)
        parts: list[Any] = [None if part is None else part[rows, columns] for part in kept[frame]]
        axes.imshow(_enlarged(*parts), extent=(0, extent[0], extent[1], 0))
        _label(axes, heartbeat, frame, beat, end)
        if place == 0:
            _scale_bar(axes, extent[0], assumed.pixels)
    doubt = unfit(heartbeat) if doubt is None else doubt
    title = f"{shown(heartbeat.track.name, 40)}: {_beat_in_words(heartbeat, beat, truths is not None, doubt)}"
    color = DOUBT if doubt.holds("ef") else "black"
    figure.text(0.1 / width, 1 - 0.08 / tall, title, va="top", fontsize=10, color=color, parse_math=False)
    _legend(figure, truths is not None)
    return figure


def typical_beat(heartbeat: Heartbeat) -> Beat | None:
    """The beat whose ejection fraction lies nearest to the median of all; None without beats."""
    middle = heartbeat.distribution("ef").median
    known = [beat for beat in heartbeat.beats if not math.isnan(beat.ef)]
    return None if middle is None else min(known, key=lambda beat: abs(beat.ef - middle))


def _enlarged(image: Uint8 | None, mask: Bool, truth: Bool | None) -> Uint8:
    """The overlay of a cut-out at a size where the outline is thin."""
    scale = max(1, math.ceil(500 / mask.shape[1]))
    shape = mask.shape[1] * scale, mask.shape[0] * scale
    true = None if truth is None else resized(truth, shape).astype(bool)
    picture = resized(image_or_grey(image, mask), shape)
    return outlined(
        picture, resized(mask, shape).astype(bool), true, max(1, round(max(shape) / (130 if truth is None else 220)))
    )


def _beat_in_words(heartbeat: Heartbeat, beat: Beat, predicted: bool, doubt: Unfit) -> str:
    """Which beat of how many it is, and how typical."""
    beats, median = heartbeat.beats, heartbeat.distribution("ef").median
    text = f"beat {beats.index(beat) + 1} of {len(beats)}"
    if doubt.holds("ef"):
        return f"{text}; the masks of this film do not follow the beat"
    text += f", {'predicted ' * predicted}ejection fraction {100 * beat.ef:.0f} %"
    return text if len(beats) < 2 or median is None else f"{text} (median {100 * median:.0f} %)"


def _chosen(frames: Sequence[int], beat: Beat, end: int, count: int) -> list[int]:
    """At most `count` frames that are there, evenly over the beat; its extrema among them."""
    there = [frame for frame in frames if beat.diastolic_frame <= frame <= end]
    chosen = [there[round(place)] for place in np.linspace(0, len(there) - 1, min(max(count, 3), len(there)))]
    if beat.systolic_frame not in chosen:
        inner = range(1, len(chosen) - 1)
        chosen[min(inner, key=lambda place: abs(chosen[place] - beat.systolic_frame))] = beat.systolic_frame
    return sorted(chosen)


def _window(masks: Sequence[Bool]) -> tuple[slice, slice]:
    """Rows and columns around all masks with a margin; the whole picture where all are empty."""
    shape = masks[0].shape
    whole = np.logical_or.reduce([cleaned(mask) for mask in masks])  # a stray piece is not the heart
    if not whole.any():
        return slice(0, shape[0]), slice(0, shape[1])
    found = []
    places = [np.flatnonzero(whole.any(axis=axis)) for axis in (1, 0)]
    margin = max(4, round(0.15 * max(int(np.ptp(place)) for place in places)))
    for place, side in zip(places, shape, strict=True):
        found.append(slice(max(0, int(place[0]) - margin), min(side, int(place[-1]) + 1 + margin)))
    return found[0], found[1]


def _label(axes: Any, heartbeat: Heartbeat, frame: int, beat: Beat, end: int) -> None:
    """Frame number and time above, and what the frame is, with its colour around it."""
    names = {beat.diastolic_frame: "diastole", beat.systolic_frame: "systole"}
    names |= {end: "next diastole"} if end in heartbeat.diastoles else {}
    name = names.get(frame, "")
    color = {"": "#999999", "systole": SYSTOLE_COLOR}.get(name, DIASTOLE_COLOR)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=color, linewidth=3 if name else 0.8)
    time = (frame - beat.diastolic_frame) / heartbeat.track.fps
    axes.set_title(f"frame {heartbeat.track.first_frame + frame}, {time:.2f} s", fontsize=SMALL, color=QUIET, pad=4)
    axes.text(
        0.5, -0.04, name, transform=axes.transAxes, ha="center", va="top", fontsize=SMALL, color=color, weight="bold"
    )


def _scale_bar(axes: Any, width_um: float, assumed: bool) -> None:
    """A bar of a round length, about a third of the picture, in its lower left corner."""
    length = max((bar for bar in _BARS_UM if bar <= 0.45 * width_um), default=_BARS_UM[0])
    left, across = 0.06 * width_um, axes.get_xaxis_transform()
    axes.plot([left, left + length], [0.07, 0.07], color="black", linewidth=4.5, scalex=False, transform=across)
    axes.plot([left, left + length], [0.07, 0.07], color="white", linewidth=2.5, scalex=False, transform=across)
    box = {"facecolor": "black", "alpha": 0.6, "pad": 1.5, "linewidth": 0}
    axes.text(
        left,
        0.13,
        f"{length} µm{', assumed' * assumed}",
        va="bottom",
        fontsize=SMALL,
        color="white",
        transform=across,
        bbox=box,
    )


def _legend(figure: Figure, with_truth: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    if not with_truth:
        return

    def hexed(color: RGB) -> str:
        return "#{:02x}{:02x}{:02x}".format(*color)

    handles = [
        Line2D([], [], color=hexed(PREDICTED_RGB), linewidth=2, label="predicted"),
        Line2D([], [], color=hexed(TRUE_RGB), linewidth=2, label="true"),
        Patch(color=hexed(MISSED_RGB), label="missed"),
        Patch(color=hexed(EXTRA_RGB), label="too much"),
    ]
    legend = figure.legend(
        handles=handles,
        loc="lower center",
        ncols=4,
        fontsize=SMALL,
        facecolor="#606060",
        labelcolor="white",
        framealpha=1,
        borderpad=0.35,
        borderaxespad=0.5,
    )
    legend.get_frame().set_linewidth(0)
