"""One document for each dataset, method, metric family, preset and suite, as `bench list` shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..io.documents import Document
from ..registry import OWN, complete, datasets, methods, metrics, origins
from ..registry.declarations import Kind
from ..types import Family, Task
from .presets import load_preset, preset_origins

What = Literal["datasets", "methods", "metrics", "presets", "suites"]


class ListedDataset(Document):
    """A dataset; `synthetic` says whether a stand-in can be made, `origin` where the dataset comes from."""

    name: str
    summary: str
    main_score: str
    synthetic: bool
    licence: str
    origin: str


class ListedMethod(Document):
    """A method; `origin` says where it comes from."""

    name: str
    summary: str
    family: Family
    tasks: list[Task]
    reference: str
    origin: str


class ListedMetric(Document):
    """A metric family and the names of its scores; `origin` says where it comes from."""

    name: str
    summary: str
    version: str
    scores: list[str]
    origin: str


class ListedPreset(Document):
    """A preset; `origin` says where it comes from."""

    name: str
    summary: str
    origin: str


class ListedSuite(Document):
    """A suite that comes with segbench."""

    name: str
    summary: str


@dataclass(frozen=True)
class Listed:
    """What was found, and whether that lasts until segbench is changed or anything is installed: it is all segbench's
    own, and nothing is broken."""

    entries: Sequence[Document]
    lasting: bool


_KINDS: dict[str, Kind] = {"datasets": "dataset", "methods": "method", "metrics": "metric"}


def listed(what: What) -> Listed:
    """One document per entry, with `name` and `summary` first, and at last where it comes from."""
    entries = _documents(what)
    own = all(getattr(entry, "origin", OWN) == OWN for entry in entries)
    return Listed(entries, own and (what not in _KINDS or complete(_KINDS[what])))


def _documents(what: What) -> Sequence[Document]:
    if what == "datasets":
        origin = origins("dataset")
        return [
            ListedDataset(
                name=name,
                summary=cls.info.summary,
                main_score=cls.info.main_score,
                synthetic=cls.info.synthesizable,
                licence=cls.info.licence,
                origin=origin[name],
            )
            for name, cls in datasets().items()
        ]
    if what == "methods":
        origin = origins("method")
        return [
            ListedMethod(
                name=name,
                summary=cls.info.summary,
                family=cls.info.family,
                tasks=list(cls.info.tasks),
                reference=cls.info.reference,
                origin=origin[name],
            )
            for name, cls in methods().items()
        ]
    if what == "metrics":
        origin = origins("metric")
        return [
            ListedMetric(
                name=name,
                summary=metric.summary,
                version=metric.version,
                scores=[score.name for score in metric.scores],
                origin=origin[name],
            )
            for name, metric in metrics().items()
        ]
    if what == "suites":
        from .suite.spec import find_suite, parse_suite, suite_names

        found = (find_suite(name) for name in suite_names())
        return [ListedSuite(name=name, summary=parse_suite(text, path).summary) for name, path, text in found]
    found_presets = preset_origins()
    return [
        ListedPreset(name=name, summary=load_preset(name)["summary"], origin=origin)
        for name, origin in found_presets.items()
    ]
