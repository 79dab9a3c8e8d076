"""Figures that a metric family adds to a run: they see the predictions pass, and are drawn when all are measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..evaluation.statistics import Statistics
from ..registry import hooks
from ..types import Dataset, Metric, Prediction


class MetricFigures(Protocol):
    """What a metric family draws of one run.

    Its hook `run_figures`, a function of (metric, dataset, sample ids), makes it before the first prediction.
    """

    @property
    def wanted(self) -> frozenset[str]:
        """Samples whose predictions it has to see."""

    def add(self, sample_id: str, prediction: Prediction) -> None:
        """See the prediction of a wanted sample; what is to be drawn of it has to be copied."""

    def write(self, folder: Path, statistics: Statistics, warn: Callable[[str], None]) -> list[Path]:
        """Write the figures; one that cannot be drawn is warned of: what was scored stands without it."""


@dataclass(frozen=True)
class RunFigures:
    """The figures of a run of all metric families that have some."""

    parts: tuple[MetricFigures, ...]

    @classmethod
    def of(cls, dataset: Dataset, ids: Iterable[str], metrics: Sequence[Metric]) -> RunFigures:
        """The figures of these samples by these metrics."""
        ids = tuple(ids)
        return cls(tuple(make(metric, dataset, ids) for metric, make in hooks(metrics, "run_figures")))

    @property
    def wanted(self) -> frozenset[str]:
        """Samples whose predictions have to be seen."""
        return frozenset().union(*(part.wanted for part in self.parts))

    def tee(self, pairs: Iterable[tuple[str, Prediction]]) -> Iterator[tuple[str, Prediction]]:
        """Pass predictions on, each after it was seen."""
        for sample_id, prediction in pairs:
            for part in self.parts:
                if sample_id in part.wanted:
                    part.add(sample_id, prediction)
            yield sample_id, prediction

    def write(self, folder: Path, statistics: Statistics, warn: Callable[[str], None]) -> list[Path]:
        """Write all figures into a folder; nothing without statistics."""
        return [path for part in self.parts for path in part.write(folder, statistics, warn)]
