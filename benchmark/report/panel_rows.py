"""From runs that kept their predictions to the rows of a figure: which samples there are, and their panels."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..boards.labels import comparison_labels
from ..boards.panel_document import PanelCrop, shown_score
from ..boards.panel_runs import ScoresBySample
from ..boards.paper_words import title_of
from ..figures.panel_sheet import PageWidth, Pane, PanelGrid
from ..io.reporter import Reporter
from ..metrics.label_checks import class_labels
from ..runs.stored import StoredRun
from ..text import counted, some
from ..types import Array, Dataset, Sample, Uint8, UserError
from .overlays import Kept
from .panel_crops import Crops, cut
from .panel_pictures import PanelPainter
from .samples import data_below, data_or_refusal, kept_of, kept_place
from .sections import Entry

_UNDEFINED = "undefined"
_MAX_NAMED = 6


@dataclass(frozen=True)
class PanelData:
    """The dataset of some runs and their predictions; `ids` are the samples that every run keeps one of, in order.

    `scored` is False on a split without public labels: then there is no truth to show, and no score.
    """

    dataset: Dataset
    kept: tuple[Kept, ...]
    ids: tuple[str, ...]
    scored: bool

    @classmethod
    def of(cls, runs: Sequence[StoredRun], root: Path | None, reporter: Reporter) -> PanelData:
        """Find the predictions of runs on the same samples, and their images.

        Raises
        ------
        UserError
            For a run that keeps no predictions, or none that are label maps, and where the data is not found.
        """
        entries = _entries(runs)
        for run, entry in zip(runs, entries, strict=True):
            if kept_place(entry) is None:
                again = run.record.command_in(run.folder, "--save-predictions")
                raise UserError(f"'{run.folder}' keeps no predictions, which its column would show. Make them: {again}")
        dataset = _data(entries, root, reporter)
        kept = tuple(kept_of(entry, dataset) for entry in entries)
        for each in kept:
            if each.found.kind != "maps":
                raise UserError(f"'{each.entry.folder}' predicts objects or segments; a figure shows label maps alone")
        split = runs[0].record.dataset.split
        ids = tuple(i for i in dataset.ids(split) if all(i in each.found.files for each in kept))
        return cls(dataset, kept, ids, bool(runs[0].record.scores))

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the runs."""
        return tuple(run.entry.label for run in self.kept)

    def named(self, words: Sequence[str]) -> tuple[str, ...]:
        """The samples that were named, each once; a word that is no id may hold several with commas between.

        Raises UserError for one that is not there, or that a run keeps no prediction of.
        """
        split = self.kept[0].entry.record.dataset.split
        every = set(self.dataset.ids(split))
        found = [i for word in words for i in ([word] if word in every else map(str.strip, word.split(",")))]
        for sample_id in found:
            if sample_id not in every:
                near = difflib.get_close_matches(sample_id, sorted(every), n=1, cutoff=0.5)
                hint = f" Did you mean '{near[0]}'?" if near else ""
                there = f"{counted(len(every), 'sample')}: {some(sorted(every), _MAX_NAMED)}"
                raise UserError(
                    f"--samples {sample_id}: there is no such sample of {self.dataset.info.name}, split {split}.{hint} "
                    f"It has {there}."
                )
            self._refuse_without(sample_id)
        return tuple(dict.fromkeys(found))

    def _refuse_without(self, sample_id: str) -> None:
        """Raise UserError naming a run that keeps no prediction of a sample, and what it keeps."""
        for run in self.kept:
            if sample_id not in run.found.files:
                entry = run.entry
                again = entry.record.command_in(entry.folder, "--save-predictions")
                raise UserError(
                    f"'{entry.folder}' keeps no prediction of {sample_id}, only of {some(list(run.found.files), 12)}. "
                    f"To keep all: {again}"
                )

    def sample(self, sample_id: str) -> tuple[Sample, Uint8]:
        """A sample with its truth, where there is any, and its image (H, W) or (H, W, 3).

        Raises UserError where the image is not there.
        """
        try:
            sample = self.dataset.load(sample_id, ("image", "labels") if self.scored else ("image",))
        except UserError as error:
            raise UserError(f"{error} A figure shows the images: say with --root where they are.") from error
        if sample.image is None:
            raise UserError(f"sample {sample_id} has no image below '{self.dataset.root}'; say with --root where it is")
        return sample, sample.image

    def predicted(self, run: Kept, sample: Sample, image: Uint8) -> Array:
        """What a run predicts of a sample, (H, W) labels. Raises UserError where it does not belong to its score."""
        if self.scored:
            return run.labels(self.dataset, sample)
        standing = replace(sample, labels=np.zeros(image.shape[:2], np.uint8))
        return class_labels(standing, run.found.files[sample.id].read(self.dataset), self.dataset.info)


