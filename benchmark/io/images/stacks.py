"""What a file of many images says of them: its axes, which of its images are frames, their interval and pixel size.

ImageJ and OME write time points, z-slices and channels into one TIFF. Only time points are frames of a film; of the
others one is chosen. Reference: OME Data Model 2016-06 (Pixels), TIFF description of ImageJ (`finterval`, `unit`).
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from ...text import counted, whole_number
from ...types import UserError
from . import tiff
from .limits import unreadable
from .read import numpy_shape

STACK_SUFFIXES = tiff.SUFFIXES | {".npy", ".npz"}
"""Files that may hold more than one image."""

_WORDS = {"T": "time point", "Z": "z-slice", "C": "channel"}
_OPTIONS = {"C": "--channel", "Z": "--z"}
_SECONDS = {
    "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "": 1.0,
    "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3, "milliseconds": 1e-3,
    "us": 1e-6, "µs": 1e-6, "usec": 1e-6, "microsecond": 1e-6, "microseconds": 1e-6,
    "ns": 1e-9, "nsec": 1e-9,
    "m": 60.0, "min": 60.0, "minute": 60.0, "minutes": 60.0,
    "h": 3600.0, "hr": 3600.0, "hour": 3600.0, "hours": 3600.0,
}  # fmt: skip
_MICROMETRES = {
    "um": 1.0, "µm": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0,
    "nm": 1e-3, "nanometer": 1e-3, "nanometre": 1e-3, "pm": 1e-6, "å": 1e-4, "angstrom": 1e-4,
    "mm": 1e3, "millimeter": 1e3, "millimetre": 1e3, "cm": 1e4, "centimeter": 1e4, "m": 1e6, "meter": 1e6,
    "inch": 25_400.0, "in": 25_400.0,
}  # fmt: skip


@dataclass(frozen=True)
class Chosen:
    """What the user chose of a stack's axes: number of a channel and of a z-slice, from 1; None where nothing was."""

    channel: int | None = None
    z: int | None = None

    @property
    def by_axis(self) -> Mapping[str, int]:
        """The numbers that were chosen, by the letter of the axis."""
        return {axis: n for axis, n in (("C", self.channel), ("Z", self.z)) if n is not None}


NOTHING_CHOSEN = Chosen()


@dataclass(frozen=True)
class Stack:
    """The images of one file, before any is decoded.

    axes, sizes : the axes beside height, width and the channels of a colour, from the slowest.
    interval_s : seconds from one frame to the next, None where the file does not say.
    pixel_size_um : height and width of a pixel in micrometres, None where the file does not say.
    """

    path: Path
    axes: str
    sizes: tuple[int, ...]
    interval_s: float | None = None
    pixel_size_um: tuple[float, float] | None = None

    def frames(self, chosen: Chosen = NOTHING_CHOSEN) -> tuple[int, ...]:
        """Places in the file of the images that are frames, in their order.

        Raises
        ------
        UserError
            Naming the axes, where some of them must be chosen from, or were and are not there.
        """
        picked: dict[str, int] = {}
        for axis, number in chosen.by_axis.items():
            size = self.sizes[self.axes.index(axis)] if axis in self.axes else 1
            if not 1 <= number <= size:
                raise UserError(
                    f"{self.path}: {_OPTIONS[axis]} {number} was asked for, and it holds "
                    f"{counted(size, _WORDS[axis])}{f' ({self})' if self.axes else ''}; expected a number from 1"
                    f"{f' to {size}' if size > 1 else ' alone'}"
                )
            picked[axis] = number - 1
        left = [axis for axis, size in zip(self.axes, self.sizes, strict=True) if size > 1 and axis not in picked]
        # A film that was opened as single slices is often saved as z-slices: alone they are frames.
        ambiguous = [axis for axis in left if axis == "C" or (len(left) > 1 and axis != "T")]
        if ambiguous:
            raise UserError(f"{self.path}: is a hyperstack of {self}. {_how_to_choose(self, ambiguous)}")
        ranges = [
            (picked[axis],) if axis in picked else range(size) for axis, size in zip(self.axes, self.sizes, strict=True)
        ]
        return tuple(int(np.ravel_multi_index(place, self.sizes)) if place else 0 for place in product(*ranges))

    @property
    def slices_as_frames(self) -> bool:
        """Whether the only axis that is left is z, and its slices stand for frames."""
        return [axis for axis, size in zip(self.axes, self.sizes, strict=True) if size > 1] == ["Z"]

    def __str__(self) -> str:
        parts = [counted(size, _WORDS.get(axis, "image")) for axis, size in zip(self.axes, self.sizes, strict=True)]
        return f"{' x '.join(parts)}, axes {self.axes}YX"


def _how_to_choose(stack: Stack, axes: Sequence[str]) -> str:
    known = [axis for axis in axes if axis in _OPTIONS]
    if len(known) < len(axes):
        return "Only one axis can be that of time: save the images of each film as a file of its own."
    sizes = {axis: stack.sizes[stack.axes.index(axis)] for axis in known}
    options = " and ".join(f"{_OPTIONS[axis]} N (1 to {sizes[axis]})" for axis in known)
    return f"Not all of them are frames of one film: choose with {options}."


