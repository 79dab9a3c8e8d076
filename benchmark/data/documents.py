"""What `bench data` returns and prints with `--json`: where data lies, what a dataset is, and whether it is whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from ..io.documents import Document, without_none
from .locations import Origin
from .verification import SplitFound


class DataPlace(Document):
    """A folder where data was looked for: `given`, `default` or `synthetic`, and the sizes of the splits found there.

    A split that cannot be used has no size. `problem` says why data that is there cannot be read.
    """

    place: str
    root: str
    found: bool = False
    origin: Origin | None = None
    splits: dict[str, int | None] = Field(default_factory=dict)
    problem: str | None = None

    @model_serializer(mode="wrap")
    def _only_what_was_found(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_none(handler(self), "problem")


class DataStatus(Document):
    """`bench data status`."""

    dataset: str
    places: list[DataPlace]


class DescribedClass(Document):
    """A class: its label value, name, display colour (R, G, B in 0..255) and kind."""

    id: int
    name: str
    color: Sequence[int]
    kind: str


class DescribedSplit(Document):
    """A split as it is published."""

    official_size: int | None
    summary: str
    labelled: bool


class DataDescription(Document):
    """`bench data describe`: what is true of a dataset anywhere, and below a root, where one was named.

    `found` holds the sizes of the splits there. Where the classes of your own folder are guessed, `proposal` is the
    text that defines them, `definition` what it says, `path` where it belongs, and `written` whether it stands there.
    """

    name: str
    aliases: list[str]
    version: str
    summary: str
    task: str
    classes: list[DescribedClass]
    ignore_label: int | None
    splits: dict[str, DescribedSplit]
    default_split: str
    metrics: list[str]
    main_score: str
    options: dict[str, str]
    pixel_size_um: list[float] | None
    frames_per_second: float | None
    layout: str
    expected_root: str
    synthetic_available: bool
    licence: str
    citation: str
    homepage: str
    downloads: list[dict[str, Any]]
    root: str | None = None
    origin: Origin | None = None
    found: dict[str, int | None] | None = None
    path: str | None = None
    written: bool | None = None
    proposal: str | None = None
    definition: dict[str, Any] | None = None

    @model_serializer(mode="wrap")
    def _only_what_was_asked(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        asked = ("root", "origin", "found", "path", "written", "proposal", "definition")
        return without_none(handler(self), *asked)


class DataVerification(Document):
    """`bench data verify`: `faults` is empty when all is well, `warnings` are worth knowing.

    `n` is the number of labelled samples. `read` samples were decoded; `cached` ones are unchanged since they were
    found sound. The hashes are those that the record of a run on the same samples holds.
    """

    dataset: str
    root: str
    origin: Origin
    n: int
    ids_sha256: str | None
    data_sha256: str | None
    splits: dict[str, SplitFound]
    faults: list[str]
    warnings: list[str]
    cached: int
    read: int


class SynthesizedData(Document):
    """`bench data synthesize`: `n` is the number of labelled samples that were made."""

    dataset: str
    root: str
    origin: Origin
    seed: int
    n: int
