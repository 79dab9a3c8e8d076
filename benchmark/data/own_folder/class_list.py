"""The keys 'classes' and 'ignore' of `classes.yaml`: labels, names, kinds and colours."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal, get_args

from ...io.images.read import palette_color
from ...types import ClassInfo, UserError
from .checked_values import (
    MAX_LABEL,
    Color,
    as_shown,
    label_of,
    mapping_of,
    one_of,
    rgb_of,
    text_of,
)

Kind = Literal["thing", "stuff", "background"]
_CLASS_KEYS = ("id", "name", "color", "kind", "category")
_IGNORE_KEYS = ("id", "color")


def class_rows(content: Any, where: str, least: int = 2) -> list[dict[str, Any]]:
    """One checked mapping per class, in the order of the file.

    Raises UserError for fewer than `least` classes, and for a value that is wrong or repeated, naming its key.
    """
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


def given_colors(rows: list[dict[str, Any]], where: str) -> dict[Color, int]:
    """The label of every colour that the file gives; raises UserError for a colour of two classes."""
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


def parse_ignore(
    content: Any, where: str, rows: list[dict[str, Any]], colors: Mapping[Color, int]
) -> tuple[int | None, Color | None]:
    """Label value and colour of pixels that do not count: an id, a colour, or a mapping with both.

    Raises UserError for one that is a class.
    """
    if content is None:
        return None, None
    values = content
    if not isinstance(content, dict):
        values = {"id" if isinstance(content, int) else "color": content}
    values = mapping_of(values, where, "ignore", _IGNORE_KEYS)
    taken = {row["id"] for row in rows}
    color = rgb_of(values["color"], where, "ignore.color") if "color" in values else None
    label = label_of(values["id"], where, "ignore.id") if "id" in values else free_label(rows)
    if label in taken or (color is not None and color in colors):
        raise UserError(f"{where}: key 'ignore' ({content}) is a class; pixels to ignore have a label of their own")
    return label, color


def free_label(rows: list[dict[str, Any]]) -> int:
    """A label that no class has."""
    taken = {row["id"] for row in rows}
    free: Iterator[int] = iter((255, *range(MAX_LABEL, -1, -1)))
    return next(label for label in free if label not in taken)


def with_colors(
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
