"""Choosing remedies: what is suspected is tried, and the score decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TypeAlias

import numpy as np

from ..types import Array
from .best_coding import Codes
from .checked_predictions import CheckedPredictions, Score
from .geometry import possible_turns, sizes_swapped, turn_back, turned, wrong_size
from .labels import coloured, luma, merged, recoded, scaled
from .lenient_reading import decoder
from .lossy_files import lossy
from .misassigned import OFFSETS, exchanged_sizes, mismatched, shifted, shifted_sizes, sizes_fit
from .placing import MAX_AGREEMENT, MIN_LEAD, Placed, place
from .probability import inverted, inverted_in_part, not_numbers, rescaled, two_valued
from .remedy_functions import Fit, Read, Snap, Straighten, Turn
from .renumbering import MIN_SAMPLES, recoloured, renumbered
from .sampled_pixels import (
    MIN_AGREEMENT,
    VOID,
    Suspicion,
    View,
    agreement_line,
    clearly_better,
    mean,
    proven,
)

MIN_GAIN = 0.005
"""A remedy is told when it raises the main score by more, or makes scoring possible."""
MAX_REMEDIES = 4
MIN_RIGHT, MIN_MORE_RIGHT = 0.5, 0.3
"""Part of the pixels that two codings read in different ways that the better one must read rightly, and how much more
than the other."""


@dataclass(frozen=True)
class Treatment:
    """A remedy that helps, and the scores before and after it. `weight` falls from one to the next."""

    suspicion: Suspicion
    before: Score
    after: Score
    weight: float


Plan: TypeAlias = tuple[Suspicion, ...]
"""Remedies that are tried together, in this order."""


def treat(checked: CheckedPredictions, score: Score) -> tuple[CheckedPredictions, Score, list[Treatment]]:
    """Take the best remedy again and again, as long as one helps; each builds on those before it."""
    found: list[Treatment] = []
    # Twice, as a few sizes may be wrong after all once the files are with their samples.
    for suspect in (_axes, _sizes, _sizes, *[_values] * MAX_REMEDIES):
        best: tuple[float, Plan, list[CheckedPredictions], list[Score]] | None = None
        for plan in suspect(checked):
            states = list(accumulate(plan, CheckedPredictions.with_remedy, initial=checked))[1:]
            scores = [state.score() for state in states]
            gain = _gain(checked.main, plan, score, scores[-1])
            if gain is None:
                continue
            if best is None or gain > best[0]:
                best = gain, plan, states, scores
        if best is None:
            if suspect is _values:
                break
            continue
        gain, plan, states, scores = best
        weight = min(gain, found[-1].weight) if found else gain
        for suspicion, before, after in zip(plan, [score, *scores], scores, strict=False):
            found.append(Treatment(suspicion, before, after, weight))
        checked, score = states[-1].sampled_again(), scores[-1]
    return checked, score, found


def _gain(main: str, plan: Plan, before: Score, after: Score) -> float | None:
    """What remedies bring, None if they are not to be told."""
    suspicion = plan[0]
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


def _axes(checked: CheckedPredictions) -> list[Plan]:
    odd = [seen for seen in checked.view(len(checked.truths)).seen if seen.odd_axes]
    if not odd:
        return []
    classes = len(checked.dataset.info.classes)
    suspicion = Suspicion(
        "axes",
        "arrays have their axes in another order, or axes of length 1",
        (f"{len(odd)} files are of shapes like {odd[0].odd_axes}; expected height x width, or classes first",),
        "Save numpy.squeeze(values), and scores as (classes, height, width).",
        (Straighten(classes),),
        certain=True,
    )
    return [(suspicion,)]


def _sizes(checked: CheckedPredictions) -> list[Plan]:
    view = checked.view(len(checked.truths))
    done = any(isinstance(step, Fit | Turn) for step in checked.remedy_functions)
    if done or all(seen.shape == truth.shape for seen, truth in zip(view.seen, view.truths, strict=True)):
        return []
    moved = _moved_by_size(checked)
    if sizes_swapped(view):
        # Where the sizes alternate both explain them, and the score decides; resizing would hide either.
        return _alone([*turned(checked.view()), *moved])
    # Files of another sample are of its size: resizing them would hide the mistake.
    return _alone(moved or wrong_size(view, checked.full()))


def _alone(suspicions: Iterable[Suspicion]) -> list[Plan]:
    return [(suspicion,) for suspicion in suspicions]


def _moved_by_size(checked: CheckedPredictions) -> list[Suspicion]:
    """Other matches of files with samples under which nearly all sizes are right."""
    truths = list(checked.truths.values())
    shapes = [None if seen is None else seen.shape for seen in checked.seen]
    agreeing = [s for s in misassigned(checked) if s.matching and sizes_fit(shapes, truths, s.matching)]
    sizes = "with this match all files, or nearly all, have exactly the size of their sample"
    found = [replace(s, evidence=(*s.evidence, sizes), certain=True) for s in agreeing]
    found = found or list(shifted_sizes(shapes, truths, checked.matching))
    return found or list(exchanged_sizes(checked.seen, _grids(checked), truths, checked.matching))


def _values(checked: CheckedPredictions) -> list[Plan]:
    view = checked.view()
    if any(inverted_in_part(view)):
        return _alone(_codings(checked, view))  # no match and no turn is right for masks of both kinds
    placed = _placed(checked, view)
    found = [s for s in _codings(checked, view) if not (placed and s.fitted)]  # fitted to pixels that lie elsewhere
    found += [*turned(view), *misassigned(checked)]
    return [*_alone(found), *(_with_coding(checked, placed) if placed else ())]


def _codings(checked: CheckedPredictions, view: View) -> list[Suspicion]:
    """Values that were written in another way."""
    found: list[Suspicion] = []
    recognisers: tuple[Callable[[View], Iterator[Suspicion]], ...]
    recognisers = (not_numbers, coloured, recoded, merged, luma, scaled, inverted, renumbered, recoloured, two_valued)
    for recognise in recognisers:
        found += recognise(view)
    found = _without_overfitted(view, found)
    if not any(isinstance(step, Snap | Read) for step in checked.remedy_functions):
        found += lossy(view, checked.full())
    # A grey mask is a damaged one where that can be shown.
    known = {suspicion.kind for suspicion in found} & {"jpeg", "interpolated", "scaled", "renumbered"}
    return found + [s for s in rescaled(view) if not known]


def _without_overfitted(view: View, found: list[Suspicion]) -> list[Suspicion]:
    """Without what was fitted to the truth where a known coding explains the predictions about as well.

    One that lost labels explains all that can be; what was fitted to the lost ones would be invented.
    """
    known = [s for s in found if not s.fitted and s.kind in _CODINGS]

    def needed(suspicion: Suspicion) -> bool:
        if any(s.estimate for s in known):
            return False
        after = view.after(*suspicion.remedy_functions)
        return all(
            proven(view.after(*s.remedy_functions), after) or _right_where_unlike(view, s, suspicion) for s in known
        )

    return [s for s in found if not s.fitted or needed(s)]


def _right_where_unlike(view: View, known: Suspicion, fitted: Suspicion) -> bool:
    """Whether the pixels that a fitted coding reads in another way than a known one prove that it is right.

    A class or two may hardly show in all pixels: 1 to 5 in a circle are all one too high, but for the last.
    """
    right: list[tuple[float, float]] = []
    for seen, truth in zip(view.seen, view.truths, strict=True):
        one, other = (view.labels(seen, *s.remedy_functions) for s in (known, fitted))
        if one is None or other is None:
            continue
        unlike = (one != other) & (truth.labels != VOID)
        if unlike.any():
            right.append(((one == truth.labels)[unlike].mean(), (other == truth.labels)[unlike].mean()))
    before, after = np.array(right, np.float64).reshape(-1, 2).T
    return len(right) >= MIN_SAMPLES and after.mean() >= MIN_RIGHT and clearly_better(before, after, MIN_MORE_RIGHT)


_CODINGS = frozenset({"off_by_one", "train_ids", "renumbered", "palette", "luma", "scaled", "merged", "inverted"})


def _placed(checked: CheckedPredictions, view: View) -> Placed | None:
    """How the predictions lie, judged apart from what their values stand for."""
    if not view.seen or not mean(view.own) <= MAX_AGREEMENT:
        return None
    matching = [checked.matching[truth.id] for truth in view.truths]
    # A film's neighbours look alike, and files of no size of their own cannot be moved.
    return place(Codes(view, checked.seen, matching), possible_turns(view), OFFSETS)


def _with_coding(checked: CheckedPredictions, placed: Placed) -> Iterator[Plan]:
    """Turned or moved back, and then read as another coding where they still do not agree."""
    line = agreement_line(placed.own, placed.other, "so placed, both with the label values that fit best")
    plan: Plan = ()
    state = checked
    if placed.placing.turn:
        plan = (turn_back(placed.placing.turn, line),)
        state = state.with_remedy(plan[-1])
    if placed.placing.offset:
        shapes = [None if seen is None else seen.shape for seen in checked.seen]
        truths = list(checked.truths.values())
        plan = (*plan, shifted(shapes, truths, checked.matching, placed.placing.offset, line))
        state = state.with_remedy(plan[-1])
    view = state.view()
    if mean(view.own) >= max(MIN_AGREEMENT, mean(placed.other) - MIN_LEAD):
        yield plan
    yield from ((*plan, coding) for coding in _codings(state, view))


def misassigned(checked: CheckedPredictions) -> list[Suspicion]:
    """Other matches of files with samples, also where no file has matched."""
    numbers = [n for n, seen in enumerate(checked.seen) if seen is not None]
    seen = [s for s in checked.seen if s is not None]
    every = _grids(checked)
    grids = [every[n] for n in numbers]
    place = {number: position for position, number in enumerate(numbers)}
    matching = {i: place[n] for i, n in checked.matching.items()}
    return [
        replace(s, matching={i: numbers[n] for i, n in s.matching.items()})
        for s in mismatched(grids, seen, list(checked.truths.values()), matching)
        if s.matching is not None
    ]


def _grids(checked: CheckedPredictions) -> list[Array | None]:
    """Labels (g, g) on the grid of every file, None where there are none."""
    view = View(checked.dataset.info, decoder(checked.dataset), (), (), checked.remedy_functions)
    return [None if seen is None else view.labels(seen) for seen in checked.seen]
