"""Frames and beats as rows of tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from ..io.plain_values import plain
from .beats import Beat, Heartbeat, Refined
from .to_json import beat_values, frame_values

_REFINED = tuple(field.name for field in fields(Refined))
BEAT_KEYS = (
    *("sequence", "beat"),
    *(field.name for field in fields(Beat) if field.name != "refined"),
    *(f"{name}_refined" for name in _REFINED),
)
"""Keys of a row of `beat_rows`."""


def frame_rows(hearts: Iterable[Heartbeat]) -> list[dict[str, Any]]:
    """One row for each frame of all sequences, for a table; flags joined by commas."""
    rows = []
    for heart in hearts:
        for place in range(len(heart.track.frames)):
            row = plain(frame_values(heart, place))
            row["flags"] = ",".join(row["flags"])
            number = heart.track.first_frame + row["frame"]
            rows.append(
                {"sequence": heart.track.name, "number": number, "time_s": row["frame"] / heart.track.fps, **row}
            )
    return rows


def beat_rows(hearts: Iterable[Heartbeat]) -> list[dict[str, Any]]:
    """One row for each beat of all sequences, for a table; refined values in columns of their own."""
    rows = []
    for heart in hearts:
        for number, beat in enumerate(heart.beats, 1):
            row = plain(beat_values(beat))
            refined = row.pop("refined") or {}
            row["flags"] = ",".join(row["flags"])
            row |= {f"{name}_refined": refined.get(name) for name in _REFINED}
            rows.append({"sequence": heart.track.name, "beat": number, **row})
    return rows
