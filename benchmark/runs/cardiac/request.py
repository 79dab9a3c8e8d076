"""What a user asks `bench cardiac` for. The command line reads this first, so nothing slow is imported."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ...errors import UserError
from ..options import Argument, Option, command_line
from ..request import Channel, ZSlice

if TYPE_CHECKING:
    from ...cardiac.detection import Detection
    from ...io.images.stacks import Chosen


@dataclass(frozen=True)
class CardiacRequest:
    """What the user asked `bench cardiac` for."""

    input: Annotated[Path, Argument("Masks (folder, TIFF stack, run), or with --run a video.", metavar="MASKS|VIDEO")]
    run: Annotated[Path | None, Option("A trained run that segments the video or images.")] = None
    truth: Annotated[Path | None, Option("True masks, to judge by.")] = None
    fps: Annotated[
        float | None, Option("Frames per second. [default: the file's own, else 15, which is warned of]")
    ] = None
    pixel_size_um: Annotated[
        float | None,
        Option(
            "Side of a pixel in µm. [default: the file's own, else 1.115, scaled where frames are not 480 x 640, which "
            "is warned of]"
        ),
    ] = None
    channel: Channel = None
    z: ZSlice = None
    prominence: Annotated[
        float | None,
        Option("How far an extremum stands out, part of the range of areas. [default: 0.2]"),
    ] = None
    distance: Annotated[int | None, Option("Least frames between two like extrema. [default: 4]")] = None
    smoothing: Annotated[
        int | None,
        Option(
            "Times the areas are smoothed before extrema are looked for. [default: 0; 2 with --run or masks of one]"
        ),
    ] = None
    refractory: Annotated[
        float | None,
        Option(
            "Least time between two like extrema, part of the main rhythm's period. [default: 0; 0.5 with --run or "
            "masks of one]"
        ),
    ] = None
    pulsation: Annotated[
        bool | None,
        Option(
            "Look for beats in what the masks have in common at the main rhythm. [default: with --run or masks of one]",
            flags=("--pulsation/--no-pulsation",),
        ),
    ] = None
    clean: Annotated[
        bool | None,
        Option("Largest piece, holes filled. [default: with --run or masks of one]", flags=("--clean/--no-clean",)),
    ] = None
    out: Annotated[Path | None, Option("Folder for tables and plots. [default: none; cardiac/<video> with --run]")] = (
        None
    )
    plots: Annotated[bool, Option("Plots and overlay video in that folder.", flags=("--plots/--no-plots",))] = True
    device: Annotated[str, Option("auto, cpu, cuda or mps, for --run.")] = "auto"
    fold: Annotated[int | None, Option("Of a cross-validation: whose method, from 1.", low=1)] = None
    propagation: Annotated[bool, Option("Change the true masks on purpose: which Dice is needed?")] = False

    def __post_init__(self) -> None:
        # What is out of range is refused at once, and not after a film was segmented.
        _ = self.detection
        if self.fps is not None and not 0 < self.fps < math.inf:
            raise UserError(f"--fps is a positive number of frames per second, found {self.fps:g}")
        if self.pixel_size_um is not None and not 0 < self.pixel_size_um < math.inf:
            raise UserError(f"--pixel-size-um is a positive number of micrometres, found {self.pixel_size_um:g}")

    @property
    def detection(self) -> Detection:
        """How extrema are found: what was asked for, else what suits the masks. Raises UserError."""
        from ...cardiac.detection import Detection

        usual = Detection.for_predicted_masks() if self.predicted else Detection()
        names = ("prominence", "distance", "smoothing", "refractory", "pulsation")
        return replace(usual, **{name: value for name in names if (value := getattr(self, name)) is not None})

    @property
    def predicted(self) -> bool:
        """Whether a run makes the masks, or made them, which its `predict.json` beside them says.

        They flicker and have stray pieces, whoever asks: the same masks are to give the same numbers.
        """
        return self.run is not None or self.written_by_run

    @property
    def written_by_run(self) -> bool:
        """Whether the masks at hand are those that a run wrote earlier."""
        return self.run is None and (self.input / "predict.json").is_file()

    @property
    def chosen(self) -> Chosen:
        """What was chosen of a stack's axes."""
        from ...io.images.stacks import Chosen

        return Chosen(self.channel, self.z)

    @property
    def folder(self) -> Path | None:
        """Where files go: what the user named; for a video one named after it."""
        if self.out is not None or self.run is None:
            return self.out
        return Path("cardiac") / self.input.stem

    @property
    def pixel_size(self) -> tuple[float, float] | None:
        """Height and width of a pixel in micrometres, where the user said it."""
        return None if self.pixel_size_um is None else (self.pixel_size_um, self.pixel_size_um)

    def command(self) -> str:
        """The command line that does it again."""
        return command_line("cardiac", self)
