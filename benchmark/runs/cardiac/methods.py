"""`methods.txt` of `bench cardiac`: what was done, in words for a Methods section, and what every column is."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence

from ..._version import __version__
from ...cardiac.beats import BEAT_FLAGS
from ...cardiac.detection import Detection
from ...cardiac.geometry import FLAGS as MASK_FLAGS
from ...text import counted
from .document import CardiacDocument
from .doubts import FLAGS
from .flicker import flicker_for_methods

METHODS = "methods.txt"

_FRACTION = "part of 1; times 100 is percent"
COLUMNS: Mapping[str, tuple[str, str]] = {
    "sequence": ("", "name of the film"),
    "group": ("", "folder that the film lies in"),
    "film": ("", "name of the film without its group"),
    "beat": ("", "number of the beat in its film, from 1"),
    "beats": ("", "number of beats"),
    "frames": ("", "number of frames that are there, with an empty mask too"),
    "frame": ("", "frame, counted from the first of the film"),
    "number": ("", "number of the frame in the name of its file"),
    "time_s": ("s", "time from the first frame"),
    "fps": ("1/s", "frames per second"),
    "heart_rate_bpm": ("1/min", "heart rate: of a film over all its intervals; of a beat, to the next diastole"),
    "rhythm_bpm": ("1/min", "main rhythm of the masks, found without beats: a check on the heart rate"),
    "interval_s": ("s", "from this diastole to the next"),
    "interval_cv": (_FRACTION, "standard deviation of the intervals over their mean"),
    "diastolic_frame": ("", "frame of the end of diastole, counted from the first"),
    "systolic_frame": ("", "frame of the end of systole"),
    "diastole_s": ("s", "time of the end of diastole"),
    "systole_s": ("s", "time of the end of systole"),
    "diastolic_time": ("frames", "end of diastole"),
    "systolic_time": ("frames", "end of systole"),
    "ef": (_FRACTION, "ejection fraction: (end-diastolic - end-systolic) / end-diastolic volume"),
    "fs_minor": (_FRACTION, "fractional shortening of the minor axis"),
    "fs_major": (_FRACTION, "fractional shortening of the major axis"),
    "fac": (_FRACTION, "fractional area change"),
    "stroke_volume_nl": ("nL", "end-diastolic less end-systolic volume"),
    "stroke_volume_px3": ("cubes of a pixel", "end-diastolic less end-systolic volume"),
    "end_diastolic_volume_nl": ("nL", "volume at the end of diastole"),
    "end_systolic_volume_nl": ("nL", "volume at the end of systole"),
    "end_diastolic_major_um": ("µm", "major axis (length) at the end of diastole"),
    "end_diastolic_minor_um": ("µm", "minor axis (width) at the end of diastole"),
    "end_systolic_major_um": ("µm", "major axis (length) at the end of systole"),
    "end_systolic_minor_um": ("µm", "minor axis (width) at the end of systole"),
    "area_noise": (
        _FRACTION,
        "flicker: standard deviation of what the area changes from frame to frame beside the beat, over the area",
    ),
    "false_beats": ("", "number of beats that flicker of the masks seems to have made"),
    "area_px": ("pixels", "area of the mask"),
    "area_um2": ("µm²", "area of the mask"),
    "axis_major_px": ("pixels", "major axis"),
    "axis_major_um": ("µm", "major axis"),
    "axis_minor_px": ("pixels", "minor axis"),
    "axis_minor_um": ("µm", "minor axis"),
    "equivalent_diameter_px": ("pixels", "diameter of the circle of the same area"),
    "volume_px3": ("cubes of a pixel", "volume"),
    "volume_nl": ("nL", "volume"),
    "centroid_y_px": ("pixels", "middle of the mask, from the top"),
    "centroid_x_px": ("pixels", "middle of the mask, from the left"),
    "flags": ("", "what is odd: see WORDS AMONG THE FLAGS"),
    "do_not_use": ("", "what was left out of this row, for it is not to be used"),
    "because": ("", "why it was left out"),
}
"""Unit and meaning of the columns of `frames`, `beats` and `sequences`."""
_ENDINGS = {
    "mean": "mean over the beats",
    "std": "standard deviation over the beats (n - 1)",
    "corrected": "mean over the beats without what flicker of the masks adds, as estimated",
    "bias": "what flicker of the masks adds to the mean over the beats, as estimated",
    "refined": "with the extrema between frames",
}
_MOMENT = re.compile(f"(.+)_({'|'.join(_ENDINGS)})$")
_WIDTH = 100


def describe(column: str) -> tuple[str, str]:
    """Unit and meaning of a column. Raises KeyError for one that no table has."""
    if (found := _MOMENT.match(column)) and column not in COLUMNS:
        unit, meaning = COLUMNS[found[1]]
        return unit, f"{meaning}: {_ENDINGS[found[2]]}"
    return COLUMNS[column]


def methods_text(document: CardiacDocument, detection: Detection, tables: Mapping[str, Sequence[str]]) -> str:
    """The whole file. `tables` has the columns of each table by its name."""
    parts = ["WORDS FOR A METHODS SECTION", _filled(_paragraph(document, detection))]
    doubts = [
        f"{each.name}: {'. '.join(each.do_not_use_because)}. Not to be used: {', '.join(each.do_not_use or ())}."
        for each in document.sequences
        if each.do_not_use_because
    ]
    parts += ["NOT TO BE USED, AND LEFT OUT OF THE TABLES", *map(_filled, doubts)] if doubts else []
    if document.warnings:
        parts += ["WARNINGS", *map(_filled, document.warnings)]
    parts += _flags(document)
    for name, columns in tables.items():
        rows = [(column, *describe(column)) for column in columns]
        wide, unit = (max(len(row[place]) for row in rows) for place in (0, 1))
        parts += [f"COLUMNS OF {name}.csv", "\n".join(f"{a:{wide}}  {b:{unit}}  {c}".rstrip() for a, b, c in rows)]
    return "\n\n".join(parts) + "\n"


def _flags(document: CardiacDocument) -> list[str]:
    """What the words mean that stand among the flags of films, beats and frames."""
    films = document.sequences
    sides = {
        "sequences": (FLAGS, (each.flags for each in films)),
        "beats": (MASK_FLAGS | BEAT_FLAGS, (beat.flags for each in films for beat in each.beats)),
        "frames": (MASK_FLAGS, (frame.flags for each in films for frame in each.frames or ())),
    }
    parts = []
    for of, (words, flags) in sides.items():
        if found := {flag for some in flags for flag in some}:
            parts += [
                f"WORDS AMONG THE FLAGS OF {of}.csv",
                *(_filled(f"{flag}: {words[flag]}") for flag in sorted(found)),
            ]
    return parts


def _filled(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False)


def _paragraph(document: CardiacDocument, detection: Detection) -> str:
    films = document.sequences
    frames, beats = (sum(count) for count in ([f.n_frames for f in films], [len(f.beats) for f in films]))
    rate, size = (f"{films[0].fps:g}", _size(films[0].pixel_size_um)) if films else ("?", "?")
    by = {"option": "", "file": " (as the file says)", "dataset": " (as the dataset says)"}
    by["default"] = " (ASSUMED: put yours here)"
    text = (
        f"Ventricles were measured in {counted(len(films), 'film')} of {frames} frames and {counted(beats, 'beat')}, "
        f"at {rate} frames per second{by[document.fps_from]} and with pixels of {size} µm"
        f"{by[document.pixel_size_from]}, with segbench {__version__}"
    )
    masks = f"Masks were predicted by {document.run_id}. " if document.run_id else ""
    masks += "Of each mask the largest piece was kept and its holes were filled. " * document.cleaned
    return (
        f"{text}. {masks}Axes are those of the ellipse with the same second moments as the mask; the volume is that of "
        "the prolate spheroid, pi/6 x minor axis squared x major axis (Schutera et al., Zebrafish 16:542-545, 2019). "
        f"Diastoles are maxima of the area, systoles minima ({_extrema(detection)}); a beat is a diastole and its next "
        "systole. The heart rate is 60 times the frames per second over the mean interval between like extrema, "
        "fractional shortening of an axis (diastole - systole) / diastole, the ejection fraction the same of the "
        f"volume. Each animal counts once, with the mean over its beats.{_excluded(document)}"
        f"{flicker_for_methods(films)}"
    )


def _excluded(document: CardiacDocument) -> str:
    """How many films lack which numbers, and why, as a reader of the comparison has to know."""
    films, text = document.sequences, ""
    for measure, what in (
        ("ef", "Sizes of {} were left out, as their masks do not follow the beat."),
        ("heart_rate_bpm", "Heart rates of {} were left out, as they are not those of the heart."),
    ):
        if left := sum(measure in (each.do_not_use or ()) for each in films):
            text += " " + what.format(f"{left} of {counted(len(films), 'film')}")
    return text


def _extrema(detection: Detection) -> str:
    apart = f"at least {counted(detection.distance, 'frame')} apart"
    if detection.refractory:
        apart += f", at least {detection.refractory:g} periods of the main rhythm apart"
    areas = "the areas"
    if detection.smoothing:
        areas += f" averaged {counted(detection.smoothing, 'time')} with weights 1, 2, 1"
    moved = ", each moved to the extremum of the area beside it"
    prominence = f"{detection.prominence:g} of the range of"
    if not detection.pulsation:
        return f"prominence {prominence} {areas}, {apart}{moved * bool(detection.smoothing)}"
    return (
        "looked for in what the masks have in common near their main rhythm, with a prominence of "
        f"{prominence} an even beat, of half as much in long gaps, {apart}{moved}; without a rhythm in {areas}"
    )


def _size(size: float | list[float]) -> str:
    return " x ".join(f"{side:.4g}" for side in (size if isinstance(size, list) else [size]))
