"""Writing predictions as NIfTI volumes: each on the grid of the image that it is of, as nnU-Net writes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..io.images.nifti import LabelVolume, labels_like
from ..types import DatasetInfo, Prediction, UserError
from .find import prediction_labels


@dataclass
class VolumeWriter:
    """Gathers the label values of a case slice by slice, in one or two bytes a voxel.

    path : of the `.nii.gz` to write. like : the image, which gives shape, axes and place.
    """

    path: Path
    like: Path
    info: DatasetInfo
    _volume: LabelVolume = field(init=False)

    def __post_init__(self) -> None:
        wide = max(self.info.predictable | self.info.void) > 255
        self._volume = labels_like(self.like, np.uint16 if wide else np.uint8)

    def add(self, number: int, prediction: Prediction) -> None:
        """Put one slice in its place. Raises UserError for labels that the file cannot keep."""
        labels, slices = prediction_labels(prediction, self.info), self._volume.slices
        low, high = int(labels.min(initial=0)), int(labels.max(initial=0))
        if low < 0 or high > np.iinfo(slices.dtype).max:
            raise UserError(
                f"slice {number} of '{self.path.name}' holds labels from {low} to {high}, which are no class"
            )
        slices[number] = labels

    def close(self) -> None:
        """Write the file; it appears whole or not at all."""
        self._volume.write(self.path)
