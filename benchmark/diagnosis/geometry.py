"""Predictions of another size, and flipped, rotated or transposed ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from ..metrics.joint_counts import joint_counts
from ..text import counted
from ..types import Array, Int64
from .best_coding import Codes, Placing
from .lossy_files import grey_levels_count
from .remedy_functions import Fit, Turn, Turned
from .sampled_pixels import VOID, Suspicion, View, agreement_line, clearly_better, mean

_WORDS: dict[Turned, tuple[str, str]] = {
    "rows": ("upside down", "values[::-1]"),
    "columns": ("mirrored left to right", "values[:, ::-1]"),
    "half": ("rotated by 180 degrees", "numpy.rot90(values, 2)"),
    "transpose": ("transposed (x and y swapped)", "values.T"),
    "left": ("rotated by 90 degrees to the right", "numpy.rot90(values)"),
    "right": ("rotated by 90 degrees to the left", "numpy.rot90(values, -1)"),
    "anti": ("transposed and rotated by 180 degrees", "numpy.rot90(values, 2).T"),
}
_HALF: tuple[Turned, ...] = ("rows", "columns", "half")
_QUARTER: tuple[Turned, ...] = ("transpose", "left", "right", "anti")


def possible_turns(view: View) -> tuple[Turned, ...]:
    """The ways of turning that the sizes of the predictions allow."""
    oblong, swapped = _swapped_sizes(view)
    if swapped:
        return _QUARTER
    return _HALF if oblong else (*_HALF, *_QUARTER)


def _swapped_sizes(view: View) -> tuple[int, int]:
    """How many truths are not square; and how many predictions have height and width swapped, 0 if not most of them."""
    oblong = [n for n, truth in enumerate(view.truths) if truth.shape[0] != truth.shape[1]]
    swapped = sum(view.seen[n].shape == view.truths[n].shape[::-1] for n in oblong)
    fitting = sum(view.seen[n].shape == view.truths[n].shape for n in oblong)
    return len(oblong), swapped if swapped > fitting else 0


def turned(view: View) -> Iterator[Suspicion]:
    """Predictions that fit the truth far better once flipped or rotated, the same way in all files."""
    oblong, swapped = _swapped_sizes(view)
    if swapped:
        yield from _quarter_turned(view, swapped, oblong)
        return
    agreements = {way: view.after(Turn(way)) for way in possible_turns(view)}
    best = max(agreements, key=lambda way: np.nan_to_num(mean(agreements[way]), nan=-1.0))
    if not view.proves(Turn(best)):
        return
    # Another coding of the labels is the simpler reason, where it explains as much.
    as_they_lie = Codes(view, view.seen, range(len(view.seen))).tables(Placing()).freely()
    if mean(agreements[best]) > mean(as_they_lie):
        yield turn_back(best, agreement_line(view.own, agreements[best], "after turning back"))


def _quarter_turned(view: View, swapped: int, oblong: int) -> Iterator[Suspicion]:
    """Which of the four turns it was that swapped height and width, if what the files hold tells."""
    codes = Codes(view, view.seen, range(len(view.seen)))
    plain = {way: view.after(Turn(way)) for way in _QUARTER}
    coded = {way: codes.tables(Placing(way)).freely() for way in _QUARTER}
    for agreements, words in ((plain, ""), (coded, ", each with the label values that fit best")):
        first, second, *_ = sorted(_QUARTER, key=lambda way: -np.nan_to_num(mean(agreements[way]), nan=-1.0))
        if mean(agreements[first]) > 0.1 and clearly_better(agreements[second], agreements[first], 0.01):
            line = agreement_line(agreements[second], agreements[first], f"after turning back{words}")
            yield turn_back(
                first,
                f"height and width are swapped in {swapped} of {oblong} files",
                line.replace("as it is", "the next best way"),
                certain=True,
            )
            return


def turn_back(way: Turned, *evidence: str, certain: bool = False) -> Suspicion:
    """Predictions that were turned in a way."""
    words, code = _WORDS[way]
    remedy = f"Turn them back before saving: values = {code}."
    return Suspicion("orientation", f"predictions are {words}", evidence, remedy, (Turn(way),), certain=certain)


def sizes_swapped(view: View) -> bool:
    """Whether nearly all predictions have height and width swapped, so that no resizing can be right."""
    oblong, swapped = _swapped_sizes(view)
    return swapped > 0 and swapped >= MIN_SWAPPED * oblong


MIN_SWAPPED = 0.9
"""Part of the predictions that must have height and width swapped to call them turned for that alone."""


def wrong_size(view: View, full: list[tuple[Array, tuple[int, int], Array]]) -> Iterator[Suspicion]:
    """Predictions whose size differs from the truth's.

    Parameters
    ----------
    view : View
    full : list of (raw values, (height, width) of the truth, truth labels (H, W) with -1 for void)
        Some of the predictions at full size.
    """
    wrong = [(s.shape, t.shape) for s, t in zip(view.seen, view.truths, strict=True) if s.shape != t.shape]
    if not wrong:
        return
    ratios = Counter((round(s[0] / t[0], 3), round(s[1] / t[1], 3)) for s, t in wrong)
    sizes = Counter(s for s, _ in wrong)
    shown = ", ".join(f"{h} x {w} ({counted(n, 'file')})" for (h, w), n in sizes.most_common(3))
    (height, width), often = ratios.most_common(1)[0]
    evidence = [
        f"{len(wrong)} of {len(view.seen)} predictions differ from the truth in size: {shown}",
        f"height is {height:g} times and width {width:g} times that of the truth in {often} of them; "
        + ("the truth has another shape, so they were stretched or cut" if height != width else "the shape is kept"),
    ]
    step = _how(full)
    way = step.how
    if way == "resize":
        evidence += _interpolation(view, full)
    cropped = way != "resize" and all(v.shape[0] <= shape[0] and v.shape[1] <= shape[1] for v, shape, _ in full)
    what = "" if way == "resize" else f": padded, with the image at the {way}"
    if cropped:
        what = f": cut out of the image at the {way}"
    summary = f"predictions are of another size than the truth{what}"
    remedy = _SIZE_REMEDIES["cropped" if cropped else way]
    estimate = cropped or way == "resize"  # of what was cut off nobody knows what was predicted
    yield Suspicion("size", summary, tuple(evidence), remedy, (step,), estimate=estimate, certain=True)


_SIZE_REMEDIES = {
    "resize": "Resize scores back to the size of the truth before argmax, or label maps with nearest neighbour: "
    "cv2.resize(values, (width, height), interpolation=cv2.INTER_NEAREST_EXACT).",
    "top left": "Cut off the padding at the right and at the bottom: values[:height, :width].",
    "centre": "Cut off the padding on all sides, so that the centre of height x width is left.",
    "cropped": "Predict the whole image: what was cut off is missing and counts as wrong, whatever fills it.",
}


def _how(full: list[tuple[Array, tuple[int, int], Array]]) -> Fit:
    """Resized, unless cutting padding off, or filling up what was cut off, fits the truth clearly better."""
    maps = [(v.shape, shape) for v, shape, _ in full if v.ndim == 2 and v.dtype.kind in "bui"]
    padded = all(v[0] >= shape[0] and v[1] >= shape[1] for v, shape in maps)
    cropped = all(v[0] <= shape[0] and v[1] <= shape[1] for v, shape in maps)
    if full and len(maps) == len(full) and (padded or cropped):
        own, *cuts = (
            np.array([_fitness(step, values, shape, truth) for values, shape, truth in full]) for step in _FITS
        )
        best = max(range(len(cuts)), key=lambda n: np.nan_to_num(mean(cuts[n]), nan=-1.0))
        if clearly_better(own, cuts[best]):
            return _FITS[1 + best]
    return _FITS[0]


def _fitness(step: Fit, values: Array, shape: tuple[int, int], truth: Array) -> float:
    """How much values that were brought to the truth's size say of it, where they are."""
    placed = step(values.astype(np.int64) + 1, shape)
    return dependence(np.where(placed == 0, VOID, truth), placed)


