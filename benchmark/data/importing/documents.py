"""What `bench data import` returns and prints with `--json`: what became of everything in the source."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from ...io.documents import Document


class ImportedClass(Document):
    """A class: its label value in the masks, the shapes of it, and its pixels in them; None where neither is known."""

    label: int
    name: str
    kind: str
    shapes: int | None
    pixels: int | None


class LeftOut(Document):
    """Things of one kind that were not taken, why, how many, and where the first is."""

    what: str
    why: str
    n: int
    first: str


class ImportedData(Document):
    """`bench data import`.

    `images` counts pictures by how they came (`hard links`, `symbolic links`, `copies`, `from the annotations`,
    `cut from volumes`, `missing`). `shapes` counts what is drawn in the masks by its kind in the source. `holes` are
    shapes that leave pixels inside out, `filled` outlines inside another one of the same object, which are filled.
    `objects` are in `objects.json`, each whole. `overlaps` are images in which shapes overlap, with `overlap_pixels`.
    `hidden` shapes lie whole below others, `empty` ones cover no pixel, and on `blank` pictures nothing is drawn.
    `rules` say how labels were made.
    """

    format: str
    source: str
    root: str
    n: int
    images: dict[str, int]
    masks: int
    instances: int
    panoptic: int
    classes: list[ImportedClass]
    ignore_label: int | None
    shapes: dict[str, int]
    crowds: int
    holes: int
    filled: int
    overlaps: int
    overlap_pixels: int
    hidden: int
    empty: int
    blank: int
    flags: Sequence[str]
    objects: int = 0
    splits: dict[str, int]
    skipped: list[LeftOut]
    renamed: int
    turned: int
    rules: list[str]
    remarks: list[str] = Field(default_factory=list)
