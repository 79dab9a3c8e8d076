"""Predictions that belong to other samples than their file names say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from ..types import Array, Float64
from .sampled_pixels import SampledFile, Suspicion, Truth, agreement, mean, proven

MAX_COMPARED = 60
"""Number of samples up to which every prediction is compared with every truth."""
MIN_ADVANTAGE = 0.08
"""How much better another sample must agree than a prediction's own (Cohen's kappa)."""
OFFSETS = (-2, -1, 1, 2)


def mismatched(
    grids: Sequence[Array | None], seen: Sequence[SampledFile], truths: Sequence[Truth], matching: Mapping[str, int]
) -> Iterator[Suspicion]:
    """Another match of files with samples under which they agree far better.

    Parameters
    ----------
    grids : labels (g, g) on the grid of every file, in the order of the file names
    seen : the files
    truths : the truth of every sample, in the order of the ids
    matching : number of the file of every sample that has one
    """
    if len(matching) < 2:
        yield from _in_order(grids, truths, matching)
        return
    own = np.array([_agree(truths[n], grids, matching.get(truths[n].id)) for n in range(len(truths))])
    yield from _shifted(grids, truths, matching, own)
    yield from _swapped(grids, seen, truths, matching, own)


def _agree(truth: Truth, grids: Sequence[Array | None], number: int | None) -> float:
    return float("nan") if number is None else agreement(truth.labels, grids[number])


def _shifted(
    grids: Sequence[Array | None], truths: Sequence[Truth], matching: Mapping[str, int], own: Float64
) -> Iterator[Suspicion]:
    """A constant offset, such as numbers that count from 1."""
    for offset in OFFSETS:
        moved = _moved(truths, matching, offset, len(grids))
        other = np.array([_agree(truth, grids, moved.get(truth.id)) for truth in truths])
        both = ~np.isnan(own) & ~np.isnan(other)
        if both.sum() < 3 or not proven(own[both], other[both], margin=0.01):
            continue
        rest = set(range(len(grids))) - set(moved.values())
        for truth in truths:  # what fell off at one end may have been put at the other
            if truth.id in moved:
                continue
            left = [n for n in rest if _agree(truth, grids, n) > 0.5]
            if left:
                moved[truth.id] = max(left, key=lambda n: _agree(truth, grids, n))
                rest.discard(moved[truth.id])
        yield Suspicion(
            "stems",
            _shift_words(offset),
            (
                f"mean agreement (Cohen's kappa) of {int(both.sum())} predictions with their own sample: "
                f"{own[both].mean():.2f}; of the files shifted by {offset:+d}: {other[both].mean():.2f}",
                f"the shifted one is better in {int((other[both] > own[both]).sum())} of {int(both.sum())}",
            ),
            _SHIFT_REMEDY,
            matching=moved,
        )


MIN_FITTING = 0.95
"""Part of the sizes that must be right in a match of files with samples."""

Shape: TypeAlias = tuple[int, int]


def _fitting(shapes: Sequence[Shape | None], truths: Sequence[Truth], matching: Mapping[str, int]) -> tuple[int, int]:
    """How many matched files have the size of their truth, and how many are matched."""
    found = [(shapes[matching[truth.id]], truth.shape) for truth in truths if truth.id in matching]
    return sum(shape == wanted for shape, wanted in found), len(found)


def sizes_fit(shapes: Sequence[Shape | None], truths: Sequence[Truth], matching: Mapping[str, int]) -> bool:
    """Whether (nearly) all matched files have exactly the size of their truth."""
    right, all_of_them = _fitting(shapes, truths, matching)
    return all_of_them > 0 and right >= MIN_FITTING * all_of_them


def shifted_sizes(
    shapes: Sequence[Shape | None], truths: Sequence[Truth], matching: Mapping[str, int]
) -> Iterator[Suspicion]:
    """A constant offset under which the sizes are right, whatever the files hold."""
    right, matched = _fitting(shapes, truths, matching)
    for offset in OFFSETS:
        moved = _moved(truths, matching, offset, len(shapes))
        moved = {i: n for i, n in moved.items() if shapes[n] is not None}
        now, of = _fitting(shapes, truths, moved)
        if now < right + 3 or not sizes_fit(shapes, truths, moved):
            continue
        _put_at_the_other_end(shapes, truths, moved)
        yield Suspicion(
            "stems",
            _shift_words(offset),
            (
                f"{right} of {matched} predictions have the size of their own sample; of the files shifted by "
                f"{offset:+d} {now} of {of} have exactly that of theirs",
            ),
            _SHIFT_REMEDY,
            matching=moved,
            certain=True,
        )


def shifted(
    shapes: Sequence[Shape | None], truths: Sequence[Truth], matching: Mapping[str, int], offset: int, evidence: str
) -> Suspicion:
    """The match of every sample with the file that is a fixed number of places further on."""
    moved = {i: n for i, n in _moved(truths, matching, offset, len(shapes)).items() if shapes[n] is not None}
    _put_at_the_other_end(shapes, truths, moved)
    return Suspicion("stems", _shift_words(offset), (evidence,), _SHIFT_REMEDY, matching=moved)


def _put_at_the_other_end(shapes: Sequence[Shape | None], truths: Sequence[Truth], moved: dict[str, int]) -> None:
    """What fell off at one end may have been put at the other."""
    for truth, n in zip([t for t in truths if t.id not in moved], _left(shapes, moved), strict=False):
        if shapes[n] == truth.shape:
            moved[truth.id] = n


def exchanged_sizes(
    seen: Sequence[SampledFile | None],
    grids: Sequence[Array | None],
    truths: Sequence[Truth],
    matching: Mapping[str, int],
) -> Iterator[Suspicion]:
    """Files of wrong sizes whose sizes are exactly those that are missing: exchanged among each other.

    `grids` are what is seen of each file, (rows, columns), None where nothing can be.
    """
    shapes = [None if one is None else one.shape for one in seen]
    wrong = [truth for truth in truths if truth.id in matching and shapes[matching[truth.id]] != truth.shape]
    files = [matching[truth.id] for truth in wrong]
    sizes = [shapes[n] for n in files]
    if len(set(sizes)) < 2 or Counter(sizes) != Counter(truth.shape for truth in wrong):
        return
    from scipy.optimize import linear_sum_assignment

    fits = np.array([[shapes[n] == truth.shape for n in files] for truth in wrong])
    agree = np.zeros(fits.shape)
    for row, column in np.argwhere(fits).tolist():
        agree[row, column] = agreement(wrong[row].labels, grids[files[column]])
    chosen = linear_sum_assignment(np.where(fits, 1 - np.nan_to_num(agree), 10.0))[1]
    if not fits[np.arange(len(wrong)), chosen].all():
        return
    new = {truth.id: files[column] for truth, column in zip(wrong, chosen, strict=True)}
    shown = "; ".join(f"{_name(seen[n])} belongs to {i}" for i, n in list(new.items())[:4])
    yield Suspicion(
        "stems",
        f"{len(new)} predictions are exchanged among each other",
        (
            f"{shown}{'; …' if len(new) > 4 else ''}",
            f"the sizes of these {len(new)} files are exactly those that are missing, at other samples",
        ),
        _EXCHANGE_REMEDY,
        matching={**matching, **new},
        estimate=len(set(sizes)) < len(sizes),
        certain=True,
    )


def _name(seen: SampledFile | None) -> str:
    return "" if seen is None else seen.name


_EXCHANGE_REMEDY = "Name every file by the sample that it was predicted from (sort both lists the same way)."


def _left(shapes: Sequence[Shape | None], moved: Mapping[str, int]) -> list[int]:
    taken = set(moved.values())
    return [n for n, shape in enumerate(shapes) if n not in taken and shape is not None]


def _moved(truths: Sequence[Truth], matching: Mapping[str, int], offset: int, files: int) -> dict[str, int]:
    """Every sample with the file that is a fixed number of places further on, where there is one."""
    moved = {}
    for here, truth in enumerate(truths):
        place = _place(here, truths, matching)
        if place is not None and 0 <= place + offset < files:
            moved[truth.id] = place + offset
    return moved


def _shift_words(offset: int) -> str:
    word = "next" if offset > 0 else "previous"
    return f"predictions are shifted by {abs(offset)}: the {word} file in order belongs to each sample"


_SHIFT_REMEDY = "Name every file by the sample that it was predicted from; for numbers that count from 1 subtract 1."


def _place(here: int, truths: Sequence[Truth], matching: Mapping[str, int]) -> int | None:
    """The number of the file of the sample in this place; of one without a file, what its neighbour's says."""
    if truths[here].id in matching:
        return matching[truths[here].id]
    for step in (1, -1):
        if 0 <= here + step < len(truths) and truths[here + step].id in matching:
            return matching[truths[here + step].id] - step
    return None


