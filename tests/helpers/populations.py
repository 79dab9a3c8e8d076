"""Populations of images on which the truth about methods is known, for simulations of statistics: made up, or those of
committed records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from segbench.evaluation.evaluator import Evaluator
from segbench.metrics.overlap import BinaryOverlap, Overlap
from segbench.runs.stored import open_run
from segbench.types import DatasetInfo, Metric, ScoreInfo, Statistic

PIXELS = 20_000
RECORDS = Path(__file__).parents[2] / "leaderboards" / "records"
CROSS_VALIDATED = {
    "unet": "isbi2012-unet-9a4e8a9c",
    "ilastik-like": "isbi2012-ilastik-like-19bcc2fd",
    "chan-vese": "isbi2012-chan-vese-8211786d",
    "kmeans": "isbi2012-kmeans-252be2e5",
    "threshold": "isbi2012-threshold-56a3ec8a",
    "watershed": "isbi2012-watershed-896a01af",
}
"""Records of ISBI 2012's 30 slices, each scored by what was fitted without it."""

Run = tuple[Statistic, ...]


@dataclass(frozen=True)
class Population:
    """Images of as many classes as `presence` has entries: the probability of each to be on an image.

    stray : probability that a class which is not on an image gets a few of its pixels nevertheless, from every method.
    films : whether a unit is a film of 1 to 9 frames, and not a single image; a film may be as hard as a whole.
    longest : number of frames of the first film, where it is another. by_film : standard deviation of what a film adds
    to a method's skill, to each method's another.
    """

    metric: Metric
    info: DatasetInfo
    score: ScoreInfo
    presence: tuple[float, ...]
    stray: float = 0.0
    films: bool = False
    longest: int = 0
    by_film: float = 0.0

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.presence)

    def true_score(self) -> float:
        """The score of the whole population, on a sample so large that it hardly differs."""
        return self.score_of(self.draw(np.random.default_rng(1), 50_000))

    def score_of(self, drawn: Run) -> float:
        """The score of images that were drawn."""
        return self.metric.compute(drawn, self.info)[self.score.name]

    def draw(self, random: np.random.Generator, images: int, skill: float = 0.0) -> Run:
        """The statistics of a method on a test set; more `skill`, fewer errors."""
        return tuple(self._image(random, f"{k:06d}", skill) for k in range(images))

    def pair(self, random: np.random.Generator, images: int, skill: float) -> tuple[Run, Run]:
        """Two methods on the same images, which are as hard for both; the second has `skill`."""
        first, second = self.methods(random, images, (0.0, skill))
        return first, second

    def methods(self, random: np.random.Generator, units: int, skills: Sequence[float]) -> tuple[Run, ...]:
        """Methods of several skills on the same images (or films), which are as hard for all."""
        frames = random.integers(1, 10, units).tolist() if self.films else [1] * units
        frames[:1] = [self.longest or frames[0]]
        hard = random.normal(0.0, 0.06, units) if self.films else np.zeros(units)
        seeds = random.integers(0, 2**62, sum(frames)).tolist()
        names = [(f"{k:06d}", f"film{u}" if self.films else "one", u) for k, u in _numbered(frames)]
        easier = (
            random.normal(0.0, self.by_film, (len(skills), units)) if self.by_film else np.zeros((len(skills), units))
        )
        return tuple(
            tuple(
                replace(self._image(np.random.default_rng(seed), name, skill - worse[u], own=which), group=group)
                for seed, (name, group, u) in zip(seeds, names, strict=True)
            )
            for which, (skill, worse) in enumerate(zip(skills, (hard - easier).tolist(), strict=True), 1)
        )

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
        rows += self._stray(random, present)
        truths, predictions, counts = (np.array(column, np.int64) for column in zip(*rows, strict=True))
        columns = {"truth": truths, "prediction": predictions, "pixels": counts}
        return Statistic(self.metric.name, name, "one", int(name), columns)

    def _stray(
        self, random: np.random.Generator, present: np.ndarray[tuple[int], np.dtype[np.bool_]]
    ) -> list[tuple[int, int, int]]:
        """A few pixels of the first class that are taken for a class that is not on the image."""
        if not self.stray:
            return []
        return [
            (0, k, int(random.integers(1, 40)))
            for k in np.flatnonzero(~present).tolist()
            if random.random() < self.stray
        ]


@dataclass(frozen=True)
class Recorded:
    """The samples of a stored run as a population, which are images of one stack: what is drawn is drawn once."""

    metric: Metric
    info: DatasetInfo
    score: ScoreInfo
    samples: Run

    def true_score(self) -> float:
        """The score of all samples of the run."""
        return self.score_of(self.samples)

    def score_of(self, drawn: Run) -> float:
        """The score of samples that were drawn."""
        return self.metric.compute(drawn, self.info)[self.score.name]

    def draw(self, random: np.random.Generator, images: int) -> Run:
        """So many different samples, in their order."""
        return tuple(self.samples[k] for k in sorted(random.choice(len(self.samples), images, replace=False)))

    def neighbours(self, images: int) -> list[Run]:
        """Every test set of so many consecutive samples."""
        return [self.samples[start : start + images] for start in range(len(self.samples) - images + 1)]


def _numbered(frames: Sequence[int]) -> list[tuple[int, int]]:
    """The number of every frame, and that of its film."""
    films = [film for film, length in enumerate(frames) for _ in range(length)]
    return list(enumerate(films))


def populations() -> dict[str, Population]:
    """Pooled mIoU of 8 classes, the rarest on one image in eight; mean Dice of a foreground on every image.

    And of a foreground on one image in eight: there the score of most images is 1 or 0, which is hard for any interval.
    Last, the 8 classes once more, when methods take a few pixels of many images for a class that is not there.
    """
    many, two = Evaluator(num_classes=8).info, Evaluator(num_classes=1).info
    overlap, binary = Overlap(), BinaryOverlap()
    presence = tuple(np.linspace(0.9, 0.12, 8).tolist())
    miou, pooled = (next(s for s in overlap.scores if s.name == name) for name in ("miou", "dice"))
    dice = next(s for s in binary.scores if s.name == "dice_per_image")
    return {
        "pooled mIoU": Population(overlap, many, miou, presence),
        "mean Dice": Population(binary, two, dice, (1.0, 1.0)),
        "mean Dice, mostly nothing to find": Population(binary, two, dice, (1.0, 0.12)),
        "pooled mIoU, absent classes predicted": Population(overlap, many, miou, presence, stray=0.15),
        "pooled Dice, absent classes predicted": Population(overlap, many, pooled, presence, stray=0.15),
    }


def films() -> Population:
    """Pooled Dice of a foreground in films of unequal length: whole films are the units."""
    binary = BinaryOverlap()
    dice = next(s for s in binary.scores if s.name == "dice")
    return Population(binary, Evaluator(num_classes=1).info, dice, (1.0, 1.0), films=True)


def one_long_film() -> Population:
    """The same, of which the first film has 40 frames, and each method finds some films easier than others."""
    return replace(films(), longest=40, by_film=0.06)


def recorded(folder: Path, score: str = "v_rand") -> Recorded:
    """The population of a committed record, of one of its scores."""
    run = open_run(folder)
    metric, info = next((m, s) for m in run.metrics for s in m.scores if s.name == score)
    samples = sorted(run.statistics.of(metric.name), key=lambda each: (each.index, each.sample_id))
    return Recorded(metric, run.info, info, tuple(samples))
