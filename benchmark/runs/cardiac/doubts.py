"""Doubts about a film beyond the flags of a record: a heart that stops, beats unevenly, or cannot be a heart.

What follows for its numbers says `segbench.runs.cardiac.unfit`.

Records hold the flags of `segbench.cardiac.beats` alone, so that what is stored follows from the statistics for good.

A regular heart that is sampled in whole frames is not flagged: an interval is known to part of a frame, and the size of
a beat to what the heart moves within half a frame, so every limit grows with the frame's part of a beat. Diastole is
flat where a heart rests in it, so its frames tremble: intervals are uneven where those of both kinds of extrema are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ...cardiac.beats import MAX_JUMPING, SEQUENCE_FLAGS, Heartbeat, rates_disagree
from ...cardiac.following import beats_without_shortening, movement_against_beat, scattered_measures
from ...cardiac.geometry import shape_of
from ...cardiac.rhythm import RATES
from ...cardiac.track import Track, jumping_part
from ...text import counted
from ...types import Float64
from .flicker import FLICKER_IN_WORDS

PAUSE = 1.6
"""Median intervals without an extremum, before the first or after the last one, that are a pause."""
UNEVEN_CV = 0.09
"""Coefficient of variation above which intervals are uneven, with 3/4 of a frame's part of a beat beside it.

Of the steadier kind of extrema: independent lengths of beats with a variation of 13 % have it between systoles.
"""
ODD_INTERVAL = 0.25
"""Part of the median by which one interval may differ, beside one and a half frames; the other extrema half as far."""
ALTERNATING = 0.15
"""Part of the mean by which every other beat may eject more."""
WEAK = 0.6
"""Part of the median below which a beat ejects little."""
MIN_ALTERNATING = 5
"""Beats that are looked at for alternation: the order of fewer says nothing."""
RATES_OF_HEARTS = (10.0, 400.0)
"""Beats per minute, from a cold or failing heart to more than any embryo's."""
VOLUMES_OF_HEARTS_NL = (1e-3, 1e4)
"""End-diastolic volume, nanolitres: a sphere of 12 µm, and ten times the ventricle of an adult zebrafish."""
STILL = 0.01
"""Part of the area, and of the diameter, within which nothing moves."""
COVERED = 0.5
"""Part of the picture above which a mask that goes round its edge is taken for an inverted one."""
LENGTHS_OF_EMBRYOS_UM = (30.0, 600.0)
"""Major axis at the end of diastole; people's masks of HeartSeg's 24 films have 138 to 206 µm."""
MAX_AGAINST = 0.2
"""Part of its way by which the volume may go back between two extrema."""
MAX_AGAINST_IN_JUMPS = 0.1
"""The same where masks jump: hearts that eject most of their volume within two frames jump, but do not go back."""
MAX_AGAINST_IN_EXTRA_BEATS = 0.05
"""The same where more beats were counted than the rhythm has, at uneven intervals, as in irregular hearts too."""
MAX_WITHOUT_SHORTENING = 0.1
"""Part of the beats in which something may fail to shorten."""
MAX_SCATTER = 0.5
"""Standard deviation over the beats as a part of the mean."""
MIN_SCATTERED = 4
"""Beats whose scatter says something."""
NEAR_EDGE = 0.05
"""Part of a rate by which a rhythm is at the edge of where it is looked for."""

MEASURES_IN_WORDS = {"fs_minor": "FS minor", "fs_major": "FS major", "fac": "FAC", "ef": "EF"}

