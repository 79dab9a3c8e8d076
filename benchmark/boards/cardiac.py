"""The heart on the medaka board: errors against truth and human annotators, beside the published result."""

from __future__ import annotations

import csv
import importlib.resources
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

import numpy as np
from tabulate import tabulate

from ..cardiac.agreement import HUMAN_RANGE_PP, relative_in_words, verdict_in_words
from ..metrics.cardiac import Cardiac
from ..runs.record import Record
from ..text import UNDEFINED, number
from ..types import Float64
from .markdown import escape, how_to_read, with_interval

TABLE = "medaka_schutera2019.csv"
SOURCE = "Schutera et al., Zebrafish 16(6):542-545 (2019)"
FPS = 15.0

# What the text of the paper says of its own table.
PRINTED_FRAME_ERROR, PRINTED_LARGEST_FRAME_ERROR = 0.53, 1.0


@dataclass(frozen=True)
class Published:
    """The published table of 18 beats, "as printed" and recomputed from its own rows.

    Rates in beats per second, errors of shortening in percentage points and as parts of the true value.
    """

    beats: int
    rate_printed: float
    rate_recomputed: float
    rate_off_by_one: float
    frame_error: float
    largest_frame_error: int
    error_pp: Mapping[str, float]
    error_relative: Mapping[str, float]


def published() -> Published:
    """Recompute the published table."""
    text = importlib.resources.files("segbench.published").joinpath(TABLE).read_text(encoding="utf-8")
    rows = list(csv.DictReader(StringIO(text)))

    def column(name: str) -> Float64:
        return np.array([float(row[name]) for row in rows], np.float64)

    frames = np.concatenate(
        [np.abs(column(f"{what}_frame") - column(f"{what}_frame_truth")) for what in ("diastolic", "systolic")]
    )
    starts = column("diastolic_frame")
    period = float(starts[-1] - starts[0]) / (len(rows) - 1)
    errors = {axis: np.abs(column(f"fs_{axis}_percent") - column(f"fs_{axis}_percent_truth")) for axis in _AXES}
    return Published(
        beats=len(rows),
        rate_printed=float(column("heart_rate_bps").mean()),
        rate_recomputed=FPS / period,
        rate_off_by_one=FPS / (1 + period),
        frame_error=float(frames.mean()),
        largest_frame_error=int(frames.max()),
        error_pp={axis: float(error.mean()) for axis, error in errors.items()},
        error_relative={axis: float((e / column(f"fs_{axis}_percent_truth")).mean()) for axis, e in errors.items()},
    )


_AXES = ("minor", "major")


def heart_section(ranked: Sequence[tuple[int, Record, str]]) -> list[str]:
    """Lines of markdown for ranked comparable records with their names; nothing where none has a heart."""
    rows = [row for row in ranked if Cardiac.name in row[1].details]
    if not rows:
        return []
    low, high = HUMAN_RANGE_PP
    body = [*(_row(*row) for row in rows), _published_row(published())]
    details = [*(_details(record, name) for _, record, name in rows), *_published_details(published())]
    block = rows[0][1].details[Cardiac.name]
    beats, videos = block["agreement"]["n_true_beats"], len(block["truth"])
    return [
        "### What the masks say about the heart",
        "",
        f"Each method's masks are turned into beats, and held against the beats of the true masks ({beats} beats in "
        f"{videos} videos).",
        "",
        tabulate(body, headers=_HEADERS, tablefmt="github", disable_numparse=True),
        "",
        *how_to_read(
            [
                "**FS** is how much the ventricle shortens from its fullest (diastole) to its emptiest (systole) "
                "moment, along its minor and major axis; **EF** is the part of its volume that it pumps out.",
                "**Errors** are means over the beats that were found, in percentage points (pp), with a 95 % interval.",
                f"**Verdicts**: human annotators differ by {low:g} to {high:g} pp in FS. An interval below {low:g} is "
                f"*better than human*, one inside *within the human range*, one above {high:g} *worse than human*; one "
                "that crosses an edge is *undecided*, with what is still possible, and so is a method that found "
                "fewer than 80 % of the beats.",
                "**Relative errors**, unfolded below, are parts of the true value. They have no verdict, because the "
                "human range is in points.",
            ]
        ),
        "<details><summary>Precision, relative errors and frames</summary>",
        "",
        tabulate(details, headers=_DETAIL_HEADERS, tablefmt="github", disable_numparse=True),
        "",
        "</details>",
        "",
        *_published_note(published()),
        "",
    ]


