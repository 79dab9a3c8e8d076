"""Descriptions of datasets and their classes, splits and files: all that is known before any file is read."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from ..settings import Settings, describe_settings, refuse_no_model, settings_of
from .arrays import PredictionKind, Task

USUAL_METRICS: Mapping[Task, tuple[tuple[str, ...], str]] = {
    "binary": (("binary-overlap",), "dice"),
    "multiclass": (("overlap",), "miou"),
}
"""Metric families and main score of a dataset that names neither."""


@dataclass(frozen=True)
class ClassInfo:
    """One class: its label value, name, display colour (R, G, B in 0..255), kind, and category where it has one."""

    id: int
    name: str
    color: tuple[int, int, int]
    kind: Literal["thing", "stuff", "background"] = "stuff"
    category: str = ""


@dataclass(frozen=True)
class SplitPart:
    """The samples of a split that a release of its dataset holds: their number, and the SHA-256 of their ids."""

    size: int
    ids_sha256: str


@dataclass(frozen=True)
class SplitInfo:
    """One split: its official number of samples (None where there is no official number) and what it is.

    An `optional` split is not part of every copy. `holds` names the splits that are contained in it. `releases` is by
    value of the dataset's option `release` what those hold of it that do not hold all.
    """

    official_size: int | None
    summary: str
    labelled: bool = True
    optional: bool = False
    holds: tuple[str, ...] = ()
    releases: Mapping[str, SplitPart] = field(default_factory=dict)


@dataclass(frozen=True)
class Download:
    """One official file of a dataset: its address, what it must be, and where below the root it belongs.

    `size` in bytes, `sha256` and `md5` are published values, None where none is known: then the SHA-256 of the first
    download is written down and holds from then on. An archive (`extract`) is unpacked into the subfolder `into` ("" is
    the root); `holds` names the entries that are wanted of it, wherever the folder that holds them is (all of it when
    empty). `login` names the account that the server asks for.
    """

    url: str
    filename: str
    summary: str = ""
    sha256: str | None = None
    md5: str | None = None
    size: int | None = None
    extract: bool = True
    into: str = ""
    holds: tuple[str, ...] = ()
    login: str = ""


@dataclass(frozen=True)
class LabelCoding:
    """A known other way to write a dataset's label values, which `bench doctor` recognises.

    `keys[n]` was written for `labels[n]`, and `rest` stands for every other value. `kind` names the mistake, `what`
    says it in a sentence and `remedy` what to do; where it is `lossy`, what was written does not tell all labels apart.
    """

    kind: str
    what: str
    keys: tuple[int, ...]
    labels: tuple[int, ...]
    rest: int
    remedy: str
    lossy: bool = False


@dataclass(frozen=True)
class CatchAllLabel:
    """A label value that is none of the dataset's, into which `task`, a related one, merges all things."""

    label: int
    name: str
    task: str


