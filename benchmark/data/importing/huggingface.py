"""Hugging Face `datasets`: folders of `save_to_disk` and Parquet files, with a column of pictures and one of labels.

Both are Arrow's formats and are read as such: nothing of the package `datasets` is needed, and no code of a data set is
run. Reference: huggingface.co/docs/datasets, "Dataset features", Image: a struct of bytes and path.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from ...io.images.limits import check_bytes
from ...io.images.rle import short
from ...io.listing import files_below
from ...text import some
from ...types import Array, UserError
from ..coco_annotations import load_json
from .items import Item, Notes, Order, SourceClass, kind_of
from .outlines import check_canvas
from .pictures import suffix_of, upright_size
from .places import Places, split_in

_IMAGES = ("image", "img", "pixel_values", "picture", "photo", "input_image")
_LABELS = (
    *("label", "labels", "mask", "masks", "annotation", "annotations", "segmentation", "segmentation_mask", "seg"),
    *("semantic_segmentation", "label_image", "label_map", "semantic", "gt", "ground_truth", "target"),
)
_NAMES = ("id2label.json", "label2id.json")
_SPLIT = re.compile(r"\w+(\.\w+)*")
"""Names of splits, as the package takes them."""
_BATCH = 8
_LOSSLESS = frozenset({".png", ".tif", ".bmp", ".gif"})
_MAX_BATCH_BYTES = 2_000_000_000


@dataclass(frozen=True)
class Part:
    """Files of one split, in their order; Arrow streams or Parquet."""

    split: str
    files: tuple[Path, ...]


def parts_of(source: Path) -> list[Part]:
    """The splits of a folder of `save_to_disk`, or of Parquet files by their names; empty where there are none.

    Raises UserError for a folder whose own list of files is unsound.
    """
    if source.is_file():
        return [Part("", (source.resolve(),))] if source.suffix.lower() == ".parquet" else []
    source = source.resolve()
    if (source / "dataset_dict.json").is_file():
        splits = load_json(source / "dataset_dict.json")
        names = splits.get("splits") if isinstance(splits, dict) else None
        if not isinstance(names, list) or not all(isinstance(n, str) and _SPLIT.fullmatch(n) for n in names):
            raise UserError(f"{source / 'dataset_dict.json'}: 'splits' is {short(names)}; expected names of folders")
        return [Part(split_in([name]), _stored(source / name, source)) for name in names]
    if (source / "state.json").is_file():
        return [Part("", _stored(source, source))]
    found: dict[str, list[Path]] = {}
    for path in files_below(source, {".parquet"}):
        found.setdefault(split_in([*path.relative_to(source).parts[:-1], path.stem]), []).append(path)
    return [Part(split, tuple(files)) for split, files in found.items()]


def _stored(folder: Path, source: Path) -> tuple[Path, ...]:
    """The Arrow files that `state.json` names, which lie beside it."""
    where = folder / "state.json"
    state = load_json(where)
    entries = state.get("_data_files") if isinstance(state, dict) else None
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{where}: '_data_files' is {short(entries)}; expected the names of Arrow files")
    files = []
    for entry in entries:
        name = entry.get("filename") if isinstance(entry, dict) else None
        path = (folder / name).resolve() if isinstance(name, str) and "\0" not in name and len(name) < 256 else None
        if path is None or not path.is_relative_to(source) or not path.is_file():
            raise UserError(f"{where}: names the file {short(name)}; expected an Arrow file beside it")
        files.append(path)
    return tuple(files)


@dataclass
class HuggingFace:
    """Splits of one data set. Classes are those of id2label.json; without it they are guessed from the label maps."""

    parts: Sequence[Part]
    places: Places
    notes: Notes = field(default_factory=Notes)
    format: ClassVar[str] = "huggingface"
    order: ClassVar[Order] = "drawn"
    categories: ClassVar[Sequence[Mapping[str, Any]]] = ()

    def __post_init__(self) -> None:
        self._image, self._label = _columns(_schema(self.parts[0].files[0]), self.parts[0].files[0])
        self.classes = self._named_classes()

    def items(self) -> Iterator[Item]:
        """The rows of every split, in their order; raises UserError for a row without a picture or its labels."""
        seen: set[PurePosixPath] = set()
        for part in self.parts:
            for number, (file, row) in enumerate(self._rows(part)):
                where = f"{file}: row {number} of '{part.split}'" if part.split else f"{file}: row {number}"
                item = self._item(row, number, where, part.split)
                if item.name in seen:  # the same name in another split
                    name = f"{part.split or 'row'}_{number:06d}{item.name.suffix}"
                    item = replace(item, name=PurePosixPath(name))
                seen.add(item.name)
                yield item

    def _rows(self, part: Part) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        """The file and the cells of every row of a split."""
        for file in part.files:
            for batch in _batches(file, [self._image, self._label]):
                for row in batch.to_pylist():
                    yield file, row

    def _item(self, row: Mapping[str, Any], number: int, where: str, split: str) -> Item:
        picture, name = self._bytes(row[self._image], f"{where}: '{self._image}'")
        stem = PurePosixPath(name.replace("\\", "/")).stem if name else ""
        suffix = suffix_of(picture, f"{where}: '{self._image}'")
        labels = None if row[self._label] is None else self._labels(row[self._label], f"{where}: '{self._label}'")
        size = upright_size(picture, where)
        check_canvas(size, where)
        plain = stem if stem and stem.isprintable() else f"{split}_{number:06d}".lstrip("_")
        return Item(PurePosixPath(plain + suffix), picture, size, labels, where, split)

    def _bytes(self, value: Any, where: str) -> tuple[bytes, str]:
        """The content of a picture and the name that it had; one that is kept elsewhere lies inside the source."""
        content, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
        name = path if isinstance(path, str) else ""
        if isinstance(content, bytes):
            return content, name
        if not name:
            raise UserError(f"{where} is {short(value)}; expected a picture, as datasets.Image stores it")
        found = self.places.named(name, self.places.root, where)
        if found is None:
            raise UserError(f"{where}: {short(name)} is neither in the table nor below '{self.places.root}'")
        return found.read_bytes(), name

    def _labels(self, value: Any, where: str) -> bytes:
        """The content of a file of labels: that of the table, or a PNG of its array."""
        if isinstance(value, list):
            return _as_png(value, where)
        content, _ = self._bytes(value, where)
        if suffix_of(content, where) not in _LOSSLESS:
            raise UserError(f"{where} is a JPEG or WebP, which cannot hold labels; expected PNG or TIFF")
        return content

    def _named_classes(self) -> list[SourceClass]:
        """Classes by `id2label.json`; none where there is no such file."""
        path = next((p for name in _NAMES if (p := self.places.root / name).is_file()), None)
        if path is None:
            self.notes.remarks.append("there is no id2label.json, so the classes are guessed from the label maps")
            return []
        content = load_json(path)
        pairs = content.items() if isinstance(content, dict) else ()
        rows = [(str(a), b) if path.name == _NAMES[0] else (str(b), a) for a, b in pairs]
        for number, name in rows:
            if not number.isdecimal() or int(number) > 65_535 or not isinstance(name, str) or not name.isprintable():
                raise UserError(f"{path}: {short(number)} is {short(name)}; expected a label value with its name")
        names = {int(number): str(name).strip() for number, name in rows}
        if len(names) < 2 or len(set(names.values())) < len(names) or "" in names.values():
            raise UserError(f"{path}: names {len(names)} classes; expected two or more, each with a name of its own")
        return [SourceClass(name, kind_of(name), value=value) for value, name in sorted(names.items())]


def _columns(schema: Any, file: Path) -> tuple[str, str]:
    """The columns of pictures and of labels, by their names among those that may hold them."""
    may = [each.name for each in schema if _holds_picture(each.type)]
    maps = [each.name for each in schema if _holds_map(each.type)]
    image = next((name for wanted in _IMAGES for name in may if name.lower() == wanted), may[0] if may else None)
    rest = [name for name in (*may, *maps) if name != image]
    label = next((name for wanted in _LABELS for name in rest if name.lower() == wanted), None)
    label = rest[0] if label is None and len(rest) == 1 else label
    if image is None or label is None:
        columns = some([f"{each.name} ({each.type})" for each in schema], 8)
        raise UserError(f"{file}: has the columns {columns}; expected pictures (image) and label maps (label)")
    return image, label


def _holds_picture(kind: Any) -> bool:
    if pa.types.is_struct(kind):
        return {"bytes", "path"} <= {kind.field(n).name for n in range(kind.num_fields)}
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _holds_map(kind: Any) -> bool:
    """Whether values are arrays of height x width integers."""
    storage = getattr(kind, "storage_type", kind)
    depth = 0
    while pa.types.is_list(storage) or pa.types.is_large_list(storage) or pa.types.is_fixed_size_list(storage):
        storage, depth = storage.value_type, depth + 1
    return depth == 2 and pa.types.is_integer(storage)


def _schema(file: Path) -> Any:
    try:
        if file.suffix.lower() == ".parquet":
            return pq.read_schema(file)
        with pa.memory_map(str(file)) as mapped, pa.ipc.open_stream(mapped) as stream:
            return stream.schema
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{file}: is no Arrow or Parquet file ({error})") from error


def _batches(file: Path, columns: Sequence[str]) -> Iterator[Any]:
    """Some rows at a time, each batch made sure of; raises UserError for a file that is not sound."""
    try:
        if file.suffix.lower() == ".parquet":
            with pq.ParquetFile(file) as parquet:
                groups = parquet.metadata.num_row_groups
                for size in (parquet.metadata.row_group(n).total_byte_size for n in range(groups)):
                    if size > _MAX_BATCH_BYTES:
                        check_bytes(file, size)
                for batch in parquet.iter_batches(_BATCH, columns=list(columns)):
                    batch.validate(full=True)
                    yield batch
            return
        with pa.memory_map(str(file)) as mapped, pa.ipc.open_stream(mapped) as stream:
            for batch in stream:
                batch.validate(full=True)
                chosen = batch.select(list(columns))
                yield from (chosen.slice(start, _BATCH) for start in range(0, batch.num_rows, _BATCH))
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise UserError(f"{file}: cannot be read as Arrow or Parquet ({short(str(error), 200)})") from error


def _as_png(value: list[Any], where: str) -> bytes:
    """A list of rows of label values as a PNG of 8 or 16 bits."""
    try:
        array: Array = np.array(value, np.int64)
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{where}: is {short(value)}; expected rows of label values ({error})") from error
    if array.ndim != 2 or not array.size or array.min() < 0 or array.max() > 65_535:
        raise UserError(f"{where}: has shape {array.shape}; expected height x width label values from 0 to 65535")
    buffer = io.BytesIO()
    Image.fromarray(array.astype(np.uint8 if array.max() < 256 else np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()
