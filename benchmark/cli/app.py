"""The commands of `bench`: what each is called, what it asks for, and an example."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from . import output
from .lazy import PLAIN, Command, LazyGroup, group

_COMMANDS = {
    "list": Command("data_commands:list_", "Example: bench list methods"),
    "describe": Command("data_commands:describe", "Examples: bench describe unet; bench describe watershed --json"),
    "run": Command(
        "run_commands:run",
        "Examples: bench run --dataset isbi2012 --root data/isbi2012 --method unet --preset quick; "
        "bench run --dataset camvid --method fpn --log tensorboard,csv",
        "request:RunRequest",
    ),
    "evaluate": Command(
        "run_commands:evaluate",
        "Example: bench evaluate --dataset isbi2012 --root data/isbi2012 --predictions my_result.tif",
        "request:EvaluateRequest",
    ),
    "doctor": Command(
        "run_commands:doctor",
        "Examples: bench doctor --dataset voc2012 --root VOCdevkit --predictions my_results; "
        "bench doctor --dataset voc2012 --root VOCdevkit --predictions my_results --out corrected",
        "request:DoctorRequest",
    ),
    "predict": Command(
        "run_commands:predict",
        "Examples: bench predict runs/medaka-unet-1a2b3c4d heart.avi --out heart-masks; "
        "bench predict runs/isbi2012-unet-1a2b3c4d volume.tif --out cells --batch 2; "
        "bench predict runs/voc2012-fpn-1a2b3c4d photographs/ --out labels --resume; "
        "bench predict runs/folder-unet-1a2b3c4d imagesTs/ --out volumes",
        "request:PredictRequest",
    ),
    "cardiac": Command(
        "cardiac_command:cardiac",
        "Examples: bench cardiac masks/ --out heart; bench cardiac video.avi --run runs/medaka-unet-1a2b3c4d; "
        "bench cardiac predicted/ --truth masks/",
        "cardiac.request:CardiacRequest",
    ),
    "compare": Command(
        "stored_commands:compare",
        "Examples: bench compare runs/isbi2012-unet-1a2b3c4d runs/isbi2012-fcn-5e6f7a8b; "
        "bench compare runs --metric iou@car; bench compare runs --by-class --out classes.csv; "
        "bench compare runs --metric v_info --json",
        "stored_requests:CompareRequest",
    ),
    "plan": Command(
        "stored_commands:plan",
        "Examples: bench plan runs/isbi2012-unet-1a2b3c4d --width 0.01; "
        "bench plan runs/isbi2012-unet-1a2b3c4d runs/isbi2012-fcn-5e6f7a8b --out plan --seconds-per-label 25",
        "stored_requests:PlanRequest",
    ),
    "check": Command(
        "stored_commands:check",
        "Examples: bench check --baseline leaderboards/baseline --runs runs; "
        "bench check --baseline leaderboards/baseline --update",
        "stored_requests:CheckRequest",
    ),
    "leaderboard": Command(
        "stored_commands:leaderboard",
        "Examples: bench leaderboard runs --out leaderboards; "
        "bench leaderboard https://example.org/results/index.json; "
        "bench leaderboard --validate leaderboards/records/isbi2012-mine-1a2b3c4d; "
        "bench leaderboard --sign runs/isbi2012-mine-1a2b3c4d --key ~/.ssh/id_ed25519",
        "stored_requests:LeaderboardRequest",
    ),
    "table": Command(
        "stored_commands:table",
        "Examples: bench table runs --dataset camvid; bench table runs --metric miou --metric dice --out results.tex; "
        "bench table runs --by-class --format csv",
        "stored_requests:TableRequest",
    ),
    "panels": Command(
        "stored_commands:panels",
        "Examples: bench panels runs/medaka-unet-1a2b3c4d runs/medaka-fcn-5e6f7a8b --out panels.pdf; "
        "bench panels runs/voc2012-* --pick worst --count 3 --errors --out worst.png --dpi 200; "
        "bench panels runs/medaka-unet-1a2b3c4d --samples lateral-test-0021 --width 8.5cm --out column.svg; "
        "bench panels runs/camvid-fpn-1a2b3c4d --pick worst --errors --crop 240,180 --out details.pdf",
        "stored_requests:PanelsRequest",
    ),
    "publish": Command(
        "stored_commands:publish",
        "Examples: bench publish runs/isbi2012-mine-1a2b3c4d; "
        "bench publish runs/isbi2012-mine-1a2b3c4d --to results; bench publish --index results",
        "stored_requests:PublishRequest",
    ),
    "report": Command(
        "stored_commands:report",
        "Examples: bench report runs --out report; bench report runs --out report --root data/isbi2012",
        "stored_requests:ReportRequest",
    ),
    "suite": Command(
        "run_commands:suite",
        "Examples: bench suite classical-vs-learned --root isbi2012=data/isbi2012 --resume; "
        "bench suite classical-vs-learned --status; bench suite classical-vs-learned --export results.csv",
        "request:SuiteRequest",
    ),
    "explain": Command(
        "stored_commands:explain",
        "Examples: bench explain runs/voc2012-mine-0a1b2c3d; "
        "bench explain runs/voc2012-mine-0a1b2c3d --confusion confusion.csv --normalise; "
        "bench explain runs/voc2012-mine-0a1b2c3d runs/voc2012-other-1a2b3c4d --root VOCdevkit; "
        "bench explain runs/isbi2012-unet-1a2b3c4d --samples 20",
        "stored_requests:ExplainRequest",
    ),
    "slice": Command(
        "stored_commands:slice_",
        "Examples: bench slice runs/voc2012-mine-0a1b2c3d; bench slice runs/voc2012-mine-0a1b2c3d --by class; "
        "bench slice runs/isbi2012-unet-1a2b3c4d runs/isbi2012-fcn-5e6f7a8b --by slides.csv:stain --by brightness",
        "stored_requests:SliceRequest",
    ),
    "show": Command(
        "stored_commands:show",
        "Examples: bench show kmeans photograph.jpg --set k=4; "
        "bench show watershed slice.tif --set relief=dark markers=valleys --out seen",
        "stored_requests:ShowRequest",
    ),
    "verify": Command(
        "stored_commands:verify",
        "Examples: bench verify runs/isbi2012-mine-0a1b2c3d --root data/isbi2012; bench verify leaderboards/records/*",
        "stored_requests:VerifyRequest",
    ),
    "export": Command(
        "stored_commands:export",
        "Examples: bench export runs/voc2012-unet-1a2b3c4d --format voc2012 --out results.tar.gz; "
        "bench export runs/voc2012-unet-1a2b3c4d --format mlflow",
        "stored_requests:ExportRequest",
    ),
    "new": Command(
        "plugin_commands:new", "Examples: bench new dataset my-cells; bench new method my-method --base learned"
    ),
}
_DATA_COMMANDS = {
    "status": Command("data_commands:data_status", "Example: bench data status medaka", "data_requests:StatusRequest"),
    "describe": Command(
        "data_commands:data_describe",
        "Example: bench data describe folder --root mine --write",
        "data_requests:DescribeDataRequest",
    ),
    "import": Command(
        "data_commands:data_import",
        "Examples: bench data import annotated/ --out mine; bench data import val.json --out mine --from coco",
        "data_requests:ImportRequest",
    ),
    "verify": Command(
        "data_commands:data_verify",
        "Example: bench data verify isbi2012 --root data/isbi2012",
        "data_requests:VerifyDataRequest",
    ),
    "download": Command(
        "data_commands:data_download",
        "Example: bench data download cocostuff --root data/cocostuff --only val2017.zip",
        "data_requests:DownloadRequest",
    ),
    "synthesize": Command(
        "data_commands:data_synthesize",
        "Example: bench data synthesize medaka --root data/medaka-synthetic",
        "data_requests:SynthesizeRequest",
    ),
}

app = typer.Typer(
    name="bench",
    cls=LazyGroup,
    help="Benchmark and evaluate image segmentation: which method is better, by how much, at what cost.",
    epilog="Start with: bench run --dataset medaka --method unet",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    **(PLAIN | {"add_completion": True}),
)
data_app = typer.Typer(
    cls=LazyGroup, help="Find, fetch, import, describe, check and synthesize datasets.", no_args_is_help=True, **PLAIN
)


def _version(wanted: bool) -> None:
    if wanted:
        output.version()
        raise typer.Exit


@app.callback()
def _options(
    ctx: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print version, commit and counting path."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no messages, in every command.")] = False,
) -> None:
    del version
    output.quiet = quiet
    if ctx.invoked_subcommand is None:
        from ..commands.overview import overview

        output.text(ctx.get_help())
        output.overview(overview())


def bench() -> Any:
    """The whole command line."""
    return group(app, _COMMANDS, data=group(data_app, _DATA_COMMANDS))
