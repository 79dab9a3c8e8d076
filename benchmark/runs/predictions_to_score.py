"""Predictions made elsewhere, found and measured against ground truth: what `bench evaluate` scores."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.index import DataIndex
from ..data.locations import Location
from ..data.what_is_left import left_to_score
from ..errors import MemoryShortError
from ..evaluation.evaluate import MeasureMap, evaluate
from ..evaluation.statistics import Statistics
from ..evaluation.true_labels import LabelsHeld
from ..evaluation.wrong_predictions import wrong_predictions
from ..io.atomic import atomic_path
from ..io.reporter import Reporter
from ..predictions.find import Found, are_corrected, find_predictions
from ..predictions.stored import store_found
from ..registry import dataset_class, hooks, metrics_of
from ..types import Dataset, Metric, UserError, parts_of
from .code_hash import code_sha256
from .environment import describe
from .folder import PREDICTIONS
from .open_data import located_in_use, note_size, open_dataset, without_defaults
from .record import DatasetBlock, Environment, MethodBlock, Record
from .request import EvaluateRequest
from .writer import RunWriter, current_time, dataset_block


@dataclass(frozen=True)
class PredictionsToScore:
    """Predictions that were found for samples of a split, and what is asked of them.

    `samples` is the size of the split; `found` may hold fewer where the request is partial.
    """

    request: EvaluateRequest
    dataset: Dataset
    location: Location
    split: str
    options: dict[str, Any]
    found: Found
    samples: int

    @property
    def whole(self) -> bool:
        """Whether every sample of the split has a prediction."""
        return len(self.found.files) == self.samples

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The families that score it."""
        return metrics_of(self.dataset.info, kind=self.found.kind, more=self.request.metrics)

    @property
    def name(self) -> str:
        """The name on the leaderboard."""
        name = self.request.name or _stem(self.request.predictions)
        return f"{name}, corrected with the truth" if are_corrected(self.request.predictions) else name

    @classmethod
    def find(cls, request: EvaluateRequest, reporter: Reporter) -> PredictionsToScore:
        """Find the data and the predictions.

        Raises UserError for what is missing or cannot be scored.
        """
        info = dataset_class(request.dataset).info
        if request.name is not None and not request.name.strip():
            raise UserError("--name is empty; give a name for the leaderboard, or leave --name out for the file's stem")
        options = without_defaults(info.name, request.settings)
        dataset, location = open_dataset(info.name, request.root, "auto", options, reporter, may_synthesize=False)
        info = dataset.info  # of your own folder it is known only now
        split = request.split or info.default_split
        if split in info.splits and not info.splits[split].labelled:
            raise UserError(f"split '{split}' of {info.name} has no public labels, so it cannot be scored here")
        ids = dataset.ids(split)
        note_size(dataset, split, len(ids), options, reporter)
        found = find_predictions(dataset, ids, request.predictions, partial=request.partial)
        for warning in found.warnings:
            reporter.warn(warning)
        if request.partial and len(found.files) < len(ids):
            reporter.warn(f"partial: {len(found.files)} of {len(ids)} samples of the split were scored")
        location = located_in_use(DataIndex(dataset), location, found.files, reporter)
        return cls(request, dataset, location, split, options, found, len(ids))

    def dataset_block(self) -> DatasetBlock:
        """Which samples are scored, with proof of their content; reads every file of theirs that is not known."""
        ids = tuple(self.found.files)
        with DataIndex.of(self.dataset) as index:
            truth = index.data_sha256(ids, parts_of(self.metrics))
        where = (self.dataset, self.location, self.split)
        return dataset_block(*where, ids, truth, listed=self.samples, options=self.options)

    def record(self, block: DatasetBlock, writer: RunWriter) -> Record:
        """The record, before its results are put in."""
        info = self.dataset.info
        predictions = {"predictions_sha256": writer.identity["predictions_sha256"]}
        return Record(
            run_id=writer.run_id,
            created=current_time(),
            complete=self.whole,
            dataset=block,
            method=MethodBlock(name=self.name, family=self.request.family, config=predictions),
            metrics=writer.identity["metrics"],
            main_score=info.main_score,
            environment=Environment(
                **describe(), code_sha256=code_sha256(info, None, self.location.origin, self.metrics)
            ),
            command=self.request.command(),
        )

    def measure(self, reporter: Reporter, mapped: MeasureMap | None = None) -> Statistics:
        """Measure every prediction against its sample, here or by a map of the caller's.

        Raises UserError, naming the files, for wrong ones, and where the truth leaves nothing to score.
        """
        found = self.found.files
        labels = LabelsHeld.beside(self.metrics, kind=self.found.kind)
        try:
            with reporter.progress("evaluating") as update:
                measured = evaluate(
                    self.dataset,
                    labels.metrics,
                    found.items(),
                    workers=self.request.workers,
                    progress=lambda done: update(done, len(found)),
                    mapped=mapped,
                )
        except MemoryShortError:
            raise
        except UserError as error:
            raise wrong_predictions(error, self.dataset, labels.metrics, found) from None
        held, statistics = labels.take(measured)
        what = f"split '{self.split}'" if self.whole else f"the scored part of split '{self.split}'"
        left = left_to_score(self.dataset.info, what, held)
        if left.refusal:
            raise UserError(left.refusal)
        for warning in left.warnings:
            reporter.warn(warning)
        return statistics

    def refuse_without_instances(self) -> None:
        """Raise UserError where no family that scores has a row for each instance."""
        if not _row_makers(self.metrics):
            families = ", ".join(metric.name for metric in self.metrics)
            raise UserError(
                f"--instances: {families} scores no single instances. Predicted segments (COCO's panoptic format) have "
                "a row for each; see 'bench data describe'."
            )

    def write_instances(self, path: Path, reporter: Reporter) -> None:
        """Write a row for each instance as CSV, from predictions that are read once more."""
        makers = _row_makers(self.metrics)
        total = len(self.found.files)
        with (
            reporter.progress("writing instances") as update,
            atomic_path(path) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = None
            for done, (sample_id, source) in enumerate(self.found.files.items(), 1):
                sample = self.dataset.load(sample_id, parts_of(self.metrics))
                prediction = source.read(self.dataset)
                for row in (row for make in makers for row in make(sample, prediction, self.dataset.info)):
                    if writer is None:
                        writer = csv.DictWriter(file, list(row), lineterminator="\n")
                        writer.writeheader()
                    writer.writerow(row)
                update(done, total)

    def store(self, folder: Path, reporter: Reporter) -> None:
        """Store them in the run folder, where they can be exported from and measured again.

        Raises UserError for label values that no file can hold.
        """
        total = len(self.found.files)
        with reporter.progress("keeping predictions") as update:
            store_found(
                folder / PREDICTIONS,
                self.dataset,
                self.found,
                self.split,
                whole=self.whole,
                soft=bool(self.request.metrics),
                progress=lambda done: update(done, total),
            )


def _row_makers(metrics: Sequence[Metric]) -> list[Callable[..., list[dict[str, Any]]]]:
    """What gives the rows of the instances of a sample, for each family that has such."""
    return [make for _, make in hooks(metrics, "instances")]


def _stem(path: Path) -> str:
    """A name for predictions: the file's stem, or the folder's whole name, dots included."""
    resolved = path.resolve()
    name = resolved.name if resolved.is_dir() else resolved.stem
    return os.fsencode(name).decode("utf-8", "replace")
