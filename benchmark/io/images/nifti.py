"""NIfTI volumes, cut into slices as viewers show them.

Axes are turned to right, anterior and superior, and a volume is cut across the axis of the largest spacing, the last of
equal ones: there a scanner leaves gaps, and so people draw. An axis of one voxel goes before. Slices count from the
left, posterior or inferior end. Reference: NIfTI-1.1 (Cox et al. 2004); axes by nibabel's `io_orientation`.

Headers hold spacings as float32, often computed from an affine, so programs write 0.99999994 for 1. Spacings within
`SPACING_TOLERANCE` of each other are equal: where a volume is cut, and between the files of a case.
"""

from __future__ import annotations

import gzip
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...types import Array, UserError
from ..atomic import atomic_path
from ..read_once import ReadOnce
from .limits import check_bytes, unreadable

SUFFIXES = (".nii", ".nii.gz")
SPACING_TOLERANCE = 1e-3
"""By which part of the larger one equal spacings may differ: a voxel in a thousand, and far above rounding."""

_HEADERS = {348: (108, "f"), 540: (168, "q")}
"""Sizes of a header, with the place and the type of the number of bytes before the voxels."""
_MAX_BEFORE = 1 << 24
"""Bytes of header and extensions that are read."""
_AXES = ("sagittal", "coronal", "axial")
_MM = {"meter": 1000.0, "micron": 0.001}
"""What a unit of length is in mm; without a unit lengths are taken to be in mm, as ITK does."""

