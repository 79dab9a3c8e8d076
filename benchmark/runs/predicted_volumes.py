"""Volumes that `bench predict` writes: label values on the grid of each input, so that every viewer overlays them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..data.volume_frames import VolumeCase, VolumeFrames
from ..io.images.nifti import open_volume
from ..predictions.volume_writing import VolumeWriter
from ..types import Prediction, UserError
from .predict_folder import DOCUMENT, Output


@dataclass(frozen=True)
class VolumeOutput(Output):
    """A `.nii.gz` for each case, which is written when the last of its slices is predicted."""

    frames: VolumeFrames
    _gathered: dict[VolumeCase, VolumeWriter] = field(default_factory=dict, compare=False)

    @property
    def names(self) -> set[str]:
        """Names of all files that belong here; hidden ones are never looked at."""
        return {DOCUMENT} | {f"{case.name}.nii.gz" for case in self.frames.cases}

    @property
    def form(self) -> str:
        """What the files are."""
        return "label values as NIfTI"

    @property
    def values(self) -> dict[str, str]:
        """What the values of a voxel mean."""
        return {str(each.id): each.name for each in self.info.classes}

    def place_of(self, case: VolumeCase) -> Path:
        """The file of a case."""
        return self.folder / f"{case.name}.nii.gz"

    def done(self) -> dict[int, tuple[int, int]]:
        """Height and width of the slices of cases that are there already."""
        found: dict[int, tuple[int, int]] = {}
        for case in self.frames.cases:
            # What cannot be opened was damaged since, and is predicted again.
            with suppress(UserError):
                volume = open_volume(self.place_of(case))
                found |= dict.fromkeys(case.frames, volume.size)
        return found

    def write(self, index: int, prediction: Prediction) -> None:
        """Keep a slice, and write its case with the last one."""
        case = next(each for each in self.frames.cases if index in each.frames)
        if case not in self._gathered:
            self._gathered[case] = VolumeWriter(self.place_of(case), case.channels[0], self.info)
        self._gathered[case].add(index - case.frames.start, prediction)
        if index == case.frames[-1]:
            self._gathered.pop(case).close()
