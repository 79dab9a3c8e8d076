"""Which tool's annotations a source holds, by what lies there, and opening them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal, get_args

from ...io.listing import files_below
from ...text import some
from ...types import UserError
from . import coco, cvat, huggingface, labelme, panoptic, voc, yolo
from .items import Source
from .places import Places, checked_number

Format = Literal["coco", "labelme", "cvat", "voc", "yolo", "huggingface"]

_CHUNK = 1 << 20
_OF_OTHERS = frozenset({"dataset_info.json", "dataset_dict.json", "state.json", "id2label.json", "label2id.json"})
"""JSON files that belong to tables, whatever columns they name."""
_EXPECTED = (
    "COCO JSON (images, annotations, categories), labelme JSON (shapes), CVAT XML (annotations), a folder with "
    "SegmentationClass (VOC), a data.yaml with names (YOLO), or a folder of Hugging Face datasets or Parquet files"
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
    found = {name: opened for name in get_args(Format) if (opened := _OPENERS[name](source)) is not None}
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
        return [name for name in get_args(Format) if _OPENERS[name](source) is not None]
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


def _says(path: Path, *keys: bytes) -> bool:
    """Whether a file holds one of these words, in quotes as JSON has them."""
    longest = max(map(len, keys))
    try:
        with path.open("rb") as file:
            before = b""
            while chunk := file.read(_CHUNK):
                if any(key in before + chunk for key in keys):
                    return True
                before = chunk[-longest:]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    return False


def _json(source: Path) -> tuple[list[Path], list[Path]]:
    """JSON files of labelme, and those of COCO."""
    files = [path.resolve() for path in _files(source, frozenset({".json"})) if path.name not in _OF_OTHERS]
    of_labelme = [path for path in files if _says(path, b'"shapes"') and not _says(path, b'"categories"')]
    rest = [path for path in files if path not in set(of_labelme)]
    return of_labelme, [path for path in rest if _says(path, b'"annotations"', b'"categories"', b'"segments_info"')]


Opened = Callable[[], Source]


def _coco(source: Path) -> Opened | None:
    _, files = _json(source)
    of_panoptic = [path for path in files if _says(path, b'"segments_info"')]
    chosen, _ = coco.instance_files([path for path in files if path not in of_panoptic])
    if of_panoptic and not any(coco.holds_instances(path) for path in chosen):
        chosen = of_panoptic
    others = [path for path in files if path not in chosen]

    def opened() -> Source:
        found: Source
        if chosen == of_panoptic:
            found = panoptic.Panoptic(chosen, Places(source))
        else:
            found = coco.Coco(chosen, Places(source), [path.with_suffix("") for path in of_panoptic])
        found.notes.remarks.extend(coco.left_out(others))
        return found

    return opened if chosen else None


def _labelme(source: Path) -> Opened | None:
    files, _ = _json(source)
    return (lambda: labelme.Labelme(files, Places(source))) if files else None


def _cvat(source: Path) -> Opened | None:
    files = [path.resolve() for path in _files(source, frozenset({".xml"})) if _says(path, b"<annotations")]
    return (lambda: cvat.Cvat(files, Places(source))) if files else None


def _voc(source: Path) -> Opened | None:
    root = voc.voc_root(source)
    return (lambda: voc.Voc(root, Places(source))) if root is not None else None


def _yolo(source: Path) -> Opened | None:
    found = yolo.data_file(source)
    return (lambda: yolo.Yolo(found, Places(source))) if found is not None else None


def _huggingface(source: Path) -> Opened | None:
    parts = huggingface.parts_of(source)
    return (lambda: huggingface.HuggingFace(parts, Places(source))) if parts else None


_OPENERS: dict[str, Callable[[Path], Opened | None]] = {
    "coco": _coco,
    "labelme": _labelme,
    "cvat": _cvat,
    "voc": _voc,
    "yolo": _yolo,
    "huggingface": _huggingface,
}