_FITS = (Fit("resize"), Fit("top left"), Fit("centre"))


def dependence(truth: Array, values: Array) -> float:
    """Mutual information of truth and values, (g, g) each, over the truth's entropy, 0 to 1; NaN where that is 0.

    It does not depend on how labels are written, so that sizes are judged apart from label values.
    """
    counted = truth >= 0
    *sides, pixels = joint_counts(truth[counted], values[counted])
    if not pixels.size or (sides[0] == sides[0][0]).all():
        return float("nan")
    rows, columns = (np.unique(side, return_inverse=True)[1] for side in sides)
    p = pixels / pixels.sum()
    p_row, p_column = np.bincount(rows, p), np.bincount(columns, p)
    shared = float((p * np.log(p / (p_row[rows] * p_column[columns]))).sum())
    return shared / float(-(p_row * np.log(p_row)).sum())


def _interpolation(view: View, full: list[tuple[Array, tuple[int, int], Array]]) -> Iterator[str]:
    """Whether values between those of both neighbours are more than label maps of this dataset and size have.

    Thin segments and noise put values between their neighbours' too, but as often or more often beyond both;
    interpolation puts nearly all of them between.
    """
    if grey_levels_count(view):
        return
    pairs = [(v, t) for v, shape, t in full if v.ndim == 2 and v.dtype.kind in "iu" and v.shape != shape]
    pairs = [(v, t) for v, t in pairs if v.shape[1] > 2]
    if not pairs:
        return
    found = np.sum([_between(v) for v, _ in pairs], axis=0)
    true = np.sum([_between(Fit("resize")(t, v.shape)) for v, t in pairs], axis=0)
    between, beyond = found[:2] / found[2]
    usual = true[0] / true[2]
    interpolated = between > 0.005 + 2 * usual and between > beyond
    yield (
        f"{between:.2%} of the pixels hold a value between those of both neighbours ({usual:.2%} in the truth at this "
        f"size) and {beyond:.2%} one beyond both: "
        + (
            "they were interpolated (bilinear or smoother)"
            if interpolated
            else "as in untouched label maps or after nearest neighbour"
        )
    )


def _between(values: Array) -> Int64:
    """Pixels whose value lies strictly between those of their left and right neighbours, beyond both, and all."""
    signed = values.astype(np.int64)
    left, right = np.sign(signed[:, 1:-1] - signed[:, :-2]), np.sign(signed[:, 2:] - signed[:, 1:-1])
    return np.array([(left * right > 0).sum(), (left * right < 0).sum(), signed.size])
