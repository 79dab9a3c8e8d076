"""The key 'volumes' of `classes.yaml`: how images were cut from volumes."""

from __future__ import annotations

from typing import Any

from ...types import UserError, VolumeSlices
from .checked_values import (
    MAX_NUMBER,
    as_shown,
    mapping_of,
    positive,
)

_MAX_CHANNELS = 10_000
_VOLUME_KEYS = ("channels", "window", "spacing_mm")


def written_volumes(volumes: VolumeSlices) -> dict[str, Any]:
    """The value of the key `volumes`."""
    content: dict[str, Any] = {"channels": volumes.channels}
    if volumes.window is not None:
        content["window"] = list(volumes.window)
    if volumes.spacing_mm:
        content["spacing_mm"] = {case: list(lengths) for case, lengths in volumes.spacing_mm.items()}
    return content


def parse_volumes(content: Any, where: str) -> VolumeSlices:
    """Check the value of the key `volumes`; raises UserError that names the file, what was found and expected."""
    values = mapping_of(content, where, "volumes", _VOLUME_KEYS)
    channels, window = values.get("channels", 1), values.get("window")
    if type(channels) is not int or not 1 <= channels <= _MAX_CHANNELS:
        raise UserError(
            f"{where}: volumes.channels is {as_shown(channels)}; expected a number from 1 to {_MAX_CHANNELS}"
        )
    spacing = _spacing(values.get("spacing_mm"), where)
    if window is None:
        return VolumeSlices(channels, spacing_mm=spacing)
    numbers = isinstance(window, list) and len(window) == 2 and all(type(v) in (int, float) for v in window)
    if not numbers or not -MAX_NUMBER < window[0] <= window[1] < MAX_NUMBER:
        raise UserError(
            f"{where}: volumes.window is {as_shown(window)}; expected the intensities that are black and white, such "
            "as [-100.0, 250.0]"
        )
    return VolumeSlices(channels, (float(window[0]), float(window[1])), spacing)


def _spacing(content: Any, where: str) -> dict[str, tuple[float, float, float]]:
    """The distances of slices, rows and columns of each volume."""
    if content is None:
        return {}
    found = {}
    if not isinstance(content, dict) or not all(isinstance(case, str) for case in content):
        raise UserError(
            f"{where}: volumes.spacing_mm is {as_shown(content)}; expected the names of volumes (in quotes where they "
            "are numbers), each with its three lengths"
        )
    for case, lengths in content.items():
        key = f"volumes.spacing_mm.{case}"
        if not isinstance(lengths, list) or len(lengths) != 3:
            raise UserError(
                f"{where}: {key} is {as_shown(lengths)}; expected the mm between slices, rows and columns, such as "
                "[5.0, 0.8, 0.8]"
            )
        slices, rows, columns = (positive(each, where, key) for each in lengths)
        if slices is None or rows is None or columns is None:
            raise UserError(f"{where}: {key} lacks a number; expected the mm between slices, rows and columns")
        found[case] = (slices, rows, columns)
    return found
