"""`classes.yaml` of an imported folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import yaml

from ...types import VolumeSlices
from ..own_folder.checked_values import Color
from ..own_folder.class_list import free_color
from ..own_folder.volumes_key import written_volumes
from .items import SourceClass
from .painting import Coding


def with_background(classes: Sequence[SourceClass], coding: Coding) -> list[tuple[int, SourceClass]]:
    """Label values and classes in their order, with the background that shapes lie on; several names may be ignored."""
    rows = sorted(((coding.labels[c.name], c) for c in classes if c.kind != "ignored"), key=lambda row: row[0])
    shapes = any(each.value is None for each in classes)
    if shapes and not any(label == 0 for label, _ in rows):
        taken = {c.name.lower() for _, c in rows}
        name = next(n for n in ("background", "no object", "nothing") if n not in taken)
        rows.insert(0, (0, SourceClass(name, "background", (0, 0, 0), 0)))
    return rows


def colors_of(rows: Sequence[tuple[int, SourceClass]]) -> dict[int, Color]:
    """A colour of every label: its own where no other has it, else one of the VOC palette."""
    colors: dict[int, Color] = {0: (0, 0, 0)} if any(label == 0 for label, _ in rows) else {}
    taken = set(colors.values())
    for label, each in rows:
        if label not in colors:
            own = each.color if each.color is not None and each.color not in taken else free_color(label, taken)
            colors[label] = own
            taken.add(own)
    return colors


def classes_text(
    name: str,
    made_from: str,
    rows: Sequence[tuple[int, SourceClass]],
    colors: Mapping[int, Color],
    ignored: int | None,
    volumes: VolumeSlices | None,
    objects: Mapping[str, int],
) -> str:
    """The text of `classes.yaml`; `objects` are the categories of `objects.json`, empty where there is none."""
    binary = [label for label, _ in rows] == [0, 1]
    lines = [
        f"# Made by 'bench data import' from {made_from}; import.json says what became of what.",
        f"name: {json.dumps(name, ensure_ascii=False)}",
        f"task: {'binary' if binary else 'multiclass'}",
        "masks: values",
        "classes:",
    ]
    for label, each in rows:
        text = json.dumps(each.name, ensure_ascii=False)
        lines.append(f"  - {{id: {label}, name: {text}, color: {list(colors[label])}, kind: {each.kind}}}")
    lines += [] if ignored is None else [f"ignore: {ignored}"]
    if objects:
        lines += [
            "# The category of each class in objects.json, and in COCO results that are scored by AP.",
            f"objects: {json.dumps(objects, ensure_ascii=False)}",
        ]
    if volumes is not None and {each.kind == "background" for _, each in rows} == {True, False}:
        lines += [
            "# The mean over cases and classes without background ranks, as papers on volumes report it.",
            "main_score: foreground_dice",
        ]
    if volumes is not None:
        written = {"volumes": written_volumes(volumes)}
        lines += [
            "# Of volumes: their channels and what became black and white, for 'bench predict', and how far apart the",
            "# slices, rows and columns of each are, in mm.",
            yaml.safe_dump(written, default_flow_style=None, sort_keys=False, allow_unicode=True, width=1000).rstrip(),
        ]
    return "\n".join([*lines, ""])