def _swapped(
    grids: Sequence[Array | None],
    seen: Sequence[SampledFile],
    truths: Sequence[Truth],
    matching: Mapping[str, int],
    own: Float64,
) -> Iterator[Suspicion]:
    """Some predictions exchanged among each other."""
    here = [n for n, truth in enumerate(truths) if truth.id in matching]
    files = [matching[truths[n].id] for n in here]
    near = [_near(row, len(here)) for row in range(len(here))]
    costs = [
        np.array([_cost(truths[n], grids[files[column]]) for column in columns])
        for n, columns in zip(here, near, strict=True)
    ]
    if _all_stay(costs, near):
        return
    cost = np.full((len(here), len(here)), 2.0)
    for row, columns in enumerate(near):
        cost[row, columns.start : columns.stop] = costs[row]
    chosen, members = _exchanged(cost)
    if not members:
        return
    new = {**matching, **{truths[here[row]].id: files[chosen[row]] for row in members}}
    before, after = (mean(np.array([1 - cost[r, c] for r, c in pairs])) for pairs in _pairs(members, chosen))
    shown = "; ".join(f"{seen[files[chosen[row]]].name} belongs to {truths[here[row]].id}" for row in members[:4])
    yield Suspicion(
        "stems",
        f"{len(members)} predictions are exchanged among each other",
        (
            f"{shown}{'; …' if len(members) > 4 else ''}",
            f"mean agreement (Cohen's kappa) of these with the sample of their name: {before:.2f}, with the other: "
            f"{after:.2f}; mean of all predictions with their own: {mean(own):.2f}",
        ),
        _EXCHANGE_REMEDY,
        matching=new,
    )


