"""A prediction in one image file, or in one page of a stack."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..io.images.instances import mask_as_one_instance
from ..io.images.masks import read_labels
from ..types import Array, Dataset, DatasetInfo, Prediction


@dataclass(frozen=True, slots=True)
class PredictionFile:
    """A prediction in one image file, or in one page of a stack.

    `numbers` says that its integers are numbers of objects, also where they look like a mask; see `read_alike`.
    """

    path: Path
    page: int | None = None
    numbers: bool = False

    @property
    def paths(self) -> tuple[Path, ...]:
        """The one file."""
        return (self.path,)

    def read(self, dataset: Dataset) -> Prediction:
        """Decode it by the dataset's rule."""
        where = str(self.path) if self.page is None else f"{self.path}, page {self.page}"
        return dataset.decode_prediction(self.as_meant(self.values(dataset.info)), where)

    def as_meant(self, values: Array) -> Array:
        """Its values, (H, W) or (H, W, C): where it holds numbers of objects, those of one object are no mask."""
        return mask_as_one_instance(values) if self.numbers and values.ndim in (2, 3) else values

    def values(self, info: DatasetInfo) -> Array:
        """What it holds before it is decoded: of a mask what it shows, else the values that it stores."""
        return read_labels(self.path, self.page, binary=info.task == "binary", upright=info.upright)