def open_stack(path: Path) -> Stack:
    """Look at the images of a TIFF, `.npy` or `.npz` file; of any other file there is one.

    Raises UserError naming a file that cannot be read, or that holds several series of images.
    """
    if path.suffix.lower() in tiff.SUFFIXES:
        with tiff.opened(path) as tif:
            return stack_of(path, tif)
    if path.suffix.lower() not in STACK_SUFFIXES:
        return Stack(path, "", ())
    try:
        shape = numpy_shape(path)
    except UserError:
        raise
    except Exception as error:
        raise unreadable(path, error) from error
    colour = len(shape) > 2 and shape[-1] in (3, 4)
    stacked = len(shape) - colour == 3
    if len(shape) - colour > 3:
        raise UserError(
            f"{path}: has shape {shape}; expected a film as (N, H, W) or (N, H, W, 3). Save one slice of it."
        )
    return Stack(path, "I" * stacked, tuple(shape[:1]) if stacked else ())


def stack_of(path: Path, tif: tifffile.TiffFile) -> Stack:
    """The images of an opened TIFF file. Raises UserError as `open_stack` does."""
    interval_s, pixel_size_um = _calibration(tif)
    if len(tif.series) > 1:
        if tif.is_ome:
            raise UserError(
                f"{path}: holds {len(tif.series)} series of images, such as positions of the stage. Save each as "
                "a file of its own."
            )
        count = len(tiff.pages_of(tif))
        return Stack(path, "I" * (count > 1), (count,) if count > 1 else (), interval_s, pixel_size_um)
    series = tif.series[0]
    leading = [(axis, int(size)) for axis, size in zip(series.axes, series.shape, strict=True) if axis not in "YXS"]
    axes, sizes = "".join(axis for axis, _ in leading), tuple(size for _, size in leading)
    return Stack(path, axes, sizes, interval_s, pixel_size_um)


def _calibration(tif: tifffile.TiffFile) -> tuple[float | None, tuple[float, float] | None]:
    """Frame interval in seconds and size of a pixel in micrometres, as ImageJ or OME wrote them."""
    if tif.is_imagej:
        return _of_imagej(tif)
    if tif.is_ome and tif.ome_metadata:
        return _of_ome(tif.ome_metadata)
    return None, None


def _of_imagej(tif: tifffile.TiffFile) -> tuple[float | None, tuple[float, float] | None]:
    said: Mapping[str, Any] = tif.imagej_metadata or {}
    interval_s = _positive(said.get("finterval"), _SECONDS.get(_plain(said.get("tunit", "sec"))))
    unit = _MICROMETRES.get(_plain(said.get("unit")))
    tags = tif.pages[0].aspage().tags
    sides = [
        _positive(_inverse(tags[name].value), unit) if name in tags else None for name in ("YResolution", "XResolution")
    ]
    height, width = sides
    return interval_s, None if height is None or width is None else (height, width)


def _of_ome(text: str) -> tuple[float | None, tuple[float, float] | None]:
    try:
        pixels = next(each for each in ElementTree.fromstring(text).iter() if each.tag.endswith("}Pixels"))
    except (ElementTree.ParseError, StopIteration):
        return None, None
    said = pixels.attrib
    interval_s = _positive(said.get("TimeIncrement"), _SECONDS.get(_plain(said.get("TimeIncrementUnit", "s"))))
    sides = [
        _positive(said.get(f"PhysicalSize{axis}"), _MICROMETRES.get(_plain(said.get(f"PhysicalSize{axis}Unit", "µm"))))
        for axis in "YX"
    ]
    height, width = sides
    return interval_s or _ome_interval(pixels), None if height is None or width is None else (height, width)


def _ome_interval(pixels: ElementTree.Element) -> float | None:
    """The usual time from one time point to the next, where each image has its own."""
    times: dict[int, float] = {}
    for plane in (each.attrib for each in pixels if each.tag.endswith("}Plane")):
        at = _positive(plane.get("DeltaT"), _SECONDS.get(_plain(plane.get("DeltaTUnit", "s"))), zero=True)
        number = whole_number(plane.get("TheT", ""))
        if at is not None and number is not None:
            times.setdefault(number, at)
    steps = [(times[n + 1] - times[n]) for n in times if n + 1 in times]
    middle = float(np.median(steps)) if steps else 0.0
    return middle if middle > 0 else None


def _plain(unit: Any) -> str:
    return str(unit or "").strip().lower().replace("\\u00b5", "µ").replace("μ", "µ").removesuffix(".")


def _inverse(resolution: Any) -> float | None:
    """Length of a pixel of a resolution, a fraction as TIFF has it."""
    try:
        over, under = resolution
        return float(under) / float(over)
    except (TypeError, ValueError, ZeroDivisionError):
        return None


def _positive(value: Any, unit: float | None, *, zero: bool = False) -> float | None:
    """A number in a unit, None for what is no finite positive one."""
    try:
        found = float(value) * (unit or math.nan)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and (found > 0 or (zero and found == 0)) else None
