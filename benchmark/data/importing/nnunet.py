"""Data sets in the layout of nnU-Net and of the Medical Segmentation Decathlon: dataset.json, imagesTr, labelsTr.

Volumes (NIfTI) become slices, each a picture, in a subfolder of their case. An image is one file in the Decathlon, and
a file for each channel, called `CASE_0000`, …, in nnU-Net; dataset.json tells which. Reference: nnU-Net v2,
documentation/dataset_format.md; Antonelli et al., The Medical Segmentation Decathlon, 2022.
"""

from __future__ import annotations

import io
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
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
from ..volume_slices import HIGH, LOW, MAX_CHANNELS, case_and_channel, check_grid, read_channels, slice_pictures
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


class _Files(Enum):
    """What the names of image files are, where a case is the name of a label file."""

    CHANNELS = "a case with the number of a channel"
    CASES = "a case"
    UNTOLD = "either"

    @classmethod
    def told(cls, content: Mapping[str, Any], images: Path) -> _Files:
        """What dataset.json says of the files in imagesTr.

        Version 2 of nnU-Net has keys of its own. Version 1 has those of the Decathlon, but lists images by names that
        their files have only after a number is put behind.
        """
        if "channel_names" in content or "file_ending" in content:
            return cls.CHANNELS
        there = {path.name for path in _files(images)}
        listed = _listed(content.get("training"), "image")
        if any(name not in there and _numbered(name) in there for name in listed):
            return cls.CHANNELS
        return cls.CASES if there.intersection(listed) else cls.UNTOLD

    def case(self, stem: str, cases: Container[str]) -> str | None:
        """The one of these cases that an image file belongs to; None where it is of none.

        >>> [each.case("liver_0001", {"liver", "liver_0001"}) for each in _Files]
        ['liver', 'liver_0001', 'liver_0001']
        """
        numbered = case_and_channel(stem)[0]
        names = {_Files.CHANNELS: (numbered, stem), _Files.CASES: (stem,), _Files.UNTOLD: (stem, numbered)}[self]
        return next((name for name in names if name in cases), None)


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
        self._files = _Files.told(content, self.root / _PARTS["train"][0])
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
            pictures = self._pictures(case, len(labels), window)
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
            drawn = [path for path in _files(folder) if self._holds_labels(path)]
            channels = _channels(self.root / images, {_stem(path) for path in drawn}, self._files)
            for path in drawn:
                yield _Case(_stem(path), split if scored else "", path, channels.get(_stem(path), ()))
        if not scored and (self.root / _PARTS["test"][0]).is_dir():
            self.notes.remarks.append(f"{_PARTS['test'][0]} has no labels and is not taken")

    def _holds_labels(self, path: Path) -> bool:
        held = nifti.is_volume(path) or path.suffix.lower() in _LOSSLESS
        if not held:
            self.notes.skip("file", "is no NIfTI, PNG, TIFF or BMP", str(path))
        return held

    def _picture(self, case: _Case, labels: Array) -> Item:
        """A case of two dimensions: its picture is taken as it is."""
        if len(case.channels) > 1:
            self.notes.skip("channel", "the first of a picture alone is taken", str(case.channels[1]))
        picture = case.channels[0] if case.channels else None
        suffix = ".png" if picture is None else picture.suffix
        size = (int(labels.shape[0]), int(labels.shape[1]))
        return Item(PurePosixPath(case.name + suffix), picture, size, Raster(labels), str(case.labels), case.split)

    def _pictures(self, case: _Case, slices: int, window: tuple[float, float] | None) -> Iterator[bytes | None]:
        """A PNG of 8 bits of every slice, the first three channels as colours; None where there is no image."""
        if not case.channels:
            return iter([None] * slices)
        drawn = nifti.open_volume(case.labels)
        for path in case.channels:
            check_grid(path, nifti.open_volume(path), drawn, f"its labels '{case.labels}' are")
        channels = read_channels(case.channels)
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


def _listed(content: Any, key: str) -> list[str]:
    """Names of files in the list of a dataset.json, which are paths such as `./imagesTr/liver_3.nii.gz`."""
    entries = [each.get(key) for each in content if isinstance(each, dict)] if isinstance(content, list) else []
    return [PurePosixPath(each).name for each in entries if isinstance(each, str)]


def _numbered(name: str) -> str:
    """The file of the first channel of an image.

    >>> _numbered("liver_3.nii.gz")
    'liver_3_0000.nii.gz'
    """
    stem = _stem(Path(name))
    return f"{stem}_0000{name[len(stem) :]}"


def _stem(path: Path) -> str:
    return nifti.stem(path) if nifti.is_volume(path) else path.stem


def _files(folder: Path) -> list[Path]:
    """The files of a folder by name; none of one that is not there."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted((p for p in found if p.is_file() and not p.name.startswith(".")), key=lambda path: path.name)


def _channels(folder: Path, cases: Container[str], files: _Files) -> dict[str, tuple[Path, ...]]:
    """The image files of every case in the order of its channels: CASE_0000, CASE_0001, …, or CASE alone."""
    found: dict[str, list[Path]] = {}
    for path in _files(folder):
        if nifti.is_volume(path) or path.suffix.lower() in PICTURE_SUFFIXES:
            case = files.case(_stem(path), cases)
            if case is not None:
                found.setdefault(case, []).append(path)
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
