"""Predictions in the form that the official servers and tools take. The same predictions give the same bytes."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from ..io.atomic import output_path, temporary_folder
from ..io.images.read import palette_color
from ..io.images.rle import decode_rle
from ..types import Array, DatasetInfo, Object, Prediction, UserError
from .coco_results_writer import write_object_results, write_stuff_results
from .export_format import ExportedRun, ExportFormat
from .find import write_stack

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")

TIFF_SUFFIXES = (".tif", ".tiff")

_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can hold
_PALETTE = [channel for index in range(256) for channel in palette_color(index)]


class CityscapesFormat(ExportFormat):
    """A folder or a zip file with a PNG of labelIds, or a list of objects, for each image."""

    folder = True

    def write(self, out: Path, pairs: Iterable[tuple[str, Array]], run: ExportedRun) -> None:
        """See `write_cityscapes`."""
        del run
        write_cityscapes(out, pairs)

    def write_objects(self, out: Path, pairs: Iterable[tuple[str, Sequence[Object]]]) -> None:
        """See `write_cityscapes_objects`."""
        write_cityscapes_objects(out, pairs)


class VOC2012Format(ExportFormat):
    """A tar archive with a palette PNG for each image."""

    def write(self, out: Path, pairs: Iterable[tuple[str, Array]], run: ExportedRun) -> None:
        """See `write_voc2012`."""
        write_voc2012(out, pairs, run.split, run.competition)


class ISBI2012Format(ExportFormat):
    """A multi-page TIFF of probabilities."""

    suffixes = TIFF_SUFFIXES

    def check(self, where: str, values: Array, info: DatasetInfo) -> None:
        """Raise UserError for anything but 32-bit probabilities (H, W)."""
        del info
        if values.ndim != 2 or values.dtype != np.float32 or not ((values >= 0) & (values <= 1)).all():
            raise UserError(
                f"{where}: has shape {values.shape} and type {values.dtype}; expected 32-bit floats in 0..1"
            )

    def write(self, out: Path, pairs: Iterable[tuple[str, Array]], run: ExportedRun) -> None:
        """See `write_stack`."""
        del run
        with output_path(out) as temporary:
            write_stack(temporary, (Prediction(probabilities=values) for _, values in pairs))


class COCOResultsFormat(ExportFormat):
    """COCO results: a mask for each class of each image, or for each object."""

    suffixes = (".json",)

    def told(self, held: set[int], info: DatasetInfo) -> set[int]:
        """All but void: a pixel without a mask, which the form can say, but not of every pixel."""
        return held - {info.ignore_label} or held

    def write(self, out: Path, pairs: Iterable[tuple[str, Array]], run: ExportedRun) -> None:
        """See `write_stuff_results`."""
        write_stuff_results(out, pairs, run.info)

    def write_objects(self, out: Path, pairs: Iterable[tuple[str, Sequence[Object]]]) -> None:
        """See `write_object_results`."""
        write_object_results(out, pairs)


def write_cityscapes(out: Path, pairs: Iterable[tuple[str, Array]]) -> None:
    """Write label maps as the Cityscapes server and `evalPixelLevelSemanticLabeling` take them.

    Parameters
    ----------
    out : Path
        A new folder, or a file ending in `.zip`. Holds `<city>_<sequence>_<frame>_pred_labelIds.png` afterwards.
    pairs : iterable of (sample id, labels)
        Labels are labelIds (H, W) uint8.
    """
    _write_files(out, ((f"{sample_id}_pred_labelIds.png", _png(labels)) for sample_id, labels in pairs))


def write_cityscapes_objects(out: Path, pairs: Iterable[tuple[str, Sequence[Object]]]) -> None:
    """Write found objects as the Cityscapes server and `evalInstanceLevelSemanticLabeling` take them.

    Parameters
    ----------
    out : Path
        A new folder, or a file ending in `.zip`. Holds `<city>_<sequence>_<frame>_pred.txt` afterwards, with a line
        `mask labelId score` for each object, and the masks as 8-bit images (255 on the object) below `masks/`.
    pairs : iterable of (sample id, objects)
        Objects may overlap; an image without any has an empty file.
    """
    _write_files(out, _object_files(pairs))


def _object_files(pairs: Iterable[tuple[str, Sequence[Object]]]) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the masks of every image, each image's list after its masks."""
    for sample_id, objects in pairs:
        lines = []
        for number, found in enumerate(objects):
            name = f"masks/{sample_id}_{number:03d}.png"
            mask = found.mask
            shown = mask if isinstance(mask, np.ndarray) else decode_rle(mask, f"object {number} of '{sample_id}'")
            lines.append(f"{name} {found.label} {float(found.score)!r}\n")
            yield name, _png(np.where(shown, 255, 0))
        yield f"{sample_id}_pred.txt", "".join(lines).encode("ascii")


