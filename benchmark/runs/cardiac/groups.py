"""Means over films, of which each counts once, for every group: beats of one heart are not independent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...cardiac.beats import Distribution, distribution
from ...cardiac.blocks import SequenceBlock

ALL = "all"
MEASURES = ("heart_rate_bpm", "ef", "fs_minor", "fs_major", "stroke_volume_nl")
CORRECTED = "ef_corrected"
"""The ejection fraction without what flicker adds, of films where that is known."""


def group_of(name: str) -> str:
    """The folder that a film lies in, where folders are part of its name; else nothing."""
    return name.rpartition("__")[0]


def means_over_films(films: Sequence[SequenceBlock]) -> dict[str, tuple[int, Mapping[str, Distribution]]]:
    """Number of films and, by measure, the distribution over their means; by group, and of all films at the end.

    What is not to be used of a film is left out. Without at least two groups there are all films alone.
    """
    names = list(dict.fromkeys(group_of(film.name) for film in films))
    groups = {name or "no group": [film for film in films if group_of(film.name) == name] for name in names}
    members = (groups if len(groups) > 1 else {}) | {ALL: list(films)}
    return {
        name: (len(some), {measure: _over(some, measure) for measure in (*MEASURES, CORRECTED)})
        for name, some in members.items()
    }


def _over(films: Sequence[SequenceBlock], measure: str) -> Distribution:
    values = (_mean(film, measure) for film in films)
    return distribution(value for value in values if value is not None)


def _mean(film: SequenceBlock, measure: str) -> float | None:
    if measure == CORRECTED:
        return None if film.flicker is None else film.flicker.corrected.get("ef")
    if measure in (film.do_not_use or ()):
        return None
    if measure == "heart_rate_bpm":
        return film.heart_rate_bpm
    mean: float | None = getattr(film, measure).mean
    return mean
