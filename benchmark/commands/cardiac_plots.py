"""Plots of beating hearts for a run folder and for `bench cardiac`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..cardiac.agreement import NAMES, Agreement
from ..cardiac.beats import Heartbeat
from ..cardiac.plots import write_cardiac_plots
from ..cardiac.sequences import Bool
from ..metrics.cardiac import Cardiac
from ..metrics.checks import binary_labels
from ..statistics import Statistics
from ..types import Dataset, Metric, Prediction, Uint8

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STRIP, VIDEO = "film-strip", "overlay.mp4"


@dataclass
class Film:
    """The longest sequence of a run: predicted masks, kept as they pass, to be drawn on their images beside the truth.

    ids : samples of the sequence in the order of time. One bit per pixel is kept of each mask.
    """

    dataset: Dataset
    ids: tuple[str, ...]
    _bits: dict[str, Uint8] = field(default_factory=dict)

    @classmethod
    def of(cls, dataset: Dataset, ids: Iterable[str], metrics: Sequence[Metric]) -> Film | None:
        """The film of these samples; None where no heart is measured."""
        groups = {sample_id: dataset.group(sample_id) for sample_id in ids}
        if not groups or not any(isinstance(metric, Cardiac) for metric in metrics):
            return None
        longest, _ = Counter(groups.values()).most_common(1)[0]
        return cls(dataset, tuple(i for i, group in groups.items() if group == longest))

    @property
    def group(self) -> str:
        """The name of the sequence."""
        return self.dataset.group(self.ids[0])

    def keep(self, sample_id: str, prediction: Prediction) -> None:
        """Keep the mask of a sample of the sequence."""
        truth = self.dataset.load(sample_id, ("labels",))
        self._bits[sample_id] = np.packbits(binary_labels(truth, prediction) == self.dataset.info.foreground)

    def passing(self, pairs: Iterable[tuple[str, Prediction]]) -> Iterator[tuple[str, Prediction]]:
        """Pass predictions on, each after it was kept."""
        wanted = set(self.ids)
        for sample_id, prediction in pairs:
            if sample_id in wanted:
                self.keep(sample_id, prediction)
            yield sample_id, prediction

    def truths(self) -> Iterator[Bool]:
        """The true masks, one by one."""
        return (self._true(sample_id) for sample_id in self.ids)

    def masks(self) -> Iterator[Bool]:
        """The predicted masks, one by one."""
        for sample_id in self.ids:
            shape = self._true(sample_id).shape
            bits = np.unpackbits(self._bits[sample_id], count=shape[0] * shape[1])
            yield bits.reshape(shape).astype(bool)

    def images(self) -> Iterator[Uint8] | None:
        """The images, one by one; None where one has none: masks are then drawn on grey."""
        if not all(self.dataset.files(sample_id, "image") for sample_id in self.ids):
            return None
        return (image for i in self.ids if (image := self.dataset.load(i, ("image",)).image) is not None)

    def _true(self, sample_id: str) -> Bool:
        labels = np.asarray(self.dataset.load(sample_id, ("labels",)).labels)
        return np.isin(labels, self.dataset.info.foreground)


def write_run_plots(
    folder: Path, statistics: Statistics, metrics: Sequence[Metric], dataset: Dataset, film: Film | None
) -> list[Path]:
    """The plots of a run's hearts, truth and prediction together; nothing where no heart was measured."""
    for metric in metrics:
        if isinstance(metric, Cardiac) and (measured := statistics.of(metric.name)):
            agreement = metric.agreement(measured, dataset.info)
            written = write_cardiac_plots(folder, agreement.predictions, agreement.truths, each=False)
            written += write_agreement_plots(folder, agreement)
            return written if film is None else written + _write_film(folder, film, agreement)
    return []


def filmed(film: Film, agreement: Agreement) -> tuple[Heartbeat, Heartbeat] | None:
    """The predicted and the true heart of a film; None where its sequence was cut in two."""
    for predicted, true in zip(agreement.predictions, agreement.truths, strict=True):
        if predicted.track.name == film.group and len(predicted.track.frames) == len(film.ids):
            return predicted, true
    return None


def strip(film: Film, heart: Heartbeat) -> Callable[[], Figure] | None:
    """What draws the film strip of a typical beat; None without beats."""
    from ..cardiac.overlay import film_strip, typical_beat

    beat = typical_beat(heart)
    return None if beat is None else lambda: film_strip(film.images(), film.masks(), heart, beat, film.truths())


def _write_film(folder: Path, film: Film, agreement: Agreement) -> list[Path]:
    """Film strip of a typical beat, and overlay video, of one sequence."""
    from ..cardiac.overlay import write_overlay_video
    from ..plots import write_figure

    hearts = filmed(film, agreement)
    if hearts is None:
        return []
    heart, truth = hearts
    draw = strip(film, heart)
    written = [] if draw is None else write_figure(folder / STRIP, draw)
    write_overlay_video(folder / VIDEO, film.images(), film.masks(), heart, film.truths(), truth)
    return [*written, folder / VIDEO]


def write_agreement_plots(folder: Path, agreement: Agreement) -> list[Path]:
    """Bland and Altman's plot of each measure, over the beats that were found."""
    from ..cardiac.agreement_plots import bland_altman
    from ..plots import write_figure

    groups = [agreement.truths[pair.sequence].track.name for pair in agreement.pairs]
    written = []
    for measure, name in NAMES.items():
        true, found = ([100 * getattr(beat, measure) for beat in beats] for beats in agreement.matched)
        written += write_figure(
            folder / f"bland-altman-{measure.replace('_', '-')}",
            lambda t=true, f=found, n=name: bland_altman(t, f, n, "%", groups),  # type: ignore[misc]
        )
    return written
