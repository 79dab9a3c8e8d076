"""Choosing remedies: what is suspected is tried, and the score decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from .checked_predictions import CheckedPredictions, Score
from .geometry import turned, wrong_size
from .labels import coloured, luma, merged, recoded, scaled
from .lenient_reading import decoder
from .lossy_files import lossy
from .misassigned import mismatched, shifted_sizes, sizes_fit
from .probability import inverted, not_numbers, rescaled
from .remedy_functions import Fit, Read, Snap, Straighten, Turn
from .sampled_pixels import Suspicion, View

MIN_GAIN = 0.005
"""A remedy is told when it raises the main score by more, or makes scoring possible."""
MAX_REMEDIES = 4


@dataclass(frozen=True)
class Treatment:
    """A remedy that helps, and the scores before and after it. `weight` falls from one to the next."""

    suspicion: Suspicion
    before: Score
    after: Score
    weight: float


def treat(checked: CheckedPredictions, score: Score) -> tuple[CheckedPredictions, Score, list[Treatment]]:
    """Take the best remedy again and again, as long as one helps; each builds on those before it."""
    found: list[Treatment] = []
    # Twice, as a few sizes may be wrong after all once the files are with their samples.
    for suspect in (_axes, _sizes, _sizes, *[_values] * MAX_REMEDIES):
        best: tuple[float, Suspicion, CheckedPredictions, Score] | None = None
        for suspicion in suspect(checked):
            after = checked.with_remedy(suspicion)
            after_score = after.score()
            gain = _gain(checked.main, suspicion, score, after_score)
            if gain is not None and (best is None or gain > best[0]):
                best = (gain, suspicion, after, after_score)
        if best is None:
            if suspect is _values:
                break
            continue
        gain, suspicion, after, after_score = best
        weight = min(gain, found[-1].weight) if found else gain
        found.append(Treatment(suspicion, score, after_score, weight))
        checked, score = after.sampled_again(), after_score
    return checked, score, found


def _gain(main: str, suspicion: Suspicion, before: Score, after: Score) -> float | None:
    """What a remedy brings, None if it is not to be told."""
    was, now = before.of(main), after.of(main)
    if now is None:
        return 1.0 if suspicion.certain and was is None else None
    if was is None:
        return 1.0 + now  # scoring becomes possible
    gain = now - was
    if gain > MIN_GAIN:
        return gain
    # A score over all thresholds does not see the scale of probabilities; Dice does.
    if suspicion.kind == "probabilities" and gain > -MIN_GAIN:
        more = (after.of("dice") or 0.0) - (before.of("dice") or 0.0)
        return more if more > 10 * MIN_GAIN else None
    return max(gain, 0.0) if suspicion.certain else None


def _axes(checked: CheckedPredictions) -> list[Suspicion]:
    odd = [seen for seen in checked.view(len(checked.truths)).seen if seen.odd_axes]
    if not odd:
        return []
    classes = len(checked.dataset.info.classes)
    return [
        Suspicion(
            "axes",
            "arrays have their axes in another order, or axes of length 1",
            (f"{len(odd)} files are of shapes like {odd[0].odd_axes}; expected height x width, or classes first",),
            "Save numpy.squeeze(values), and scores as (classes, height, width).",
            (Straighten(classes),),
            certain=True,
        )
    ]


def _sizes(checked: CheckedPredictions) -> list[Suspicion]:
    view = checked.view(len(checked.truths))
    done = any(isinstance(step, Fit | Turn) for step in checked.remedy_functions)
    if done or all(seen.shape == truth.shape for seen, truth in zip(view.seen, view.truths, strict=True)):
        return []
    moved = _moved_by_size(checked)
    turns = list(turned(checked.view()))
    if any("swapped" in line for suspicion in turns for line in suspicion.evidence):
        return turns + moved  # where the sizes alternate both explain them; the score decides
    # Files of another sample are of its size: resizing them would hide the mistake.
    return moved or list(wrong_size(view, checked.full()))


def _moved_by_size(checked: CheckedPredictions) -> list[Suspicion]:
    """Other matches of files with samples under which nearly all sizes are right."""
    truths = list(checked.truths.values())
    shapes = [None if seen is None else seen.shape for seen in checked.seen]
    agreeing = [s for s in misassigned(checked) if s.matching and sizes_fit(shapes, truths, s.matching)]
    sizes = "with this match all files, or nearly all, have exactly the size of their sample"
    found = [replace(s, evidence=(*s.evidence, sizes), certain=True) for s in agreeing]
    return found or list(shifted_sizes(shapes, truths, checked.matching))


def _values(checked: CheckedPredictions) -> list[Suspicion]:
    view = checked.view()
    found: list[Suspicion] = []
    recognisers: tuple[Callable[[View], Iterator[Suspicion]], ...]
    recognisers = (not_numbers, coloured, recoded, merged, luma, scaled, inverted, turned)
    for recognise in recognisers:
        found += recognise(view)
    if not any(isinstance(step, Snap | Read) for step in checked.remedy_functions):
        found += lossy(view, checked.full())
    # A grey mask is a damaged one where that can be shown.
    known = {suspicion.kind for suspicion in found} & {"jpeg", "interpolated", "scaled"}
    found += [s for s in rescaled(view) if not known]
    return found + misassigned(checked)


def misassigned(checked: CheckedPredictions) -> list[Suspicion]:
    """Other matches of files with samples, also where no file has matched."""
    decode = decoder(checked.dataset)
    numbers = [n for n, seen in enumerate(checked.seen) if seen is not None]
    seen = [s for s in checked.seen if s is not None]
    view = View(checked.dataset.info, decode, (), (), checked.remedy_functions)
    grids = [view.labels(one) for one in seen]
    place = {number: position for position, number in enumerate(numbers)}
    matching = {i: place[n] for i, n in checked.matching.items()}
    return [
        replace(s, matching={i: numbers[n] for i, n in s.matching.items()})
        for s in mismatched(grids, seen, list(checked.truths.values()), matching)
        if s.matching is not None
    ]
