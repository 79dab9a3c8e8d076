"""What a user asks of stored runs: to compare, plan, check, rank, publish, explain and the like."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from .options import Argument, Option
from .request import Place, Root, RunFolder, Settings, read_places

SCORE_HELP = (
    "Name of the score; of a class iou@car, of several iou@car,person, of a kind iou@things. [default: the dataset's "
    "main score]"
)


@dataclass(frozen=True)
class CompareRequest:
    """What the user asked `bench compare` for. `target` asks how many labels each method needs for that score."""

    runs: Annotated[
        tuple[Place, ...],
        Argument("Two run folders or more, folders of them, or addresses of an index.", read=read_places),
    ]
    dataset: Annotated[
        str | None, Option("Compare runs on this dataset alone. [default: all]", flags=("--dataset", "-d"))
    ] = None
    split: Annotated[str | None, Option("Compare runs on this split alone. [default: all]")] = None
    score: Annotated[str | None, Option(SCORE_HELP, flags=("--metric",))] = None
    target: Annotated[
        float | None, Option("Say how many labels each method needs for this score (several fractions).")
    ] = None
    resamples: Annotated[
        int, Option("Bootstrap samples; p values use ten times as many swaps, or as many for AP.", low=100)
    ] = 2000
    seed: Annotated[int, Option("Seed of the bootstrap.", low=0)] = 0
    blocks: Annotated[
        int | None,
        Option(
            "Draw and swap so many neighbours of a film or stack together, where there are fewer than 5 of these.",
            low=2,
        ),
    ] = None
    by_class: Annotated[bool, Option("Compare the runs on every class too, with p adjusted for all classes.")] = False
    out: Annotated[
        Path | None,
        Option("Write a .csv file with a row for each pair (and class), or a .json file with all that --json prints."),
    ] = None


@dataclass(frozen=True)
class PlanRequest:
    """What the user asked `bench plan` for. `width` and `difference` are in the score's unit."""

    runs: Annotated[
        tuple[Path, ...], Argument("A run folder, two to compare, or several of a learning curve.", metavar="RUN [RUN]")
    ]
    score: Annotated[str | None, Option(SCORE_HELP, flags=("--metric",))] = None
    width: Annotated[float | None, Option("Full width that the interval is to have. [default: half of now]")] = None
    difference: Annotated[
        float | None, Option("Difference that is to be seen. [default: the one between the two runs]")
    ] = None
    seconds_per_label: Annotated[
        float | None, Option("Time to label one image, for a second axis: 25 is quick, a street scene takes 5400.")
    ] = None
    out: Annotated[Path | None, Option("Folder for a plot, as SVG and PNG.")] = None


@dataclass(frozen=True)
class CheckRequest:
    """What the user asked `bench check` for. `tolerance` is in the score's unit, `slowdown` a factor on the times."""

    baseline: Annotated[Path, Option("Committed run folders to compare the runs with.")]
    runs: Annotated[Path, Option("The runs to check.")] = Path("runs")
    tolerance: Annotated[float, Option("A smaller loss never fails, in the score's unit.")] = 0.005
    slowdown: Annotated[
        float | None, Option("Also fail where fitting or predicting takes this many times as long.")
    ] = None
    score: Annotated[str | None, Option(SCORE_HELP, flags=("--metric",))] = None
    strict: Annotated[bool, Option("Also fail where the baseline lacks a run, or a run was not finished.")] = False
    update: Annotated[bool, Option("Make the runs the new baseline instead.")] = False
    junit: Annotated[Path | None, Option("Write JUnit XML.")] = None
    summary: Annotated[Path | None, Option("Append a markdown summary, as $GITHUB_STEP_SUMMARY.")] = None


@dataclass(frozen=True)
class ReportRequest:
    """What the user asked `bench report` for."""

    runs: Annotated[
        tuple[Place, ...],
        Argument("Run folders, folders of them, or addresses of an index.", metavar="RUN …", read=read_places),
    ]
    out: Annotated[Path, Option("Folder for index.html: a new one, or that of an earlier page.")]
    root: Annotated[Path | None, Option("Where the images are, for overlays. [default: $SEGBENCH_DATA/<dataset>]")] = (
        None
    )