def _data(entries: Sequence[Entry], root: Path | None, reporter: Reporter) -> Dataset:
    """The data below a root, and nowhere else where one is named. Raises UserError where it is not found."""
    if root is not None:
        return data_below(entries[0], root, reporter)
    try:
        return data_or_refusal(entries, None, reporter)
    except UserError as error:
        raise UserError(f"the images of {entries[0].record.dataset.name} are not found: {error}") from error


def _entries(runs: Sequence[StoredRun]) -> list[Entry]:
    labels = comparison_labels([run.record for run in runs])
    return [
        Entry(run.folder, run.record, label, None, None, run.info, run.metrics, run.statistics)
        for run, label in zip(runs, labels, strict=True)
    ]


def panel_grid(
    data: PanelData, ids: Sequence[str], scores: ScoresBySample, page: PageWidth, crops: Crops, *, errors: bool
) -> tuple[PanelGrid, dict[str, PanelCrop]]:
    """The panels of these samples, and the details that they show; with `errors` predictions show where they are wrong.

    Raises
    ------
    UserError
        Where an image is missing, a prediction does not give its stored statistics, or a detail lies outside.
    """
    painter = PanelPainter(data.dataset.info, page, errors and data.scored)
    places = {sample_id: place for place, sample_id in enumerate(scores.ids)}
    rows = []
    found: dict[str, PanelCrop] = {}
    for sample_id in ids:
        sample, image = data.sample(sample_id)
        predicted = [data.predicted(run, sample, image) for run in data.kept]
        crop = crops(sample_id, image.shape, _wrong(data, sample, predicted, image))
        if crop is not None:
            found[sample_id] = crop
        shown = cut(image, crop)
        truth = None if sample.labels is None else cut(sample.labels, crop)
        row = [Pane(painter.image(shown), sample_id)]
        if truth is not None:
            row.append(Pane(painter.labels(shown, truth)))
        for number, labels in enumerate(cut(each, crop) for each in predicted):
            if errors and truth is not None:
                picture = painter.wrong(shown, truth, labels)
            else:
                picture = painter.labels(shown, labels)
            below = _below(scores, number, places[sample_id]) if data.scored else ""
            row.append(Pane(picture, below))
        rows.append(tuple(row))
    heads = ("image", *(["truth"] if data.scored else []), *data.labels)
    synthetic = data.kept[0].entry.record.dataset.origin == "synthetic"
    note = "SYNTHETIC data, made by a program: no real images." if synthetic else ""
    return PanelGrid(heads, tuple(rows), tuple(painter.legend()), note), found


def _wrong(data: PanelData, sample: Sample, predicted: Sequence[Array], image: Uint8) -> NDArray[np.bool_]:
    """Where any run is wrong, (H, W) bool; nowhere without truth."""
    wrong = np.zeros(image.shape[:2], bool)
    if sample.labels is not None:
        counted = ~np.isin(sample.labels, list(data.dataset.info.void))
        for labels in predicted:
            wrong |= (labels != sample.labels) & counted
    return wrong


def _below(scores: ScoresBySample, run: int, place: int) -> str:
    """The score of a run on a sample, as it stands below its panel."""
    assert scores.info is not None
    value = float(scores.values[run, place])
    shown = _UNDEFINED if np.isnan(value) else shown_score(value, scores.info.unit)
    return f"{title_of(scores.info.name, scores.info.unit)} {shown}"
