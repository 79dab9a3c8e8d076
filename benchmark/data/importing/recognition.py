"""Recognising which tool's annotations a source holds, from its files, and opening them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

from ...io.listing import files_below
from ...text import some
from ...types import UserError
from . import coco, cvat, geojson, huggingface, imagej, labelme, nnunet, panoptic, voc, yolo
from .items import Source
from .places import Places, checked_number

Format = Literal["coco", "labelme", "cvat", "voc", "yolo", "huggingface", "nnunet", "geojson", "imagej"]

_CHUNK = 1 << 20
_SHAPES, _ANNOTATIONS, _CATEGORIES, _SEGMENTS = b'"shapes"', b'"annotations"', b'"categories"', b'"segments_info"'
_OF_COCO = frozenset({_ANNOTATIONS, _CATEGORIES, _SEGMENTS})
_JSON_WORDS = _OF_COCO | {_SHAPES}
"""Keys by which JSON files are told apart, in quotes as they stand there."""
_XML_WORDS = frozenset({b"<annotations"})
_OF_OTHERS = frozenset({"dataset_info.json", "dataset_dict.json", "state.json", "id2label.json", "label2id.json"})
"""JSON files that belong to tables, whatever columns they name."""
_EXPECTED = (
    "COCO JSON (images, annotations, categories), labelme JSON (shapes), CVAT XML (annotations), a folder with "
    "SegmentationClass (VOC), a data.yaml with names (YOLO), a folder of Hugging Face datasets or Parquet files, one "
    "with dataset.json and labelsTr (nnU-Net), or pictures beside files of their names with QuPath's objects "
    "(.geojson) or ImageJ's ROIs (.roi, .zip)"
)


def open_source(source: Path, wanted: Format | None = None) -> Source:
    """The reader of a source: of the format that is wanted, else of the one that lies there.

    Raises
    ------
    UserError
        Where the source holds nothing of the kind, or several kinds.
    """
    if not source.exists():
        raise UserError(f"'{source}' does not exist; expected {_EXPECTED}")
    found = _openers(source)
    if wanted == "cvat" and wanted not in found:  # its other exports are those of these formats
        wanted = next((name for name in ("coco", "voc") if name in found), wanted)
    if wanted is not None:
        return found[wanted]() if wanted in found else _nothing(source, wanted, found)
    if len(found) > 1:
        texts = ", ".join(f"--from {name}" for name in found)
        raise UserError(f"'{source}' holds annotations of several tools. Say which are meant: {texts}.")
    return next(iter(found.values()))() if found else _nothing(source, "", found)


def recognised(source: Path) -> list[str]:
    """Formats of the annotations that lie below a folder; none where that cannot be told."""
    try:
        return list(_openers(source))
    except UserError:
        return []


def _nothing(source: Path, wanted: str, found: Iterable[str]) -> Source:
    there = f" It holds {' and '.join(found)} annotations." if found else ""
    lies = sorted({path.suffix.lower() or "no ending" for path in _files(source, None)})
    lies_text = f" There are files with {some(lies, 8)}." if lies and not found else ""
    what = f"annotations of {wanted}" if wanted else "annotations that are known"
    raise UserError(f"'{source}' holds no {what}.{there}{lies_text} Expected {_EXPECTED}.")


def _files(source: Path, suffixes: frozenset[str] | None) -> list[Path]:
    if source.is_file():
        return [source] if suffixes is None or source.suffix.lower() in suffixes else []
    if suffixes is None:
        return [path for path in source.rglob("*") if path.is_file() and not path.name.startswith(".")][:1000]
    return checked_number(files_below(source, suffixes), source)


def _said(path: Path, words: frozenset[bytes]) -> frozenset[bytes]:
    """Those of these words that a file holds; it is read once, and no further than to the last of them."""
    longest = max(map(len, words))
    found: set[bytes] = set()
    try:
        with path.open("rb") as file:
            before = b""
            while found != words and (chunk := file.read(_CHUNK)):
                found.update(word for word in words - found if word in before + chunk)
                before = chunk[-longest:]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    return frozenset(found)


Opened = Callable[[], Source]
Words = Sequence[tuple[Path, frozenset[bytes]]]
"""JSON files with the words of `_JSON_WORDS` that each holds."""


def _openers(source: Path) -> dict[Format, Opened]:
    """What opens the annotations of each tool that lie in a source."""
    files = [path.resolve() for path in _files(source, frozenset({".json"})) if path.name not in _OF_OTHERS]
    words = [(path, _said(path, _JSON_WORDS)) for path in files]
    found: dict[Format, Opened | None] = {
        "coco": _coco(source, words),
        "labelme": _labelme(source, words),
        "cvat": _cvat(source),
        "voc": _voc(source),
        "yolo": _yolo(source),
        "huggingface": _huggingface(source),
        "nnunet": _nnunet(source),
        "geojson": _geojson(source),
        "imagej": _imagej(source),
    }
    return {name: opened for name, opened in found.items() if opened is not None}


def _is_labelme(words: frozenset[bytes]) -> bool:
    return _SHAPES in words and _CATEGORIES not in words


def _coco(source: Path, words: Words) -> Opened | None:
    files = [(path, held) for path, held in words if not _is_labelme(held) and held & _OF_COCO]
    of_panoptic = [path for path, held in files if _SEGMENTS in held]
    chosen, _ = coco.instance_files([path for path, held in files if _SEGMENTS not in held])
    if of_panoptic and not any(coco.holds_instances(path) for path in chosen):
        chosen = of_panoptic
    taken = frozenset(chosen)
    others = [path for path, _ in files if path not in taken]

    def opened() -> Source:
        found: Source
        if chosen == of_panoptic:
            found = panoptic.Panoptic(chosen, Places(source))
        else:
            found = coco.Coco(chosen, Places(source), [path.with_suffix("") for path in of_panoptic])
        found.notes.remarks.extend(coco.left_out(others))
        return found

    return opened if chosen else None


def _labelme(source: Path, words: Words) -> Opened | None:
    files = [path for path, held in words if _is_labelme(held)]
    return (lambda: labelme.Labelme(files, Places(source))) if files else None


def _cvat(source: Path) -> Opened | None:
    files = [path.resolve() for path in _files(source, frozenset({".xml"})) if _said(path, _XML_WORDS)]
    return (lambda: cvat.Cvat(files, Places(source))) if files else None


def _voc(source: Path) -> Opened | None:
    root = voc.voc_root(source)
    return (lambda: voc.Voc(root, Places(source))) if root is not None else None


def _yolo(source: Path) -> Opened | None:
    found = yolo.data_file(source)
    return (lambda: yolo.Yolo(found, Places(source))) if found is not None else None


def _nnunet(source: Path) -> Opened | None:
    root = nnunet.described(source)
    return (lambda: nnunet.NnUNet(root)) if root is not None else None


def _geojson(source: Path) -> Opened | None:
    files = [path.resolve() for path in _files(source, frozenset({geojson.SUFFIX}))]
    return (lambda: geojson.GeoJson(files, Places(source))) if files else None


def _imagej(source: Path) -> Opened | None:
    files = [path.resolve() for path in _files(source, imagej.SUFFIXES) if imagej.holds_rois(path)]
    return (lambda: imagej.ImageJ(files, Places(source))) if files else None


def _huggingface(source: Path) -> Opened | None:
    parts = huggingface.parts_of(source)
    return (lambda: huggingface.HuggingFace(parts, Places(source))) if parts else None