@dataclass(frozen=True)
class ExportRequest:
    """What the user asked `bench export` for."""

    run: Annotated[Path, Argument("Folder of a run made with --save-predictions; of mlflow, of any.", metavar="RUN")]
    format: Annotated[
        str,
        Option(
            "cityscapes, cocostuff, isbi2012 or voc2012; that of the run's data. Or mlflow: settings, scores, files.",
            flags=("--format", "-f"),
        ),
    ]
    out: Annotated[
        Path | None,
        Option(
            "A .zip or a new folder (cityscapes), .json, .tif, .tar or .tar.gz. Of mlflow: the folder of its database "
            "[default: $MLFLOW_TRACKING_URI, or here]."
        ),
    ] = None
    root: Annotated[Path | None, Option("The dataset's folder, to check samples and image sizes against.")] = None
    comp: Annotated[
        int, Option("VOC 2012: 5 trained on the challenge's data alone, 6 on other data too.", low=5, high=6)
    ] = 5


@dataclass(frozen=True)
class LeaderboardRequest:
    """What the user asked `bench leaderboard` for."""

    runs: Annotated[
        tuple[Place, ...],
        Argument("Run folders, folders of them, or addresses of an index. [default: runs]", read=read_places),
    ] = ()
    out: Annotated[Path | None, Option("Folder for the pages; without it they are printed.")] = None
    validate: Annotated[
        Path | None, Option("Check a submitted run folder instead: recompute it from its statistics.")
    ] = None
    root: Annotated[
        Path | None, Option("With --validate: measure the truth of every statistic again from the data there.")
    ] = None
    signers: Annotated[
        Path | None, Option("With --validate: the record is to be signed by one of this file of allowed SSH signers.")
    ] = None
    sign: Annotated[Path | None, Option("Sign the record of a run folder instead, with --key.")] = None
    key: Annotated[Path | None, Option("With --sign: your SSH key, such as ~/.ssh/id_ed25519.")] = None


@dataclass(frozen=True)
class TableRequest:
    """What the user asked `bench table` for."""

    runs: Annotated[
        tuple[Place, ...],
        Argument("Run folders, folders of them, or addresses of an index. [default: runs]", read=read_places),
    ] = ()
    scores: Annotated[
        tuple[str, ...],
        Option(
            "A score to show, also of a class, iou@car; repeatable. With --by-class: the one of the classes. [default: "
            "the main score and up to four others; iou]",
            flags=("--metric",),
            metavar="SCORE",
            write=tuple,
        ),
    ] = ()
    by_class: Annotated[bool, Option("A column for each class instead, and the main score behind them.")] = False
    format: Annotated[
        Literal["markdown", "latex", "csv"] | None,
        Option("[default: by the ending of --out, .md, .tex or .csv; else markdown]", flags=("--format", "-f")),
    ] = None
    out: Annotated[Path | None, Option("File of the table; without it, it is printed.")] = None
    dataset: Annotated[str | None, Option("Runs on this dataset alone.", flags=("--dataset", "-d"))] = None
    split: Annotated[str | None, Option("Runs on this split alone.")] = None
    source: Annotated[Literal["real", "synthetic"] | None, Option("Runs on such data alone.")] = None
    intervals: Annotated[bool, Option("95 % intervals beside the values.", flags=("--intervals/--no-intervals",))] = (
        True
    )
    tests: Annotated[
        bool, Option("Mark what paired tests cannot tell from the best.", flags=("--tests/--no-tests",))
    ] = True
    percent: Annotated[
        bool, Option("Show fractions in percent; CSV and --json never do.", flags=("--percent/--no-percent",))
    ] = True


@dataclass(frozen=True)
class PanelsRequest:
    """What the user asked `bench panels` for."""

    runs: Annotated[
        tuple[Place, ...],
        Argument(
            "Run folders, a column each in this order; folders of them, or addresses of an index.",
            metavar="RUN …",
            read=read_places,
        ),
    ]
    out: Annotated[Path, Option("The figure: a file that ends in .pdf, .svg or .png.")]
    samples: Annotated[
        tuple[str, ...],
        Option("Show these samples; repeatable, or several with commas between.", metavar="ID", write=tuple),
    ] = ()
    pick: Annotated[
        Literal["worst", "best", "typical", "spread", "disagree"] | None,
        Option(
            "Choose samples by the mean of the runs' main score: the worst, the best, those nearest to the median, or "
            "evenly from worst to best; disagree: where the runs lie furthest apart. [default: spread]"
        ),
    ] = None
    count: Annotated[int, Option("Number of samples to choose.", low=1, high=100)] = 4
    errors: Annotated[bool, Option("Show where each prediction is wrong, and how.")] = False
    crop: Annotated[
        tuple[str, ...],
        Option(
            "Show a detail: ID:x,y,width,height of a sample, in pixels from its upper left corner; x,y,width,height of "
            "all others; or width,height, around the largest region that a run has wrong. Repeatable.",
            metavar="DETAIL",
            write=tuple,
        ),
    ] = ()
    width: Annotated[
        str,
        Option(
            "Width of the figure with its unit, cm, mm, in or pt, such as 8.5cm, 6.3in or 345pt (what LaTeX prints as "
            "\\the\\textwidth); without a unit it is in cm.",
            metavar="LENGTH",
        ),
    ] = "16cm"
    dpi: Annotated[int, Option("Pixels per inch of a PNG file, and of pictures in PDF and SVG.", low=50, high=1200)] = (
        300
    )
    root: Annotated[
        Path | None, Option("Where the images lie. [default: where the runs found them, else $SEGBENCH_DATA/<dataset>]")
    ] = None


