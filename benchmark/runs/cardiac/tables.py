"""Tables of `bench cardiac` as files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cardiac.beats import Beat, Heartbeat, distribution
from ...cardiac.blocks import DistributionBlock, FlickerBlock, SequenceBlock
from ...cardiac.flicker import MEASURES as FLICKERING
from ...cardiac.rows import BEAT_KEYS, beat_rows
from ...io.atomic import atomic_path, write_text
from ...text import no_formula
from .unfit import LENGTHS, Unfit

if TYPE_CHECKING:
    import pandas as pd

_MOMENT = re.compile("_(mean|std|refined|corrected|bias)$")
"""What stands behind the name of a measure in a column."""
_TIMES = ("diastole_s", "systole_s", "interval_s")
_SIZES = tuple(
    f"end_{side}_{name}" for side in ("diastolic", "systolic") for name in ("major_um", "minor_um", "volume_nl")
)
BEAT_COLUMNS = (*BEAT_KEYS, *_TIMES, *_SIZES, "do_not_use")
"""Columns of `beats`, of films without a beat too."""


def timed_beat_rows(hearts: Sequence[Heartbeat], unfits: Mapping[str, Unfit]) -> list[dict[str, Any]]:
    """One row for each beat: its frames in seconds, the interval to the next diastole, axes and volumes too.

    What is not to be used of the film is left out, and named in `do_not_use`.
    """
    beats = [(heart, beat) for heart in hearts for beat in heart.beats]
    found = []
    for row, (heart, beat) in zip(beat_rows(hearts), beats, strict=True):
        following = [frame for frame in heart.diastoles if frame > beat.diastolic_frame]
        frames = (beat.diastolic_frame, beat.systolic_frame, following[0] - beat.diastolic_frame if following else None)
        times = {name: count and count / heart.track.fps for name, count in zip(_TIMES, frames, strict=True)}
        each = unfits[heart.track.name]
        found.append(_without(row | times | _sizes(heart, beat), each, {"heart_rate_bpm": "beat_heart_rate_bpm"}))
    return found


def sequence_rows(
    sequences: Sequence[SequenceBlock], hearts: Sequence[Heartbeat], unfits: Mapping[str, Unfit]
) -> list[dict[str, Any]]:
    """One row for each film: its rate, how evenly it beats, and mean and standard deviation over its beats.

    `group` is the folder that a film lies in, where folders are part of its name. Fractions are of 1; the interval's
    variation (CV) too. What is not to be used of a film is left out, and named in `do_not_use`.
    """
    found = []
    for each, heart in zip(sequences, hearts, strict=True):
        group, _, film = each.name.rpartition("__")
        row: dict[str, Any] = {"sequence": each.name, "group": group, "film": film, "frames": each.n_frames}
        row |= {"fps": each.fps, "beats": len(each.beats), "heart_rate_bpm": each.heart_rate_bpm}
        row |= {"rhythm_bpm": each.heart_rate_bpm_spectral, "interval_cv": each.rhythm.interval_cv}
        for name in ("ef", "fs_minor", "fs_major", "fac", "stroke_volume_nl"):
            spread: DistributionBlock = getattr(each, name)
            row |= {f"{name}_mean": spread.mean, f"{name}_std": spread.std}
        sizes = [_sizes(heart, beat) for beat in heart.beats]
        for name in (*LENGTHS, "end_diastolic_volume_nl", "end_systolic_volume_nl"):
            over = distribution(size[name] for size in sizes)
            row |= {f"{name}_mean": over.mean, f"{name}_std": over.std}
        row |= _without_flicker(each.flicker)
        row["flags"] = " ".join(each.flags)
        unfit = unfits[each.name]
        found.append(_without(row, unfit) | {"because": "; ".join(unfit.reasons)})
    return found


def _without_flicker(found: FlickerBlock | None) -> dict[str, float | None]:
    """What the means would be without flicker of the masks, and how far they are above; None where not known."""
    row: dict[str, float | None] = {"area_noise": None, "false_beats": None}
    corrected: Mapping[str, float] = {}
    bias: Mapping[str, float] = {}
    if found is not None:
        row = {"area_noise": found.area_noise, "false_beats": found.false_beats}
        corrected, bias = found.corrected, found.bias
    for name in FLICKERING:
        row |= {f"{name}_corrected": corrected.get(name), f"{name}_bias": bias.get(name)}
    return row


def _sizes(heart: Heartbeat, beat: Beat) -> dict[str, float]:
    """Axes in micrometres and volumes in nanolitres at both ends of a beat."""
    found: list[float] = []
    for frame in (beat.diastolic_frame, beat.systolic_frame):
        shape = heart.shape_at(frame)
        assert shape is not None  # an extremum has an area
        found += shape.axis_major, shape.axis_minor, shape.volume / 1e6
    return dict(zip(_SIZES, found, strict=True))


def _without(row: Mapping[str, Any], unfit: Unfit, other_names: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A row without what is not to be used, the names of which, as they are here, stand in its last column."""
    measures = {column: _MOMENT.sub("", column) for column in row}
    others = other_names or {}
    odd = {column: name for column, name in measures.items() if unfit.holds(others.get(name, name))}
    left = {column: None if column in odd else value for column, value in row.items()}
    return left | {"do_not_use": " ".join(dict.fromkeys(odd.values()))}


def write_table(stem: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> list[Path]:
    """Write the same table as CSV and as Parquet. Without `columns` those of the first row."""
    import pandas as pd

    table: pd.DataFrame = pd.DataFrame(list(rows), columns=None if columns is None else list(columns))
    csv, parquet = stem.with_suffix(".csv"), stem.with_suffix(".parquet")
    write_text(csv, table.map(no_formula).to_csv(index=False))
    with atomic_path(parquet) as temporary:
        table.to_parquet(temporary, index=False)
    return [csv, parquet]
