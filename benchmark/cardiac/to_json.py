"""Numbers of beating hearts as the block `cardiac` of records and of `bench cardiac --json`: None where undefined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..io.plain_values import plain
from .agreement import ENOUGH_BEATS, HUMAN_RANGE_PP, MEASURES, Agreement, verdict
from .beats import Beat, Heartbeat, distribution
from .blocks import AgreementBlock, CardiacBlock, SequenceBlock, SummaryBlock

BEAT_MEASURES = ("fs_minor", "fs_major", "fac", "ef", "stroke_volume_px3", "stroke_volume_nl")
AXES = {"fs_minor": "minor axis", "fs_major": "major axis"}
"""The measures that the human range is of."""

Interval = tuple[float | None, float | None]


def cardiac_block(hearts: Sequence[Heartbeat], *, micrometres: bool = True) -> CardiacBlock:
    """Every sequence with its frames and beats, and the summary over all."""
    sequences = [sequence_block(heart, micrometres=micrometres) for heart in hearts]
    return CardiacBlock(sequences=sequences, summary=summary_block(hearts))


def sequence_block(heart: Heartbeat, *, frames: bool = True, micrometres: bool = True) -> SequenceBlock:
    """One sequence; its frames, or their sizes in micrometres, which follow from those in pixels, may be left out."""
    track = heart.track
    shown = range(len(track.frames)) if frames else ()
    height, width = track.pixel_size_um
    return SequenceBlock.model_validate(
        plain(
            {
                "name": track.name,
                "first_frame": track.first_frame,
                "last_frame": track.first_frame + track.frames[-1],
                "n_frames": len(track.frames),
                "missing": list(track.missing),
                "fps": track.fps,
                "pixel_size_um": height if height == width else [height, width],
                **({"frames": [frame_values(heart, place, micrometres) for place in shown]} if frames else {}),
                "diastoles": list(heart.diastoles),
                "systoles": list(heart.systoles),
                "beats": [beat_values(beat) for beat in heart.beats],
                "heart_rate_bpm": heart.heart_rate_bpm,
                "heart_rate_bps": heart.heart_rate_bps,
                "heart_rate_bpm_refined": heart.heart_rate_bpm_refined,
                "heart_rate_bpm_spectral": heart.heart_rate_bpm_spectral,
                "frames_per_beat": heart.frames_per_beat,
                "beat_heart_rate_bpm": asdict(heart.distribution("heart_rate_bpm")),
                **{name: asdict(heart.distribution(name)) for name in BEAT_MEASURES},
                "rhythm": asdict(heart.rhythm),
                "flags": list(heart.flags),
            }
        )
    )


def summary_block(hearts: Sequence[Heartbeat]) -> SummaryBlock:
    """Over all sequences: rates by sequence, everything else over all beats, and how many frames have which flag."""
    beats = [beat for heart in hearts for beat in heart.beats]
    flags = Counter(flag for heart in hearts for mask in heart.track.silhouettes for flag in mask.flags)
    outputs = (cardiac_output(heart) for heart in hearts)
    return SummaryBlock.model_validate(
        plain(
            {
                "n_sequences": len(hearts),
                "n_frames": sum(len(heart.track.frames) for heart in hearts),
                "n_missing": sum(len(heart.track.missing) for heart in hearts),
                "n_beats": len(beats),
                "heart_rate_bpm": asdict(
                    distribution(h.heart_rate_bpm for h in hearts if h.heart_rate_bpm is not None)
                ),
                **{name: asdict(distribution(getattr(beat, name) for beat in beats)) for name in BEAT_MEASURES},
                "cardiac_output_nl_per_min": asdict(distribution(value for value in outputs if value is not None)),
                "flagged_frames": dict(sorted(flags.items())),
                "flagged_sequences": dict(sorted(Counter(flag for heart in hearts for flag in heart.flags).items())),
            }
        )
    )


def cardiac_output(heart: Heartbeat) -> float | None:
    """Mean stroke volume times heart rate, nanolitres per minute."""
    volume = heart.distribution("stroke_volume_nl").mean
    return None if volume is None or heart.heart_rate_bpm is None else volume * heart.heart_rate_bpm


def agreement_block(
    agreement: Agreement, scores: Mapping[str, float | None], intervals: Mapping[str, Interval]
) -> AgreementBlock:
    """Errors, Bland and Altman's limits and verdicts of predictions against truth."""
    frames = agreement.frame_errors
    return AgreementBlock.model_validate(
        plain(
            {
                "human_range_pp": list(HUMAN_RANGE_PP),
                "n_true_beats": sum(len(heart.beats) for heart in agreement.truths),
                "n_predicted_beats": sum(len(heart.beats) for heart in agreement.predictions),
                "n_matched_beats": len(agreement.pairs),
                "enough_beats": ENOUGH_BEATS,
                "frame_error": {
                    name: {"mean": float(frames[:, k].mean()), "max": int(frames[:, k].max())} if len(frames) else None
                    for k, name in enumerate(("diastole", "systole"))
                },
                "verdicts": {
                    name: {
                        "error_pp": scores.get(f"{name}_error_pp"),
                        "low": intervals[f"{name}_error_pp"][0],
                        "high": intervals[f"{name}_error_pp"][1],
                        "error_relative": scores.get(f"{name}_error_relative"),
                        "verdict": verdict(*intervals[f"{name}_error_pp"], scores.get("beat_detection_rate")),
                    }
                    for name in AXES
                },
                "bland_altman_pp": {name: asdict(agreement.limits(name)) for name in MEASURES},
                "bland_altman_heart_rate_bpm": asdict(agreement.limits_of_rate),
                "pairs": [
                    {
                        "sequence": agreement.truths[pair.sequence].track.name,
                        "truth": [pair.truth.diastolic_frame, pair.truth.systolic_frame],
                        "predicted": [pair.predicted.diastolic_frame, pair.predicted.systolic_frame],
                        **{f"{name}_difference_pp": pair.difference_pp(name) for name in MEASURES},
                    }
                    for pair in agreement.pairs
                ],
            }
        )
    )


def frame_values(heart: Heartbeat, place: int, micrometres: bool = True) -> dict[str, Any]:
    """Fields of a `FrameBlock`."""
    mask, px, um = heart.track.silhouettes[place], heart.shapes_px[place], heart.shapes_um[place]
    sizes = {
        "area_um2": um and um.area,
        "axis_major_um": um and um.axis_major,
        "axis_minor_um": um and um.axis_minor,
        "volume_nl": um and um.volume / 1e6,
    }
    return {
        "frame": heart.track.frames[place],
        "area_px": mask.area,
        "axis_major_px": px and px.axis_major,
        "axis_minor_px": px and px.axis_minor,
        "equivalent_diameter_px": px and px.equivalent_diameter,
        "volume_px3": px and px.volume,
        "centroid_y_px": px and px.centroid[0],
        "centroid_x_px": px and px.centroid[1],
        **(sizes if micrometres else {}),
        "flags": list(mask.flags),
    }


def beat_values(beat: Beat) -> dict[str, Any]:
    """Fields of a `BeatBlock`."""
    values = asdict(beat)
    values["flags"] = list(beat.flags)
    return values