def _near(row: int, n: int) -> range:
    """The columns of n that a row is compared with."""
    return range(n) if n <= MAX_COMPARED else range(max(0, row - 2), min(n, row + 3))


def _cost(truth: Truth, grid: Array | None) -> float:
    """1 - agreement; 1 where that is undefined."""
    value = agreement(truth.labels, grid)
    return 1 - (0.0 if np.isnan(value) else value)


def _all_stay(costs: Sequence[Float64], near: Sequence[range]) -> bool:
    """Whether no row fits another of its columns clearly better than its own; then no matrix of all pairs is made."""
    return all(
        own.min(initial=2.0) > own[row - columns.start] - MIN_ADVANTAGE
        for row, (own, columns) in enumerate(zip(costs, near, strict=True))
    )


def _exchanged(cost: Float64) -> tuple[Array, list[int]]:
    """The best assignment of rows to columns (1 - agreement), and the rows that it convincingly moves."""
    stay = np.arange(len(cost))
    # Here, as it takes a second to import and is seldom needed.
    from scipy.optimize import linear_sum_assignment

    chosen = linear_sum_assignment(cost)[1]
    moved = [cycle for cycle in _cycles(chosen) if len(cycle) > 1 and _convincing(cost, chosen, cycle)]
    members = sorted(row for cycle in moved for row in cycle)
    taken = set(members)
    rest = [1 - cost[row, row] for row in range(len(cost)) if row not in taken]
    if rest and len(rest) >= len(members) and np.median(rest) < 0.5:
        return stay, []  # where most predictions are bad, some fit others by chance
    return chosen, members


def _pairs(members: list[int], chosen: Array) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    return [(row, row) for row in members], [(row, int(chosen[row])) for row in members]


def _cycles(chosen: Array) -> Iterator[list[int]]:
    seen: set[int] = set()
    for start in range(len(chosen)):
        cycle, row = [], start
        while row not in seen:
            seen.add(row)
            cycle.append(row)
            row = int(chosen[row])
        if cycle:
            yield cycle


def _convincing(cost: Float64, chosen: Array, cycle: list[int]) -> bool:
    """Every member fits its new sample well, and with at most half of the error that it has with its own."""
    own = np.array([cost[row, row] for row in cycle])
    new = np.array([cost[row, chosen[row]] for row in cycle])
    if len(cycle) >= 8:
        return proven(1 - own, 1 - new, margin=0.1)
    return bool((new <= 0.5).all() and (new <= 0.5 * own).all() and (own - new >= MIN_ADVANTAGE).all())


def _in_order(
    grids: Sequence[Array | None], truths: Sequence[Truth], matching: Mapping[str, int]
) -> Iterator[Suspicion]:
    """Names that say nothing: as many files as samples, which agree when both are put in order."""
    if matching or len(grids) != len(truths) or len(grids) < 3:
        return
    order = np.array([agreement(truth.labels, grid) for truth, grid in zip(truths, grids, strict=True)])
    other = np.array([agreement(truth.labels, grids[n - 1]) for n, truth in enumerate(truths)])
    if not proven(other, order):
        return
    yield Suspicion(
        "stems",
        "no file is named by its sample, but in their order the files fit the samples",
        (
            f"mean agreement (Cohen's kappa) of {len(grids)} files with the samples in order: {mean(order):.2f}, "
            f"shifted by one: {mean(other):.2f}",
        ),
        f"Name every file by its sample, for example {truths[0].id}.png.",
        matching={truth.id: n for n, truth in enumerate(truths)},
    )
