"""Do intervals and tests of pooled IoU and Dice hold where a few images have most of the pixels of a class?

    python tests/simulation/images_of_unlike_sizes.py [--sets 1000] [--score iou|dice]

Images have lognormal areas of a class, or few of them hold it at all. How well it is found differs from image to image,
alike for two methods, and apart. Of each population test sets are drawn; beside what is computed for images of their
sizes stands what Student's t with one degree of freedom less than there are images says. The figures stand in
docs/statistics.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from segbench.evaluation.students_t import StudentsT
from segbench.evaluation.swaps import swap_patterns
from segbench.evaluation.unit_sizes import sizes_of
from segbench.types import Float64

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from unlike_images import POPULATIONS, Population, Scored, held

RESAMPLES = 1000


def called_different(one: Float64, other: Float64, *, sized: bool) -> float:
    """How often two equal methods on few images have p < 0.05: by all swaps, and by t where none is as extreme."""
    patterns = np.concatenate(list(swap_patterns(one.shape[1], 0, 1 << 12, 0)))
    middle, beside = (one + other).sum(axis=1) / 2, np.einsum("snf,pn->spf", one - other, patterns) / 2
    first, second = middle[:, None] + beside, middle[:, None] - beside
    apart = np.abs(first[..., 0] / first[..., 1] - second[..., 0] / second[..., 1])
    observed = np.abs(np.divide(*one.sum(axis=1).T) - np.divide(*other.sum(axis=1).T))
    p = (apart >= observed[:, None] * (1 - 1e-9)).mean(axis=1)
    left, right = one.sum(axis=1, keepdims=True) - one, other.sum(axis=1, keepdims=True) - other
    without = left[..., 0] / left[..., 1] - right[..., 0] / right[..., 1]
    errors = observed / (without.std(axis=1) * np.sqrt(one.shape[1] - 1))
    shares = (
        one[..., 1] / one[..., 1].sum(axis=1, keepdims=True) + other[..., 1] / other[..., 1].sum(axis=1, keepdims=True)
    ) / 2
    sizes = sizes_of(shares) if sized else np.ones(shares.shape, np.int64)
    for k in np.flatnonzero(p * len(patterns) < 1.5).tolist():
        p[k] = min(p[k], StudentsT.of(sizes[k].tolist()).p_value(float(errors[k])))
    return float(np.mean(p < 0.05))


def simulate(population: Population, sets: int, score: str) -> str:
    """A line of figures, of the sizes of images and (in brackets) of images that count alike."""
    many = population.methods(np.random.default_rng(99), 2_000_000 // population.images, score)[0].sum(axis=(0, 1))
    one, other = population.methods(np.random.default_rng(1), sets, score)
    some = (one[..., 1].sum(axis=1) > 0) & (other[..., 1].sum(axis=1) > 0)
    one, other = one[some], other[some]
    n = population.images
    drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), RESAMPLES)
    scored = Scored.of(one, drawn), Scored.of(other, drawn)
    (mine, zero), (alike, zero_alike) = (held(*scored, many[0] / many[1], sized=sized) for sized in (True, False))
    found = f"holds the truth in {mine:.1%} ({alike:.1%}), 0 in {zero:.1%} ({zero_alike:.1%})"
    if n <= 12:
        p, p_alike = (called_different(one, other, sized=sized) for sized in (True, False))
        found += f"; p < 0.05 in {p:.1%} ({p_alike:.1%})"
    return found


def main() -> None:
    """Print a line for each population."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--score", choices=["iou", "dice"], default="iou")
    arguments = parser.parse_args()
    for population in POPULATIONS:
        said = simulate(population, arguments.sets, arguments.score)
        print(f"{population.images} images, {population.name}: {said}", flush=True)


if __name__ == "__main__":
    main()
