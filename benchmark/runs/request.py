"""What a user asks `bench` for. Each field declares the option of the command line that stands for it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from ..errors import UserError
from .options import Argument, Option, command_line, command_words

if TYPE_CHECKING:
    from ..io.images.stacks import Chosen

# The command line reads this module before it knows which command is wanted: nothing slow is imported here.

BATCH = 8
"""Frames that are given to a method at once, where nobody says otherwise."""


def read_settings(pairs: Sequence[str]) -> dict[str, Any]:
    from .presets import parse_settings

    return parse_settings(pairs)


def written_settings(settings: Mapping[str, Any]) -> list[str]:
    from .presets import setting

    return [setting(key, value) for key, value in settings.items()]


def _read_roots(pairs: Sequence[str]) -> dict[str, Path]:
    """`DATASET=DIR` words as a mapping."""
    found = {}
    for pair in pairs:
        name, equals, folder = pair.partition("=")
        if not (name and equals and folder):
            raise UserError(
                f"--root takes DATASET=DIR for a suite, found '{pair}'. For example: isbi2012=data/isbi2012"
            )
        found[name] = Path(folder)
    return found


def _read_slurm(pairs: Sequence[str]) -> dict[str, str]:
    from .suite.engines.slurm_options import read_options

    return read_options(pairs)


def _written_slurm(options: Mapping[str, str]) -> Iterator[str]:
    return (f"{name}={value}" for name, value in options.items())


def _read_names(words: Sequence[str]) -> tuple[str, ...]:
    """Names, of which a word may hold several with commas between, each once."""
    return tuple(dict.fromkeys(name.strip() for word in words for name in word.split(",")))


def _written_roots(roots: Mapping[str, Path]) -> Iterator[str]:
    return (f"{name}={root}" for name, root in roots.items())


def _into(out: Path | None) -> list[str]:
    """The words that say where a run goes, at the end of its command line."""
    return [] if out is None else ["--out", str(out)]


Place: TypeAlias = Path | str
"""Where runs lie: a run folder, a folder of them, or the address (http or https) of an index of them."""


def read_places(words: Sequence[str]) -> tuple[Place, ...]:
    return tuple(place_of(word) for word in words)


def place_of(given: str | PathLike[str]) -> Place:
    """A path, or an address as it is.

    >>> place_of("https://example.org/results/index.json")
    'https://example.org/results/index.json'
    """
    return given if isinstance(given, str) and is_address(given) else Path(given)


def is_address(place: str) -> bool:
    """Whether a place is the address of a web server rather than a path.

    >>> is_address("https://example.org/results/index.json"), is_address("runs")
    (True, False)
    """
    return place.lower().startswith(("http://", "https://"))


Source: TypeAlias = Literal["auto", "real", "synthetic"]
TrainOn: TypeAlias = Literal["train", "train+val"]
DatasetName: TypeAlias = Annotated[
    str,
    Option("Name of a dataset; see 'bench list datasets'.", flags=("--dataset", "-d"), choose="datasets"),
]
Predictions: TypeAlias = Annotated[Path, Option("Folder of predictions, or one stack.", flags=("--predictions", "-p"))]
Root: TypeAlias = Annotated[
    Path | None, Option("Folder with the dataset's official layout. Default: $SEGBENCH_DATA/<dataset>.")
]
Split: TypeAlias = Annotated[
    str | None, Option("Split to score, or 'all' for every labelled sample. [default: the dataset's]")
]
RunFolderOut: TypeAlias = Annotated[
    Path | None, Option("The run folder. [default: runs/<dataset>-<method>-<hash>]", kept=False)
]
Overwrite: TypeAlias = Annotated[
    bool, Option("Repeat a finished run; it is replaced when the new one is complete.", kept=False)
]
Settings: TypeAlias = Annotated[
    Mapping[str, Any],
    Option(
        "Change a setting of the method or the dataset; repeatable.",
        flags=("--set",),
        metavar="KEY=VALUE",
        read=read_settings,
        write=written_settings,
    ),
]
Device: TypeAlias = Annotated[str, Option("auto, cpu, cuda or mps.")]
Plots: TypeAlias = Annotated[
    bool, Option("Draw what the metric families plot, into the run folder.", flags=("--plots/--no-plots",))
]
Metrics: TypeAlias = Annotated[
    tuple[str, ...],
    Option("Add a metric family, see 'bench list metrics'; repeatable.", flags=("--metric",), write=tuple),
]
Channel: TypeAlias = Annotated[
    int | None, Option("Channel of a stack (from 1), or its number in the names of files after 'c' or 'ch'.", low=0)
]
ZSlice: TypeAlias = Annotated[
    int | None, Option("Slice of a stack (from 1), or its number in the names of files after 'z'.", low=0)
]
_ADDRESS = (
    "With --engine ray: HOST:PORT of the cluster, auto, or local for one that ends with the command. "
    "[default: auto where there is a cluster, else local]"
)
Trust: TypeAlias = Annotated[
    bool, Option("Allow running the code that is named here: programs (command:…), model files with code (torch:…).")
]
RunFolder: TypeAlias = Annotated[Path, Argument("A run folder.", metavar="RUN")]


@dataclass(frozen=True)
class RunRequest:
    """What the user asked `bench run` for. `metrics` are families beside the dataset's."""

    dataset: DatasetName
    method: Annotated[
        str, Option("Name of a method; see 'bench list methods'.", flags=("--method", "-m"), choose="methods")
    ]
    split: Split = None
    preset: Annotated[str, Option("quick (CPU, minutes), standard (one GPU, an hour at most) or paper.")] = "quick"
    seed: Annotated[int, Option("Seed of everything that is random.", low=0, high=2**63 - 1)] = 0
    device: Device = "auto"
    root: Root = None
    source: Annotated[Source, Option("auto takes real data where found, else a synthetic sample.")] = "auto"
    folds: Annotated[int | None, Option("K-fold cross-validation over all labelled samples.", low=2)] = None
    train_fraction: Annotated[float, Option("Part of the training samples to use, above 0 up to 1.")] = 1.0
    train_on: Annotated[
        TrainOn,
        Option("train, or train+val for a final training, when no more choices need the validation samples."),
    ] = "train"
    settings: Settings = field(default_factory=dict)
    out: RunFolderOut = None
    save_predictions: Annotated[bool, Option("Keep predictions in the run folder.")] = False
    workers: Annotated[int, Option("Threads or processes that measure; 0 measures as it predicts.", low=0)] = 0
    resume: Annotated[bool, Option("Continue an interrupted run with the same settings.", kept=False)] = False
    overwrite: Overwrite = False
    plots: Plots = True
    weights: Annotated[
        Path | None,
        Option("A run of the same training: take its weights and only predict (other tta, window, …)."),
    ] = None
    corrupt: Annotated[
        str | None,
        Option(
            "Predict images made worse, level 1 to 5: noise, defocus, motion, brightness, contrast, jpeg, "
            "downsampling, uneven-light. Training images stay as they are.",
            metavar="NAME:LEVEL",
        ),
    ] = None
    metrics: Metrics = ()
    init: Annotated[
        Path | None,
        Option("A run, or a file of weights: training starts from those that match.", metavar="RUN|FILE"),
    ] = None
    freeze: Annotated[Literal["encoder"] | None, Option("Part of the network that is not trained.")] = None
    log: Annotated[
        tuple[str, ...],
        Option(
            "Log the training and the scores, offline: tensorboard, wandb, mlflow or csv; repeatable.",
            metavar="TRACKER",
            read=_read_names,
            write=tuple,
        ),
    ] = ()

    @property
    def chosen_settings(self) -> dict[str, Any]:
        """The settings that were asked for, by options of their own too."""
        own = {"init": None if self.init is None else str(self.init), "freeze": self.freeze}
        return {**self.settings, **{key: value for key, value in own.items() if value is not None}}

    def command(self) -> str:
        """The command line that makes the run again."""
        return command_line("run", self, *_into(self.out))

    def resume_command(self) -> str:
        """The command line that resumes it where it is."""
        return shlex.join(["bench", *self.words(resume=True)])

    def words(self, *, resume: bool = False) -> list[str]:
        """The words after `bench` of the command line that makes the run again, or resumes it."""
        resumed = [*(["--overwrite"] if self.overwrite else []), "--resume"] if resume else []
        return command_words("run", self, *_into(self.out), *resumed)


