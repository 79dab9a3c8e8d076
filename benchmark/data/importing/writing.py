"""Writing an imported source as a `folder`: built beside its place, and moved there when it is whole."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from ...io.atomic import replace_folder, temporary_folder, write_text
from ...io.images.picture import turn
from ...io.images.read import read_array
from ...metrics.label_checks import label_counts
from ...text import counted
from ...types import Array, UserError
from ..own_folder.classes_file import FILE, MAX_BYTES, parse_text
from ..own_folder.inspection import inspect
from ..own_folder.masks import decode_mask
from .classes_text import classes_text, colors_of, with_background
from .documents import ImportedClass, ImportedData, LeftOut
from .items import Item, Notes, Raster, Segments, Shape, Size, Source, SourceClass
from .naming import Names
from .objects_file import ObjectsFile, categories_of
from .outlines import RULE
from .output_folder import FLAGS, REPORT, below, link_or_copy, refuse_target
from .painting import BACKGROUND_RULE, CROWD_RULE, RULES, Painted, coding_of, paint
from .pictures import checked_size, stored_size, suffix_of, upright

_AS_JPEG = frozenset({".jfif", ".jpe"})
_MAX_OBJECTS = 65_535
_NO_FORMULA = "=+-@\t\r"


def import_source(
    source: Source, place: Path, out: Path, *, copy: bool, overwrite: bool, progress: Callable[[int], None]
) -> ImportedData:
    """Write all that a source gives into the folder `out`.

    Parameters
    ----------
    source : the opened source, which lies at `place`.
    copy : copy pictures instead of linking them.
    overwrite : replace a folder that an import made, or that is laid out as one.
    progress : called with the number of pictures so far.

    Raises
    ------
    UserError
        For an unsound source, a source without a picture, and an `out` that holds something.
    """
    refuse_target(place, out, overwrite=overwrite)
    target, followed = out.absolute(), out.resolve()  # of a link, what it leads to is replaced
    with temporary_folder(followed) as building:
        made = _Builder(source, building, copy)
        for number, item in enumerate(source.items(), 1):
            made.add(item)
            progress(number)
        report = made.finished(place, target)
        write_text(building / REPORT, report.to_json())
        building.chmod(0o755)
        replace_folder(building, followed)
    return report


@dataclass
class _Builder:
    """The folder that is being built, and what became of what so far."""

    source: Source
    root: Path
    copy: bool
    names: Names = field(default_factory=Names)
    painted: Painted = field(default_factory=Painted)
    images: Counter[str] = field(default_factory=Counter)
    pixels: Counter[int] = field(default_factory=Counter)
    splits: dict[str, list[PurePosixPath]] = field(default_factory=dict)
    masks: list[PurePosixPath] = field(default_factory=list)
    all_names: list[PurePosixPath] = field(default_factory=list)
    flags: dict[PurePosixPath, Mapping[str, str]] = field(default_factory=dict)
    segments: list[dict[str, Any]] = field(default_factory=list)
    pictures: list[dict[str, Any]] = field(default_factory=list)
    instances: int = 0
    turned: int = 0
    drawn: int = 0

    def __post_init__(self) -> None:
        self.coding, self.ignored = coding_of(self.source.classes)
        self.rows = with_background(self.source.classes, self.coding)
        self.colors = colors_of(self.rows)
        self.objects = ObjectsFile(self.root, categories_of(self.source.classes, self.coding.labels.__getitem__))

    def add(self, item: Item) -> None:
        """Write one picture and what is annotated on it."""
        if item.annotation is None and not item.split:
            self.source.notes.skip("picture", "is not annotated", item.where)
            return
        size, stated = checked_size(item)
        name = self.names.give(item.name, item.picture if isinstance(item.picture, Path) else None, item.where)
        self.all_names.append(name)
        self.splits.setdefault(item.split, []).append(name)
        if item.flags:
            self.flags[name] = item.flags
        suffix = self._add_picture(item, name)
        if isinstance(item.annotation, bytes):
            self._as_it_is(item.annotation, name, size, item.where)
        elif isinstance(item.annotation, Segments):
            self._add_segments(item.annotation, name, suffix, size)
        elif item.annotation is not None and size is not None:
            if not isinstance(item.annotation, Raster):
                picture = name.with_name(f"{name.name}{suffix}")
                self.objects.add(item, item.annotation, picture, size, stated)
            self._draw(item.annotation, name, size, stated, item.where)

    def _add_picture(self, item: Item, name: PurePosixPath) -> str:
        """Link, copy or write the picture; its ending, .png where there is none."""
        picture = item.picture
        if picture is None:
            self.images["missing"] += 1
            self.source.notes.skip("picture", "was not found; its labels are there", item.where)
            return ".png"
        suffix = picture.suffix.lower() if isinstance(picture, Path) else suffix_of(picture, item.where)
        path = below(self.root / "images", name, ".jpg" if suffix in _AS_JPEG else suffix)
        if isinstance(picture, bytes):
            path.write_bytes(picture)
            self.images[item.bytes_from] += 1
        else:
            self.images[link_or_copy(picture, path, self.copy)] += 1
        return path.suffix

    def _draw(
        self, annotation: Sequence[Shape] | Raster, name: PurePosixPath, size: Size, stated: int, where: str
    ) -> None:
        if isinstance(annotation, Raster):
            labels, numbers = self._of_raster(annotation)
            self.drawn += 1
        else:
            labels, numbers = paint(annotation, size, self.coding, self.source.order, self.painted, where)
        if numbers is not None and numbers.max(initial=0) > _MAX_OBJECTS:
            raise UserError(f"{where}: holds {int(numbers.max())} objects; a picture has at most {_MAX_OBJECTS}")
        if stated > 1:
            self.turned += 1
            labels, numbers = turn(labels, stated), None if numbers is None else turn(numbers, stated)
        self.pixels.update(label_counts(labels))
        self._write_labels(below(self.root / "masks", name, ".png"), labels)
        self.masks.append(name)
        if numbers is not None and numbers.any():
            self.instances += 1
            Image.fromarray(numbers.astype(np.uint16)).save(below(self.root / "instances", name, ".png"))

    def _of_raster(self, raster: Raster) -> tuple[Array, Array | None]:
        """Labels by the coding, of values that the source has checked."""
        table = np.arange(65_536, dtype=np.uint16)
        for each in self.source.classes:
            if each.value is not None:
                table[each.value] = self.coding.labels[each.name]
        return table[raster.labels], raster.instances

    def _write_labels(self, path: Path, labels: Array) -> None:
        if max((*self.coding.labels.values(), self.ignored or 0)) > 255:
            Image.fromarray(labels.astype(np.uint16)).save(path)
            return
        image = Image.fromarray(labels.astype(np.uint8))
        palette = [channel for label in range(256) for channel in self.colors.get(label, (224, 224, 192))]
        image.putpalette(palette)
        image.save(path)

    def _as_it_is(self, content: bytes, name: PurePosixPath, size: Size | None, where: str) -> None:
        """Write a file of labels without touching it."""
        path = below(self.root / "masks", name, suffix_of(content, where))
        path.write_bytes(content)
        found = upright(*stored_size(path))
        if size is not None and found != size:
            raise UserError(f"{where}: its labels are {found[0]} x {found[1]}, the picture is {size[0]} x {size[1]}")
        self.masks.append(name)
        self.drawn += 1
        if self.rows:
            stored = read_array(path)
            values = label_counts(stored) if stored.ndim == 2 else {}
            unknown = values.keys() - {label for label, _ in self.rows}
            if unknown == {255}:
                self.ignored = 255  # which is custom
            elif unknown:
                raise UserError(f"{where}: holds the label value {min(unknown)}, which the names of classes lack")
            self.pixels.update(values)

    def _add_segments(self, segments: Segments, name: PurePosixPath, suffix: str, size: Size | None) -> None:
        sample = "__".join(name.parts)
        link_or_copy(segments.file, below(self.root / "panoptic", PurePosixPath(sample), ".png"), self.copy)
        number = len(self.segments) + 1
        height, width = size or (0, 0)
        file = f"{name.as_posix()}{suffix}"
        self.pictures.append({"id": number, "file_name": file, "height": height, "width": width})
        self.segments.append(
            {"image_id": number, "file_name": f"{sample}.png", "segments_info": list(map(dict, segments.infos))}
        )
        by_id = {each.value: each.name for each in self.source.classes}
        for info in segments.infos:
            crowd = bool(info.get("iscrowd", 0))
            self.painted.shapes["crowd segment" if crowd else "segment"] += 1
            self.painted.by_class[by_id[info["category_id"]]] += 1
            self.painted.crowds += crowd

    def finished(self, place: Path, target: Path) -> ImportedData:
        """Write what stands for all pictures, and say what became of what. Raises UserError where nothing was found."""
        if not self.all_names:
            raise UserError(f"'{place}' holds no annotated picture{_reasons(self.source)}")
        self.objects.close(self._strip_common_folders())
        splits = self._write_splits()
        if self.segments:
            content = {"images": self.pictures, "annotations": self.segments, "categories": self.source.categories}
            write_text(self.root / "panoptic.json", json.dumps(content) + "\n")
        else:
            self._write_classes(place, target)
        flags = sorted({flag for each in self.flags.values() for flag in each})
        if flags:
            self._write_flags(flags)
        return self._report(place, target, splits, flags)

    def _strip_common_folders(self) -> Callable[[PurePosixPath], PurePosixPath]:
        """Move what lies in one subfolder alone out of it, as it would be one group; gives new names from old ones.

        A single volume stays a case.
        """
        volumes = self.source.notes.volumes
        if volumes is not None and volumes.spacing_mm:
            return lambda name: name
        parents = [name.parent.parts for name in self.all_names]
        low, high = min(parents), max(parents)
        alike = [a == b for a, b in zip(low, high, strict=False)]
        shared = low[: alike.index(False) if False in alike else len(alike)]
        if not shared:
            return lambda name: name
        for part in ("images", "masks", "instances"):
            inner = self.root.joinpath(part, *shared)
            if inner.is_dir():
                aside = self.root / f"{part}.moved"
                inner.rename(aside)
                shutil.rmtree(self.root / part)
                aside.rename(self.root / part)

        def stripped(name: PurePosixPath) -> PurePosixPath:
            return PurePosixPath(*name.parts[len(shared) :])

        self.splits = {split: list(map(stripped, names)) for split, names in self.splits.items()}
        self.flags = {stripped(name): each for name, each in self.flags.items()}
        self._rename_segments(stripped)
        return stripped

    def _rename_segments(self, renamed: Callable[[PurePosixPath], PurePosixPath]) -> None:
        """Give files of segments, and the pictures that they are of, their new names."""
        if not self.segments:
            return
        folder, aside = self.root / "panoptic", self.root / "panoptic.moved"
        aside.mkdir()
        for picture, entry in zip(self.pictures, self.segments, strict=True):
            name = renamed(PurePosixPath(picture["file_name"]))
            file = f"{'__'.join((*name.parent.parts, name.stem))}.png"
            (folder / entry["file_name"]).rename(aside / file)
            picture["file_name"], entry["file_name"] = name.as_posix(), file
        folder.rmdir()
        aside.rename(folder)

    def _write_splits(self) -> dict[str, int]:
        """Lists of the splits that the source has; one alone, or none, leaves it to the rule of `folder`."""
        named = {split: names for split, names in self.splits.items() if split}
        if len(named) < 2:
            if named:
                self.source.notes.remarks.append(
                    f"the source has the split '{next(iter(named))}' alone, so splits are cut by the rule of 'folder'"
                )
            return {}
        for split, names in named.items():
            text = "".join(f"{name.as_posix()}\n" for name in names)
            write_text(self.root / "splits" / f"{split}.txt", text)
        if rest := len(self.splits.get("", ())):
            self.source.notes.remarks.append(f"{counted(rest, 'picture')} of the source in no split")
        return {split: len(names) for split, names in named.items()}

    def _write_classes(self, place: Path, target: Path) -> None:
        made_from = f"'{place.resolve().name}' ({self.source.format})".replace("\n", " ")
        name = target.name if target.name.strip() and target.name.isprintable() else "folder"
        if self.rows:
            ignored = self.ignored if self._has_ignored() else None
            objects = self.objects.categories if self.objects.n else {}
            text = classes_text(name, made_from, self.rows, self.colors, ignored, self.source.notes.volumes, objects)
        else:
            masks = sorted((self.root / "masks").rglob("*.*"))
            text = inspect(name, masks)
        if len(text.encode()) > MAX_BYTES:
            raise UserError(f"'{place}' has {len(self.rows)} classes, more than {FILE} holds ({MAX_BYTES} bytes)")
        classes = parse_text(text, str(target / FILE), name)
        if not self.rows:
            self.rows = [(c.id, SourceClass(c.name, c.kind, c.color, c.id)) for c in classes.classes]
            self.ignored = classes.ignore_label
            for path in masks:
                self.pixels.update(label_counts(decode_mask(read_array(path), str(path), classes)))
        write_text(self.root / FILE, text)

    def _has_ignored(self) -> bool:
        """Whether pixels are ignored, or would be: shapes of a class that is ignored by its name."""
        named = any(each.kind == "ignored" and each.value is None for each in self.source.classes)
        return self.ignored is not None and (named or self.pixels.get(self.ignored, 0) > 0)

    def _write_flags(self, flags: Iterable[str]) -> None:
        """What is said of pictures as wholes, a row each; no cell is taken for a formula."""
        columns = list(flags)
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["sample", *map(_cell, columns)])
        for name, each in sorted(self.flags.items()):
            table.writerow(["__".join(name.parts), *(_cell(each.get(column, "")) for column in columns)])
        write_text(self.root / FLAGS, text.getvalue())

    def _report(self, place: Path, target: Path, splits: dict[str, int], flags: list[str]) -> ImportedData:
        notes, painted = self.source.notes, self.painted
        return ImportedData(
            format=self.source.format,
            source=str(place),
            root=str(target),
            n=len(self.all_names),
            images=dict(self.images),
            masks=len(self.masks),
            instances=self.instances,
            objects=self.objects.n,
            panoptic=len(self.segments),
            classes=self._classes(),
            ignore_label=self.ignored if not self.segments and self._has_ignored() else None,
            shapes={**painted.shapes, **({"label map": self.drawn} if self.drawn else {})},
            crowds=painted.crowds,
            holes=painted.with_holes,
            filled=painted.filled,
            overlaps=painted.overlapping,
            overlap_pixels=painted.overlap_pixels,
            hidden=painted.hidden,
            empty=painted.empty,
            blank=painted.blank,
            flags=flags,
            splits=splits,
            skipped=_left_out(notes),
            renamed=self.names.renamed,
            turned=self.turned,
            rules=self._rules(),
            remarks=list(notes.remarks),
        )

    def _classes(self) -> list[ImportedClass]:
        rows = [(each.value or 0, each) for each in self.source.classes] if self.segments else self.rows
        of_shapes = not self.drawn
        return [
            ImportedClass(
                label=label,
                name=each.name,
                kind=each.kind,
                shapes=self.painted.by_class[each.name] if of_shapes else None,
                pixels=self.pixels[label] if self.pixels else None,
            )
            for label, each in rows
        ]

    def _rules(self) -> list[str]:
        if self.segments:
            return ["segments are kept as they are"]
        if self.drawn:
            return ["label maps are kept as they are"]
        rules = [RULE, RULES[self.source.order], BACKGROUND_RULE]
        return [*rules, *([CROWD_RULE] if self.painted.crowds else [])]


def _cell(text: str) -> str:
    plain = "".join(c if c.isprintable() else " " for c in text)
    return f"'{plain}" if plain[:1] in _NO_FORMULA and plain else plain


def _left_out(notes: Notes) -> list[LeftOut]:
    return [LeftOut(what=each.what, why=each.why, n=n, first=notes.first[each]) for each, n in notes.skipped.items()]


def _reasons(source: Source) -> str:
    skipped = source.notes.skipped
    if not skipped:
        return ""
    listed = ", ".join(f"{counted(n, each.what)}: {each.why}" for each, n in skipped.most_common(3))
    return f". Left out: {listed}"
