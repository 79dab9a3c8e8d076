"""The interface of a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from .arrays import Array, Part, Progress
from .infos import DatasetInfo
from .samples import Prediction, Sample


@runtime_checkable
class Dataset(Protocol):
    """A dataset below one root folder: picklable, lazy, random access. Reads only the parts that are asked for.

    `segbench.data.FileDataset` is a base that has a default for every method.
    """

    @property
    def info(self) -> DatasetInfo:
        """The dataset's description, known before any file is read; also an attribute of the class."""

    @property
    def root(self) -> Path:
        """The folder that holds the official layout."""

    @property
    def rule_parts(self) -> tuple[Part, ...]:
        """Further parts that `check_sample` compares with the labels."""

    @property
    def self_defined(self) -> bool:
        """Whether the classes are known only once the root is read: then `info` of the class has none."""

    def definition(self) -> Mapping[str, Any]:
        """For a self-defined dataset: JSON values that give the same classes and metrics without the data."""

    def ids(self, split: str) -> tuple[str, ...]:
        """Sample ids of a split (or of `"all"`: every labelled sample) in their canonical order.

        Raises UserError for a split that does not exist, naming those that do.
        """

    def group(self, sample_id: str) -> str:
        """The video, city or stack of a sample, without reading a pixel."""

    def load(self, sample_id: str, parts: Sequence[Part] = ("image", "labels")) -> Sample:
        """Decode the parts asked for; a missing or corrupt file is a UserError that names it."""

    def files(self, sample_id: str, part: Part) -> tuple[Path, ...]:
        """The files that a part is read from; empty where the part does not exist."""

    def match_prediction(self, path: Path, ids: Sequence[str]) -> str | None:
        """Which of `ids` a prediction file (path relative to the predictions' folder) belongs to, None for none."""

    def image_ids(self, ids: Sequence[str]) -> Mapping[int | str, str]:
        """Further names that COCO results may give some of `ids` as `image_id`, each with its sample.

        Where one of them is a number, the numbers in sample ids mean nothing.
        """

    def decode_prediction(self, values: Array, where: str) -> Prediction:
        """The prediction that a file's raw values stand for, in the shape of the file.

        Raises UserError for values that are no prediction; `where` names the file.
        """

    def check(self, progress: Progress | None = None) -> list[str]:
        """Read every file and return one sentence per fault found: decoding, sizes, label values, pairs."""

    def check_counts(self) -> list[str]:
        """One sentence per number of files that differs from the official one; reads no pixels."""

    def check_pairs(self) -> list[str]:
        """One sentence per file without a counterpart, per duplicate name, and the like; decodes nothing."""

    def check_sample(self, sample: Sample) -> list[str]:
        """One sentence per rule of this dataset that a decoded sample breaks; parts of the sample may be None."""

    def hints(self) -> list[str]:
        """One sentence per fact that is no fault but that users should know; decodes nothing."""

    def readable(self) -> tuple[str, ...]:
        """Every labelled sample, including those of splits that `ids` refuses because they are incomplete."""


class DatasetDefaults:
    """Defaults of a dataset; `segbench.data.FileDataset` is built on them."""

    rule_parts: ClassVar[tuple[Part, ...]] = ("instances",)
    self_defined: ClassVar[bool] = False

    def ids(self, split: str) -> tuple[str, ...]:
        """Sample ids of a split."""
        raise NotImplementedError

    def check(self, progress: Progress | None = None) -> list[str]:
        """Read every file and return one sentence per fault found."""
        raise NotImplementedError

    def definition(self) -> Mapping[str, Any]:
        """Nothing: `info` is always the same."""
        return {}

    def image_ids(self, ids: Sequence[str]) -> Mapping[int | str, str]:
        """None: samples are called by their ids, or the numbers that these are."""
        del ids
        return {}

    def check_pairs(self) -> list[str]:
        """All that `check` finds, which may decode every file."""
        return self.check()

    def check_sample(self, sample: Sample) -> list[str]:
        """No rules of its own."""
        del sample
        return []

    def hints(self) -> list[str]:
        """None."""
        return []

    def readable(self) -> tuple[str, ...]:
        """Every labelled sample."""
        return self.ids("all")


@dataclass(frozen=True)
class Samples(Sequence[Sample]):
    """Some samples of a dataset as a lazy sequence, each decoded when it is asked for."""

    dataset: Dataset
    ids: tuple[str, ...]
    parts: tuple[Part, ...] = ("image", "labels")

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Samples(self.dataset, self.ids[index], self.parts)
        return self.dataset.load(self.ids[index], self.parts)

    def __iter__(self) -> Iterator[Sample]:
        return (self.dataset.load(sample_id, self.parts) for sample_id in self.ids)
