"""Predictions that are all the same: constant maps, and one map for several samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from .sampled_pixels import Suspicion, View, agreement

MAX_ALIKE = 0.8
"""Truths that agree by more (Cohen's kappa), as those of successive frames, may well have equal predictions."""


def constant(view: View) -> Iterator[Suspicion]:
    """Maps of one value where the truth has several.

    An image that is all background is an ordinary guess; it is told only where a tenth of all are.
    """
    ordinary = {c.id for c in view.info.classes if c.kind == "background"}
    blank: list[tuple[str, float]] = []
    other: list[tuple[str, float]] = []
    for seen, truth in zip(view.seen, view.truths, strict=True):
        true = truth.labels[truth.labels >= 0]
        if seen.low != seen.high or seen.layout == "scores" or not true.size or (true == true[0]).all():
            continue
        (blank if seen.low in ordinary else other).append((seen.name, seen.low))
    if len(blank) < max(2, 0.1 * len(view.seen)):
        blank = []
    found = other + blank
    if found:
        shown = ", ".join(f"{name} ({value:g})" for name, value in found[:10])
        yield Suspicion(
            "constant",
            f"{len(found)} of {len(view.seen)} predictions hold one value where the truth holds several labels",
            (f"{shown}{', …' if len(found) > 10 else ''}",),
            "Look at how these were made; the model may have failed there, or an empty array was saved.",
        )


def identical(view: View) -> Iterator[Suspicion]:
    """The same map, pixel for pixel, for samples whose truths differ."""
    groups: dict[str, list[int]] = defaultdict(list)
    for number, seen in enumerate(view.seen):
        if seen.low != seen.high:
            groups[seen.digest].append(number)
    shown = []
    for numbers in groups.values():
        first = view.truths[numbers[0]].labels
        if any(agreement(first, view.truths[n].labels) < MAX_ALIKE for n in numbers[1:]):
            shown.append([view.seen[n].name for n in numbers])
    if shown:
        lines = ["; ".join(" = ".join(names[:4]) + (" = …" if len(names) > 4 else "") for names in shown[:5])]
        yield Suspicion(
            "copies",
            f"{sum(map(len, shown))} predictions are copies of each other, though their truths differ",
            (*lines, f"equal in every pixel; their truths agree by less than {MAX_ALIKE} (Cohen's kappa)"),
            "Write every sample's own prediction; a loop may have saved one array several times.",
        )
