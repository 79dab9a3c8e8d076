"""Printing what an import made of what."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from . import output
from .output import document, new_table, safe, stdout

if TYPE_CHECKING:
    from ..data.importing.documents import ImportedData


MAX_CLASSES = 20
"""Of more classes only those that occur are printed."""


def imported(found: ImportedData, as_json: bool, be_quiet: bool) -> None:
    """What became of pictures, classes and shapes, by which rules, and what was left out."""
    if as_json:
        document(found)
        return
    if be_quiet or output.quiet:
        return
    console = stdout()
    console.print(f"{found.format} {safe(found.source)} is now {safe(found.root)}\n", soft_wrap=True)
    table = new_table("what", "became", "number")
    for what, became, number in rows_of(found):
        table.add_row(safe(what), safe(became), f"{number:,}")
    console.print(table)
    classes = new_table("label", "class", "kind", "shapes", "pixels")
    many = len(found.classes) > MAX_CLASSES
    shown = [each for each in found.classes if not many or each.shapes or each.pixels]
    for each in shown:
        numbers = ("" if n is None else f"{n:,}" for n in (each.shapes, each.pixels))
        classes.add_row(str(each.label), safe(each.name), each.kind, *numbers)
    if found.ignore_label is not None:
        classes.add_row(str(found.ignore_label), "", "ignored", "", "")
    console.print(classes)
    if len(shown) < len(found.classes):
        console.print(f"- {len(found.classes) - len(shown)} classes more of which nothing is drawn", soft_wrap=True)
    for text in (*found.rules, *found.remarks):
        console.print(f"- {safe(text)}", soft_wrap=True)
    for left in found.skipped:
        first = f"first: {left.first}" if left.n > 1 else left.first
        what = f"{left.n} {left.what if left.n == 1 else _plural(left.what)}: {left.why} ({first})"
        console.print(f"- [yellow]left out:[/] {safe(what)}", soft_wrap=True)
    root = safe(shlex.quote(found.root))
    then = "" if found.panoptic else f"\n      bench run --dataset folder --root {root} -m unet"
    console.print(f"\nNext: bench data verify folder --root {root}{then}", soft_wrap=True)


def rows_of(found: ImportedData) -> list[tuple[str, str, int]]:
    """Rows of the table: what was there, what it is now, and how many."""
    rows = [("pictures", f"images/, {how}", n) for how, n in found.images.items() if how != "missing"]
    rows += [("annotated pictures", "masks/", found.masks)] if found.masks else []
    rows += [("pictures with objects", "instances/", found.instances)] if found.instances else []
    rows += [("objects", "objects.json", found.objects)] if found.objects else []
    rows += [("pictures with segments", "panoptic/ and panoptic.json", found.panoptic)] if found.panoptic else []
    rows += [(_plural(kind), "drawn" if not found.panoptic else "kept", n) for kind, n in found.shapes.items()]
    for what, became, n in (
        ("pictures without a shape", "background throughout", found.blank),
        ("crowds among them", "kept" if found.panoptic else "their class, no object", found.crowds),
        ("shapes with holes", "holes stay what lies below", found.holes),
        ("outlines inside another of their object", "filled: parts of an object are united", found.filled),
        ("images with overlaps", f"{found.overlap_pixels:,} pixels given by the rule", found.overlaps),
        ("shapes below others", "hidden whole", found.hidden),
        ("shapes that cover no pixel", "nothing", found.empty),
        ("flags of pictures", "flags.csv, a column each", len(found.flags)),
        ("names", "changed, so that every system takes them", found.renamed),
        ("labels of turned pictures", "turned with them", found.turned),
    ):
        rows += [(what, became, n)] if n else []
    rows += [(f"split '{name}'", f"splits/{name}.txt", n) for name, n in found.splits.items()]
    return rows + [(_plural(each.what), f"left out: {each.why}", each.n) for each in found.skipped]


def _plural(noun: str) -> str:
    """An English noun in the plural.

    >>> _plural("box"), _plural("label map")
    ('boxes', 'label maps')
    """
    return f"{noun}es" if noun.endswith("x") else f"{noun}s"