FLAGS = SEQUENCE_FLAGS | {
    "few_frames_per_beat": f"{SEQUENCE_FLAGS['few_frames_per_beat']}, and whether masks follow the beat hardly shows",
    "no_beat": f"{SEQUENCE_FLAGS['no_beat']}; the first and the last frame are never one, so a film is to show two "
    "beats and more",
    "implausible": "masks jump in area, place or shape from frame to frame, or eject over 85 %, nothing, or less than "
    "nothing: distrust their volumes",
    "not_following": "the masks do not follow the beat, so no size and no single interval of its beats is to be used; "
    "the heart rate may be right",
    "flicker": FLICKER_IN_WORDS,
    "gap": "frames between its beats have no mask, so long that a beat may be hidden there: the heart rate counts one "
    "interval where there may be more",
    "few_beats": "one or two beats: nothing tells how much its beats differ",
    "one_frame": "one frame holds no beat: give the masks of a film",
    "motionless": "nothing moves: all masks are the same, or nearly",
    "rhythm_at_edge": f"its rate is at or beyond the edge of where a rhythm is looked for ({RATES[0]:g} to "
    f"{RATES[1]:g} per minute), so the rhythm cannot judge: look at the area curve, and is --fps right?",
    "pause": f"the heart stands still before its first or after its last beat for over {PAUSE} median intervals: rates "
    "and EF are of the part that beats",
    "uneven_intervals": f"intervals vary by over {UNEVEN_CV:.0%}, or one is over {ODD_INTERVAL:.0%} off the median "
    "(beside what one frame is worth): the mean rate hides it",
    "alternating": f"every other beat ejects over {ALTERNATING:.0%} more: the mean EF is that of no beat",
    "weak_beats": f"a beat ejects under {WEAK:.0%} of the median: the mean EF hides it",
    "inverted": "masks cover most of the picture and go round its edge, so heart and background seem exchanged: save "
    "them with a white heart on black (Fiji: Edit > Invert; with an inverting LUT first Image > Lookup Tables > Invert "
    "LUT)",
    "implausible_rate": f"no heart is known to beat outside of {RATES_OF_HEARTS[0]:g} to {RATES_OF_HEARTS[1]:g} times "
    "a minute: is --fps right?",
    "implausible_size": f"the volume of no such heart is outside of {VOLUMES_OF_HEARTS_NL[0]:g} to "
    f"{VOLUMES_OF_HEARTS_NL[1]:g} nL: is --pixel-size-um right (micrometres, not nanometres)?",
    "unusual_size": f"the ventricle of a fish embryo is {LENGTHS_OF_EMBRYOS_UM[0]:g} to {LENGTHS_OF_EMBRYOS_UM[1]:g} "
    "µm long at the end of diastole, and this one is not: if it is no grown fish or other animal, is --pixel-size-um "
    "right?",
}
"""Every flag of a sequence at hand, in words."""


_OF_BEATS = frozenset({"uneven_intervals", "alternating", "weak_beats"})
"""What is said of the heart by its single beats, and so by masks that follow them alone."""


def doubtful(heart: Heartbeat) -> tuple[str, ...]:
    """The flags of a sequence, and those of this module; see `FLAGS`."""
    at_edge, no_size = _rhythm_at_edge(heart), _outside(_volume_nl(heart), VOLUMES_OF_HEARTS_NL)
    astray = bool(reasons_of_not_following(heart))
    odd = {
        "not_following": astray,
        "gap": longest_gap(heart) > 0,
        "few_beats": 0 < len(heart.beats) < 3,
        "one_frame": len(heart.track.frames) == 1,
        "motionless": _motionless(heart.track),
        "rhythm_at_edge": at_edge,
        "pause": _pauses(heart),
        "uneven_intervals": _uneven(heart),
        "alternating": _alternating(heart),
        "weak_beats": _weak(heart),
        "inverted": _inverted(heart.track),
        "implausible_rate": _outside(heart.heart_rate_bpm, RATES_OF_HEARTS),
        "implausible_size": no_size,
        "unusual_size": not no_size and _outside(_length_um(heart), LENGTHS_OF_EMBRYOS_UM),
    }
    # A rhythm that cannot judge does not disagree.
    own = [flag for flag in heart.flags if not (at_edge and flag == "rates_disagree")]
    ejected = heart.distribution("ef").median
    if ejected is not None and ejected <= 0 and "implausible" not in own:
        own.append("implausible")
    return (*own, *(name for name, is_so in odd.items() if is_so and not (astray and name in _OF_BEATS)))


