"""The predictions that are checked: a sample of the pixels of each and of its truth, and the scores after remedies."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..evaluation.evaluate import POOL_FROM, evaluate
from ..io.reporter import Reporter
from ..registry import metrics_of
from ..types import Array, Dataset, Metric, UserError
from .lenient_reading import Listing, Remedied, decoder, full_size, sample_again, sample_files, sample_truths
from .remedy_functions import Fit, RemedyFunction
from .sampled_pixels import SampledFile, Suspicion, Truth, View

MAX_SCORED = 200
"""Number of samples up to which all are scored; of more, `MAX_SPREAD` spread evenly over the split."""
MAX_SPREAD = 24


@dataclass(frozen=True)
class Score:
    """Scores of some samples, or why there are none."""

    values: Mapping[str, float] = field(default_factory=dict)
    reason: str | None = None
    n: int = 0

    def of(self, name: str) -> float | None:
        """One score, None where undefined."""
        value = self.values.get(name, math.nan)
        return None if math.isnan(value) else value


@dataclass(frozen=True)
class CheckedPredictions:
    """Everything that was seen, and the remedies that were found so far. `matching` goes by numbers of `seen`."""

    dataset: Dataset
    metrics: tuple[Metric, ...]
    truths: Mapping[str, Truth]
    listing: Listing
    seen: tuple[SampledFile | None, ...]
    matching: Mapping[str, int]
    unreadable: tuple[str, ...] = ()
    remedy_functions: tuple[RemedyFunction, ...] = ()
    workers: int = 0

    @property
    def main(self) -> str:
        """Name of the main score."""
        return self.dataset.info.main_score

    @property
    def unread(self) -> set[str]:
        """Samples whose file could not be read."""
        return {i for i, n in self.listing.matching.items() if self.seen[n] is None}

    def view(self, most: int = MAX_SCORED) -> View:
        """Predictions with their truth, at most `most` of them, spread evenly."""
        chosen = [i for i in spread(list(self.truths), len(self.truths)) if i in self.matching]
        chosen = spread(chosen, most)
        seen = tuple(self._seen(i) for i in chosen)
        truths = tuple(self.truths[i] for i in chosen)
        return View(
            self.dataset.info,
            decoder(self.dataset),
            seen,
            truths,
            self.remedy_functions,
            described_by(type(self.dataset)),
        )

    def _seen(self, sample_id: str) -> SampledFile:
        found = self.seen[self.matching[sample_id]]
        assert found is not None
        return found

    def full(self) -> list[tuple[Array, tuple[int, int], Array]]:
        """Some predictions at full size, after the remedies found so far."""
        chosen = spread([i for i in self.truths if i in self.matching], MAX_SPREAD)
        pairs = ((i, self.listing.files[self.matching[i]]) for i in chosen)
        return full_size(self.dataset, pairs, self.remedy_functions)

    def with_remedy(self, suspicion: Suspicion) -> CheckedPredictions:
        """The same predictions with one more remedy."""
        matching = self.matching if suspicion.matching is None else dict(suspicion.matching)
        return replace(self, remedy_functions=(*self.remedy_functions, *suspicion.remedy_functions), matching=matching)

    def sampled_again(self) -> CheckedPredictions:
        """The same with the pixels of cropped files sampled again: their grids were taken from the whole."""
        if not any(isinstance(step, Fit) and step.how != "resize" for step in self.remedy_functions):
            return self
        shapes = {n: self.truths[i].shape for i, n in self.matching.items()}
        usual = Counter(shapes.values()).most_common(1)[0][0]
        files = [(found, self.listing.files[n], shapes.get(n, usual)) for n, found in enumerate(self.seen)]
        fits = tuple(step for step in self.remedy_functions if isinstance(step, Fit))
        return replace(self, seen=tuple(sample_again(self.dataset, files, fits)))

    def score(self) -> Score:
        """Scores after the remedies found so far, of all samples or of some."""
        matched = [i for i in self.truths if i in self.matching]
        chosen = matched if len(matched) <= MAX_SCORED else spread(matched, MAX_SPREAD)
        pairs = [
            (i, Remedied(self.listing.files[self.matching[i]], self.remedy_functions, self.truths[i].shape))
            for i in chosen
        ]
        try:
            statistics = evaluate(
                self.dataset, self.metrics, pairs, workers=self.workers if len(pairs) >= POOL_FROM else 0
            )
        except UserError as error:
            return Score(reason=_without_advice(str(error)), n=len(pairs))
        values: dict[str, float] = {}
        for metric in self.metrics:
            values = {**metric.compute(statistics.of(metric.name), self.dataset.info), **values}
        undefined = None if not math.isnan(values[self.main]) else f"{self.main} is undefined on these samples"
        return Score(values, undefined, len(pairs))


def described_by(cls: type[Any]) -> str:
    """The command that lists the classes, which of a dataset that defines itself are known with its data alone."""
    return f"'bench data describe {cls.info.name}'" + (" with your --root" if cls.self_defined else "")


def _without_advice(message: str) -> str:
    """A message of `bench evaluate` without its advice to run this command."""
    return message.replace("; 'bench doctor' looks for the cause", "").replace(
        " 'bench doctor' looks for the cause.", ""
    )


def spread(items: list[str], most: int) -> list[str]:
    """At most the given number of items, evenly spread over all."""
    if len(items) <= most:
        return items
    return [items[int(place)] for place in (np.arange(most) + 0.5) * len(items) / most]


def examine(dataset: Dataset, ids: Sequence[str], listing: Listing, reporter: Reporter) -> CheckedPredictions:
    """Look at every file that may matter, and at the truth of every sample."""
    wanted = set(listing.matching.values())
    if len(listing.files) <= 2 * len(ids) + 60:
        wanted = set(range(len(listing.files)))  # those that match none may belong to samples after all
    numbers = sorted(wanted)
    # Fewer pixels of more files: the grids of a whole split fit into memory.
    grid = 128 if len(ids) <= 1000 else 64
    with reporter.progress("looking at predictions") as update:
        files = [(listing.files[n], listing.names[n]) for n in numbers]
        sampled = sample_files(dataset, files, grid, lambda done: update(done, len(files), ""))
    with reporter.progress("looking at ground truth") as update:
        truths = sample_truths(dataset, ids, grid, lambda done: update(done, len(ids), ""))
    seen: list[SampledFile | None] = [None] * len(listing.files)
    for number, found in zip(numbers, sampled, strict=True):
        seen[number] = found if isinstance(found, SampledFile) else None
    families = metrics_of(dataset.info)
    main = [m for m in families if any(score.name == dataset.info.main_score for score in m.scores)]
    return CheckedPredictions(
        dataset,
        tuple(families if dataset.info.task == "binary" else main),
        {truth.id: truth for truth in truths},
        listing,
        tuple(seen),
        {i: n for i, n in listing.matching.items() if seen[n] is not None},
        tuple(found for found in sampled if isinstance(found, str)),
        workers=os.cpu_count() or 1,
    )
