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
from ...runs.cardiac.mask_sequences import Bool
from ...types import Array, Dataset, Prediction, Sample, Uint8, UserError
from .pages import MIN_FRAMES, write_cardiac_plots

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
    """The longest sequence of a run: its masks, taken as predictions pass, to be drawn on their images."""

    dataset: Dataset
    group: str
    wanted: frozenset[str]
    _frames: dict[str, _Frame] = field(default_factory=dict)

    @classmethod
    def of(cls, dataset: Dataset, ids: Iterable[str]) -> Film | None:
        """The film of these samples; None where no sequence has frames enough for a beat."""
        groups = {sample_id: dataset.group(sample_id) for sample_id in ids}
        ((longest, count),) = Counter(groups.values()).most_common(1) or [("", 0)]
        if count < MIN_FRAMES:
            return None
        return cls(dataset, longest, frozenset(i for i, group in groups.items() if group == longest))

    def add(self, sample: Sample, labels: Array) -> None:
        """Take the predicted labels (H, W) of a sample of the sequence, and its true ones."""
        sides = (np.equal(each, self.dataset.info.foreground) for each in (labels, true_labels(sample)))
        self._frames[sample.id] = _Frame(labels.shape, *map(np.packbits, sides))

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


@dataclass(frozen=True)
class HeartFigures:
    """Plots of the hearts of a run, truth and prediction together, and the film of its longest sequence."""

    metric: Cardiac
    dataset: Dataset
    film: Film | None

    @property
    def wanted(self) -> frozenset[str]:
        """The samples of the film."""
        return frozenset() if self.film is None else self.film.wanted

    def add(self, sample_id: str, prediction: Prediction) -> None:
        """Take the mask of one of them."""
        assert self.film is not None  # else nothing is wanted
        sample = self.dataset.load(sample_id, ("labels",))
        self.film.add(sample, binary_labels(sample, prediction))

    def write(self, folder: Path, statistics: Statistics, warn: Callable[[str], None]) -> list[Path]:
        """Write curves, loops and plots of agreement; a film that cannot be drawn or coded is warned of."""
        if not (measured := statistics.of(self.metric.name)):
            return []
        agreement = self.metric.agreement(measured, self.dataset.info)
        written = write_cardiac_plots(folder, agreement.predictions, agreement.truths, each=False)
        written += write_agreement_plots(folder, agreement)
        if self.film is not None:
            try:
                written += self.film.write(folder, agreement, self.metric.in_order(measured, self.film.group))
            except UserError as error:
                warn(f"no film of {self.film.group}: {error}")
        return written


def run_figures(metric: Cardiac, dataset: Dataset, ids: Sequence[str]) -> HeartFigures:
    """The figures of a run on these samples: the hook `run_figures` of the cardiac family."""
    return HeartFigures(metric, dataset, Film.of(dataset, ids))


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
