"""Plots of beating hearts for a run folder and for `bench cardiac`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...cardiac.agreement import NAMES, Agreement
from ...evaluation.statistics import Statistics
from ...metrics.cardiac import Cardiac
from ...metrics.label_checks import binary_labels, true_labels
from ...runs.mask_sequences import Bool
from ...types import Array, Dataset, Metric, Prediction, Sample, Uint8, UserError
from .pages import SHORT, write_cardiac_plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STRIP, VIDEO = "film-strip", "overlay.mp4"


class _Frame(NamedTuple):
    """The predicted and the true mask of a frame of this shape (H, W), one bit per pixel."""

    shape: tuple[int, ...]
    predicted: Uint8
    true: Uint8


@dataclass
class Film:
    """The longest sequence of a run: its masks, kept as predictions pass, to be drawn on their images."""

    dataset: Dataset
    group: str
    wanted: frozenset[str]
    _frames: dict[str, _Frame] = field(default_factory=dict)

    @classmethod
    def of(cls, dataset: Dataset, ids: Iterable[str], metrics: Sequence[Metric]) -> Film | None:
        """The film of these samples; None where no heart is measured or no sequence has frames enough for a beat."""
        if not any(isinstance(metric, Cardiac) for metric in metrics):
            return None
        groups = {sample_id: dataset.group(sample_id) for sample_id in ids}
        ((longest, count),) = Counter(groups.values()).most_common(1) or [("", 0)]
        if count < SHORT:
            return None
        return cls(dataset, longest, frozenset(i for i, group in groups.items() if group == longest))

    def keep(self, sample: Sample, labels: Array) -> None:
        """Keep the predicted labels (H, W) of a sample of the sequence, and the true ones."""
        sides = (np.equal(each, self.dataset.info.foreground) for each in (labels, true_labels(sample)))
        self._frames[sample.id] = _Frame(labels.shape, *map(np.packbits, sides))

    def passing(self, pairs: Iterable[tuple[str, Prediction]]) -> Iterator[tuple[str, Prediction]]:
        """Pass predictions on, each after its mask was kept."""
        for sample_id, prediction in pairs:
            if sample_id in self.wanted:
                sample = self.dataset.load(sample_id, ("labels",))
                self.keep(sample, binary_labels(sample, prediction))
            yield sample_id, prediction

    def masks(self, ids: Iterable[str]) -> Iterator[Bool]:
        """Predicted masks, one by one."""
        return (_unpacked(self._frames[i].predicted, self._frames[i].shape) for i in ids)

    def truths(self, ids: Iterable[str]) -> Iterator[Bool]:
        """True masks, one by one."""
        return (_unpacked(self._frames[i].true, self._frames[i].shape) for i in ids)

    def images(self, ids: Iterable[str]) -> Iterator[Uint8 | None]:
        """Images, one by one; None where there is none of the mask's size: scoring needs none."""
        for sample_id in ids:
            try:
                image = self.dataset.load(sample_id, ("image",)).image
            except UserError:
                image = None
            yield image if image is not None and image.shape[:2] == self._frames[sample_id].shape else None

    def strip(self, agreement: Agreement, ids: Sequence[str]) -> Callable[[], Figure] | None:
        """What draws the film strip of a typical beat; None without beats. `ids` are in the order of the frames."""
        from .film_strip import film_strip, typical_beat

        heart, _ = agreement.of(self.group)
        if (beat := typical_beat(heart)) is None:
            return None
        return lambda: film_strip(self.images(ids), self.masks(ids), heart, beat, self.truths(ids))

    def write(self, folder: Path, agreement: Agreement, ids: Sequence[str]) -> list[Path]:
        """Write the film strip and the overlay video."""
        from ..style import write_figure
        from .overlay import write_overlay_video

        draw = self.strip(agreement, ids)
        written = [] if draw is None else write_figure(folder / STRIP, draw)
        heart, truth = agreement.of(self.group)
        write_overlay_video(folder / VIDEO, self.images(ids), self.masks(ids), heart, self.truths(ids), truth)
        return [*written, folder / VIDEO]


def write_run_plots(
    folder: Path,
    statistics: Statistics,
    metrics: Sequence[Metric],
    dataset: Dataset,
    film: Film | None,
    warn: Callable[[str], None],
) -> list[Path]:
    """The plots of a run's hearts, truth and prediction together; nothing where no heart was measured.

    A film that cannot be drawn or coded is warned of: what was scored stands without it.
    """
    metric = next((metric for metric in metrics if isinstance(metric, Cardiac)), None)
    if metric is None or not (measured := statistics.of(metric.name)):
        return []
    agreement = metric.agreement(measured, dataset.info)
    written = write_cardiac_plots(folder, agreement.predictions, agreement.truths, each=False)
    written += write_agreement_plots(folder, agreement)
    if film is not None:
        try:
            written += film.write(folder, agreement, metric.in_order(measured, film.group))
        except UserError as error:
            warn(f"no film of {film.group}: {error}")
    return written


def write_agreement_plots(folder: Path, agreement: Agreement) -> list[Path]:
    """Bland and Altman's plot of each measure, over the beats that were found."""
    from ..style import write_figure
    from .agreement import bland_altman

    groups = [agreement.truths[pair.sequence].track.name for pair in agreement.pairs]
    written = []
    for measure, name in NAMES.items():
        true, found = ([100 * getattr(beat, measure) for beat in beats] for beats in agreement.matched)
        written += write_figure(
            folder / f"bland-altman-{measure.replace('_', '-')}",
            lambda t=true, f=found, n=name: bland_altman(t, f, n, "%", groups),  # type: ignore[misc]
        )
    return written


def _unpacked(bits: Uint8, shape: tuple[int, ...]) -> Bool:
    return np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape).astype(np.bool_)
