"""Tables of `bench cardiac` as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cardiac.beats import Heartbeat
from ...cardiac.to_json import DistributionBlock, SequenceBlock, beat_rows
from ...io.atomic import atomic_path, write_text
from ...text import no_formula

if TYPE_CHECKING:
    import pandas as pd


def timed_beat_rows(hearts: Sequence[Heartbeat]) -> list[dict[str, Any]]:
    """One row for each beat: its frames in seconds, the interval to the next diastole and both volumes too."""
    beats = [(heart, beat) for heart in hearts for beat in heart.beats]
    found = []
    for row, (heart, beat) in zip(beat_rows(hearts), beats, strict=True):
        following = [frame for frame in heart.diastoles if frame > beat.diastolic_frame]
        full, empty = heart.shape_at(beat.diastolic_frame), heart.shape_at(beat.systolic_frame)
        found.append(
            row
            | {
                "diastole_s": beat.diastolic_frame / heart.track.fps,
                "systole_s": beat.systolic_frame / heart.track.fps,
                "interval_s": (following[0] - beat.diastolic_frame) / heart.track.fps if following else None,
                "end_diastolic_volume_nl": full and full.volume / 1e6,
                "end_systolic_volume_nl": empty and empty.volume / 1e6,
            }
        )
    return found


def sequence_rows(sequences: Sequence[SequenceBlock]) -> list[dict[str, Any]]:
    """One row for each film: its rate, how evenly it beats, and mean and standard deviation over its beats.

    `group` is the folder that a film lies in, where folders are part of its name. Fractions are of 1; the interval's
    variation (CV) too. Volumes are in nanolitres.
    """
    found = []
    for each in sequences:
        group, _, film = each.name.rpartition("__")
        row: dict[str, Any] = {"sequence": each.name, "group": group, "film": film, "frames": each.n_frames}
        row |= {"fps": each.fps, "beats": len(each.beats), "heart_rate_bpm": each.heart_rate_bpm}
        row |= {"rhythm_bpm": each.heart_rate_bpm_spectral, "interval_cv": each.rhythm.interval_cv}
        for name in ("ef", "fs_minor", "fs_major", "fac", "stroke_volume_nl"):
            spread: DistributionBlock = getattr(each, name)
            row |= {f"{name}_mean": spread.mean, f"{name}_std": spread.std}
        found.append(row | {"flags": " ".join(each.flags)})
    return found


def write_table(stem: Path, rows: Sequence[Mapping[str, Any]]) -> list[Path]:
    """Write the same table as CSV and as Parquet."""
    import pandas as pd

    table: pd.DataFrame = pd.DataFrame(list(rows))
    csv, parquet = stem.with_suffix(".csv"), stem.with_suffix(".parquet")
    write_text(csv, table.map(no_formula).to_csv(index=False))
    with atomic_path(parquet) as temporary:
        table.to_parquet(temporary, index=False)
    return [csv, parquet]
