"""Data sets in the layout of nnU-Net and of the Medical Segmentation Decathlon: dataset.json, imagesTr, labelsTr.

Volumes (NIfTI) become slices, each a picture, in a subfolder of their case. Reference: nnU-Net v2,
documentation/dataset_format.md; Antonelli et al., The Medical Segmentation Decathlon, 2022.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from ...io.images import nifti
from ...io.images.picture import PICTURE_SUFFIXES
from ...io.images.read import read_array
from ...io.images.rle import short
from ...text import counted, some
from ...types import Array, Float64, Uint8, UserError
from ..coco_annotations import load_json
from .items import Item, Notes, Order, Raster, SourceClass, kind_of
from .outlines import check_canvas

DESCRIPTION = "dataset.json"
_PARTS = {"train": ("imagesTr", "labelsTr"), "test": ("imagesTs", "labelsTs")}
_CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")
_MOST = 65_535
_CHANNELS = 3
_LOW, _HIGH = 0.5, 99.5
"""Percentiles of intensities that become black and white, those that nnU-Net clips a CT at."""
_SAMPLED = 10_000
"""Voxels of a case that the window of a CT is found from."""
_LOSSLESS = frozenset({".png", ".tif", ".tiff", ".bmp"})


def described(source: Path) -> Path | None:
    """The folder with dataset.json and labelsTr that a source is, or that it holds alone; None where there is none.

    Raises UserError where it holds several.
    """
    if not source.is_dir():
        return None
    folders = [source, *sorted(path for path in source.iterdir() if path.is_dir() and not path.name.startswith("."))]
    found = [each for each in folders if (each / DESCRIPTION).is_file() and (each / _PARTS["train"][1]).is_dir()]
    if len(found) > 1 and source not in found:
        raise UserError(f"'{source}' holds {len(found)} data sets ({some([p.name for p in found], 3)}); give one")
    return found[0].resolve() if found else None


@dataclass(frozen=True)
class _Case:
    """The files of a case: its labels, and its channels in their order (none where they are not there)."""

    name: str
    split: str
    labels: Path
    channels: tuple[Path, ...]


@dataclass
class NnUNet:
    """One data set."""

    root: Path
    notes: Notes = field(default_factory=Notes)
    format: ClassVar[str] = "nnunet"
    order: ClassVar[Order] = "drawn"
    categories: ClassVar[Sequence[Mapping[str, Any]]] = ()

    def __post_init__(self) -> None:
        where = self.root / DESCRIPTION
        content = load_json(where)
        if not isinstance(content, dict):
            raise UserError(f"{where}: is {short(content)}; expected an object with labels")
        self.classes = _classes(content.get("labels"), where, self.notes)
        channels = content.get("channel_names", content.get("modality"))
        names = channels.values() if isinstance(channels, dict) else ()
        self._is_ct = any(str(name).strip().lower() == "ct" for name in names)
        self._cases = list(self._found())

    def items(self) -> Iterator[Item]:
        """The slices of every case in their order; raises UserError for one that cannot be read, or does not fit."""
        window = self._window() if self._is_ct else None
        known = {each.value for each in self.classes}
        planes = {nifti.open_volume(case.labels).plane for case in self._cases if nifti.is_volume(case.labels)}
        if planes:
            self.notes.remarks.append(
                f"volumes became {' or '.join(sorted(planes))} slices: they are cut across their largest spacing"
            )
        for case in self._cases:
            labels = _labels(case, known)
            if not nifti.is_volume(case.labels):
                yield self._picture(case, labels[0])
                continue
            pictures = self._pictures(case, labels.shape, window)
            digits = len(str(len(labels) - 1))
            for number, (drawn, picture) in enumerate(zip(labels, pictures, strict=True)):
                name = PurePosixPath(case.name, f"z{number:0{digits}d}.png")
                size = (int(drawn.shape[0]), int(drawn.shape[1]))
                where = f"{case.labels}, slice {number}"
                yield Item(name, picture, size, Raster(drawn), where, case.split, bytes_from="cut from volumes")

    def _found(self) -> Iterator[_Case]:
        scored = (self.root / _PARTS["test"][1]).is_dir()
        for split, (images, labels) in _PARTS.items():
            folder = self.root / labels
            if not folder.is_dir():
                continue
            channels = _channels(self.root / images)
            for path in sorted(folder.iterdir(), key=lambda each: each.name):
                if path.name.startswith(".") or not path.is_file():
                    continue
                if not (nifti.is_volume(path) or path.suffix.lower() in _LOSSLESS):
                    self.notes.skip("file", "is no NIfTI, PNG, TIFF or BMP", str(path))
                    continue
                case = nifti.stem(path) if nifti.is_volume(path) else path.stem
                yield _Case(case, split if scored else "", path, channels.get(case, ()))
        if not scored and (self.root / _PARTS["test"][0]).is_dir():
            self.notes.remarks.append(f"{_PARTS['test'][0]} has no labels and is not taken")

    def _picture(self, case: _Case, labels: Array) -> Item:
        """A case of two dimensions: its picture is taken as it is."""
        if len(case.channels) > 1:
            self.notes.skip("channel", "the first of a picture alone is taken", str(case.channels[1]))
        picture = case.channels[0] if case.channels else None
        suffix = ".png" if picture is None else picture.suffix
        size = (int(labels.shape[0]), int(labels.shape[1]))
        return Item(PurePosixPath(case.name + suffix), picture, size, Raster(labels), str(case.labels), case.split)

    def _pictures(self, case: _Case, shape: Sequence[int], window: Float64 | None) -> Iterator[bytes | None]:
        """A PNG of 8 bits of every slice, the first three channels as colours; None where there is no image."""
        if not case.channels:
            return iter([None] * shape[0])
        values = _values(case)
        if values.shape[:3] != tuple(shape[:3]):
            raise UserError(
                f"{case.channels[0]}: is of {_told(values.shape)}; its labels '{case.labels}' are of {_told(shape)}"
            )
        if values.shape[3] > _CHANNELS:
            self.notes.skip("channel", f"a picture has {_CHANNELS}: the first are taken", str(case.channels[0]))
            values = values[..., :_CHANNELS]
        shades = np.stack([_shades(values[..., c], window) for c in range(values.shape[3])], axis=-1)
        return map(_png, shades)

    def _window(self) -> Float64 | None:
        """The intensities of a CT that become black and white: percentiles of what is labelled, over all cases."""
        found = []
        for case in self._cases:
            if not case.channels or not nifti.is_volume(case.labels):
                continue
            values, labels = nifti.read_slices(case.channels[0]), nifti.read_slices(case.labels)
            inside = values[labels > 0] if values.shape == labels.shape else values[:0].ravel()
            found.append(inside[:: max(1, inside.size // _SAMPLED)].astype(np.float64))
        known = np.concatenate(found) if found else np.zeros(0)
        known = known[np.isfinite(known)]
        if not known.size:
            return None
        window: Float64 = np.percentile(known, (_LOW, _HIGH))
        self.notes.remarks.append(
            f"CT: {window[0]:g} to {window[1]:g} became black to white, percentiles {_LOW:g} and {_HIGH:g} of what is "
            "labelled"
        )
        return window


def _classes(content: Any, where: Path, notes: Notes) -> list[SourceClass]:
    """Classes of `labels`: of version 2 names with values, of version 1 values with names; regions make none."""
    if not isinstance(content, dict) or not content:
        raise UserError(f"{where}: 'labels' is {short(content)}; expected names of classes with their values")
    names: dict[int, str] = {}
    in_regions: set[int] = set()
    for key, value in content.items():
        name, number = (value, key) if isinstance(value, str) else (key, value)
        if isinstance(number, list):
            in_regions.update(_value(each, where) for each in number)
            continue
        label = _value(number, where)
        if label in names:
            raise UserError(f"{where}: names the value {label} twice, '{names[label]}' and {short(name)}")
        names[label] = _name(name, where)
    unnamed = sorted(in_regions - names.keys())
    if in_regions:
        notes.remarks.append(
            "regions of several values are not taken: each value is a class"
            + (f" ({some([f'label {v}' for v in unnamed])} after their numbers)" if unnamed else "")
        )
    names |= {label: f"label {label}" for label in unnamed}
    if len(set(names.values())) < len(names) or len(names) < 2:
        raise UserError(f"{where}: names {len(names)} classes; expected two or more, each with a name of its own")
    return [
        SourceClass(name, "background" if label == 0 else kind_of(name), value=label)
        for label, name in sorted(names.items())
    ]


def _value(number: Any, where: Path) -> int:
    text = str(number) if isinstance(number, (int, str)) and not isinstance(number, bool) else ""
    if not text.isdecimal() or int(text) > _MOST:
        raise UserError(f"{where}: holds the label value {short(number)}; expected a whole number from 0 to {_MOST}")
    return int(text)


def _name(name: Any, where: Path) -> str:
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise UserError(f"{where}: a class is called {short(name)}; expected a name")
    return name.strip()


def _channels(folder: Path) -> dict[str, tuple[Path, ...]]:
    """The files of every case in their order: CASE_0000, CASE_0001, …, or CASE alone."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir(), key=lambda each: each.name) if folder.is_dir() else ():
        if path.name.startswith(".") or not path.is_file():
            continue
        if nifti.is_volume(path) or path.suffix.lower() in PICTURE_SUFFIXES:
            stem = nifti.stem(path) if nifti.is_volume(path) else path.stem
            named = _CHANNEL.fullmatch(stem)
            found.setdefault(named["case"] if named else stem, []).append(path)
    return {case: tuple(paths) for case, paths in found.items()}