RECORDS = Path("leaderboards/records")
"""Where the results of a clone lie."""


@dataclass(frozen=True)
class PublishRequest:
    """What the user asked `bench publish` for."""

    runs: Annotated[tuple[Path, ...], Argument("Run folders to publish.", metavar="RUN")] = ()
    to: Annotated[Path, Option("Folder of a results repository to add them to; created if missing.")] = RECORDS
    root: Annotated[Path | None, Option("Measure the truth of every statistic again from the data there.")] = None
    index: Annotated[
        Path | None, Option("Write index.json of all runs below this folder, for a web server.", metavar="FOLDER")
    ] = None


@dataclass(frozen=True)
class ExplainRequest:
    """What the user asked `bench explain` for."""

    run: RunFolder
    other: Annotated[
        Path | None, Argument("Another run on the same samples, whose errors are shown beside.", metavar="[RUN]")
    ] = None
    root: Annotated[
        Path | None, Option("Where the labels lie, for the causes of errors. [default: where the run found them]")
    ] = None
    boundary_px: Annotated[int, Option("How far a border may lie elsewhere, in pixels.", low=0, high=100)] = 3
    samples: Annotated[
        int,
        Option("Samples to name: the worst, or of two runs those on which the first is most behind.", low=0),
    ] = 5
    confusion: Annotated[
        Path | None,
        Option(
            "Write the first run's confusion matrix to a .csv file: pixels; true classes are rows, predicted columns."
        ),
    ] = None
    normalise: Annotated[
        bool, Option("With --confusion: divide every row by its sum; the diagonal is then the accuracy of each class.")
    ] = False


@dataclass(frozen=True)
class SliceRequest:
    """What the user asked `bench slice` for."""

    runs: Annotated[tuple[Path, ...], Argument("A run folder, or several on the same samples.", metavar="RUN…")]
    by: Annotated[
        tuple[str, ...],
        Option(
            "FILE.csv:COLUMN, class, group, size, position, brightness or blur; repeatable. [default: a table for each "
            "but tables that the samples have]",
            flags=("--by",),
            metavar="PROPERTY",
            write=tuple,
        ),
    ] = ()
    score: Annotated[str | None, Option(SCORE_HELP, flags=("--metric",))] = None
    bins: Annotated[
        int, Option("Parts that numeric properties are divided into, with equally many samples each.", low=2, high=50)
    ] = 4
    root: Annotated[
        Path | None,
        Option("Where images and labels lie, for all but tables and class. [default: $SEGBENCH_DATA/<dataset>]"),
    ] = None
    permutations: Annotated[int, Option("Permutations of the test.", low=100, high=1_000_000)] = 2000
    seed: Annotated[int, Option("Seed of the permutations.", low=0)] = 0


@dataclass(frozen=True)
class ShowRequest:
    """What the user asked `bench show` for."""

    method: Annotated[
        str,
        Argument("A classical method; or a run folder of one, to see what it chose at work.", metavar="METHOD|RUN"),
    ]
    image: Annotated[Path, Argument("An image in any format that segbench reads.")]
    out: Annotated[
        Path | None, Option("Folder of the pictures: a new one, or an earlier one. [default: <image>-<method>]")
    ] = None
    settings: Settings = field(default_factory=dict)


@dataclass(frozen=True)
class VerifyRequest:
    """What the user asked `bench verify` for."""

    runs: Annotated[tuple[Path, ...], Argument("A run folder, or several.", metavar="RUN…")]
    root: Root = None
