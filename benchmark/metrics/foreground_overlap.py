"""Foreground family: Dice and IoU of each case and class without the background, as papers on medical images report.

A case is the group of a sample where a data set has such (the volume of a slice, the film of a frame), else the image.
Counts are summed over the samples of a case first, so that a volume cut into slices scores as it does whole.

References
----------
Isensee et al., "nnU-Net: a self-configuring method for deep learning-based biomedical image segmentation", Nature
Methods 18:203-211 (2021), and nnunetv2/evaluation/evaluate_predictions.py (`foreground_mean`). MONAI, `DiceMetric`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import ClassVar

import numpy as np

from ..types import (
    AbsentClasses,
    Array,
    ClassInfo,
    DatasetInfo,
    Float64,
    Int64,
    Prediction,
    Sample,
    ScoreInfo,
    Statistic,
    Sums,
    SumsByClass,
)
from .class_cells import ClassCells
from .exact_sums import weighted_sums
from .label_checks import class_labels
from .overlap import PairsOfLabels, overlap_statistic
from .pair_counts import ranks, sparse_counts
from .pooled import absent_of, mean_of_quotients, mean_where, ratio
from .same_statistics import SameStatistics

MIN_CASES = 5
"""Of fewer cases samples are drawn and not cases, as `segbench.evaluation.resampling` has it: then each counts once."""

_AT_ONCE = 1 << 10
"""Samples of a case that are laid out at once."""

_OF_TRUE_CLASSES = "foreground_dice_true"

_MEANS = {"dice_per_case": "foreground_dice", "iou_per_case": "foreground_iou"}
"""The mean over classes of each score of a class."""


@dataclass(frozen=True)
class ForegroundOverlap(PairsOfLabels):
    """Mean Dice and IoU over cases and classes, without the background.

    Dice = 2 TP / (2 TP + FP + FN), IoU = TP / (TP + FP + FN) of a class in a case. One that a case holds neither truly
    nor predicted has none there and is left out; one that is only predicted, or only true, counts 0.

    foreground_dice, foreground_iou: the mean over cases of each class, then over the classes that any case has, as
    nnU-Net has it (where a class without any case makes the mean undefined). foreground_dice_true: the mean over the
    classes that a case truly holds, then over the cases that hold any, which is MONAI's DiceMetric: what is only
    predicted costs nothing.
    """

    name: ClassVar[str] = "foreground-overlap"
    version: ClassVar[str] = "1"
    summary: ClassVar[str] = "Dice and IoU without background, mean over cases (groups, else images) and classes"
    scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("foreground_dice", "mean over cases, then classes, of Dice without background (nnU-Net)"),
        ScoreInfo("foreground_iou", "mean over cases, then classes, of IoU without background (nnU-Net)"),
        ScoreInfo(_OF_TRUE_CLASSES, "mean over the classes truly in a case, then cases, of Dice without background"),
    )
    class_scores: ClassVar[tuple[ScoreInfo, ...]] = (
        ScoreInfo("dice_per_case", "mean over cases of the Dice of a class, where it is true or predicted"),
        ScoreInfo("iou_per_case", "mean over cases of the IoU of a class, where it is true or predicted"),
    )
    needs_background: ClassVar[bool] = True

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """Sparse confusion matrix of one sample."""
        return overlap_statistic(self.name, sample, class_labels(sample, prediction, info), info)

    def resample(self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64) -> dict[str, Float64]:
        """The same scores of B resamples, each (B,) float64.

        A case that is drawn whole k times counts k times. Of fewer than 5 cases samples are drawn: then each counts
        once, with the samples of it that are drawn.
        """
        cases = _laid_out(statistics, info)
        return {score.name: mean_of_quotients(cases.totals(score.name, weights)) for score in self.scores}

    def sums(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> Sums:
        """Means over cases, where these are drawn whole; of few cases their pixels, whose means follow from sums."""
        return _laid_out(statistics, info).sums(score)

    def absent_classes(self, statistics: Sequence[Statistic], info: DatasetInfo, score: str) -> AbsentClasses | None:
        """Of means over the classes that occur; where those in truth alone enter, none is without it."""
        if score == _OF_TRUE_CLASSES:
            return None
        _, true, predicted = _laid_out(statistics, info).samples.pooled().T
        return absent_of([c.name for c in info.foreground_classes], true, predicted)

    def classes_of(self, info: DatasetInfo) -> tuple[ClassInfo, ...]:
        """The foreground."""
        return info.foreground_classes

    def resample_classes(
        self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64
    ) -> dict[str, Float64]:
        """Means over the same cases as the means over classes."""
        cases = _laid_out(statistics, info)
        totals = ((what.name, cases.totals(_MEANS[what.name], weights)) for what in self.class_scores)
        return {name: ratio(*np.split(total, 2, axis=-1)) for name, total in totals}

    def sums_by_class(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> SumsByClass:
        """As `sums`: means over cases, or of few cases their pixels."""
        return _laid_out(statistics, info).sums_by_class(_MEANS[score], list(places))

    def absent_among(
        self, statistics: Sequence[Statistic], info: DatasetInfo, score: str, places: Sequence[int]
    ) -> AbsentClasses | None:
        """As `absent_classes`."""
        del score
        _, true, predicted = _laid_out(statistics, info).samples.pooled()[list(places)].T
        return absent_of([info.foreground_classes[place].name for place in places], true, predicted)

    def per_class(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, dict[str, float]]:
        """Mean Dice and IoU over the cases that hold a class, truly or predicted, and the number of these."""
        cells = _laid_out(statistics, info).whole
        held, many = np.bincount(cells.place, minlength=cells.classes), cells.classes
        dice, iou = (_values(f"foreground_{what}", cells.pixels) for what in ("dice", "iou"))
        columns = {
            "dice_per_case": ratio(np.bincount(cells.place, dice, many), held),
            "iou_per_case": ratio(np.bincount(cells.place, iou, many), held),
            "cases": held.astype(np.float64),
        }
        return {
            each.name: {key: float(column[place]) for key, column in columns.items()}
            for place, each in enumerate(info.foreground_classes)
        }


@dataclass(frozen=True)
class _Cases:
    """The cells of samples, and the case of each.

    member : (n,) int64, the place of the case, of which there are `cases`.
    """

    samples: ClassCells
    member: Int64
    cases: int

    @cached_property
    def whole(self) -> ClassCells:
        """The cells of every case."""
        alone = self.cases == len(self.member) and bool((np.diff(self.member) > 0).all())
        return self.samples if alone else self.samples.of_cases(self.member, self.cases)

    def sums(self, score: str) -> Sums:
        """A score as a function of sums over samples, or over whole cases."""
        samples = len(self.member)
        alone = _terms_of(score, self.samples, whole=False)
        if self.cases == samples:
            return Sums(alone, mean_of_quotients)
        if self.cases >= MIN_CASES:
            terms = np.zeros_like(alone)
            terms[self._first] = _terms_of(score, self.whole, whole=True)
            return Sums(terms, mean_of_quotients, alone)
        pixels = np.zeros((samples, self.cases, self.samples.classes, 3), np.int64)
        pixels[self.samples.row, self.member[self.samples.row], self.samples.place] = self.samples.pixels
        return Sums(pixels.reshape(samples, -1), partial(_of_few, score, self.cases))

    def sums_by_class(self, score: str, places: Sequence[int]) -> SumsByClass:
        """A score that is a mean over classes, of each of some of them, as a function of the same sums."""
        sums = self.sums(score)
        classes = self.samples.classes
        if sums.terms.dtype.kind == "i":  # pixels of few cases
            pixels = sums.terms.reshape(-1, self.cases, classes, 3)[:, :, places]
            terms = np.moveaxis(pixels, 1, 2).reshape(len(pixels), len(places), -1)
            return SumsByClass(terms, sums.value)

        def chosen(terms: Array) -> Float64:
            return np.stack([terms[:, places], terms[:, [classes + place for place in places]]], axis=-1)

        return SumsByClass(chosen(sums.terms), mean_of_quotients, None if sums.alone is None else chosen(sums.alone))

    def totals(self, score: str, weights: Int64) -> Float64:
        """Sums (B, 2 K) of values and of their numbers over cases, of sets of samples that are drawn so often, (B, n).

        K is the number of classes, or 1 of a score that has one value in each case.
        """
        if self.cases == len(self.member):
            return _totals_of(score, self.samples, False, weights)
        if self.cases < MIN_CASES:
            terms = [_terms(score, pixels) for _, pixels in self._drawn(weights)]
            return np.asarray(np.stack(terms, axis=-2).sum(axis=-2))
        of_cases = weights[:, self._first]
        if np.array_equal(of_cases[:, self.member], weights):
            return _totals_of(score, self.whole, True, of_cases)
        return self._of_parts(score, weights)

    def _of_parts(self, score: str, weights: Int64) -> Float64:
        """Where some samples of a case are drawn more often than others: it counts what these do in the mean."""
        total: Float64 = np.zeros(())
        for own, pixels in self._drawn(weights):
            often = np.nan_to_num(ratio(own.sum(axis=1), (own > 0).sum(axis=1)))
            total = total + often[:, None] * _terms(score, pixels)
        return total

    def _drawn(self, weights: Int64) -> Iterator[tuple[Float64, Float64]]:
        """For each case the weights of its samples (B, m), and its pixels as they are drawn (B, C, 3).

        Doubles hold these sums exactly (far below 2**53).
        """
        order = np.argsort(self.member, kind="stable")
        for mine in np.split(order, np.flatnonzero(np.diff(self.member[order])) + 1):
            own = weights[:, mine].astype(np.float64)
            pixels = np.zeros((len(weights), self.samples.classes, 3))
            for start in range(0, len(mine), _AT_ONCE):
                here = slice(start, start + _AT_ONCE)
                pixels += np.tensordot(own[:, here], self.samples.of_rows(mine[here]).astype(np.float64), 1)
            yield own, pixels

    @cached_property
    def _first(self) -> Int64:
        """A sample of every case."""
        first: Int64 = np.unique(self.member, return_index=True)[1]
        return first


_known: SameStatistics[_Cases] = SameStatistics()
"""The cases that all scores, intervals and tables of a run are made of."""


def _laid_out(statistics: Sequence[Statistic], info: DatasetInfo) -> _Cases:
    """From sparse confusion matrices; made once for the same statistics."""
    place = ranks(info.classes)
    places = tuple(place[c.id] for c in info.foreground_classes)

    def make() -> _Cases:
        cells = ClassCells.of(sparse_counts(statistics, place), places)
        names, member = np.unique(np.array(cases_of(statistics, info), str), return_inverse=True)
        return _Cases(cells, member.astype(np.int64), len(names))

    return _known.get(statistics, (info.name, info.frames_per_second, places, *place), make)


def cases_of(statistics: Sequence[Statistic], info: DatasetInfo) -> list[str]:
    """The case of each sample: its group; where all are of one that is called as the data set and no film, its id."""
    groups = [statistic.group for statistic in statistics]
    alone = set(groups) == {info.name} and info.frames_per_second is None
    return [statistic.sample_id for statistic in statistics] if alone else groups


def _values(score: str, pixels: Array) -> Float64:
    """Values of cases (…, K) from their pixels (…, C, 3), NaN where undefined: one of each class, or their mean."""
    right, true, predicted = np.moveaxis(pixels, -1, 0)
    if score == "foreground_iou":
        return ratio(right, true + predicted - right)
    dice = ratio(2 * right, true + predicted)
    return mean_where(dice, true > 0)[..., None] if score == _OF_TRUE_CLASSES else dice


def _terms(score: str, pixels: Array) -> Float64:
    """What cases add to the sums (…, 2 K) of values and of their numbers, from their pixels (…, C, 3)."""
    values = _values(score, pixels)
    known = ~np.isnan(values)
    return np.concatenate([np.where(known, values, 0.0), known], axis=-1)


def _terms_of(score: str, cells: ClassCells, whole: bool) -> Float64:
    """The same of all rows, (rows, 2 K), which are `whole` cases or samples by themselves."""
    if score == _OF_TRUE_CLASSES and not whole:
        return _true_terms(cells)
    kinds = 1 if score == _OF_TRUE_CLASSES else cells.classes
    return np.concatenate([np.zeros((0, 2 * kinds)), *(_terms(score, table) for table in cells.tables())])


def _true_terms(cells: ClassCells) -> Float64:
    """The terms of the mean over true classes: of samples it adds class by class, of cases NumPy adds pairs."""
    held = cells.pixels[:, 1] > 0
    dice = np.where(held, _values("foreground_dice", cells.pixels), 0.0)
    total, many = (np.bincount(cells.row, each, cells.rows) for each in (dice, held))
    return np.stack([np.nan_to_num(ratio(total, many)), many > 0], axis=1)


def _totals_of(score: str, cells: ClassCells, whole: bool, weights: Int64) -> Float64:
    """The terms (B, 2 K) of rows that are drawn so often, (B, rows), added up: as of all at once, class by class."""
    if score == _OF_TRUE_CLASSES:
        return weighted_sums(weights, _terms_of(score, cells, whole))
    total = np.zeros((len(weights), 2 * cells.classes))
    values = _values(score, cells.pixels)
    for place in range(cells.classes):
        columns = np.stack([cells.column(place, each) for each in (values, np.ones(len(values)))], axis=1)
        if columns[:, 1].any():
            total[:, [place, cells.classes + place]] = weighted_sums(weights, columns)
    return total


def _of_few(score: str, cases: int, sums: Float64) -> Float64:
    """The mean (…) over few cases from their pixels (…, cases * C * 3)."""
    shape = sums.shape[:-1]
    return mean_of_quotients(_terms(score, sums.reshape(*shape, cases, -1, 3)).sum(axis=-2))
