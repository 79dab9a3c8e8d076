"""Arguments and help of every command."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from . import output

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


class Source(StrEnum):
    """Which data to take."""

    auto = "auto"
    real = "real"
    synthetic = "synthetic"


class Engine(StrEnum):
    """What runs the cells of a suite."""

    local = "local"


class What(StrEnum):
    """What to list."""

    datasets = "datasets"
    methods = "methods"
    metrics = "metrics"
    presets = "presets"
    suites = "suites"


Dataset = Annotated[str, typer.Option("--dataset", "-d", help="Name of a dataset; see 'bench list datasets'.")]
Root = Annotated[
    Path | None,
    typer.Option("--root", help="Folder with the dataset's official layout. Default: $SEGBENCH_DATA/<dataset>."),
]
Split = Annotated[
    str | None,
    typer.Option("--split", help="Split to score, or 'all' for every labelled sample. [default: the dataset's]"),
]
Out = Annotated[Path | None, typer.Option("--out", help="The run folder. [default: runs/<dataset>-<method>-<hash>]")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the method or the dataset; repeatable."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; all talk goes to stderr.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no talk, only warnings and results.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]
Name = Annotated[str, typer.Argument(metavar="DATASET", help="Name of a dataset; see 'bench list datasets'.")]


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


@app.command("list", epilog="Example: bench list methods")
def list_(
    what: Annotated[What, typer.Argument(help="What to list.")], json: Json = False, quiet: Quiet = False
) -> None:
    """List datasets, methods, metrics, presets or suites, one line each."""
    from ..commands.listing import listing

    output.listing(what.value, listing(what.value), json, quiet)


@app.command(epilog="Example: bench run --dataset isbi2012 --root data/isbi2012 --method unet --preset quick")
def run(
    dataset: Dataset,
    method: Annotated[str, typer.Option("--method", "-m", help="Name of a method; see 'bench list methods'.")],
    split: Split = None,
    preset: Annotated[
        str, typer.Option(help="quick (CPU, minutes), standard (one GPU, an hour at most) or paper.")
    ] = "quick",
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of everything that is random.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    root: Root = None,
    source: Annotated[
        Source, typer.Option(help="auto takes real data where found, else a synthetic sample.")
    ] = Source.auto,
    folds: Annotated[int | None, typer.Option(min=2, help="K-fold cross-validation over all labelled samples.")] = None,
    train_fraction: Annotated[float, typer.Option(help="Part of the training samples to use, above 0 up to 1.")] = 1.0,
    settings: Settings = None,
    out: Out = None,
    save_predictions: Annotated[
        bool, typer.Option("--save-predictions", help="Keep predictions in the run folder.")
    ] = False,
    workers: Annotated[
        int, typer.Option(min=0, help="Threads or processes that measure; 0 measures as it predicts.")
    ] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run of the same settings.")
    ] = False,
    weights: Annotated[
        Path | None,
        typer.Option(help="A run of the same training: take its weights and only predict (other tta, window, …)."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit a method, predict, evaluate and record: the main job."""
    from ..commands.run import RunRequest, help_to_train
    from ..commands.run import run as do_run
    from ..runs.devices import process_rank
    from ..runs.presets import parse_settings

    request = RunRequest(
        dataset,
        method,
        split,
        preset,
        seed,
        device,
        root,
        source.value,
        folds,
        train_fraction,
        parse_settings(settings or []),
        out,
        save_predictions,
        workers,
        resume,
        weights,
    )
    if process_rank():
        help_to_train(request, output.reporter(True))
        return
    with output.interruptible(f"; go on with: {request.resume_command()}"):
        folder, record = do_run(request, output.reporter(quiet))
    output.record(folder, record, json, quiet)