def reasons_of_not_following(heart: Heartbeat) -> tuple[str, ...]:
    """In words, how it shows that the masks do not follow the beat; nothing where they do, or where no beat is."""
    beats = len(heart.beats)
    if not beats:
        return ()
    found = []
    if _motionless(heart.track):
        found.append(f"nothing moves by more than {STILL:.0%}")
    if like_flicker(heart):
        found.append("its beats take under 7 frames and come at uneven intervals, as flicker does")
    if _inverted(heart.track):
        found.append("heart and background seem exchanged")
    back, jumping = movement_against_beat(heart) or 0.0, jumping_part(heart.track)
    jumps = jumping > MAX_JUMPING and "few_frames_per_beat" not in heart.flags
    if jumps and back > MAX_AGAINST_IN_JUMPS:
        found.append(f"the mask jumps in {jumping:.0%} of the steps from a frame to the next")
    if extra_beats(heart):
        found.append(
            f"more beats were counted than the main rhythm has ({heart.heart_rate_bpm:.0f} and "
            f"{heart.heart_rate_bpm_spectral:.0f} per minute), at uneven intervals, as where flicker is taken for beats"
        )
    if (odd := beats_without_shortening(heart)) > MAX_WITHOUT_SHORTENING * beats:
        found.append(
            f"in {odd} of {counted(beats, 'beat')} an axis, the area or the volume is no smaller at systole than at "
            "diastole"
        )
    if back > (MAX_AGAINST_IN_JUMPS if jumps else MAX_AGAINST):
        found.append(
            f"between diastole and systole the volume goes back by {back:.0%} of its way, as where "
            "masks flicker or a beat was passed over"
        )
    # A heart whose every other beat is weak scatters, too.
    if not _alternating(heart) and (scattered := scattered_measures(heart, MAX_SCATTER, MIN_SCATTERED)):
        names = " and ".join(MEASURES_IN_WORDS[name] for name in scattered)
        found.append(f"the standard deviation of {names} over the beats is over {MAX_SCATTER:.0%} of the mean")
    return tuple(found)


def like_flicker(heart: Heartbeat) -> bool:
    """Whether so few frames make a beat, at such uneven intervals, that it cannot be told from flicker of the masks."""
    return "few_frames_per_beat" in heart.flags and _uneven(heart)


def extra_beats(heart: Heartbeat) -> bool:
    """Whether more beats were counted than the rhythm has, at uneven intervals, in masks that do not move smoothly.

    Masks of an irregular heart, which may beat so too, do.
    """
    rate, rhythm = heart.heart_rate_bpm or 0.0, heart.heart_rate_bpm_spectral
    if rhythm is None or cannot_judge(rhythm) or not (rate > rhythm and rates_disagree(rate, rhythm)):
        return False
    return _uneven(heart) and (movement_against_beat(heart) or 0.0) > MAX_AGAINST_IN_EXTRA_BEATS


def longest_gap(heart: Heartbeat) -> int:
    """Most frames in a row without a mask in one interval that is over 1.6 times the median, where half are; else 0."""
    seen = {frame for frame, mask in zip(heart.track.frames, heart.track.silhouettes, strict=True) if mask.area}
    usual = float(np.median(heart.intervals)) if heart.intervals else 0.0
    found = 0
    for extrema in (heart.diastoles, heart.systoles):
        for start, end in pairwise(extrema):
            if end - start > PAUSE * usual:
                there = [frame for frame in range(start, end + 1) if frame in seen]
                gap = max(after - before for before, after in pairwise(there)) - 1
                found = max(found, gap if gap > usual / 2 else 0)
    return found


def cannot_judge(rhythm: float, rate: float | None = None) -> bool:
    """Whether a rhythm, or the rate that it is compared with, is at or beyond the edge of where rhythms are found."""
    low, high = RATES[0] * (1 + NEAR_EDGE), RATES[1] * (1 - NEAR_EDGE)
    return not low < rhythm < high or (rate is not None and not RATES[0] <= rate <= RATES[1])


def _rhythm_at_edge(heart: Heartbeat) -> bool:
    """Where beats were looked for by a rhythm at its edge, or are far from one."""
    rhythm, rate = heart.heart_rate_bpm_spectral, heart.heart_rate_bpm
    if rhythm is None or not cannot_judge(rhythm, rate):
        return False
    by_rhythm = heart.detection.pulsation or heart.detection.refractory > 0
    return by_rhythm or "rates_disagree" in heart.flags