_HEADERS = ("rank", "method", "beats found", "FS minor, pp", "FS major, pp", "EF, pp", "heart rate, beats/min")
_DETAIL_HEADERS = ("method", "precision", "FS minor, relative", "FS major, relative", "frames off")


def score_in_words(record: Record, name: str) -> str:
    """An error of shortening with what it says beside human annotators; another score as its value and unit."""
    score = record.scores[name]
    if score.value is None:
        return UNDEFINED
    value = f"{score.value:.1f} {score.unit}"
    if not name.startswith("fs_") or score.unit != "pp":
        return value
    return f"{value}, {verdict_in_words(score.low, score.high, record.scores['beat_detection_rate'].value)}"


def _row(rank: int, record: Record, name: str) -> list[Any]:
    scores = record.scores
    found = scores["beat_detection_rate"].value
    shortening = [scores[f"fs_{axis}_error_pp"] for axis in _AXES]
    return [
        rank or UNDEFINED,  # a person has none
        escape(name),
        number(found, ".0%"),
        *(f"{with_interval(s, '.1f')}<br>{verdict_in_words(s.low, s.high, found)}" for s in shortening),
        with_interval(scores["ef_error_pp"], ".1f"),
        with_interval(scores["heart_rate_error_bpm"], ".1f"),
    ]


def _details(record: Record, name: str) -> list[str]:
    scores = record.scores
    return [
        escape(name),
        number(scores["beat_precision"].value, ".0%"),
        *(
            relative_in_words(scores[f"fs_{axis}_error_pp"].value, scores[f"fs_{axis}_error_relative"].value)
            for axis in _AXES
        ),
        number(scores["beat_frame_error"].value, ".2f"),
    ]


_PAPER = "U-Net, Schutera et al. 2019"


def _published_row(found: Published) -> list[str]:
    """The published result, recomputed: the paper prints no error in points."""
    errors = (f"{found.error_pp[axis]:.1f}" for axis in _AXES)
    name = f"{_PAPER}, recomputed from its {found.beats} beats"
    return [UNDEFINED, name, UNDEFINED, *errors, UNDEFINED, UNDEFINED]


def _published_details(found: Published) -> list[list[str]]:
    """Of the printed figures only those that the paper prints."""
    printed = f"{PRINTED_FRAME_ERROR:.2f} (at most {PRINTED_LARGEST_FRAME_ERROR:g})"
    recomputed = f"{found.frame_error:.2f} (at most {found.largest_frame_error})"
    relative = (f"{found.error_relative[axis]:.1%}" for axis in _AXES)
    return [
        [f"{_PAPER}, as printed", *[UNDEFINED] * 3, printed],
        [f"the same, recomputed from its {found.beats} beats", UNDEFINED, *relative, recomputed],
    ]


def _published_note(found: Published) -> list[str]:
    return [
        f"The published rows ({SOURCE}) are of {found.beats} beats of one real ventral video, not of the videos above: "
        "a reference, not a rank. Recomputed from the paper's own table per beat they differ from its text. "
        f"Frames: mean error {found.frame_error:.2f} and at most {found.largest_frame_error}, printed "
        f"{PRINTED_FRAME_ERROR:.2f} and {PRINTED_LARGEST_FRAME_ERROR:.1f}. Heart rate: its frame numbers give "
        f"{found.rate_recomputed:.2f} beats/s, printed {found.rate_printed:.2f}; frames per second over *one more* "
        f"than the frames per beat would be {found.rate_off_by_one:.2f}. Shortening: the minor axis is "
        f"{found.error_pp['minor']:.1f} pp off, which is {found.error_relative['minor']:.1%} of the true value, so "
        "the unit decides on which side of 12 it falls.",
    ]
