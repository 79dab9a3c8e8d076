"""Masks drawn on their images: one picture, and a video with its area curve."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ...cardiac.beats import Heartbeat
from ...runs.cardiac.mask_sequences import Bool
from ...runs.cardiac.unfit import Unfit, unfit
from ...types import Uint8, UserError
from ..style import house_style
from .agreement import SMALL
from .curves import FLAG_WORDS, STATED, Assumed, curves, rate_in_words, shade

RGB = tuple[int, int, int]

PREDICTED_RGB: RGB = (86, 180, 233)
"""Outline of a mask, and tint of what is inside of it and right: sky blue."""
TRUE_RGB: RGB = (255, 255, 255)
"""Outline of the true mask."""
MISSED_RGB: RGB = (204, 70, 160)
"""Inside of the true mask alone: purple."""
EXTRA_RGB: RGB = (240, 228, 66)
"""Inside of the predicted mask alone: yellow."""

_TINT, _WRONG = 0.16, 0.55
_VIDEO_WIDTH = (480, 960)
"""A video is shown at a width between these, in pixels."""
_PLAIN_GREY = 96
_CURSOR_RGB = (213, 94, 0)
_DOUBT_RGB: RGB = (255, 190, 80)
_DOUBTED = {"heart rate": "heart_rate_bpm", "volumes and lengths": "stroke_volume_nl"}


def overlay(image: Uint8, mask: Bool, truth: Bool | None = None) -> Uint8:
    """Draw a mask on its image: the outline, and a light tint inside.

    With a truth, what both hold stays lightly tinted, what was missed is purple and what is too much yellow; the true
    outline is white. Blue, purple and yellow differ in lightness too, so they are told apart with any colour vision.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) uint8
    mask, truth : (H, W) bool

    Returns
    -------
    (H, W, 3) uint8 RGB; the inputs are left as they are.

    Raises
    ------
    UserError
        If a mask has another size than the image.
    """
    for name, each in (("mask", mask), ("true mask", truth)):
        if each is not None and each.shape != image.shape[:2]:
            raise UserError(f"the {name} is {_size(each)}, its image {_size(image)}; expected the same size")
    return outlined(image, mask, truth, max(1, round(max(mask.shape) / (320 if truth is None else 640))))


def outlined(image: Uint8, mask: Bool, truth: Bool | None, thick: int) -> Uint8:
    """`overlay` of masks (H, W) with outlines of a thickness in pixels."""
    picture = np.array(image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2), np.uint8, order="C")
    if truth is None:
        _tint(picture, mask, PREDICTED_RGB, _TINT)
    else:
        _tint(picture, mask & truth, PREDICTED_RGB, _TINT)
        _tint(picture, truth & ~mask, MISSED_RGB, _WRONG)
        _tint(picture, mask & ~truth, EXTRA_RGB, _WRONG)
        _outline(picture, truth, TRUE_RGB, thick)
    _outline(picture, mask, PREDICTED_RGB, thick)
    return picture


def write_overlay_video(
    path: Path,
    images: Iterable[Uint8 | None] | None,
    masks: Iterable[Bool],
    heartbeat: Heartbeat,
    truths: Iterable[Bool] | None = None,
    truth: Heartbeat | None = None,
    *,
    doubt: Unfit | None = None,
    assumed: Assumed = STATED,
) -> None:
    """Write an MP4 of the masks on their images, at the speed they were taken.

    Above the picture stand the frame number, the time and the heart rate; below runs the area curve with a line at the
    frame (and that of `truth`). A missing frame keeps its time: the picture before it, darkened. What is not to be used
    of the film stands in a line of its own above every picture.

    Parameters
    ----------
    path : Path
    images, masks, truths : iterables
        As for `film_strip`: images (H, W) or (H, W, 3) uint8, masks (H, W) bool.
    heartbeat, truth : Heartbeat
        Of the masks and, optionally, of the true ones.
    doubt : Unfit, optional
        What is not to be used of the film; by default what the masks alone tell.
    assumed : Assumed
        What nobody said of the film, which the axes of the curve say.

    Raises
    ------
    UserError
        If a mask has another size than its image, or there are not as many of both as the heartbeat has frames.
    """
    from ...io.images.video import write_video

    pictures = video_frames(images, masks, heartbeat, truths, truth, doubt=doubt, assumed=assumed)
    write_video(path, pictures, heartbeat.track.fps)


def video_frames(
    images: Iterable[Uint8 | None] | None,
    masks: Iterable[Bool],
    heartbeat: Heartbeat,
    truths: Iterable[Bool] | None = None,
    truth: Heartbeat | None = None,
    *,
    doubt: Unfit | None = None,
    assumed: Assumed = STATED,
) -> Iterator[Uint8]:
    """The pictures of `write_overlay_video`, (H, W, 3) uint8 of one even size, missing frames included."""
    doubt = unfit(heartbeat) if doubt is None else doubt
    screen: _Screen | None = None
    picture: Uint8 | None = None
    expected = 0
    for place, (frame, image, mask, true) in enumerate(shots(images, masks, truths, heartbeat)):
        screen = screen or _Screen.of(heartbeat, mask.shape, truth, doubt, assumed)
        while expected < frame:
            assert picture is not None  # the first frame of a track is there
            yield screen.draw(expected, picture // 3, "frame missing")
            expected += 1
        shape = screen.width, screen.height
        parts = [None if m is None else resized(m, shape).astype(bool) for m in (mask, true)]
        assert parts[0] is not None
        picture = overlay(resized(image_or_grey(image, mask), shape), parts[0], parts[1])
        yield screen.draw(frame, picture, _remark(heartbeat, place, frame))
        expected = frame + 1


@dataclass(frozen=True)
class _Screen:
    """What is the same in all pictures of a video: sizes in pixels, the drawn curve, and its box.

    `box` is left, top, right, bottom in the picture of the curve: of its first frame, its last one, and its axes.
    """

    heartbeat: Heartbeat
    width: int
    height: int
    curve: Uint8
    box: tuple[float, float, float, float]
    doubt: Unfit

    @classmethod
    def of(
        cls, heartbeat: Heartbeat, shape: tuple[int, ...], truth: Heartbeat | None, doubt: Unfit, assumed: Assumed
    ) -> _Screen:
        """For masks of a shape (H, W), whose pixels need not be square."""
        dy, dx = heartbeat.track.pixel_size_um
        width = int(np.clip(shape[1], *_VIDEO_WIDTH)) // 2 * 2
        # A picture that is much higher than wide would be a video that no screen shows.
        height = int(np.clip(width * shape[0] * dy / (shape[1] * dx), 2, 2 * width)) // 2 * 2
        return cls(heartbeat, width, height, *_curve_picture(heartbeat, truth, width, assumed), doubt)

    def draw(self, frame: int, picture: Uint8, remark: str) -> Uint8:
        """One picture of the video."""
        track, last = self.heartbeat.track, max(1, self.heartbeat.track.frames[-1])
        curve = self.curve.copy()
        left, top, right, bottom = self.box
        x = round(left + (right - left) * frame / last)
        curve[round(top) : round(bottom), x - 1 : x + 1] = _CURSOR_RGB
        words = [f"frame {track.first_frame + frame}", f"{frame / track.fps:.2f} s"]
        words.append(rate_in_words(self.heartbeat, self.doubt, ".0f"))
        above = [_header(self.width, "    ".join(words), remark)]
        if said := _doubt_in_words(self.doubt):
            above.append(_header(self.width, said, "", _DOUBT_RGB, 14))
        return np.concatenate([*above, picture, curve])


def shots(
    images: Iterable[Uint8 | None] | None, masks: Iterable[Bool], truths: Iterable[Bool] | None, heartbeat: Heartbeat
) -> Iterator[tuple[int, Uint8 | None, Bool, Bool | None]]:
    """Frame, image, (H, W) or (H, W, 3) uint8, mask and true mask, (H, W) bool, one at a time.

    Raises UserError where there are not as many of each, or sizes differ.
    """
    name, frames = heartbeat.track.name, heartbeat.track.frames
    sides = (repeat(None) if images is None else images, masks, repeat(None) if truths is None else truths)
    taken: Iterator[tuple[Any, ...]] = zip(*sides, strict=False)
    first: tuple[int, ...] = ()
    for frame in frames:
        shot = next(taken, None)
        if shot is None:
            raise UserError(f"sequence '{name}': fewer images or masks than its {len(frames)} frames")
        first = first or shot[1].shape
        if shot[1].shape != first:
            raise UserError(
                f"sequence '{name}', frame {heartbeat.track.first_frame + frame}: its mask is {_size(shot[1])}, that "
                f"of the first frame {' x '.join(map(str, first))}; frames of one size can be drawn"
            )
        if shot[0] is not None and shot[0].shape[:2] != shot[1].shape:
            raise UserError(
                f"sequence '{name}', frame {heartbeat.track.first_frame + frame}: its image is {_size(shot[0])}, its "
                f"mask {_size(shot[1])}; expected the same size"
            )
        yield frame, *shot


def _tint(picture: Uint8, where: Bool, color: RGB, weight: float) -> None:
    """Mix a colour into a part of a picture, in place."""
    picture[where] = np.rint(picture[where] * (1 - weight) + np.array(color) * weight).astype(np.uint8)


def _outline(picture: Uint8, mask: Bool, color: RGB, thick: int) -> None:
    """Draw the edge of a mask with a dark rim, so that it stands out on light and on dark."""
    edges, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, edges, -1, (20, 20, 20), thick + 1 + thick // 2, cv2.LINE_AA)
    cv2.drawContours(picture, edges, -1, color, thick, cv2.LINE_AA)


def resized(values: Any, shape: tuple[int, int]) -> Any:
    """An image (linear) or a mask (nearest) at (width, height)."""
    if values.dtype == bool:
        return cv2.resize(values.astype(np.uint8), shape, interpolation=cv2.INTER_NEAREST_EXACT)
    shrinks = shape[0] < values.shape[1]
    return cv2.resize(values, shape, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def image_or_grey(image: Uint8 | None, mask: Bool) -> Uint8:
    """The image, or a grey one of the mask's shape (H, W)."""
    return np.full(mask.shape, _PLAIN_GREY, np.uint8) if image is None else image