def _write_files(out: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write files into a new folder, or into an archive where `out` ends in `.zip`."""
    if out.suffix.lower() != ".zip":
        with new_folder(out) as folder:
            for name, content in files:
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_bytes(content)
        return
    with output_path(out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in files:
            entry = zipfile.ZipInfo(name, _ZIP_DATE)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, content)


def write_voc2012(out: Path, pairs: Iterable[tuple[str, Array]], split: str, competition: int = 5) -> None:
    """Write label maps as the VOC 2012 server and `VOCevalseg` take them.

    Parameters
    ----------
    out : Path
        An archive ending in `.tar`, `.tar.gz` or `.tgz`. Holds
        `results/VOC2012/Segmentation/comp<competition>_<split>_cls/<id>.png` afterwards, palette images.
    pairs : iterable of (sample id, labels)
        Labels are class indices (H, W) uint8.
    split : str
        As in the name of its list: `val`, `test`, … .
    competition : {5, 6}
        5: trained on the challenge's data alone, 6: on other data too.

    Raises
    ------
    UserError
        For a file name that is no such archive, or another competition.
    """
    if not out.name.lower().endswith(TAR_SUFFIXES):
        raise UserError(f"--out '{out}': VOC 2012 takes a tar archive; end the name with .tar or .tar.gz")
    place = f"results/VOC2012/Segmentation/comp{competition}_{split}_cls"
    with (
        output_path(out) as temporary,
        temporary.open("wb") as raw,
        _packed(out, raw) as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for sample_id, labels in pairs:
            content = _png(labels, _PALETTE)
            entry = tarfile.TarInfo(f"{place}/{sample_id}.png")  # of time 0 and of nobody
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def refuse_used(path: Path) -> None:
    """Raise UserError if there is anything at `path` but an empty folder."""
    if path.is_dir() and any(path.iterdir()):
        raise UserError(f"--out '{path}' is not empty; name a new folder")
    if path.exists() and not path.is_dir():
        raise UserError(f"--out '{path}' is a file; name a new folder")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` that becomes it when the block ends without an error.

    Raises
    ------
    UserError
        If there is anything at `path` but an empty folder.
    """
    refuse_used(path)
    with temporary_folder(path) as temporary:
        content = temporary / "content"
        content.mkdir()  # with the rights that the user's umask says, which a temporary folder does not have
        yield content
        if path.is_dir():
            path.rmdir()
        content.rename(path)


@contextmanager
def _packed(out: Path, raw: IO[bytes]) -> Iterator[IO[bytes]]:
    """The file itself, or a stream that is compressed into it where the name says so."""
    if out.name.lower().endswith(".tar"):
        yield raw
        return
    with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
        yield packed  # type: ignore[misc]


def _png(values: Array, palette: Sequence[int] | None = None) -> bytes:
    image = Image.fromarray(values.astype(np.uint8))
    if palette is not None:
        image.putpalette(palette)
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()
