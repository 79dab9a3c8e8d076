"""Commands of `bench data`, `bench list` and `bench describe`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from . import output
from .flags import Json, Quiet

if TYPE_CHECKING:
    from ..runs.data_requests import (
        DescribeDataRequest,
        DownloadRequest,
        ImportRequest,
        StatusRequest,
        SynthesizeRequest,
        VerifyDataRequest,
    )


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
    """Explain a dataset, method, metric, preset or suite; of a method every setting, with what presets change."""
    from ..commands.describe import describe
    from .describe_output import description

    del quiet
    description(describe(name), json)


def data_status(request: StatusRequest, json: bool, quiet: bool) -> None:
    """Show where data is expected and what was found."""
    from ..commands.data import status
    from . import data_output

    data_output.status(status(request.dataset, request.root), json, quiet)


def data_describe(request: DescribeDataRequest, json: bool, quiet: bool) -> None:
    """Show classes, splits, official layout, licence and citation; with a root also what is there."""
    from ..commands.data import describe
    from . import data_output

    about = describe(request.dataset, request.root, write=request.write, reporter=output.reporter(quiet))
    data_output.description(about, json, quiet)


def data_import(request: ImportRequest, json: bool, quiet: bool) -> None:
    """Turn annotations of COCO, labelme, CVAT, VOC, YOLO, Hugging Face, nnU-Net, QuPath or ImageJ into a folder.

    The format is recognised, pictures are linked, and a table says what became of what.
    """
    from ..commands.import_data import import_data
    from .import_output import imported

    with output.interruptible("; nothing was written"):
        done = import_data(request, output.reporter(quiet))
    imported(done, json, quiet)


def data_verify(request: VerifyDataRequest, json: bool, quiet: bool) -> None:
    """Check every file: numbers, pairs, decoding, sizes, label values, leaks. Exit status 1 if anything is wrong."""
    from ..commands.data import verify
    from . import data_output

    reporter = output.reporter(quiet)
    found = verify(request.dataset, request.root, reporter, cache=not request.no_cache, options=request.settings)
    with output.failing_unless(not found.faults):
        data_output.faults(found, json)


def data_download(request: DownloadRequest, json: bool, quiet: bool) -> None:
    """Fetch a dataset's official files, check them and unpack them into the official layout.

    Goes on where an interrupted download ended; what is there already is not fetched again.
    """
    from ..commands.download import download as do_download
    from . import data_output

    with output.interruptible("; what was fetched is kept, and the same command goes on from there"):
        done = do_download(request, output.reporter(quiet))
    data_output.downloaded(done, json, quiet)


def data_synthesize(request: SynthesizeRequest, json: bool, quiet: bool) -> None:
    """Write synthetic data in the official layout."""
    from ..commands.data import synthesize
    from . import data_output

    made = synthesize(request.dataset, request.root, request.seed, request.full, output.reporter(quiet))
    data_output.made(made, json, quiet)
