"""What every reader of a format gives: classes, and pictures with what is annotated on each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Protocol

from ...io.images.rle import CheckedRLE
from ...types import Array, VolumeSlices

Order = Literal["drawn", "area"]
"""Which shape a pixel belongs to that several cover: the last drawn, or the smallest."""

Kind = Literal["thing", "stuff", "background", "ignored"]

BACKGROUND = frozenset({"background", "_background_", "__background__", "bg"})
IGNORED = frozenset({"__ignore__", "ignore", "ignored", "void"})
"""Names, in lower case, that tools and people give to what is no object, and to what does not count."""

Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class SourceClass:
    """A class as the source has it.

    value : the label that it keeps, None where labels are dealt out.
    category_id : its number in COCO results of networks that learn from the source, None for its label.
    """

    name: str
    kind: Kind = "thing"
    color: tuple[int, int, int] | None = None
    value: int | None = None
    category_id: int | None = None


@dataclass(frozen=True)
class Shape:
    """One annotated object or region.

    name : of its class.
    kind : what it is in the source, such as `polygon`.
    mask : of the whole picture.
    level : shapes of a higher one are drawn later.
    crowd : a region of several objects.
    object : equal ones of a picture are parts of one object; None stands alone.
    inner : outlines of it that lie inside another one of it.
    area : its pixels, as the source counts them; None where it does not.
    """

    name: str
    kind: str
    mask: CheckedRLE
    level: float = 0
    crowd: bool = False
    object: str | None = None
    inner: int = 0
    area: float | None = None


@dataclass(frozen=True)
class Raster:
    """A drawn label map: (H, W) values of classes, and (H, W) numbers of objects where there are any."""

    labels: Array
    instances: Array | None = None


@dataclass(frozen=True)
class Segments:
    """A file of COCO's panoptic format: colours are numbers of segments, of which each is described."""

    file: Path
    infos: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Skipped:
    """Something that was not taken: what it is, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class Item:
    """One picture of the source.

    name : path that names the sample, relative, with the ending of the picture.
    picture : its file; or the bytes that the source holds of it; None where there is none.
    size : height and width that the source states, None where it states none.
    annotation : shapes or a label map; the content of a file of label values or colours that is taken as it is; None of
        a picture that nobody has annotated.
    where : place in the source, for messages.
    flags : what is said of the picture as a whole, by name.
    bytes_from : where the bytes of a picture come from, for the report.
    source_id : the number by which the source calls the picture, None where it has none.
    """

    name: PurePosixPath
    picture: Path | bytes | None
    size: Size | None
    annotation: Sequence[Shape] | Raster | Segments | bytes | None
    where: str
    split: str = ""
    flags: Mapping[str, str] = field(default_factory=dict)
    bytes_from: str = "from the annotations"
    source_id: int | None = None


@dataclass
class Notes:
    """What a reader came across: things that it did not take with the first place of each, and remarks.

    volumes : how pictures were cut from volumes, None where none were.
    """

    skipped: Counter[Skipped] = field(default_factory=Counter)
    first: dict[Skipped, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    volumes: VolumeSlices | None = None

    def skip(self, what: str, why: str, where: str) -> None:
        """Count something that is not taken."""
        entry = Skipped(what, why)
        self.skipped[entry] += 1
        self.first.setdefault(entry, where)


class Source(Protocol):
    """A format's reader, opened on a source."""

    @property
    def format(self) -> str:
        """Its name."""

    @property
    def order(self) -> Order:
        """How covered pixels are given."""

    @property
    def classes(self) -> Sequence[SourceClass]:
        """The classes, in the order of their labels; empty where they are to be guessed from the masks."""

    @property
    def notes(self) -> Notes:
        """What was not taken; complete once the items are through."""

    @property
    def categories(self) -> Sequence[Mapping[str, Any]]:
        """The categories of `panoptic.json`; empty where there are no segments."""

    def items(self) -> Iterator[Item]:
        """The pictures, one after the other. Raises UserError for what cannot be read."""


def kind_of(name: str) -> Kind:
    """The kind of a class that is known by its name alone.

    >>> kind_of("_background_"), kind_of("__ignore__"), kind_of("cell")
    ('background', 'ignored', 'thing')
    """
    lower = name.strip().lower()
    return "background" if lower in BACKGROUND else "ignored" if lower in IGNORED else "thing"
