"""The label maps that a run stored, beside their truth: what can be asked of single pixels of a result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..io.reporter import Reporter
from ..metrics.label_checks import class_labels
from ..predictions.find import find_predictions
from ..predictions.matching import Found
from ..types import Array, Dataset, Metric, Statistic, UserError
from .folder import PREDICTIONS
from .open_data import data_of
from .stored import StoredRun


@dataclass(frozen=True)
class StoredLabelMaps:
    """The label maps of a run; `metric` is the family that counted their pairs of labels, `found` where they lie."""

    run: StoredRun
    metric: Metric
    dataset: Dataset
    found: Found

    @classmethod
    def of(cls, run: StoredRun, metric: Metric, root: Path | None, reporter: Reporter) -> StoredLabelMaps:
        """Find the predictions that a run kept, and its data below a root, where its command found it, or elsewhere.

        Raises
        ------
        UserError
            Where it kept none, and where its data is not found.
        """
        record, data = run.record, run.record.dataset
        if not (run.folder / PREDICTIONS).is_dir():
            again = record.command_in(run.folder, "--save-predictions")
            raise UserError(f"'{run.folder}' keeps no predictions, which causes of errors need. Make them: {again}")
        dataset, _ = data_of(record, root, reporter)
        ids, scored = dataset.ids(data.split), frozenset(run.ids)
        if len(run.ids) == data.n:
            ids = tuple(i for i in ids if i in scored)
        if not scored <= set(ids):
            raise UserError(f"samples of '{run.folder}' are not below '{dataset.root}'; say with --root where they are")
        return cls(run, metric, dataset, find_predictions(dataset, ids, run.folder / PREDICTIONS))

    def pairs(self) -> Iterator[tuple[Statistic, Array, Array]]:
        """Stored statistics with the true and predicted labels (H, W) of their samples, by their ids.

        Raises UserError where they do not give the stored statistics.
        """
        for statistic in self.run.statistics.of(self.metric.name):
            sample = self.dataset.load(statistic.sample_id, ("labels",))
            prediction = self.found.files[sample.id].read(self.dataset)
            again = self.metric.measure(sample, prediction, self.dataset.info)
            if not _same(statistic, again) or sample.labels is None:
                raise UserError(
                    f"'{self.run.folder}': the kept prediction of '{sample.id}' does not give its stored statistics: "
                    "the data, or the predictions, are others than those that were scored"
                )
            yield statistic, sample.labels, class_labels(sample, prediction, self.dataset.info)


def _same(stored: Statistic, again: Statistic) -> bool:
    return all(np.array_equal(stored.columns[name], again.columns[name]) for name in stored.columns)
