"""`classes.yaml` of your own folder: its classes, and everything else that describes the folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from ...io.text_files import read_text
from ...io.yaml import Limits, read_yaml
from ...types import ClassInfo, Task, UserError, VolumeSlices
from .checked_values import (
    MAX_TEXT,
    Color,
    as_shown,
    mapping_of,
    one_of,
    pixel_size_of,
    positive,
    text_of,
)
from .class_list import class_rows, free_label, given_colors, parse_ignore, with_colors
from .grouping import parse_group
from .layout import KEYS as PLACES
from .layout import Layout, parse_layout
from .naming import PARTS, PLACE, Names
from .objects import parse_categories
from .splits import RULE
from .volumes_key import parse_volumes, written_volumes

FILE = "classes.yaml"
MAX_BYTES = 200_000

Coding = Literal["auto", "values", "colors", "instances"]

_LIMITS = Limits(depth=8, text=MAX_TEXT, aliases=False)
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
    "objects",
    "main_score",
    "pixel_size_um",
    "frames_per_second",
    "volumes",
    *_TEXTS,
)
MAIN_SCORES = ("foreground_dice",)
"""Scores that a data set may name as the one that ranks, in place of the usual one of its task."""

_UNSCORED = ("name", "frames_per_second", "volumes", "objects", *_TEXTS)
"""Keys whose values no score depends on."""


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
    hold the label to ignore; where a region alone makes pixels void they do not. objects: by label value of a class its
    category in `objects.json`, empty where there is no such file. volumes: how images were cut from
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
    objects: Mapping[int, int] = field(default_factory=dict)
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
        if self.objects:
            content["objects"] = {c.name: self.objects[c.id] for c in self.classes if c.id in self.objects}
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
    rows = class_rows(values["classes"], where, least=1 if panoptic else 2)
    colors = given_colors(rows, where)
    layout = parse_layout(values, where)
    ignore_label, ignore_color = parse_ignore(values.get("ignore"), where, rows, colors)
    void_in_masks = ignore_label is not None or not layout.region
    ignore_label = ignore_label if void_in_masks else free_label(rows)
    classes = with_colors(rows, colors, ignore_color)
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
        objects=parse_categories(values.get("objects"), where, classes),
        volumes=None if values.get("volumes") is None else parse_volumes(values["volumes"], where),
        main_score=one_of(values["main_score"], where, "main_score", MAIN_SCORES) if "main_score" in values else None,
    )
    if found.main_score is not None and not found.with_background:
        raise UserError(
            f"{where}: main_score is {found.main_score}, which leaves out the background, and no class is it; give one "
            "class, and not all of them, 'kind: background'"
        )
    return found


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