@dataclass(frozen=True)
class EvaluateRequest:
    """What the user asked `bench evaluate` for. `metrics` are families beside the dataset's."""

    dataset: DatasetName
    predictions: Predictions
    name: Annotated[str | None, Option("Name on the leaderboard. [default: the file's stem]")] = None
    split: Split = None
    root: Root = None
    partial: Annotated[bool, Option("Score a deliberate subset; recorded as incomplete.")] = False
    out: RunFolderOut = None
    save_predictions: Annotated[bool, Option("Keep the scored predictions in the run folder.")] = False
    workers: Annotated[
        int | None, Option("Threads or processes that measure. [default: chosen by size]", low=0, kept=False)
    ] = None
    engine: Annotated[Literal["local", "ray"], Option("Where it is measured; the result is the same.", kept=False)] = (
        "local"
    )
    address: Annotated[str | None, Option(_ADDRESS, kept=False)] = None
    settings: Settings = field(default_factory=dict)
    metrics: Metrics = ()
    overwrite: Overwrite = False
    plots: Plots = True
    instances: Annotated[
        bool, Option("For panoptic predictions: write instances.csv, a row for each segment, into the run folder.")
    ] = False
    family: Annotated[
        Literal["external", "human"],
        Option("human: one person's masks, shown as a range beside the methods and never ranked."),
    ] = "external"

    def command(self) -> str:
        """The command line that does it again."""
        return command_line("evaluate", self, *_into(self.out))