def _remark(heartbeat: Heartbeat, place: int, frame: int) -> str:
    """What is to be said of a frame: an extremum, and what is odd about its mask."""
    words = ["diastole"] if frame in heartbeat.diastoles else ["systole"] if frame in heartbeat.systoles else []
    flags = heartbeat.track.silhouettes[place].flags
    return ", ".join(words + [f"mask {FLAG_WORDS[flag]}" for flag in flags])


def _doubt_in_words(doubt: Unfit) -> str:
    """What is not to be used of a film, in few words."""
    if doubt.holds("ef"):
        return "MASKS DO NOT FOLLOW THE BEAT: do not use sizes"
    odd = [name for name, measure in _DOUBTED.items() if doubt.holds(measure)]
    return f"do not use: {', '.join(odd)}" if odd else ""


def _header(width: int, text: str, remark: str, color: RGB = (255, 255, 255), size: int = 17) -> Uint8:
    """A dark line of text above a picture."""
    strip = Image.new("RGB", (width, 32), (24, 24, 24))
    drawing, font = ImageDraw.Draw(strip), _font(size)
    drawing.text((10, 16), text, fill=color, font=font, anchor="lm")
    drawing.text((width - 10, 16), remark, fill=_DOUBT_RGB, font=font, anchor="rm")
    return np.asarray(strip, np.uint8)