@dataclass(frozen=True)
class VolumeSlices:
    """How slices of volumes became the images of a dataset.

    `channels` is the number of intensities that a voxel has. `window` are those that became black and white in every
    volume, None where each has limits of its own. `spacing_mm` is, for each volume (a group of samples), the distance
    between slices, rows and columns in millimetres.
    """

    channels: int = 1
    window: tuple[float, float] | None = None
    spacing_mm: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class DatasetInfo:
    """What is true of a dataset before any file is read.

    `classes` are those that are scored. `ignore_label` marks void pixels of the truth. `unscored` are further labels
    with a name: dropped where the truth holds them, and a false negative (never a false positive) where a prediction
    does. `metrics` names the metric families that score it, `object_metrics` those that score predicted objects with
    confidences, `panoptic_metrics` those that score predicted segments, whose classes are `panoptic_classes` (their
    `id` is the `category_id` of COCO's format) where they differ from `classes`. `category_ids` is by label value the
    `category_id` that COCO results of objects have where it is not the label value + 1.
    `main_score` is the score that ranks, `second_score` the one that stands beside it on a board; a dataset that names
    neither metrics nor main score has `USUAL_METRICS`. `further_metrics` are families that score label maps too, and
    say nothing of what is comparable: runs without them are compared with runs that have them. `foreground` is the
    label value of the foreground class of a binary dataset. `official_ids` is by split, or `all`, the SHA-256 of the
    official sample ids (sorted, one a line) where their list is known.
    `stacked` says that predictions are kept as one multi-page TIFF, `grey` that images are given as grey ones (ITU-R
    601 luma of those that are in colour),
    `upright` that images and masks are turned as their orientation tags say, where an official layout is read as it is
    stored. `pixel_size_um` is (height, width) of one pixel in micrometres.
    `settings` is the model of the options that it takes, each with its default: no other is accepted. `options` says
    what each of them means, and is made of the model.
    `image_options` are the options that change what images show and nothing that is scored: runs that differ in them
    are compared, and people are shown images without them. `context_option` is the one of them, if there is one, with
    which an image is a slice between the one before and the one after.
    `volumes` says how its images were cut from volumes, None where they were not, or nobody knows.
    `related` names datasets whose published scores stand beside its boards, as theirs.
    `export_formats` names the official forms of predictions, each as `module:class` of a
    `segbench.predictions.export_format.ExportFormat`; `label_codings` are the known other ways to write its labels
    beside those that follow from its class ids, `catch_all` the label into which a related task merges all things.
    """

    name: str
    version: str
    summary: str
    task: Task
    classes: tuple[ClassInfo, ...]
    splits: Mapping[str, SplitInfo]
    default_split: str = "test"
    metrics: tuple[str, ...] = ()
    main_score: str = ""
    second_score: str = ""
    licence: str = "not stated"
    citation: str = "not stated"
    homepage: str = "not stated"
    layout: str = ""
    aliases: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    ignore_label: int | None = None
    unscored: tuple[ClassInfo, ...] = ()
    object_metrics: tuple[str, ...] = ()
    panoptic_metrics: tuple[str, ...] = ()
    panoptic_classes: tuple[ClassInfo, ...] = ()
    foreground: int = 1
    stacked: bool = False
    grey: bool = False
    upright: bool = False
    pixel_size_um: tuple[float, float] | None = None
    frames_per_second: float | None = None
    synthesizable: bool = False
    downloads: tuple[Download, ...] = ()
    settings: type[Settings] = Settings
    options: Mapping[str, str] = field(default_factory=dict)
    image_options: frozenset[str] = frozenset()
    context_option: str = ""
    volumes: VolumeSlices | None = None
    export_formats: Mapping[str, str] = field(default_factory=dict)
    label_codings: tuple[LabelCoding, ...] = ()
    catch_all: CatchAllLabel | None = None
    official_ids: Mapping[str, str] = field(default_factory=dict)
    further_metrics: tuple[str, ...] = ()
    category_ids: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.metrics and not self.main_score and self.task in USUAL_METRICS:
            for name, value in zip(("metrics", "main_score"), USUAL_METRICS[self.task], strict=True):
                object.__setattr__(self, name, value)
        refuse_no_model(f"dataset {self.name}", self.settings)
        if self.settings is not Settings:
            told = {each.name: f"{each.meaning} Takes {each.expected}." for each in describe_settings(self.settings)}
            object.__setattr__(self, "options", told)
        elif self.options:
            text = f"dataset {self.name}: give DatasetInfo(settings=...), a model of its options, instead of options"
            warnings.warn(text, DeprecationWarning, stacklevel=3)
            object.__setattr__(self, "settings", settings_of("Settings", dict.fromkeys(self.options), self.options))

    def official_size(self, split: str) -> int | None:
        """The official number of samples of a split, or of `all`; None where there is none."""
        if split in self.splits:
            return self.splits[split].official_size
        labelled = {name: one for name, one in self.splits.items() if one.labelled and not one.optional}
        inside = {name for one in labelled.values() for name in one.holds}
        sizes = [one.official_size for name, one in labelled.items() if name not in inside]
        known = [size for size in sizes if size is not None]
        return sum(known) if split == "all" and known and len(known) == len(sizes) else None

    def scored_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Those of its options that decide what is scored."""
        return {name: value for name, value in options.items() if name not in self.image_options}

    def part_of(self, split: str, options: Mapping[str, Any]) -> SplitPart | None:
        """What the chosen release holds of a split where that is not all of it, else None."""
        return self.splits[split].releases.get(options.get("release", "")) if split in self.splits else None

    def metrics_for(self, kind: PredictionKind) -> tuple[str, ...]:
        """The metric families that score predictions of a kind."""
        return {"maps": self.metrics, "objects": self.object_metrics, "panoptic": self.panoptic_metrics}[kind]

    @property
    def every_metric(self) -> tuple[str, ...]:
        """The metric families that score any kind of its predictions."""
        return (*self.metrics, *self.object_metrics, *self.panoptic_metrics)

    @property
    def segment_classes(self) -> tuple[ClassInfo, ...]:
        """Classes of segments: `panoptic_classes`, or `classes` where there are none of their own."""
        return self.panoptic_classes or self.classes

    @property
    def foreground_classes(self) -> tuple[ClassInfo, ...]:
        """The scored classes but the background; of a binary dataset the foreground."""
        if self.task == "binary":
            return tuple(c for c in self.classes if c.id == self.foreground)
        return tuple(c for c in self.classes if c.kind != "background")

    @cached_property
    def label_of_category(self) -> Mapping[int, int]:
        """Label value of every `category_id` that COCO results may have."""
        if self.category_ids:
            return {category: label for label, category in self.category_ids.items()}
        return {c.id + 1: c.id for c in (*self.classes, *self.unscored)}

    @cached_property
    def void(self) -> frozenset[int]:
        """Label values whose pixels are dropped where the truth holds them."""
        own = () if self.ignore_label is None else (self.ignore_label,)
        return frozenset((*own, *(c.id for c in self.unscored)))

    @cached_property
    def predictable(self) -> frozenset[int]:
        """Label values that a prediction may hold on a counted pixel."""
        return frozenset(c.id for c in (*self.classes, *self.unscored))
