"""The commands of `bench`: what each is called, what it asks for, and an example."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from ..runs.cardiac.request import CardiacRequest
from ..runs.request import (
    CheckRequest,
    CompareRequest,
    DescribeDataRequest,
    DoctorRequest,
    DownloadRequest,
    EvaluateRequest,
    ExplainRequest,
    ExportRequest,
    LeaderboardRequest,
    PredictRequest,
    ReportRequest,
    RunRequest,
    StatusRequest,
    SuiteRequest,
    SynthesizeRequest,
    VerifyDataRequest,
    VerifyRequest,
)
from . import cardiac_command, data_commands, output, plugin_commands, run_commands, stored_commands
from .options import request_command

app = typer.Typer(
    name="bench",
    help="Benchmark and evaluate image segmentation: which method is better, by how much, at what cost.",
    epilog="Start with: bench run --dataset medaka --method unet",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help takes a third of the time of rich help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(
    help="Find, fetch, describe, check and synthesize datasets.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(data_app, name="data")


def _version(wanted: bool) -> None:
    if wanted:
        output.version()
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print version, commit and counting path."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no talk, in every command.")] = False,
) -> None:
    del version
    output.quiet = quiet


def _command(group: typer.Typer, function: Callable[..., None], epilog: str, name: str | None = None) -> None:
    """Make a command of a function whose parameters say their options themselves."""
    group.command(name, epilog=epilog)(function)


_command(app, data_commands.list_, "Example: bench list methods", name="list")
_command(app, data_commands.describe, "Examples: bench describe unet; bench describe watershed --json")
request_command(
    app,
    RunRequest,
    run_commands.run,
    "Example: bench run --dataset isbi2012 --root data/isbi2012 --method unet --preset quick",
)
request_command(
    app,
    EvaluateRequest,
    run_commands.evaluate,
    "Example: bench evaluate --dataset isbi2012 --root data/isbi2012 --predictions my_result.tif",
)
request_command(
    app,
    DoctorRequest,
    run_commands.doctor,
    "Example: bench doctor --dataset voc2012 --root VOCdevkit --predictions my_results",
)
request_command(
    app,
    PredictRequest,
    run_commands.predict,
    "Examples: bench predict runs/medaka-unet-1a2b3c4d heart.avi --out heart-masks; "
    "bench predict runs/isbi2012-unet-1a2b3c4d volume.tif --out cells --batch 2; "
    "bench predict runs/voc2012-fpn-1a2b3c4d photographs/ --out labels --resume",
)
request_command(
    app,
    CardiacRequest,
    cardiac_command.cardiac,
    "Examples: bench cardiac masks/ --out heart; bench cardiac video.avi --run runs/medaka-unet-1a2b3c4d; "
    "bench cardiac predicted/ --truth masks/",
)
request_command(
    app,
    CompareRequest,
    stored_commands.compare,
    "Examples: bench compare runs/isbi2012-unet-1a2b3c4d runs/isbi2012-fcn-5e6f7a8b; "
    "bench compare runs --metric v_info --json",
)
request_command(
    app,
    CheckRequest,
    stored_commands.check,
    "Examples: bench check --baseline leaderboards/baseline --runs runs; "
    "bench check --baseline leaderboards/baseline --update",
)
request_command(
    app,
    LeaderboardRequest,
    stored_commands.leaderboard,
    "Examples: bench leaderboard runs --out leaderboards; "
    "bench leaderboard --validate leaderboards/records/isbi2012-mine-1a2b3c4d",
)
request_command(
    app,
    ReportRequest,
    stored_commands.report,
    "Examples: bench report runs --out report; bench report runs --out report --root data/isbi2012",
)
request_command(
    app,
    SuiteRequest,
    run_commands.suite,
    "Example: bench suite classical-vs-learned --root isbi2012=data/isbi2012 --resume",
)
request_command(app, ExplainRequest, stored_commands.explain, "Example: bench explain runs/voc2012-mine-0a1b2c3d")
request_command(
    app,
    VerifyRequest,
    stored_commands.verify,
    "Examples: bench verify runs/isbi2012-mine-0a1b2c3d --root data/isbi2012; bench verify leaderboards/records/*",
)
request_command(
    app,
    ExportRequest,
    stored_commands.export,
    "Example: bench export runs/voc2012-unet-1a2b3c4d --format voc2012 --out results.tar.gz",
)
_command(app, plugin_commands.new, "Examples: bench new dataset my-cells; bench new method my-method --base learned")
request_command(data_app, StatusRequest, data_commands.data_status, "Example: bench data status medaka", name="status")
request_command(
    data_app,
    DescribeDataRequest,
    data_commands.data_describe,
    "Example: bench data describe folder --root mine --write",
    name="describe",
)
request_command(
    data_app,
    VerifyDataRequest,
    data_commands.data_verify,
    "Example: bench data verify isbi2012 --root data/isbi2012",
    name="verify",
)
request_command(
    data_app,
    DownloadRequest,
    data_commands.data_download,
    "Example: bench data download cocostuff --root data/cocostuff --only val2017.zip",
    name="download",
)
request_command(
    data_app,
    SynthesizeRequest,
    data_commands.data_synthesize,
    "Example: bench data synthesize medaka --root data/medaka-synthetic",
    name="synthesize",
)
