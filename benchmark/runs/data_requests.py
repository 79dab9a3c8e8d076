"""What a user asks of data: `bench data describe`, `verify`, `download` and the like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from .options import Argument, Option
from .request import Root, read_settings, written_settings

NamedDataset: TypeAlias = Annotated[str, Argument("Name of a dataset; see 'bench list datasets'.", metavar="DATASET")]


@dataclass(frozen=True)
class StatusRequest:
    """What the user asked `bench data status` for."""

    dataset: NamedDataset
    root: Root = None


@dataclass(frozen=True)
class DescribeDataRequest:
    """What the user asked `bench data describe` for."""

    dataset: NamedDataset
    root: Root = None
    write: Annotated[bool, Option("Guess the classes of your own folder and write its classes.yaml.")] = False


@dataclass(frozen=True)
class VerifyDataRequest:
    """What the user asked `bench data verify` for."""

    dataset: NamedDataset
    root: Root = None
    no_cache: Annotated[bool, Option("Read every file again, including unchanged ones.")] = False
    settings: Annotated[
        Mapping[str, Any],
        Option(
            "Change an option of the dataset; repeatable.",
            flags=("--set",),
            metavar="KEY=VALUE",
            read=read_settings,
            write=written_settings,
        ),
    ] = field(default_factory=dict)


@dataclass(frozen=True)
class DownloadRequest:
    """What the user asked `bench data download` for."""

    dataset: NamedDataset
    root: Annotated[Path | None, Option("Folder to put the data in. Default: $SEGBENCH_DATA/<dataset>.")] = None
    only: Annotated[
        tuple[str, ...],
        Option("Fetch this file only; repeatable. See 'bench data describe'.", metavar="FILE", write=tuple),
    ] = ()
    keep_archives: Annotated[bool, Option("Keep the archives in DIR/downloads after unpacking.")] = False


@dataclass(frozen=True)
class SynthesizeRequest:
    """What the user asked `bench data synthesize` for."""

    dataset: NamedDataset
    root: Root = None
    seed: Annotated[int, Option("The same seed gives the same bytes.", low=0)] = 0
    full: Annotated[bool, Option("As many images as the official set.")] = False


@dataclass(frozen=True)
class ImportRequest:
    """What the user asked `bench data import` for."""

    source: Annotated[Path, Argument("Annotations of another tool: a folder, or its one file.", metavar="SOURCE")]
    out: Annotated[Path, Option("A new folder, for --dataset folder --root DIR.", metavar="DIR")]
    format: Annotated[
        Literal["coco", "labelme", "cvat", "voc", "yolo", "huggingface", "nnunet", "geojson", "imagej"] | None,
        Option("Format of the annotations. [default: recognised]", flags=("--from",)),
    ] = None
    copy: Annotated[bool, Option("Copy pictures; without it they are linked.")] = False
    overwrite: Annotated[bool, Option("Replace what an earlier import made.")] = False