def _font(size: int) -> Any:
    """The typeface of the plots, which matplotlib brings along."""
    from matplotlib import get_data_path

    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def _curve_picture(
    heartbeat: Heartbeat, truth: Heartbeat | None, width: int, assumed: Assumed
) -> tuple[Uint8, tuple[float, float, float, float]]:
    """The area curve as an RGB picture, and the box in it that `_Screen` describes."""
    from matplotlib.figure import Figure

    with house_style():
        figure = Figure(figsize=(width / 100, 2.0), dpi=100)
        figure.subplots_adjust(78 / width, 0.24, 1 - 12 / width, 0.95)
        axes = figure.add_subplot()
        shade(axes, heartbeat)
        curves(axes, heartbeat, truth, size=4.5)
        axes.locator_params(axis="y", nbins=4)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_xlabel(assumed.time(), fontsize=SMALL, labelpad=1)
        axes.set_ylabel(f"area (µm²{', assumed' * assumed.pixels})", fontsize=SMALL)
        axes.tick_params(labelsize=SMALL)
        stored = io.BytesIO()
        figure.savefig(stored, format="png")
        last = max(1, heartbeat.track.frames[-1]) / heartbeat.track.fps
        left, right = (float(axes.transData.transform((time, 0.0))[0]) for time in (0.0, last))
        inside = axes.get_window_extent()
    picture = np.asarray(Image.open(stored).convert("RGB"), np.uint8)
    return picture, (left, len(picture) - inside.y1, right, len(picture) - inside.y0)


def _size(image: Any) -> str:
    return f"{image.shape[0]} x {image.shape[1]}"