@dataclass(frozen=True)
class PredictRequest:
    """What the user asked `bench predict` for; `fold` counts from 1."""

    run: RunFolder
    input: Annotated[
        Path,
        Argument(
            "A folder of images, an image, a TIFF stack, a video (AVI, MP4, …), or a NIfTI volume or a folder of them.",
            metavar="INPUT",
        ),
    ]
    out: Annotated[Path, Option("A new folder for the predictions and predict.json.")]
    device: Device = "auto"
    batch: Annotated[int, Option("Frames given to the method at once.", low=1)] = BATCH
    fold: Annotated[
        int | None, Option("For a cross-validation: the fold whose method is used, from 1. [default: the first]", low=1)
    ] = None
    channel: Channel = None
    z: ZSlice = None
    resume: Annotated[bool, Option("Keep frames that are already written.", kept=False)] = False
    trust: Trust = False

    @property
    def chosen(self) -> Chosen:
        """What was chosen of a stack's axes."""
        from ..io.images.stacks import Chosen

        return Chosen(self.channel, self.z)

    def command(self) -> str:
        """The command that does the same, without --resume."""
        return command_line("predict", self)


@dataclass(frozen=True)
class SuiteRequest:
    """What the user asked `bench suite` for."""

    file: Annotated[str, Argument("A YAML file, or a suite's name; see 'bench list suites'.", metavar="SUITE")]
    out: Annotated[Path | None, Option("The suite's folder. [default: runs/suite-<name>]")] = None
    resume: Annotated[bool, Option("Run what is missing or stale: of other code, settings or data.", kept=False)] = (
        False
    )
    any_code: Annotated[bool, Option("With --resume: cells made by other code count as done.")] = False
    dry_run: Annotated[bool, Option("Print the plan and run nothing.", kept=False)] = False
    status: Annotated[bool, Option("Show its progress, from any machine that sees its folder.", kept=False)] = False
    watch: Annotated[bool, Option("Show its progress until it ends; Ctrl-C ends only the watching.", kept=False)] = (
        False
    )
    cancel: Annotated[bool, Option("End it cleanly, from any machine that sees its folder.", kept=False)] = False
    export: Annotated[
        Path | None,
        Option("Write a row for each cell, also while it runs: .csv, .json or .parquet.", metavar="FILE", kept=False),
    ] = None
    jobs: Annotated[int | None, Option("Cells at a time. [default: 1 per GPU, or 1 on the CPU]", low=1)] = None
    engine: Annotated[Literal["local", "ray", "slurm"], Option("What runs the cells.")] = "local"
    address: Annotated[str | None, Option(_ADDRESS)] = None
    storage: Annotated[
        str | None,
        Option("Copy finished run folders to a bucket or folder too: s3://…, gs://…, file://…", metavar="URL"),
    ] = None
    slurm: Annotated[
        Mapping[str, str],
        Option(
            "With --engine slurm: an option of sbatch, such as partition=gpu; repeatable. [default: as the suite says]",
            flags=("--slurm",),
            metavar="KEY=VALUE",
            read=_read_slurm,
            write=_written_slurm,
        ),
    ] = field(default_factory=dict)
    device: Annotated[str, Option("auto, cpu, cuda or mps, for every cell.")] = "auto"
    roots: Annotated[
        Mapping[str, Path],
        Option(
            "Where a dataset of the suite is; repeatable.",
            flags=("--root",),
            metavar="DATASET=DIR",
            read=_read_roots,
            write=_written_roots,
        ),
    ] = field(default_factory=dict)
    source: Annotated[Source | None, Option("Data for every cell. [default: as the suite says]")] = None
    preset: Annotated[str | None, Option("Preset for every cell. [default: as the suite says]")] = None
    trust: Trust = False

    def resume_command(self) -> str:
        """The command line that resumes it."""
        return command_line("suite", self, "--resume")


@dataclass(frozen=True)
class DoctorRequest:
    """What the user asked `bench doctor` for: to look at predictions, or at a model that exists."""

    dataset: DatasetName
    predictions: Annotated[
        Path | None, Option("Folder of predictions, or one stack.", flags=("--predictions", "-p"))
    ] = None
    split: Split = None
    root: Root = None
    partial: Annotated[bool, Option("Samples without a prediction were left out on purpose.")] = False
    method: Annotated[
        str | None,
        Option("Look at a trained model instead: torch:FILE, onnx:FILE or hf:FOLDER.", flags=("--method", "-m")),
    ] = None
    device: Device = "auto"
    out: Annotated[
        Path | None, Option("Write corrected predictions into this new folder, for 'bench evaluate'.", metavar="FOLDER")
    ] = None