def _labels(case: _Case, known: set[int | None]) -> Array:
    """(N, H, W) values that are all known."""
    values = nifti.read_slices(case.labels) if nifti.is_volume(case.labels) else read_array(case.labels)[None]
    if values.ndim != 3 or values.dtype.kind not in "iu":
        raise UserError(
            f"{case.labels}: holds {values.dtype} of shape {values.shape}; expected one label of each voxel"
        )
    check_canvas((int(values.shape[1]), int(values.shape[2])), str(case.labels))
    if unknown := sorted({int(v) for v in np.unique(values)} - {v for v in known if v is not None}):
        raise UserError(f"{case.labels}: holds the label value {unknown[0]}, which {DESCRIPTION} does not name")
    return values.astype(np.uint16)


def _values(case: _Case) -> Array:
    """(N, H, W, C) intensities of all channels."""
    parts = [nifti.read_slices(path) for path in case.channels]
    parts = [part[..., None] if part.ndim == 3 else part for part in parts]
    for path, part in zip(case.channels, parts, strict=True):
        if part.shape[:3] != parts[0].shape[:3]:
            raise UserError(
                f"{path}: is of {_told(part.shape)}; the first channel, '{case.channels[0]}', "
                f"is of {_told(parts[0].shape)}"
            )
    return np.concatenate(parts, axis=-1)


def _shades(values: Array, window: Float64 | None) -> Uint8:
    """Intensities (N, H, W) as 0 to 255: of a window, else of percentiles of the volume; 8 bits stay as they are."""
    if values.dtype == np.uint8:
        return values
    real = np.where(np.isfinite(values), values, np.nan).astype(np.float32)
    low, high = np.nanpercentile(real, (_LOW, _HIGH)) if window is None and not np.isnan(real).all() else (0.0, 1.0)
    if window is not None:
        low, high = window
    scaled = (np.nan_to_num(real, nan=float(low)) - low) / max(float(high - low), 1e-12)
    return np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8)


def _png(picture: Uint8) -> bytes:
    """A picture (H, W, 1), (H, W, 2) or (H, W, 3); of two channels blue is black."""
    if picture.shape[2] == 1:
        picture = picture[..., 0]
    elif picture.shape[2] == 2:
        picture = np.concatenate([picture, np.zeros_like(picture[..., :1])], axis=-1)
    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(content, format="PNG")
    return content.getvalue()


def _told(shape: Sequence[int]) -> str:
    """The size of slices in words."""
    return f"{counted(int(shape[0]), 'slice')} of {shape[1]} x {shape[2]}"
