"""A run before it begins, with its names, settings and data resolved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..data.corruptions import Corruption
from ..data.index import DataIndex
from ..data.locations import Location
from ..data.splits import Fold
from ..registry import method_class, metrics_of
from ..types import Dataset, Family, MethodInfo, Metric, PredictionKind, parts_of
from .identity import run_identity
from .members import Member, fraction_of, splits_of
from .record import Record
from .request import RunRequest
from .writer import RunWriter


@dataclass(frozen=True)
class RunPlan:
    """A run, resolved: its folds on their data, the whole configuration of its method, and where it computes.

    `options` are the dataset's that differ from its defaults. `index` is what is known of its files. `predicts` is what
    its method predicts, which decides the families that score it. `weights` is the record of the run whose weights are
    taken instead of training.
    `corruption` is what is done to the images to predict. `members` are the runs whose fitted methods it joins.
    """

    request: RunRequest
    dataset: Dataset
    location: Location
    split: str
    folds: tuple[Fold, ...]
    config: dict[str, Any]
    options: dict[str, Any]
    device: str
    index: DataIndex
    family: Family
    oracle: bool = False
    predicts: PredictionKind = "maps"
    weights: Record | None = None
    corruption: Corruption | None = None
    members: tuple[Member, ...] = ()

    @property
    def method(self) -> MethodInfo:
        """What is true of the method."""
        info: MethodInfo = method_class(self.request.method).info
        return info

    @property
    def trains(self) -> bool:
        """Whether a method is fitted in it."""
        return self.method.trains and self.weights is None

    @property
    def folds_asked(self) -> int | None:
        """The number of folds that methods were fitted in; None where all samples are scored in one pass."""
        return self.request.folds if self.method.trains else None

    @property
    def eval_ids(self) -> tuple[str, ...]:
        """The samples that are scored."""
        return tuple(i for fold in self.folds for i in fold.evaluate)

    @property
    def all_ids(self) -> tuple[str, ...]:
        """The samples that are used, each once."""
        return tuple(dict.fromkeys(i for fold in self.folds for i in (*fold.train, *fold.val, *fold.evaluate)))

    @property
    def n_train(self) -> float | None:
        """The number of samples that are learned from, a mean over folds; None where nothing is."""
        if self.members:
            return float(len(frozenset().union(*(member.learned for member in self.members))))
        return sum(len(fold.train) for fold in self.folds) / len(self.folds) if self.method.trains else None

    @property
    def train_fraction(self) -> float:
        """The part of the labels that is learned from: of several runs that are joined the smallest."""
        return fraction_of([member.record for member in self.members], self.request.train_fraction)

    @property
    def train_on(self) -> Literal["train+val"] | None:
        """The splits that are learned from, by a run that is joined too; None where it is `train` alone."""
        return splits_of([member.record for member in self.members], self.request.train_on)

    @property
    def labelled(self) -> bool:
        """Whether the split has public labels, so that it can be scored."""
        split = self.dataset.info.splits.get(self.split)
        return split is None or split.labelled

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The families that score it; none without labels."""
        return self.families if self.labelled else ()

    @property
    def families(self) -> tuple[Metric, ...]:
        """The families that score what its method predicts, whether or not the split has labels."""
        return metrics_of(self.dataset.info, kind=self.predicts, more=self.request.metrics)

    @property
    def takes_probabilities(self) -> bool:
        """Whether a family measures the probabilities of all classes, of a task of several."""
        return self.dataset.info.task == "multiclass" and any(metric.takes_probabilities for metric in self.metrics)

    def writer(self) -> RunWriter:
        """What writes it into its folder."""
        identity = self.identity()
        request = self.request
        about = (identity, request.out, request.command(), request.overwrite)
        return RunWriter.of(self.dataset.info.name, self.method.name, *about)

    def identity(self) -> dict[str, Any]:
        """Everything that the result depends on."""
        info = self.dataset.info
        return run_identity(
            dataset=info.name,
            version=info.version,
            method=self.method.name,
            weights=None if self.weights is None else self.weights.run_id,
            corruption=None if self.corruption is None else str(self.corruption),
            split=self.split,
            options=self.options,
            origin=self.location.origin,
            **self._data_hashes(),
            metrics={metric.name: metric.version for metric in self.families},
            preset=self.request.preset,
            config=self.config,
            seed=self.request.seed,
            folds=self.folds_asked,
            train_fraction=self.train_fraction,
            train_on=self.train_on,
        )

    def _data_hashes(self) -> dict[str, str]:
        """Fingerprints of the scored truth, and of every image and label that is used; each file is read once."""
        with self.index as index:
            return {
                "data_sha256": index.data_sha256(self.eval_ids, parts_of(self.families)),
                "inputs_sha256": index.data_sha256(self.all_ids, ("image", "labels")),
            }
