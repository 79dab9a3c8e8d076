"""Properties that have nothing to do with how well samples are scored: how often is a slice called worse?"""

from __future__ import annotations

import numpy as np
from populations import Population

from segbench.evaluation.comparison import ALPHA
from segbench.evaluation.slicing import Slice, SlicedScores, slices_of

KINDS = ("texts", "numbers", "overlapping", "of whole groups")
"""What properties are; the last is one of whole groups."""


def slices(kind: str, random: np.random.Generator, groups: list[str]) -> list[Slice]:
    """Slices by a random property of every sample, or of every group."""
    n = len(groups)
    if kind == "texts":
        return slices_of(
            "stain", random.choice(["a", "b", "c", "d", "e"], n, p=[0.4, 0.3, 0.2, 0.05, 0.05]).tolist(), 4
        )
    if kind == "numbers":
        return slices_of("age", random.normal(0, 1, n).tolist(), 6)
    if kind == "overlapping":
        return [Slice("class", str(k), random.random(n) < share) for k, share in enumerate((0.1, 0.3, 0.5, 0.7, 0.9))]
    names = sorted(set(groups))
    value = dict(zip(names, random.choice(["x", "y", "z"], len(names)).tolist(), strict=True))
    return slices_of("camera", [value[group] for group in groups], 4)


def called(
    population: Population, kind: str, units: int, seed: int, permutations: int, skills: tuple[float, ...]
) -> bool:
    """Whether any slice of one simulated test set is called different from the rest."""
    random = np.random.default_rng(70_000 + seed)
    runs = population.methods(random, units, skills)
    found = slices(kind, random, [s.group for s in runs[0]])
    sliced = SlicedScores(population.metric, population.info, population.score, runs, tuple(found), permutations, seed)
    _, adjusted = sliced.chances()
    return bool((adjusted < ALPHA).any())
