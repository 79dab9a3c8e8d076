"""`classes.yaml` of your own folder: its classes, and what else is to be known of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from ...io.images.read import palette_color
from ...io.text_files import read_text
from ...io.yaml import Limits, read_yaml
from ...types import ClassInfo, Task, UserError, VolumeSlices
from .checked_values import (
    MAX_LABEL,
    MAX_NUMBER,
    MAX_TEXT,
    Color,
    as_shown,
    label_of,
    mapping_of,
    one_of,
    pixel_size_of,
    positive,
    rgb_of,
    text_of,
)
from .grouping import parse_group
from .layout import KEYS as PLACES
from .layout import Layout, parse_layout
from .naming import PARTS, PLACE, Names
from .splits import RULE

FILE = "classes.yaml"
MAX_BYTES = 200_000

Coding = Literal["auto", "values", "colors", "instances"]
Kind = Literal["thing", "stuff", "background"]

_LIMITS = Limits(depth=8, text=MAX_TEXT, aliases=False)
_MAX_CHANNELS = 10_000
_TEXTS = ("summary", "licence", "citation", "homepage")
_KEYS = (
    "name",
    "task",
    "masks",
    "coding",
    *(key for key in PLACES if key != "masks"),
    "names",
    "group",
    "classes",
    "ignore",
    "panoptic",
    "main_score",
    "pixel_size_um",
    "frames_per_second",
    "volumes",
    *_TEXTS,
)
MAIN_SCORES = ("foreground_dice",)
"""Scores that a data set may name as the one that ranks, in place of the usual one of its task."""

_UNSCORED = ("name", "frames_per_second", "volumes", *_TEXTS)
"""Keys whose values no score depends on."""
_VOLUME_KEYS = ("channels", "window", "spacing_mm")
_CLASS_KEYS = ("id", "name", "color", "kind", "category")
_IGNORE_KEYS = ("id", "color")


@dataclass(frozen=True)
class Classes:
    """What `classes.yaml` says.

    coding: how masks hold classes: `values`, `colors`, `instances` (of a binary data set: 0 is background, every other
    number one object of the foreground), or `auto` (RGB images hold colours, all others values).
    colors: label value of every colour that the file gives itself, the ignored one too; colours that were made up for
    display are in `classes` alone. texts: summary, licence, citation and homepage where they are given. names: how
    files of each part are called, such as `{name}_manual1`. named: whether the file gives the name itself.
    panoptic: the classes are categories of segments, and label maps are made of these. layout: where files lie, if
    elsewhere than usual. group: the expression by which names say their group. void_in_masks: whether masks themselves
    hold the label to ignore; where a region alone makes pixels void they do not. volumes: how images were cut from
    volumes. main_score: the score that ranks, where it is not the usual one of the task.
    """

    name: str
    task: Task
    classes: tuple[ClassInfo, ...]
    coding: Coding = "auto"
    colors: Mapping[Color, int] = field(default_factory=dict)
    ignore_label: int | None = None
    pixel_size_um: tuple[float, float] | None = None
    frames_per_second: float | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    names: Names = field(default_factory=dict)
    named: bool = True
    panoptic: bool = False
    layout: Layout = field(default_factory=Layout)
    group: str | None = None
    void_in_masks: bool = True
    volumes: VolumeSlices | None = None
    main_score: str | None = None

    @property
    def stored_void(self) -> int | None:
        """The label to ignore that masks hold."""
        return self.ignore_label if self.void_in_masks else None

    @property
    def known(self) -> frozenset[int]:
        """Label values that a mask may hold."""
        own = () if self.stored_void is None else (self.stored_void,)
        return frozenset((*own, *(c.id for c in self.classes)))

    @property
    def with_background(self) -> bool:
        """Whether some classes are the background and others are not. A binary task has one without saying so."""
        background = [c.kind == "background" for c in self.classes]
        return not all(background) and (self.task == "binary" or any(background))

    @property
    def version(self) -> str:
        """The data set's name, and a hash of all that its scores depend on apart from the masks themselves."""
        content = {k: v for k, v in self.definition().items() if k not in _UNSCORED}
        film = {} if self.frames_per_second is None else {"film": True}
        text = json.dumps({**content, **film, "rule": RULE}, sort_keys=True)
        return f"{self.name} {hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def definition(self) -> dict[str, Any]:
        """The content as JSON values, from which `parse_classes` makes the same again."""
        color_of = {label: list(color) for color, label in self.colors.items()}
        classes = []
        for entry in self.classes:
            row: dict[str, Any] = {"id": entry.id, "name": entry.name, "kind": entry.kind}
            row.update({"color": color_of[entry.id]} if entry.id in color_of else {})
            row.update({"category": entry.category} if entry.category else {})
            classes.append(row)
        content: dict[str, Any] = {"name": self.name, "task": self.task, "masks": self.coding, "classes": classes}
        if self.stored_void is not None:
            content["ignore"] = {"id": self.ignore_label}
            if self.ignore_label in color_of:
                content["ignore"]["color"] = color_of[self.ignore_label]
        if self.panoptic:
            content["panoptic"] = True
        if self.main_score is not None:
            content["main_score"] = self.main_score
        if self.names:
            content["names"] = dict(self.names)
        places = self.layout.written()
        content |= {"coding": self.coding} if "masks" in places else {}
        content |= {**places, **({"group": self.group} if self.group is not None else {})}
        if self.pixel_size_um is not None:
            content["pixel_size_um"] = list(self.pixel_size_um)
        if self.frames_per_second is not None:
            content["frames_per_second"] = self.frames_per_second
        if self.volumes is not None:
            content["volumes"] = written_volumes(self.volumes)
        return {**content, **self.texts}


