"""The command `bench cardiac`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from . import output
from .options import Json, Quiet


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
