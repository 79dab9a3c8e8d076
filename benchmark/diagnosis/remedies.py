"""Choosing remedies: what is suspected is tried, and the score decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from .checked_predictions import Case, Score
from .geometry import turned, wrong_size
from .labels import coloured, luma, merged, recoded, scaled
from .lenient_reading import decoder
from .lossy_files import damaged
from .misassigned import mismatched, shifted_sizes, sizes_fit
from .probability import inverted, not_numbers, rescaled
from .remedy_functions import Fit, Read, Snap, Straighten, Turn
from .sampled_pixels import Suspicion, View

GAIN = 0.005
"""A remedy is told when it raises the main score by more, or makes scoring possible."""
_MOST_REMEDIES = 4


@dataclass(frozen=True)
class Treatment:
    """A remedy that helps, and the scores before and after it. `weight` falls from one to the next."""

    suspicion: Suspicion
    before: Score
    after: Score
    weight: float


def treat(case: Case, score: Score) -> tuple[Case, Score, list[Treatment]]:
    """Take the best remedy again and again, as long as one helps; each builds on those before it."""
    found: list[Treatment] = []
    # Twice, as a few sizes may be wrong after all once the files are with their samples.
    for suspect in (_axes, _sizes, _sizes, *[_others] * _MOST_REMEDIES):
        best: tuple[float, Suspicion, Case, Score] | None = None
        for suspicion in suspect(case):
            after = case.with_remedy(suspicion)
            after_score = after.score()
            gain = _gain(case.main, suspicion, score, after_score)
            if gain is not None and (best is None or gain > best[0]):
                best = (gain, suspicion, after, after_score)
        if best is None:
            if suspect is _others:
                break
            continue
        gain, suspicion, after, after_score = best
        weight = min(gain, found[-1].weight) if found else gain
        found.append(Treatment(suspicion, score, after_score, weight))
        case, score = after.seen_again(), after_score
    return case, score, found


def _gain(main: str, suspicion: Suspicion, before: Score, after: Score) -> float | None:
    """What a remedy brings, None if it is not to be told."""
    was, now = before.of(main), after.of(main)
    if now is None:
        return 1.0 if suspicion.certain and was is None else None
    if was is None:
        return 1.0 + now  # scoring becomes possible
    gain = now - was
    if gain > GAIN:
        return gain
    # A score over all thresholds does not see the scale of probabilities; Dice does.
    if suspicion.kind == "probabilities" and gain > -GAIN:
        more = (after.of("dice") or 0.0) - (before.of("dice") or 0.0)
        return more if more > 10 * GAIN else None
    return max(gain, 0.0) if suspicion.certain else None


def _axes(case: Case) -> list[Suspicion]:
    odd = [seen for seen in case.view(len(case.truths)).seen if seen.odd_axes]
    if not odd:
        return []
    classes = len(case.dataset.info.classes)
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


def _sizes(case: Case) -> list[Suspicion]:
    view = case.view(len(case.truths))
    done = any(isinstance(step, Fit | Turn) for step in case.steps)
    if done or all(seen.shape == truth.shape for seen, truth in zip(view.seen, view.truths, strict=True)):
        return []
    moved = _moved_by_size(case)
    turns = list(turned(case.view()))
    if any("swapped" in line for suspicion in turns for line in suspicion.evidence):
        return turns + moved  # where the sizes alternate both explain them; the score decides
    # Files of another sample are of its size: resizing them would hide the mistake.
    return moved or list(wrong_size(view, case.full()))


def _moved_by_size(case: Case) -> list[Suspicion]:
    """Other matches of files with samples under which nearly all sizes are right."""
    truths = list(case.truths.values())
    shapes = [None if seen is None else seen.shape for seen in case.seen]
    agreeing = [s for s in stems(case) if s.matching and sizes_fit(shapes, truths, s.matching)]
    sizes = "with this match all files, or nearly all, have exactly the size of their sample"
    found = [replace(s, evidence=(*s.evidence, sizes), certain=True) for s in agreeing]
    return found or list(shifted_sizes(shapes, truths, case.matching))


def _others(case: Case) -> list[Suspicion]:
    view = case.view()
    found: list[Suspicion] = []
    recognisers: tuple[Callable[[View], Iterator[Suspicion]], ...]
    recognisers = (not_numbers, coloured, recoded, merged, luma, scaled, inverted, turned)
    for recognise in recognisers:
        found += recognise(view)
    if not any(isinstance(step, Snap | Read) for step in case.steps):
        found += damaged(view, case.full())
    # A grey mask is a damaged one where that can be shown.
    known = {suspicion.kind for suspicion in found} & {"jpeg", "interpolated", "scaled"}
    found += [s for s in rescaled(view) if not known]
    return found + stems(case)


def stems(case: Case) -> list[Suspicion]:
    """Other matches of files with samples, also where no file has matched."""
    decode = decoder(case.dataset)
    numbers = [n for n, seen in enumerate(case.seen) if seen is not None]
    seen = [s for s in case.seen if s is not None]
    view = View(case.dataset.info, decode, (), (), case.steps)
    grids = [view.labels(one) for one in seen]
    place = {number: position for position, number in enumerate(numbers)}
    matching = {i: place[n] for i, n in case.matching.items()}
    return [
        replace(s, matching={i: numbers[n] for i, n in s.matching.items()})
        for s in mismatched(grids, seen, list(case.truths.values()), matching)
        if s.matching is not None
    ]
