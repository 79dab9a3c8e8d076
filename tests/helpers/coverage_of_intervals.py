"""How often the 95 % interval of a test set holds the score of the population that it was drawn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from populations import Population, Recorded

from segbench.evaluation.intervals import score_intervals
from segbench.evaluation.resampling import Units, bootstrap_weights


@dataclass(frozen=True)
class Coverage:
    """Shares of the test sets: with an interval that holds the truth, lies below or above it; with none at all.

    percentile : of all test sets, those whose percentile interval holds it; width : mean width of the intervals.
    """

    held: float
    below: float
    above: float
    none: float
    percentile: float
    width: float

    def __str__(self) -> str:
        return (
            f"holds the truth in {100 * self.held:.1f} % (too low {100 * self.below:.1f}, too high "
            f"{100 * self.above:.1f}), mean width {self.width:.4f}, none given in {100 * self.none:.1f} %; "
            f"a percentile interval in {100 * self.percentile:.1f} %"
        )


def coverage(population: Population | Recorded, sets: int, images: int) -> Coverage:
    """Of so many test sets of so many images each."""
    truth = population.true_score()
    metric, info, name = population.metric, population.info, population.score.name
    held = below = above = plain = none = 0
    widths = []
    for seed in range(sets):
        drawn = population.draw(np.random.default_rng(1000 + seed), images)
        low, high = score_intervals(metric, drawn, info)[name]
        none += bool(np.isnan(low))
        held += low <= truth <= high
        below += high < truth
        above += low > truth
        widths.append(high - low)
        weights = bootstrap_weights(Units.of_groups([item.group for item in drawn]))
        low, high = np.nanquantile(
            np.concatenate([metric.resample(drawn, info, w)[name] for w in weights]), (0.025, 0.975)
        )
        plain += low <= truth <= high
    given = max(sets - none, 1)
    width = float(np.nanmean(widths))
    return Coverage(held / given, below / given, above / given, none / sets, plain / sets, width)


def neighbours_hold(population: Recorded, images: int) -> tuple[int, int]:
    """Of all test sets of so many neighbours, as a split of a stack is one, those that hold the truth; and all."""
    truth, name = population.true_score(), population.score.name
    drawn = population.neighbours(images)
    intervals = [score_intervals(population.metric, each, population.info)[name] for each in drawn]
    return sum(low <= truth <= high for low, high in intervals), len(drawn)
