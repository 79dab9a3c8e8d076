"""Do the statistics hold what they promise? Simulated test sets, on which the truth is known.

    python tests/simulation/intervals_and_tests.py [--sets 500] [--images 200] [--part coverage|compare|check]

A population of images is made up: each holds a few of the classes and has a difficulty of its own, from which the
pixels that a method gets wrong follow. Test sets are drawn from it, and for each of them segbench computes what it
would for a real one, from the same statistics and through the same functions. The figures stand in docs/statistics.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from segbench.boards.regression import ALPHA, loss_of
from segbench.evaluation.comparison import Paired
from segbench.evaluation.evaluator import Evaluator
from segbench.evaluation.intervals import bootstrap_weights, score_intervals
from segbench.metrics.overlap import BinaryOverlap, Overlap
from segbench.types import DatasetInfo, Metric, ScoreInfo, Statistic

PIXELS = 20_000


@dataclass(frozen=True)
class Population:
    """Images of as many classes as `presence` has entries: the probability of each to be on an image."""

    metric: Metric
    info: DatasetInfo
    score: ScoreInfo
    presence: tuple[float, ...]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.presence)

    def draw(self, random: np.random.Generator, images: int, skill: float = 0.0) -> tuple[Statistic, ...]:
        """The statistics of a method on a test set; more `skill`, fewer errors."""
        return tuple(self._image(random, f"{k:06d}", skill) for k in range(images))

    def pair(
        self, random: np.random.Generator, images: int, skill: float
    ) -> tuple[tuple[Statistic, ...], tuple[Statistic, ...]]:
        """Two methods on the same images, which are as hard for both; the second has `skill`."""
        seeds = random.integers(0, 2**62, images)
        sides = []
        for which, better in enumerate((0.0, skill)):
            sides.append(
                tuple(
                    self._image(np.random.default_rng(int(seed)), f"{k:06d}", better, own=which + 1)
                    for k, seed in enumerate(seeds)
                )
            )
        return sides[0], sides[1]

    def _image(self, random: np.random.Generator, name: str, skill: float, own: int = 0) -> Statistic:
        present = random.random(self.classes) < np.array(self.presence)
        present[0] = True
        share = random.dirichlet(np.where(present, 1.0, 1e-9) + 1e-9) * present
        truth = random.multinomial(PIXELS, share / share.sum())
        hard = random.beta(1.2, 4.0)
        if own:
            # What is left to chance for each method: the image is the same for both.
            random = np.random.default_rng([own, int(random.integers(0, 2**62))])
        error = np.clip(random.beta(2.0, 6.0) * 0.5 + hard - skill, 0.002, 0.95)
        rows = []
        for label, pixels in enumerate(truth.tolist()):
            if not pixels:
                continue
            wrong = int(random.binomial(pixels, error))
            rows.append((label, label, pixels - wrong))
            others = [k for k in np.flatnonzero(present).tolist() if k != label] or [(label + 1) % self.classes]
            split = random.multinomial(wrong, np.full(len(others), 1 / len(others)))
            rows += [(label, other, int(count)) for other, count in zip(others, split, strict=True) if count]
        truths, predictions, counts = (np.array(column, np.int64) for column in zip(*rows, strict=True))
        columns = {"truth": truths, "prediction": predictions, "pixels": counts}
        return Statistic(self.metric.name, name, "one", int(name), columns)


def populations() -> dict[str, Population]:
    """Pooled mIoU of 8 classes, the rarest on one image in eight; mean Dice of a foreground on every image.

    And of a foreground on one image in eight: there the score of most images is 1 or 0, which is hard for any interval.
    """
    many, two = Evaluator(num_classes=8).info, Evaluator(num_classes=1).info
    overlap, binary = Overlap(), BinaryOverlap()
    miou = next(s for s in overlap.scores if s.name == "miou")
    dice = next(s for s in binary.scores if s.name == "dice_per_image")
    return {
        "pooled mIoU": Population(overlap, many, miou, tuple(np.linspace(0.9, 0.12, 8).tolist())),
        "mean Dice": Population(binary, two, dice, (1.0, 1.0)),
        "mean Dice, mostly nothing to find": Population(binary, two, dice, (1.0, 0.12)),
    }


def coverage(population: Population, sets: int, images: int) -> str:
    """How often the 95 % interval holds the score of the whole population; a percentile interval beside it."""
    truth = _value(population, population.draw(np.random.default_rng(1), 100_000))
    metric, info, name = population.metric, population.info, population.score.name
    held = below = above = plain = 0
    widths = []
    for seed in range(sets):
        drawn = population.draw(np.random.default_rng(1000 + seed), images)
        low, high = score_intervals(metric, drawn, info)[name]
        held += low <= truth <= high
        below += high < truth
        above += low > truth
        widths.append(high - low)
        weights = bootstrap_weights([item.group for item in drawn])
        low, high = np.nanquantile(
            np.concatenate([metric.resample(drawn, info, w)[name] for w in weights]), (0.025, 0.975)
        )
        plain += low <= truth <= high
    return (
        f"holds the truth in {100 * held / sets:.1f} % (too low {100 * below / sets:.1f}, too high "
        f"{100 * above / sets:.1f}), mean width {np.mean(widths):.4f}; "
        f"a percentile interval in {100 * plain / sets:.1f} %"
    )


def equal_methods(population: Population, sets: int, images: int) -> str:
    """How often two equally good methods are called different."""
    found = sum(
        _paired(population, *population.pair(np.random.default_rng(5000 + seed), images, 0.0)).p_value(0, 1) < 0.05
        for seed in range(sets)
    )
    return f"no difference found in {100 * (1 - found / sets):.1f} %"


def gate(population: Population, sets: int, images: int) -> str:
    """How often the gate closes for an equal method, and for one that is worse by twice the detectable drop."""
    false = 0
    drops = []
    for seed in range(sets):
        now, before = population.pair(np.random.default_rng(9000 + seed), images, 0.0)
        found = loss_of(_paired(population, now, before))
        false += found.beyond(0.0, found.p)
        drops.append(found.visible())
    detectable = float(np.median(drops))
    skill = _skill_for(population, 2 * detectable)
    caught = 0
    for seed in range(sets):
        now, before = population.pair(np.random.default_rng(20_000 + seed), images, skill)
        found = loss_of(_paired(population, now, before))
        caught += found.beyond(0.0, found.p)
    return (
        f"closes for an equal method in {100 * false / sets:.1f} % (at most {100 * ALPHA:.0f} meant); smallest drop "
        f"that would be seen {detectable:.4f}; catches twice that in {100 * caught / sets:.1f} %"
    )


def _skill_for(population: Population, drop: float) -> float:
    """The skill that makes a method better by this much, by bisection on a large sample."""
    low, high = 0.0, 0.5
    base = _value(population, population.draw(np.random.default_rng(2), 5000, 0.0))
    for _ in range(20):
        middle = (low + high) / 2
        gained = _value(population, population.draw(np.random.default_rng(2), 5000, middle)) - base
        low, high = (middle, high) if gained < drop else (low, middle)
    return (low + high) / 2


def _paired(population: Population, now: tuple[Statistic, ...], before: tuple[Statistic, ...]) -> Paired:
    return Paired(population.metric, population.info, population.score, (now, before), resamples=1000)


def _value(population: Population, statistics: tuple[Statistic, ...]) -> float:
    return population.metric.compute(statistics, population.info)[population.score.name]


PARTS: dict[str, Callable[[Population, int, int], str]] = {
    "coverage": coverage,
    "compare": equal_methods,
    "check": gate,
}


def main() -> None:
    """Run the parts that were asked for and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=500)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--part", choices=PARTS, action="append")
    arguments = parser.parse_args()
    for part in arguments.part or PARTS:
        for name, population in populations().items():
            start = time.perf_counter()
            said = PARTS[part](population, arguments.sets, arguments.images)
            print(f"{part}, {name}, {arguments.sets} sets of {arguments.images} images: {said}", flush=True)
            print(f"  ({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