_GEOMETRY = (
    *("pixdim", "xyzt_units", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"),
)
"""Fields of a header that say where voxels lie."""
_GZIP_LEVEL = 6


@dataclass(frozen=True)
class Volume:
    """A volume that is not read yet.

    slices : how many there are. plane : whether they are axial, coronal or sagittal. size : height and width of each.
    channels : values of a voxel. spacing : from slice to slice, row to row and column to column in mm, by the unit of
    the header; None where it says nothing, and between the slices of one.
    """

    slices: int
    plane: str
    size: tuple[int, int]
    channels: int
    spacing: tuple[float | None, float | None, float | None]

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """The same, 1 where the header says nothing."""
        slices, rows, columns = (1.0 if each is None else each for each in self.spacing)
        return slices, rows, columns

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, height and width."""
        return self.slices, *self.size

    def spaced_like(self, other: Volume) -> bool:
        """Whether its voxels are as far apart along each axis, as far as both headers say."""
        pairs = [(a, b) for a, b in zip(self.spacing, other.spacing, strict=True) if a is not None and b is not None]
        return self.plane == other.plane and all(math.isclose(a, b, rel_tol=SPACING_TOLERANCE) for a, b in pairs)


@dataclass(frozen=True)
class LabelVolume:
    """Labels on the grid of another volume.

    slices : (N, H, W) array to put labels in, which shows the voxels as they are to be stored.
    """

    slices: Array
    _image: Any = field(repr=False)

    def write(self, path: Path) -> None:
        """Write `.nii.gz`, always the same bytes of the same labels; it appears whole or not at all."""
        with (
            atomic_path(path) as temporary,
            temporary.open("wb") as raw,
            gzip.GzipFile("", "wb", _GZIP_LEVEL, raw, mtime=0) as packed,
        ):
            self._image.to_stream(packed)


def is_volume(path: Path) -> bool:
    """Whether a file is called as NIfTI is.

    >>> is_volume(Path("liver_003.nii.gz")), is_volume(Path("liver_003.gz"))
    (True, False)
    """
    return path.name.lower().endswith(SUFFIXES)


def stem(path: Path) -> str:
    """The name of a volume without its ending.

    >>> stem(Path("labelsTr/liver_003.nii.gz"))
    'liver_003'
    """
    name = path.name
    return next((name[: -len(suffix)] for suffix in reversed(SUFFIXES) if name.lower().endswith(suffix)), path.stem)


def open_volume(path: Path) -> Volume:
    """What the header of a file says. Raises UserError naming a file that cannot be read or is no volume."""
    return _described(*_opened(path))


def labels_like(path: Path, dtype: type[np.uint8] | type[np.uint16]) -> LabelVolume:
    """Labels that are all 0, with the shape, the axes and the place of a volume.

    Raises UserError naming a file that cannot be read or is no volume.
    """
    image, turned = _opened(path)
    kind = type(image)
    stored = np.zeros(image.shape[:3], dtype, order="F")
    header = kind.header_class()
    header.set_data_dtype(dtype)
    for name in _GEOMETRY:
        header[name] = image.header[name]
    labels = kind(stored, None, header)
    return LabelVolume(_cut(stored, turned, _AXES.index(_described(image, turned).plane)), labels)


def read_slices(path: Path) -> Array:
    """All slices.

    Returns
    -------
    (N, H, W) array, or (N, H, W, C) of several channels
        Integers as they are stored; float32 where they are scaled or no whole numbers; float values that are all whole
        numbers, as many programs write labels, are integers.

    Raises
    ------
    UserError
        Naming a file that cannot be read, is no volume, or needs more memory than a file may.
    """
    image, turned = _opened(path)
    volume = _described(image, turned)
    stored = image.dataobj
    plain = (float(stored.slope), float(stored.inter)) == (1.0, 0.0)
    check_bytes(path, math.prod(image.shape) * (image.get_data_dtype().itemsize if plain else 4))
    try:
        values = np.asanyarray(stored.get_unscaled()) if plain else np.asarray(stored, np.float32)
    except Exception as error:  # zlib's, gzip's, NumPy's own
        raise unreadable(path, error) from error
    return _cut(_whole_numbers(values), turned, _AXES.index(volume.plane))


_KEPT = ReadOnce(read_slices, files=1)
"""The slices of the last volume that was read slice by slice: a compressed one can be unpacked only whole."""


def read_slice(path: Path, number: int | None) -> Array:
    """One slice, (H, W) or (H, W, C); the whole stack where no number is asked for. Raises as `read_slices`."""
    slices: Array = _KEPT(path)
    if number is None:
        return slices[0] if len(slices) == 1 else slices
    if not 0 <= number < len(slices):
        raise UserError(f"{path}: has {len(slices)} slices; slice {number} was asked for (they count from 0)")
    one: Array = slices[number]
    return one


def _nibabel() -> Any:
    """The library, which few commands need; its functions have no types."""
    import nibabel

    return nibabel


def _opened(path: Path) -> tuple[Any, Array]:
    """The image with its header alone read, and how its axes are turned."""
    nibabel = _nibabel()
    try:
        _check_header(path)
        image = nibabel.load(path)
        shape = tuple(map(int, image.shape))
        turned = nibabel.io_orientation(image.affine)
    except UserError:
        raise
    except Exception as error:  # nibabel's, zlib's, gzip's and NumPy's own
        raise unreadable(path, error) from error
    kind = image.get_data_dtype()
    if not isinstance(image, nibabel.Nifti1Image) or kind.kind not in "biuf":
        raise UserError(f"{path}: holds {kind} values; expected whole numbers or real ones")
    if not 2 <= len(shape) <= 5 or min(shape) < 1 or (len(shape) == 5 and shape[3] != 1):
        raise UserError(f"{path}: has shape {shape}; expected (X, Y), (X, Y, Z) or (X, Y, Z, channels)")
    if np.isnan(turned).any():  # its header places no axis: they are taken as they come
        turned = np.array([[0, 1], [1, 1], [2, 1]])
    return image, np.asarray(turned)[:3]


def _check_header(path: Path) -> None:
    """Raise ValueError for a file whose header asks for more than a header does; voxels are not looked at."""
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    with gzip.open(path) if packed else path.open("rb") as file:
        start = file.read(4)
        order = next((o for o in "<>" if len(start) == 4 and struct.unpack(f"{o}i", start)[0] in _HEADERS), None)
        if order is None:
            raise ValueError("its header is none of NIfTI")
        size = struct.unpack(f"{order}i", start)[0]
        place, kind = _HEADERS[size]
        header = start + file.read(size - 4)
        if len(header) < size:
            raise ValueError("its header is cut short")
        before = struct.unpack_from(f"{order}{kind}", header, place)[0]
        if not 0 <= before <= _MAX_BEFORE:
            raise ValueError(f"its voxels start at byte {before:g}")
        at, extensions = 4, file.read(max(0, int(before) - size))
        while extensions[:1] > b"\0" and at + 8 <= len(extensions):
            length = struct.unpack_from(f"{order}i", extensions, at)[0]
            if not 8 <= length <= len(extensions) - at:
                raise ValueError(f"an extension of its header has {length} bytes")
            at += length


def _described(image: Any, turned: Array) -> Volume:
    shape = (*map(int, image.shape), 1, 1)
    zooms = (*map(float, image.header.get_zooms()), 0.0, 0.0)
    sizes = [1, 1, 1]
    told: list[float | None] = [None, None, None]
    mm = _MM.get(image.header.get_xyzt_units()[0], 1.0)
    for place, axis in enumerate(turned[:, 0].astype(int).tolist()):
        sizes[axis] = shape[place]
        if sizes[axis] > 1 and math.isfinite(zooms[place]) and zooms[place] > 0:
            # a header holds 32-bit floats: the shortest number that is the same one
            told[axis] = float(f"{float(str(np.float32(zooms[place]))) * mm:.9g}")
    across = _across(sizes, [1.0 if each is None else each for each in told])
    right, up = [axis for axis in range(3) if axis != across]
    spacing = (told[across], told[up], told[right])
    return Volume(sizes[across], _AXES[across], (sizes[up], sizes[right]), math.prod(shape[3:]), spacing)


def _across(sizes: Sequence[int], spacing: Sequence[float]) -> int:
    """The axis that a volume is cut across.

    >>> _across((64, 64, 64), (1.0, 1.0, 0.99999994)), _across((64, 1, 64), (1.0, 1.0, 3.0))
    (2, 1)
    """
    flat = [axis for axis in range(3) if sizes[axis] == 1]
    largest = max(spacing)
    wide = [axis for axis in range(3) if math.isclose(spacing[axis], largest, rel_tol=SPACING_TOLERANCE)]
    return (flat or wide)[-1]


def _cut(values: Array, turned: Array, across: int) -> Array:
    """Voxels as they are stored to slices, in which what is superior, or else anterior, is up."""
    channels = math.prod(values.shape[3:])
    spatial = values.reshape((*(*values.shape, 1, 1)[:3], channels))
    upright = np.moveaxis(np.asarray(_nibabel().apply_orientation(spatial, turned)), across, 0)
    slices: Array = upright[:, :, ::-1].swapaxes(1, 2)
    return slices[..., 0] if channels == 1 else slices


def _whole_numbers(values: Array) -> Array:
    """Float values that are all whole numbers as integers; any other values as they are."""
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    # Plane by plane, since whole copies would take twice the memory of a large volume.
    if values.dtype.kind != "f" or not all(_are_whole(plane) for plane in values.T):
        return values
    return values.astype(np.int32)


def _are_whole(values: Array) -> bool:
    return bool((np.abs(values) < 2**31).all() and (values == np.rint(values)).all())