def _motionless(track: Track) -> bool:
    """All masks are the same, or in a film of one repeated picture, which codecs change a little, nearly so."""
    seen = [shape for mask in track.silhouettes if (shape := shape_of(mask)) is not None]
    if len(seen) < 2:
        return False
    places = np.array([shape.centroid for shape in seen])
    areas = np.array([shape.area for shape in seen])
    still = STILL * seen[0].equivalent_diameter
    return float(np.ptp(areas)) <= STILL * float(areas.mean()) and float(np.ptp(places, axis=0).max()) <= still


def _pauses(heart: Heartbeat) -> bool:
    there = [frame for frame, mask in zip(heart.track.frames, heart.track.silhouettes, strict=True) if mask.area]
    extrema = (*heart.diastoles, *heart.systoles)
    if not heart.intervals or not there:
        return False
    still = max(there[-1] - max(extrema), min(extrema) - there[0])
    return still > PAUSE * float(np.median(heart.intervals)) + 1


def _uneven(heart: Heartbeat) -> bool:
    """The steadier kind of extrema decides; one of a single interval says nothing."""
    kinds = [[heart.time_of(frame) for frame in extrema] for extrema in (heart.diastoles, heart.systoles)]
    gaps = [np.asarray(np.diff(times), np.float64) for times in kinds if len(times) > 2]
    if not gaps:
        return False
    far = [_farthest(each) for each in gaps]
    return all(_varies(each) for each in gaps) or (max(far) > 1 and min(far) > 0.5)


def _varies(gaps: Float64) -> bool:
    mean = float(gaps.mean())
    return float(gaps.std(ddof=1)) / mean > math.hypot(UNEVEN_CV, 0.75 / mean)


def _farthest(gaps: Float64) -> float:
    """How far the oddest interval is off the median, in what it may be."""
    usual = float(np.median(gaps))
    return float(np.abs(gaps - usual).max()) / (ODD_INTERVAL * usual + 1.5)


def _strengths(heart: Heartbeat) -> Float64:
    """Ejection fraction of every beat, between the frames where it is known."""
    return np.array([beat.ef if beat.refined is None else beat.refined.ef for beat in heart.beats], np.float64)


def _lost(heart: Heartbeat) -> float:
    """The part of an even beat that may lie between the frames."""
    return 1 - math.cos(math.pi / max(heart.frames_per_beat or math.inf, 2.0))


def _alternating(heart: Heartbeat) -> bool:
    """Beats are larger and smaller by turns, all of one kind larger than all of the other."""
    ejected = _strengths(heart)
    mean = float(ejected.mean()) if ejected.size else 0.0
    if ejected.size < MIN_ALTERNATING or not mean > 0:
        return False
    sides = sorted((ejected[::2], ejected[1::2]), key=lambda side: float(side.mean()))
    limit = ALTERNATING + 1.5 * _lost(heart)
    return bool(sides[0].max() < sides[1].min() and (sides[1].mean() - sides[0].mean()) / mean > limit)


def _weak(heart: Heartbeat) -> bool:
    ejected = _strengths(heart)
    if ejected.size < 3:
        return False
    usual = float(np.median(ejected))
    return usual > 0 and float(ejected.min()) < (WEAK - 1.5 * _lost(heart)) * usual


def _inverted(track: Track) -> bool:
    seen = [mask for mask in track.silhouettes if mask.area]
    round_edge = [
        mask.area > COVERED * mask.height * mask.width and mask.border > 0.75 * (2 * (mask.height + mask.width) - 4)
        for mask in seen
    ]
    return sum(round_edge) > len(seen) / 2


def _volume_nl(heart: Heartbeat) -> float | None:
    """Median end-diastolic volume; of a film without a beat that of its masks."""
    full = [heart.shape_at(frame) for frame in heart.diastoles] or heart.shapes_um
    volumes = [shape.volume / 1e6 for shape in full if shape is not None]
    return float(np.median(volumes)) if volumes else None


def _length_um(heart: Heartbeat) -> float | None:
    """Median major axis at the end of diastole; of a film without a beat that of its masks."""
    full = [heart.shape_at(frame) for frame in heart.diastoles] or heart.shapes_um
    lengths = [shape.axis_major for shape in full if shape is not None]
    return float(np.median(lengths)) if lengths else None


def _outside(value: float | None, limits: Sequence[float]) -> bool:
    return value is not None and not limits[0] <= value <= limits[1]
