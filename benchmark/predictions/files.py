"""A prediction in one image file, or in one page of a stack."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..io.images.read import read_array
from ..types import Dataset, Prediction


@dataclass(frozen=True)
class PredictionFile:
    """A prediction in one image file, or in one page of a stack."""

    path: Path
    page: int | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The one file."""
        return (self.path,)

    def read(self, dataset: Dataset) -> Prediction:
        """Decode it by the dataset's rule."""
        where = str(self.path) if self.page is None else f"{self.path}, page {self.page}"
        return dataset.decode_prediction(read_array(self.path, self.page), where)
