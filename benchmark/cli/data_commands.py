"""Commands of `bench data`, `bench list` and `bench describe`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from . import output
from .options import DatasetName, Json, Quiet, Root


class What(StrEnum):
    """What to list."""

    datasets = "datasets"
    methods = "methods"
    metrics = "metrics"
    presets = "presets"
    suites = "suites"


def list_(
    what: Annotated[What, typer.Argument(help="What to list.")], json: Json = False, quiet: Quiet = False
) -> None:
    """List datasets, methods, metrics, presets or suites, one line each."""
    from ..commands.listing import listing

    output.listing(what.value, listing(what.value), json, quiet)


def describe(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a method, dataset, metric, preset or suite.")],
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show what something is; of a method every setting with default, range, meaning and what presets change."""
    from ..commands.describe import describe
    from .describe_output import description

    del quiet
    description(describe(name), json)


def data_status(dataset: DatasetName, root: Root = None, json: Json = False, quiet: Quiet = False) -> None:
    """Show where data is expected and what was found."""
    from ..commands.data import status

    output.status(status(dataset, root), json, quiet)


def data_describe(
    dataset: DatasetName,
    root: Root = None,
    write: Annotated[
        bool, typer.Option("--write", help="Guess the classes of a folder of your own and write its classes.yaml.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show classes, splits, official layout, licence and citation; with a root also what is there."""
    from ..commands.data import describe

    with output.interruptible():
        about = describe(dataset, root, write=write, reporter=output.reporter(quiet))
    output.description(about, json, quiet)


def data_verify(
    dataset: DatasetName,
    root: Root = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Read every file again, also unchanged ones.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check every file: numbers, pairs, decoding, sizes, label values, leaks. Exit status 1 if anything is wrong."""
    from ..commands.data import verify

    with output.interruptible():
        found = verify(dataset, root, output.reporter(quiet), cache=not no_cache)
    output.faults(found, json)
    if found.faults:
        raise typer.Exit(1)


def data_download(
    dataset: DatasetName,
    root: Annotated[
        Path | None, typer.Option("--root", help="Folder to put the data in. Default: $SEGBENCH_DATA/<dataset>.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="FILE", help="Fetch this file only; repeatable. See 'bench data describe'."),
    ] = None,
    keep_archives: Annotated[
        bool, typer.Option("--keep-archives", help="Keep the archives in DIR/downloads after unpacking.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fetch a dataset's official files, check them and unpack them into the official layout.

    Goes on where an interrupted download ended; what is there already is not fetched again.
    """
    from ..commands.download import DownloadRequest
    from ..commands.download import download as do_download

    request = DownloadRequest(dataset, root, tuple(only or ()), keep_archives)
    with output.interruptible("; what was fetched is kept, and the same command goes on from there"):
        done = do_download(request, output.reporter(quiet))
    output.downloaded(done, json, quiet)


def data_synthesize(
    dataset: DatasetName,
    root: Root = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 0,
    full: Annotated[bool, typer.Option("--full", help="As many images as the official set.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write synthetic data in the official layout."""
    from ..commands.data import synthesize

    with output.interruptible():
        made = synthesize(dataset, root, seed, full, output.reporter(quiet))
    output.made(made, json, quiet)
