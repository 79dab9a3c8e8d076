"""Binary masks that are inverted, all or some of them, and probabilities on another scale."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..text import some
from ..types import Array, Float64
from .remedy_functions import Invert, NoNaN, Read, Reading, Recode
from .sampled_pixels import (
    MIN_AGREEMENT,
    MIN_SPECIFIC,
    MIN_WEAK_AGREEMENT,
    Suspicion,
    View,
    agreement_line,
    clearly_better,
)

MIN_SURE = 0.75
"""Part of the masks that must be clearly upright or clearly inverted before some of them are called inverted."""
MAX_NAMED = 100


def inverted(view: View) -> Iterator[Suspicion]:
    """Binary masks that are the complement of the truth rather than a bad guess at it; not where only some are."""
    if view.info.task != "binary":
        return
    masks = [view.labels(seen) for seen in view.seen]
    own = _correlations(view)
    defined = own[~np.isnan(own)]
    if not _opposite(defined, MIN_WEAK_AGREEMENT) or _in_part(own):
        return
    far = len(masks) // 2
    others = np.array([correlation(t.labels, masks[n - far]) for n, t in enumerate(view.truths)])
    if not _opposite(defined, 0.3) and not clearly_better(-others, -own, MIN_SPECIFIC):
        return  # not even clearly the opposite of its own truth
    front = next(c.name for c in view.info.classes if c.id == view.info.foreground)
    yield Suspicion(
        "inverted",
        f"masks are inverted: the foreground ('{front}') must be the high value",
        (
            f"correlation with the truth (mean of {defined.size} files): {defined.mean():.2f}, "
            f"{-defined.mean():.2f} once inverted; negative in {int((defined < 0).sum())}",
        ),
        "Invert before saving: values = 255 - values (or 1 - values for 0..1).",
        (Invert(),),
    )


def inverted_in_part(view: View) -> Iterator[Suspicion]:
    """Binary masks of which some are the complement of their truth and others are not: no remedy is right for all."""
    if view.info.task != "binary":
        return
    own = _correlations(view)
    if not _in_part(own):
        return
    wrong = [seen.name for seen, value in zip(view.seen, own, strict=True) if value <= -MIN_AGREEMENT]
    right = [seen.name for seen, value in zip(view.seen, own, strict=True) if value >= MIN_AGREEMENT]
    told = {*wrong, *right}
    rest = [seen.name for seen in view.seen if seen.name not in told]
    yield Suspicion(
        "inverted_in_part",
        f"{len(wrong)} of {len(view.seen)} masks are inverted, and {len(right)} are not",
        (
            f"inverted: {some(wrong, MAX_NAMED)}",
            f"not inverted: {some(right, MAX_NAMED)}",
            f"correlation with the truth: up to {-MIN_AGREEMENT} of the former, from {MIN_AGREEMENT} of the latter",
            *([f"neither, so that they may be either: {some(rest, MAX_NAMED)}"] if rest else []),
        ),
        "Invert those alone (values = 255 - values, or 1 - values for 0..1), never all, and look at those that may be "
        "either; then look for what wrote them in two ways.",
    )


def _correlations(view: View) -> Float64:
    """Of every prediction with its truth, (n,); NaN where undefined."""
    pairs = zip(view.truths, view.seen, strict=True)
    return np.array([correlation(truth.labels, view.labels(seen)) for truth, seen in pairs], np.float64)


def _in_part(correlations: Float64) -> bool:
    """Whether some of correlations (n,) are clearly negative, others clearly positive, and few neither."""
    wrong, right = (correlations <= -MIN_AGREEMENT).sum(), (correlations >= MIN_AGREEMENT).sum()
    return bool(min(wrong, right) and wrong + right >= MIN_SURE * (~np.isnan(correlations)).sum())


def _opposite(correlations: Float64, least: float) -> bool:
    """Whether correlations (n,) are negative: by so much in mean, and in four of five files."""
    return bool(correlations.size and correlations.mean() <= -least and (correlations < 0).mean() >= 0.8)


def two_valued(view: View) -> Iterator[Suspicion]:
    """Masks of two values that are not those of a mask, such as 1 and 2 of some tools."""
    if view.info.task != "binary" or any(seen.layout != "map" or not seen.counts for seen in view.seen):
        return
    values = sorted(view.counts)
    if len(values) != 2 or values == [0, 255]:
        return
    on = [np.where(view.raw(s) == values[1], 1, 0) for s in view.seen]
    known = np.array([correlation(t.labels, grid) for t, grid in zip(view.truths, on, strict=True)])
    defined = known[~np.isnan(known)]
    sign = 1 if defined.size and defined.mean() > 0 else -1
    if not _opposite(-sign * defined, MIN_WEAK_AGREEMENT):
        return
    off, front = values[::sign]
    if off == 0:
        return  # a scale of its own: see `rescaled` and `scaled`
    step = Recode((off, front), (0, 255), 0)
    if not view.proves(step):
        return
    name = next(c.name for c in view.info.classes if c.id == view.info.foreground)
    yield Suspicion(
        "renumbered",
        f"the foreground ('{name}') was written as {front} and the background as {off}",
        (
            f"only {off} and {front} occur",
            agreement_line(view.own, view.after(step), f"with {front} as the foreground"),
        ),
        f"Write the foreground as 255 and the background as 0: mask = numpy.where(values == {front}, 255, 0).",
        (step,),
        fitted=True,
    )


def correlation(truth: Array, predicted: Array | None) -> float:
    """Correlation (phi) of binary labels on a grid, (g, g) each, NaN where either holds one value only."""
    counted = truth >= 0
    if predicted is None:
        return float("nan")
    a, b = truth[counted] > 0, predicted[counted] > 0
    if not a.size or a.all() or b.all() or not a.any() or not b.any():
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def not_numbers(view: View) -> Iterator[Suspicion]:
    """Probabilities that are NaN; what they should have been nobody knows, so 0 is read for an estimate."""
    holding = [s for s in view.seen if s.nan]
    if not holding or any(isinstance(step, NoNaN) for step in view.remedy_functions):
        return
    parts = [s.nan for s in holding]
    spread = " to ".join(dict.fromkeys(f"{part:.2%}" for part in (min(parts), max(parts))))
    shown = ", ".join(f"{s.name} ({s.nan:.2%})" for s in holding[:5]) + (", …" if len(holding) > 5 else "")
    yield Suspicion(
        "probabilities",
        f"{len(holding)} of {len(view.seen)} predictions hold NaN, which is no probability",
        (
            f"NaN share: {spread} of the values of these files, {sum(parts) / len(view.seen):.2%} of all: {shown}",
            "the score after the remedy reads 0 for NaN",
        ),
        "Write finite probabilities, 0 to 1. NaN comes from dividing 0 by 0 (normalising an empty map), from overflow "
        "in half precision, or from a model whose training diverged: look for the first NaN in its outputs.",
        (NoNaN(),),
        estimate=True,
        certain=True,
    )


def rescaled(view: View) -> Iterator[Suspicion]:
    """Probabilities that are not on the scale that is read, or not two-valued where a mask is expected."""
    if not view.seen:
        return
    numbers = [s for s in view.seen if not np.isnan(s.low)]
    if not numbers:
        return
    low, high = min(s.low for s in numbers), max(s.high for s in numbers)
    floats = all(s.dtype.kind == "f" for s in view.seen)
    facts = f"values of {len(view.seen)} files lie between {low:g} and {high:g} ({view.seen[0].dtype})"
    if floats and all(s.layout == "scores" for s in view.seen):
        if low < 0 or high > 1:
            yield _reading("softmax", "scores (logits) were given where probabilities are expected", facts)
        return
    if view.info.task != "binary" or any(s.layout != "map" for s in view.seen):
        return
    if any(not isinstance(step, NoNaN) for step in view.remedy_functions):
        return
    if floats:
        yield from _float_scales(view, low, high, facts)
    else:
        yield from _integer_scales(view, low, high, facts)


def _float_scales(view: View, low: float, high: float, facts: str) -> Iterator[Suspicion]:
    if low >= 0 and high <= 1:
        yield from _too_faint(high, facts)
        return
    if low >= -_MAX_OVERSHOOT and high <= 1 + _MAX_OVERSHOOT:
        yield _reading("clip", "probabilities reach beyond 0 to 1, as interpolation makes them", facts)
        return
    negative = sum(s.low < 0 for s in view.seen)
    if low < 0:
        if high <= 0:
            yield _reading("exp", "logarithms of probabilities were given", facts)
        signs = f"{negative} files hold negative values"
        if high <= _MAX_LOGIT or -low > _MAX_OVERSHOOT * high:
            yield _reading("sigmoid", "logits were given where probabilities are expected", facts, signs)
        if low >= -1 and high <= 1:
            yield _reading("tanh", "values from -1 to 1 were given where probabilities are expected", facts, signs)
    if low < -_MAX_OVERSHOOT * max(high, 1):
        return
    reach = high / (1 + _MAX_OVERSHOOT) if low < 0 else high
    if reach <= 100:
        yield _reading("percent", "per cent (0 to 100) were given where probabilities are expected", facts)
    elif reach <= 255:
        yield _reading("over255", "grey levels 0 to 255 were saved as floats where probabilities are expected", facts)
    elif reach <= 65535:
        yield _reading("over65535", "16-bit levels were saved as floats where probabilities are expected", facts)


def _too_faint(high: float, facts: str) -> Iterator[Suspicion]:
    """Probabilities none of which reaches one half, so that every mask is empty."""
    if not 0 < high < 0.5:
        return
    twice = high <= 1.001 / 255
    what = (
        "probabilities were divided by 255 twice: none is above 1/255"
        if twice
        else f"no probability reaches 0.5 (the highest is {high:.3g}), so every mask is empty"
    )
    code = "values * 255" if twice else f"values / {high:.3g}, or whatever undoes the scale that they were given"
    remedy = Read("stretch", 1 / 255 if twice else high)
    yield Suspicion("probabilities", what, (facts,), f"Save {code}.", (remedy,), estimate=not twice)


def _integer_scales(view: View, low: float, high: float, facts: str) -> Iterator[Suspicion]:
    one = view.decode(np.array([[0, 1]], np.uint8))
    eight = all(s.dtype == np.uint8 for s in view.seen)
    levels = view.decode(np.array([[0, 3, 200, 255]], np.uint8)) is not None
    if low < 0:
        return
    if high == 1 and (not eight or (one is not None and not one.any())):
        what = "0 and 1 were given in 8 bits, which are read as 0 and 1/255" if eight else "0 and 1 are of a wrong type"
        yield _reading("times255", what, facts)
    elif eight and levels and 90 <= high <= 100:
        if view.proves(Read("percent")):
            better = agreement_line(view.own, view.after(Read("percent")), "as per cent")
            yield _reading("percent", "per cent (0 to 100) were given in 8 bits, read as value/255", facts, better)
    elif not eight and high > 255:
        yield _reading("over65535", "16-bit levels were given where 8 bits or floats are expected", facts)
    elif eight and not levels and max(len(s.counts) for s in view.seen) > 2:
        yield _grey_mask(view, facts)
    elif not eight and high <= 255:
        yield _reading("over255", f"levels 0 to 255 are stored as {view.seen[0].dtype}", facts)


def _grey_mask(view: View, facts: str) -> Suspicion:
    most = int(np.median([len(s.counts) for s in view.seen]))
    what = "grey levels were given where a two-valued mask is expected"
    return _reading("half", what, facts, f"{most} levels a file")


_MAX_OVERSHOOT = 0.1
"""By how much of the highest value interpolation goes beyond the values that it was given."""
_MAX_LOGIT = 100.0
_CODE: dict[Reading, str] = {
    "clip": "numpy.clip(values, 0, 1)",
    "times255": "values * 255",
    "percent": "values / 100 (as float32)",
    "over255": "values / 255 (as float32), or save them as uint8",
    "over65535": "values / 65535 (as float32)",
    "sigmoid": "1 / (1 + numpy.exp(-values))",
    "exp": "numpy.exp(values)",
    "softmax": "scipy.special.softmax(values, axis=0), or save the label values of the largest score",
    "tanh": "(values + 1) / 2",
    "half": "numpy.where(values >= 128, 255, 0), or save probabilities as floats 0..1",
}


def _reading(how: Reading, summary: str, *evidence: str) -> Suspicion:
    return Suspicion("probabilities", summary, evidence, f"Save {_CODE[how]}.", (Read(how),), estimate=how == "half")