@app.command(epilog="Example: bench evaluate --dataset isbi2012 --root data/isbi2012 --predictions my_result.tif")
def evaluate(
    dataset: Dataset,
    predictions: Annotated[Path, typer.Option("--predictions", "-p", help="Folder of predictions, or one stack.")],
    name: Annotated[str | None, typer.Option(help="Name on the leaderboard. [default: the file's stem]")] = None,
    split: Split = None,
    root: Root = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Score a deliberate subset; recorded as incomplete.")
    ] = False,
    out: Out = None,
    save_predictions: Annotated[
        bool, typer.Option("--save-predictions", help="Keep the scored predictions in the run folder.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Threads or processes that measure. [default: chosen by size]")
    ] = None,
    settings: Settings = None,
    metrics: Annotated[
        list[str] | None, typer.Option("--metric", help="Add a metric family, see 'bench list metrics'; repeatable.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score anybody's predictions; needs ground truth only."""
    from ..commands.evaluate import EvaluateRequest, evaluate_files
    from ..runs.presets import parse_settings

    options = parse_settings(settings or [])
    extra = tuple(metrics or ())
    request = EvaluateRequest(
        dataset, predictions, name, split, root, partial, out, workers, options, extra, save_predictions
    )
    with output.interruptible():
        folder, record = evaluate_files(request, output.reporter(quiet))
    output.record(folder, record, json, quiet)


@app.command(epilog="Example: bench doctor --dataset voc2012 --root VOCdevkit --predictions my_results")
def doctor(
    dataset: Dataset,
    predictions: Annotated[Path, typer.Option("--predictions", "-p", help="Folder of predictions, or one stack.")],
    split: Split = None,
    root: Root = None,
    partial: Annotated[bool, typer.Option("--partial", help="Samples without a prediction are on purpose.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Diagnose predictions before scoring: what is wrong, the proof, the score after the remedy. Changes nothing.

    Exit status 1 if anything is wrong.
    """
    from ..commands.doctor import DoctorRequest, diagnose
    from . import doctor_output

    with output.interruptible():
        found = diagnose(DoctorRequest(dataset, predictions, split, root, partial), output.reporter(quiet))
    doctor_output.diagnosis(found, json)
    if found.findings:
        raise typer.Exit(1)


@app.command(
    epilog="Examples: bench predict runs/medaka-unet-1a2b3c4d heart.avi --out heart-masks; "
    "bench predict runs/isbi2012-unet-1a2b3c4d volume.tif --out cells --batch 2; "
    "bench predict runs/voc2012-fpn-1a2b3c4d photographs/ --out labels --resume"
)
def predict(
    run: RunFolder,
    input_: Annotated[
        Path,
        typer.Argument(metavar="INPUT", help="A folder of images, an image, a TIFF stack or a video (AVI, MP4, …)."),
    ],
    out: Annotated[Path, typer.Option("--out", help="A new folder for the predictions and predict.json.")],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    batch: Annotated[int, typer.Option(min=1, help="Frames given to the method at once.")] = 8,
    fold: Annotated[
        int | None, typer.Option(min=1, help="Of a cross-validation: whose method, from 1. [default: the first]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Keep the frames that are written already.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Segment new images, stacks or videos with a trained run: one PNG of label values for each frame.

    Binary datasets give 0 and 255. A TIFF stack given to a run on a stack (isbi2012) gives one TIFF of probabilities.
    """
    from ..commands.predict import PredictRequest
    from ..commands.predict import predict as do_predict

    request = PredictRequest(run, input_, out, device, batch, fold, resume)
    with output.interruptible(f"; go on with: {request.command()} --resume"):
        made = do_predict(request, output.reporter(quiet))
    output.predicted(made, json)


@app.command(
    epilog="Examples: bench cardiac masks/ --out heart; bench cardiac video.avi --run runs/medaka-unet-1a2b3c4d; "
    "bench cardiac predicted/ --truth masks/"
)
def cardiac(
    input_: Annotated[
        Path, typer.Argument(metavar="MASKS|VIDEO", help="Masks (folder, TIFF stack, run), or with --run a video.")
    ],
    run: Annotated[Path | None, typer.Option("--run", help="A trained run that segments the video or images.")] = None,
    truth: Annotated[Path | None, typer.Option(help="True masks, to judge by.")] = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second. [default: the video's, else 15]")] = None,
    pixel_size_um: Annotated[
        float | None,
        typer.Option(help="Side of a pixel in µm. [default: 1.115, scaled where frames are not 480 x 640]"),
    ] = None,
    prominence: Annotated[
        float | None,
        typer.Option(help="How far an extremum stands out, part of the range of areas. [default: 0.2; 0.1 with --run]"),
    ] = None,
    distance: Annotated[int | None, typer.Option(help="Least frames between two like extrema. [default: 4]")] = None,
    smoothing: Annotated[
        int | None,
        typer.Option(help="Times the areas are smoothed before extrema are looked for. [default: 0; 2 with --run]"),
    ] = None,
    refractory: Annotated[
        float | None,
        typer.Option(
            help="Least time between two like extrema, part of the main rhythm's period. [default: 0; 0.6 with --run]"
        ),
    ] = None,
    clean: Annotated[
        bool | None,
        typer.Option("--clean/--no-clean", help="Largest piece, holes filled. [default: with --run alone]"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for tables and plots. [default: none; cardiac/<video> with --run]"),
    ] = None,
    plots: Annotated[bool, typer.Option("--plots/--no-plots", help="Plots and overlay video in that folder.")] = True,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps, for --run.")] = "auto",
    fold: Annotated[int | None, typer.Option(min=1, help="Of a cross-validation: whose method, from 1.")] = None,
    propagation: Annotated[
        bool, typer.Option("--propagation", help="Change the true masks on purpose: which Dice is needed?")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Heart rate, shortening and ejection fraction of beating hearts, beat by beat, with plots.

    With --truth also the errors, held against the 5-12 % range of human annotators.
    """
    from ..cardiac.beats import Detection
    from ..commands.cardiac import CardiacRequest
    from ..commands.cardiac import cardiac as do_cardiac
    from . import cardiac_output

    usual = Detection() if run is None else Detection.for_predicted_masks()
    given: dict[str, Any] = {
        "prominence": prominence,
        "distance": distance,
        "smoothing": smoothing,
        "refractory": refractory,
    }
    detection = replace(usual, **{name: value for name, value in given.items() if value is not None})
    request = CardiacRequest(
        input_, run, truth, fps, pixel_size_um, detection, clean, out, plots, device, fold, propagation
    )
    with output.interruptible("; the same command goes on where it stopped"):
        found = do_cardiac(request, output.reporter(quiet))
    cardiac_output.document(found, json)


@app.command(
    epilog="Examples: bench compare runs/isbi2012-unet-1a2b3c4d runs/isbi2012-fcn-5e6f7a8b; "
    "bench compare runs --metric v_info --json"
)
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Two run folders or more, or folders of them.")],
    metric: Annotated[
        str | None, typer.Option("--metric", help="Name of the score. [default: the dataset's main score]")
    ] = None,
    target: Annotated[
        float | None, typer.Option(help="Say how many labels each method needs for this score (several fractions).")
    ] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap samples and permutations.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Which run is better, by how much, and could it be chance? Paired statistics of runs on the same samples."""
    from ..commands.compare import CompareRequest
    from ..commands.compare import compare as do_compare

    with output.interruptible():
        found = do_compare(CompareRequest(tuple(runs), metric, target, resamples, seed), output.reporter(quiet))
    output.comparison(found, json)


@app.command(
    epilog="Examples: bench check --baseline leaderboards/baseline --runs runs; "
    "bench check --baseline leaderboards/baseline --update"
)
def check(
    baseline: Annotated[Path, typer.Option("--baseline", help="Committed run folders to hold the runs against.")],
    runs: Annotated[Path, typer.Option("--runs", help="The runs to check.")] = Path("runs"),
    tolerance: Annotated[float, typer.Option(help="A smaller loss never fails, in the score's unit.")] = 0.005,
    slowdown: Annotated[
        float | None, typer.Option(help="Also fail where fitting or predicting takes so many times as long.")
    ] = None,
    metric: Annotated[str | None, typer.Option("--metric", help="The score. [default: the main score]")] = None,
    update: Annotated[bool, typer.Option("--update", help="Make the runs the new baseline instead.")] = False,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML.")] = None,
    summary: Annotated[Path | None, typer.Option(help="Append a markdown summary, as $GITHUB_STEP_SUMMARY.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Did my method get worse? Exit status 1 where a loss is larger than the tolerance and than the noise."""
    from ..commands.check import CheckRequest
    from ..commands.check import check as do_check

    request = CheckRequest(baseline, runs, tolerance, slowdown, update, junit, summary, metric)
    with output.interruptible():
        found = do_check(request, output.reporter(quiet))
    output.checked(found, json)
    if not found["ok"]:
        raise typer.Exit(1)


@app.command(
    epilog="Examples: bench leaderboard runs --out leaderboards; "
    "bench leaderboard --validate leaderboards/records/isbi2012-mine-1a2b3c4d"
)
def leaderboard(
    runs: Annotated[list[Path] | None, typer.Argument(help="Run folders, or folders of them. [default: runs]")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the pages; without it they are printed.")
    ] = None,
    validate: Annotated[
        Path | None, typer.Option(help="Check a submitted run folder instead: recompute it from its statistics.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make markdown leaderboards from run folders, or check one that was submitted for a board."""
    from ..boards.board import boards, ranking, write_boards, write_plots
    from ..boards.rank_spans import rank_spans
    from ..runs.find import find_runs

    if validate is not None:
        from ..commands.validate import validate as do_validate
        from .explain_output import verification

        found = do_validate(validate, output.reporter(quiet))
        verification(found, json, quiet)
        if not found.ok:
            raise typer.Exit(1)
        return
    found_runs = find_runs(runs or [Path("runs")], output.reporter(quiet).warn)
    records = [record for _, record in found_runs]
    # Ranks are tested pair by pair, which takes a while and is not needed for JSON alone.
    pages = {} if json and out is None else boards(records, rank_spans(found_runs))
    if out is not None:
        write_boards(pages, out)
        names = [*(out / name for name in pages), *write_plots(records, out)]
        output.reporter(quiet).say(f"wrote {', '.join(map(str, names))}")
    if json:
        output.document(ranking(records))
    elif out is None:
        output.text("\n".join(text for name, text in pages.items() if name != "README.md"))


@app.command(epilog="Examples: bench report runs --out report; bench report runs --out report --root data/isbi2012")
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN …", help="Run folders, or folders of them.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for index.html: a new one, or that of an earlier page.")],
    root: Annotated[
        Path | None,
        typer.Option("--root", help="Where the images lie, for overlays. [default: $SEGBENCH_DATA/<dataset>]"),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a self-contained page: boards, plots, overlays of best and worst samples. It loads nothing else."""
    from ..commands.report import ReportRequest
    from ..commands.report import report as do_report
    from ..text import counted

    with output.interruptible():
        made = do_report(ReportRequest(tuple(runs), out, root), output.reporter(quiet))
    if json:
        output.document(made)
    else:
        output.text(f"{made['page']}: {counted(made['runs'], 'run')}, {made['bytes'] / 1e6:.1f} MB")


@app.command(epilog="Example: bench suite classical-vs-learned --root isbi2012=data/isbi2012 --resume")
def suite(
    file: Annotated[
        str, typer.Argument(metavar="SUITE", help="A YAML file, or a suite's name; see 'bench list suites'.")
    ],
    out: Annotated[Path | None, typer.Option("--out", help="The suite's folder. [default: runs/suite-<name>]")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Run what is missing or stale: of other code, settings or data.")
    ] = False,
    any_code: Annotated[
        bool, typer.Option("--any-code", help="With --resume: cells made by other code count as done.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and run nothing.")] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Cells at a time. [default: 1 per GPU, or 1 on the CPU]")
    ] = None,
    engine: Annotated[Engine, typer.Option(help="What runs the cells.")] = Engine.local,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps, for every cell.")] = "auto",
    roots: Annotated[
        list[str] | None,
        typer.Option("--root", metavar="DATASET=DIR", help="Where a dataset of the suite lies; repeatable."),
    ] = None,
    source: Annotated[Source | None, typer.Option(help="Data for every cell. [default: as the suite says]")] = None,
    preset: Annotated[str | None, typer.Option(help="Preset for every cell. [default: as the suite says]")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a grid of datasets, methods, settings, seeds, folds and label fractions. Exit status 1 if a cell fails."""
    del engine
    from ..commands.suite import SuiteRequest, parse_roots, run_suite
    from ..commands.suite import dry_run as do_plan
    from . import suite_output

    where = parse_roots(roots or [])
    request = SuiteRequest(
        file, out, jobs, resume, any_code, device, where, None if source is None else source.value, preset
    )
    if dry_run:
        suite_output.plan(do_plan(request), json, quiet)
        return
    talk = output.reporter(quiet)
    with output.interruptible(f"; go on with: {request.resume_command()}"), suite_output.Watcher(talk) as watcher:
        _, found = run_suite(request, talk, watcher)
    suite_output.results(found, json, quiet)
    if found["failed"]:
        raise typer.Exit(1)


@app.command(epilog="Example: bench explain runs/voc2012-mine-0a1b2c3d")
def explain(run: RunFolder, json: Json = False, quiet: Quiet = False) -> None:
    """Show the score under every library's convention, and which rule moves how many points."""
    from ..commands.explain import explain as do_explain
    from .explain_output import explanation

    explanation(do_explain(run), json, quiet)


@app.command(
    epilog="Examples: bench verify runs/isbi2012-mine-0a1b2c3d --root data/isbi2012; "
    "bench verify leaderboards/records/*"
)
def verify(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN…", help="A run folder, or several.")],
    root: Root = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Recompute a run's scores from what it stored and compare bit for bit. Exit status 1 if anything differs."""
    from ..commands.verify import verify as do_verify
    from ..runs.stored_checks import Verifications
    from .explain_output import verification

    found = []
    with output.interruptible():
        for run in runs:
            found.append(do_verify(run, root, output.reporter(quiet)))
            if not json:
                verification(found[-1], json, quiet)
    every = Verifications.of(found)
    if json:
        output.document(found[0] if len(found) == 1 else every)
    if not every.ok:
        raise typer.Exit(1)


@app.command(epilog="Example: bench export runs/voc2012-unet-1a2b3c4d --format voc2012 --out results.tar.gz")
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run made with --save-predictions.")],
    format_: Annotated[
        str, typer.Option("--format", "-f", help="cityscapes, cocostuff, isbi2012 or voc2012; that of the run's data.")
    ],
    out: Annotated[
        Path, typer.Option("--out", help="A .zip or a new folder (cityscapes), .json, .tif, .tar or .tar.gz.")
    ],
    root: Annotated[
        Path | None, typer.Option("--root", help="The dataset's folder, to check samples and image sizes against.")
    ] = None,
    comp: Annotated[
        int, typer.Option(min=5, max=6, help="VOC 2012: 5 trained on the challenge's data alone, 6 on other data too.")
    ] = 5,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a run's predictions in the form that the official server or tool takes."""
    from ..commands.export import ExportRequest
    from ..commands.export import export as do_export

    with output.interruptible():
        made = do_export(ExportRequest(run, format_, out, root, comp), output.reporter(quiet))
    if json:
        output.document(made.model_dump(mode="json"))
    else:
        output.text(f"{made.out}: {made.n} predictions of {made.format}, split {made.split}")


@data_app.command("status", epilog="Example: bench data status medaka")
def data_status(dataset: Name, root: Root = None, json: Json = False, quiet: Quiet = False) -> None:
    """Show where data is expected and what was found."""
    from ..commands.data import status

    output.status(status(dataset, root), json, quiet)


@data_app.command("describe", epilog="Example: bench data describe folder --root mine --write")
def data_describe(
    dataset: Name,
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


@data_app.command("verify", epilog="Example: bench data verify isbi2012 --root data/isbi2012")
def data_verify(
    dataset: Name,
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
    if found["faults"]:
        raise typer.Exit(1)


@data_app.command("download", epilog="Example: bench data download cocostuff --root data/cocostuff --only val2017.zip")
def data_download(
    dataset: Name,
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


@data_app.command("synthesize", epilog="Example: bench data synthesize medaka --root data/medaka-synthetic")
def data_synthesize(
    dataset: Name,
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