def read_classes(path: Path, default_name: str) -> Classes:
    """Read `classes.yaml`.

    Raises
    ------
    UserError
        Naming the file and the key, if it is too large, no plain YAML, or says something impossible.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UserError(f"{path}: has {size} bytes; a list of classes has at most {MAX_BYTES}")
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); expected a text file in UTF-8") from error
    return parse_text(text, str(path), default_name)


def parse_text(text: str, where: str, default_name: str) -> Classes:
    """Read the text of `classes.yaml`; as `read_classes`."""
    return parse_classes(read_yaml(text, where, _LIMITS), where, default_name)


def parse_classes(content: Any, where: str, default_name: str) -> Classes:
    """Check the content of `classes.yaml`; `where` names the file in errors.

    Raises UserError for a key that is missing, unknown or wrong, naming it with what was found and expected.

    >>> parse_classes({"classes": {0: "background", 1: "cell"}}, "classes.yaml", "mine").task
    'binary'
    """
    values = mapping_of(content, where, "the file", _KEYS)
    if "classes" not in values:
        raise UserError(f"{where}: has no key 'classes'; expected a list such as '- {{id: 0, name: background}}'")
    panoptic = values.get("panoptic", False) is True
    rows = _rows(values["classes"], where, least=1 if panoptic else 2)
    colors = _own_colors(rows, where)
    layout = parse_layout(values, where)
    ignore_label, ignore_color = _ignore(values.get("ignore"), where, rows, colors)
    void_in_masks = ignore_label is not None or not layout.region
    ignore_label = ignore_label if void_in_masks else _free_label(rows)
    classes = _with_colors(rows, colors, ignore_color)
    if ignore_label is not None and ignore_color is not None:
        colors[ignore_color] = ignore_label
    key = "coding" if layout.masks else "masks"
    if "coding" in values and key == "masks":
        raise UserError(f"{where}: 'coding' stands beside the place of masks; here write 'masks: {values['coding']}'")
    coding = one_of(values.get(key, "auto"), where, key, get_args(Coding))
    if coding == "colors" and len({c.id for c in classes} & set(colors.values())) < len(classes):
        raise UserError(f"{where}: key '{key}' says colors, so every class needs its 'color'")
    task = _task(values, where, classes)
    if coding == "instances":
        _refuse_numbers(values, where, key, task)
    found = Classes(
        name=text_of(values.get("name", default_name), where, "name"),
        task=task,
        classes=classes,
        coding=coding,
        colors=colors,
        ignore_label=ignore_label,
        pixel_size_um=pixel_size_of(values.get("pixel_size_um"), where),
        frames_per_second=positive(values.get("frames_per_second"), where, "frames_per_second"),
        texts={key: text_of(values[key], where, key) for key in _TEXTS if key in values},
        names=_names(values.get("names"), where),
        named="name" in values,
        panoptic=panoptic,
        layout=layout,
        group=None if values.get("group") is None else parse_group(values["group"], f"{where}: group"),
        void_in_masks=void_in_masks,
        volumes=None if values.get("volumes") is None else _volumes(values["volumes"], where),
        main_score=one_of(values["main_score"], where, "main_score", MAIN_SCORES) if "main_score" in values else None,
    )
    if found.main_score is not None and not found.with_background:
        raise UserError(
            f"{where}: main_score is {found.main_score}, which leaves out the background, and no class is it; give one "
            "class, and not all of them, 'kind: background'"
        )
    return found


def written_volumes(volumes: VolumeSlices) -> dict[str, Any]:
    """The value of the key `volumes`."""
    content: dict[str, Any] = {"channels": volumes.channels}
    if volumes.window is not None:
        content["window"] = list(volumes.window)
    if volumes.spacing_mm:
        content["spacing_mm"] = {case: list(lengths) for case, lengths in volumes.spacing_mm.items()}
    return content


def _rows(content: Any, where: str, least: int = 2) -> list[dict[str, Any]]:
    """One checked mapping per class, in the order of the file, of which there are at least so many."""
    if isinstance(content, dict):
        content = [{"id": key, "name": value} for key, value in content.items()]
    if not isinstance(content, list) or len(content) < least:
        raise UserError(f"{where}: key 'classes' is {as_shown(content)}; expected a list of two classes or more")
    rows: list[dict[str, Any]] = []
    for number, entry in enumerate(content):
        key = f"classes[{number}]"
        row = dict(mapping_of(entry, where, key, _CLASS_KEYS))
        row["id"] = label_of(row.get("id"), where, f"{key}.id")
        row["name"] = text_of(row.get("name"), where, f"{key}.name")
        row["kind"] = one_of(row.get("kind", "stuff"), where, f"{key}.kind", get_args(Kind))
        row["category"] = text_of(row["category"], where, f"{key}.category") if "category" in row else ""
        for name in ("id", "name"):
            first = next((n for n, other in enumerate(rows) if other[name] == row[name]), None)
            if first is not None:
                raise UserError(f"{where}: {key}.{name} is '{row[name]}', and so is classes[{first}].{name}")
        rows.append(row)
    return rows


def _names(content: Any, where: str) -> dict[str, str]:
    """Patterns of the names of files, by part."""
    if content is None:
        return {}
    found = {}
    for part, value in mapping_of(content, where, "names", PARTS).items():
        pattern = text_of(value, where, f"names.{part}")
        if pattern.count(PLACE) != 1 or set(pattern.replace(PLACE, "")) & set("{}/\\"):
            raise UserError(
                f"{where}: names.{part} is {as_shown(pattern)}; expected how files are called without endings, such as "
                f"'{PLACE}_{part}': {PLACE} stands for the sample, once"
            )
        found[part] = pattern
    return found


def _own_colors(rows: list[dict[str, Any]], where: str) -> dict[Color, int]:
    colors: dict[Color, int] = {}
    for number, row in enumerate(rows):
        if "color" not in row:
            continue
        color = rgb_of(row["color"], where, f"classes[{number}].color")
        if color in colors:
            other = next(r["name"] for r in rows if r["id"] == colors[color])
            raise UserError(f"{where}: classes[{number}].color {list(color)} is the colour of '{other}' too")
        colors[color] = row["id"]
    return colors


def _ignore(
    content: Any, where: str, rows: list[dict[str, Any]], colors: Mapping[Color, int]
) -> tuple[int | None, Color | None]:
    """Label value and colour of pixels that do not count: an id, a colour, or a mapping with both."""
    if content is None:
        return None, None
    values = content
    if not isinstance(content, dict):
        values = {"id" if isinstance(content, int) else "color": content}
    values = mapping_of(values, where, "ignore", _IGNORE_KEYS)
    taken = {row["id"] for row in rows}
    color = rgb_of(values["color"], where, "ignore.color") if "color" in values else None
    label = label_of(values["id"], where, "ignore.id") if "id" in values else _free_label(rows)
    if label in taken or (color is not None and color in colors):
        raise UserError(f"{where}: key 'ignore' ({content}) is a class; pixels to ignore have a label of their own")
    return label, color


def _free_label(rows: list[dict[str, Any]]) -> int:
    """A label that no class has."""
    taken = {row["id"] for row in rows}
    free: Iterator[int] = iter((255, *range(MAX_LABEL, -1, -1)))
    return next(label for label in free if label not in taken)


def _with_colors(
    rows: list[dict[str, Any]], colors: Mapping[Color, int], ignored: Color | None
) -> tuple[ClassInfo, ...]:
    """The classes, with a colour made up for those that have none."""
    color_of = {label: color for color, label in colors.items()}
    taken = {*colors, *([ignored] if ignored else [])}
    for row in rows:
        if row["id"] not in color_of:
            color_of[row["id"]] = free_color(row["id"], taken)
            taken.add(color_of[row["id"]])
    return tuple(ClassInfo(r["id"], r["name"], color_of[r["id"]], r["kind"], r["category"]) for r in rows)


def free_color(label: int, taken: Collection[Color]) -> Color:
    """A colour for a label: of the VOC palette while there are any, and none that is taken."""
    color, step = palette_color(label % 256), label
    while color in taken:
        step = (step * 2_654_435_761 + 40_503) % 2**32
        color = (step >> 24 & 255, step >> 16 & 255, step >> 8 & 255)
    return color


def _refuse_numbers(values: Mapping[str, Any], where: str, key: str, task: Task) -> None:
    """Raise UserError for what masks of instance numbers leave no place for."""
    if task != "binary":
        raise UserError(
            f"{where}: '{key}: instances' is for objects of one class, so that the classes are 0 and 1; of several "
            "classes the masks hold these, and the numbers of objects go into instances/"
        )
    for other in ("ignore", "instances"):
        if other in values:
            raise UserError(f"{where}: '{key}: instances' says that masks hold numbers of objects; leave out '{other}'")


def _task(values: Mapping[str, Any], where: str, classes: tuple[ClassInfo, ...]) -> Task:
    ids = sorted(c.id for c in classes)
    task: Task = "binary" if ids in ([0, 1], [0, 255]) else "multiclass"
    if "task" in values:
        task = one_of(values["task"], where, "task", get_args(Task))
    if task == "binary" and ids != [0, 1]:
        raise UserError(
            f"{where}: a binary data set has the classes 0 and 1, here are {', '.join(map(str, ids[:10]))}. Masks of 0 "
            "and 255 are read as 0 and 1, so write 1 here; for anything else write 'task: multiclass'."
        )
    return task


def _volumes(content: Any, where: str) -> VolumeSlices:
    values = mapping_of(content, where, "volumes", _VOLUME_KEYS)
    channels, window = values.get("channels", 1), values.get("window")
    if type(channels) is not int or not 1 <= channels <= _MAX_CHANNELS:
        raise UserError(
            f"{where}: volumes.channels is {as_shown(channels)}; expected a number from 1 to {_MAX_CHANNELS}"
        )
    spacing = _spacing(values.get("spacing_mm"), where)
    if window is None:
        return VolumeSlices(channels, spacing_mm=spacing)
    numbers = isinstance(window, list) and len(window) == 2 and all(type(v) in (int, float) for v in window)
    if not numbers or not -MAX_NUMBER < window[0] <= window[1] < MAX_NUMBER:
        raise UserError(
            f"{where}: volumes.window is {as_shown(window)}; expected the intensities that are black and white, such "
            "as [-100.0, 250.0]"
        )
    return VolumeSlices(channels, (float(window[0]), float(window[1])), spacing)


def _spacing(content: Any, where: str) -> dict[str, tuple[float, float, float]]:
    """The distances of slices, rows and columns of each volume."""
    if content is None:
        return {}
    found = {}
    if not isinstance(content, dict) or not all(isinstance(case, str) for case in content):
        raise UserError(
            f"{where}: volumes.spacing_mm is {as_shown(content)}; expected the names of volumes (in quotes where they "
            "are numbers), each with its three lengths"
        )
    for case, lengths in content.items():
        key = f"volumes.spacing_mm.{case}"
        if not isinstance(lengths, list) or len(lengths) != 3:
            raise UserError(
                f"{where}: {key} is {as_shown(lengths)}; expected the mm between slices, rows and columns, such as "
                "[5.0, 0.8, 0.8]"
            )
        slices, rows, columns = (positive(each, where, key) for each in lengths)
        if slices is None or rows is None or columns is None:
            raise UserError(f"{where}: {key} lacks a number; expected the mm between slices, rows and columns")
        found[case] = (slices, rows, columns)
    return found
