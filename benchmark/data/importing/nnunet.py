"""Data sets in the layout of nnU-Net and of the Medical Segmentation Decathlon: dataset.json, imagesTr, labelsTr.

Volumes (NIfTI) become slices, each a picture, in a subfolder of their case. Reference: nnU-Net v2,
documentation/dataset_format.md; Antonelli et al., The Medical Segmentation Decathlon, 2022.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from ...io.images import nifti
from ...io.images.picture import PICTURE_SUFFIXES
from ...io.images.read import read_array
from ...io.images.rle import short
from ...text import some
from ...types import Array, Uint8, UserError, VolumeSlices
from ..coco_annotations import load_json
from ..volume_slices import HIGH, LOW, MAX_CHANNELS, case_and_channel, read_channels, slice_pictures, slices_told
from .items import Item, Notes, Order, Raster, SourceClass, kind_of
from .outlines import check_canvas

DESCRIPTION = "dataset.json"
_PARTS = {"train": ("imagesTr", "labelsTr"), "test": ("imagesTs", "labelsTs")}
_MOST = 65_535
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
        self._rule: VolumeSlices | None = None
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
        volumes = {case.name: nifti.open_volume(case.labels) for case in self._cases if nifti.is_volume(case.labels)}
        planes = {volume.plane for volume in volumes.values()}
        if planes:
            self.notes.volumes = VolumeSlices(spacing_mm={name: each.spacing_mm for name, each in volumes.items()})
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

    def _pictures(
        self, case: _Case, shape: Sequence[int], window: tuple[float, float] | None
    ) -> Iterator[bytes | None]:
        """A PNG of 8 bits of every slice, the first three channels as colours; None where there is no image."""
        if not case.channels:
            return iter([None] * shape[0])
        channels = read_channels(case.channels)
        if channels[0].shape != tuple(shape):
            raise UserError(
                f"{case.channels[0]}: is of {slices_told(channels[0].shape)}; its labels '{case.labels}' are of "
                f"{slices_told(shape)}"
            )
        if len(channels) > MAX_CHANNELS:
            self.notes.skip("channel", f"a picture has {MAX_CHANNELS}: the first are taken", str(case.channels[0]))
        rule = VolumeSlices(len(channels), window)
        if self._rule is None:
            self._rule = rule
            self.notes.volumes = replace(rule, spacing_mm=self.notes.volumes.spacing_mm if self.notes.volumes else {})
        return map(_png, slice_pictures(channels, rule))

    def _window(self) -> tuple[float, float] | None:
        """The intensities of a CT that become black and white: percentiles of what is labelled.

        Labels that are kept for scoring say nothing here, as long as there are others.
        """
        found = []
        for case in [each for each in self._cases if each.split != "test"] or self._cases:
            if not case.channels or not nifti.is_volume(case.labels):
                continue
            values, labels = nifti.read_slices(case.channels[0]), nifti.read_slices(case.labels)
            inside = values[labels > 0] if values.shape == labels.shape else values[:0].ravel()
            found.append(inside[:: max(1, inside.size // _SAMPLED)].astype(np.float64))
        known = np.concatenate(found) if found else np.zeros(0)
        known = known[np.isfinite(known)]
        if not known.size:
            return None
        low, high = map(float, np.percentile(known, (LOW, HIGH)))
        self.notes.remarks.append(
            f"CT: {low:g} to {high:g} became black to white, percentiles {LOW:g} and {HIGH:g} of what is labelled"
        )
        return low, high


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
            found.setdefault(case_and_channel(stem)[0], []).append(path)
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


def _png(picture: Uint8) -> bytes:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, format="PNG")
    return content.getvalue()
