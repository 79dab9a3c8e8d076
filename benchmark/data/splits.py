"""Which samples are trained on and which are scored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from ..text import counted
from ..types import Dataset, UserError

TrainOn: TypeAlias = Literal["train", "train+val"]
"""What is learned from: the split `train`, or `val` as well, once nothing is to be chosen any more."""

MIN_SAMPLES = 5
"""Fewer scored samples are warned of."""


def too_few(split: str, samples: int) -> str:
    """The sentence for a scored split of hardly any samples, "" for another."""
    return f"split '{split}' has {counted(samples, 'sample')}, too few to tell methods apart" * (samples < MIN_SAMPLES)


@dataclass(frozen=True)
class Fold:
    """Samples to train on, to choose by, and to score; the three do not overlap."""

    train: tuple[str, ...]
    val: tuple[str, ...]
    evaluate: tuple[str, ...]


def plan_split(
    dataset: Dataset, split: str, train_fraction: float, seed: int, train_on: TrainOn = "train"
) -> tuple[Fold, ...]:
    """Train on `train`, choose by `val`, score one split.

    Scoring `val` leaves nothing to choose by, and so does learning from it. A split that holds training samples is
    refused. A fraction is one of all labels that a method may look at: choosing by the whole of `val` would hide what
    few labels are like.
    """
    evaluate = dataset.ids(split)
    train = tuple(dict.fromkeys(i for name in train_on.split("+") for i in dataset.ids(name)))
    shared = set(train) & set(evaluate)
    if shared:
        raise UserError(
            f"split '{split}' holds {len(shared)} of the training samples, so its score would say nothing. "
            f"Use --split {'val or test' if train_on == 'train' else 'test'}, or --folds K to score every labelled "
            "sample by cross-validation."
        )
    used = {*evaluate, *train}
    try:
        val = tuple(i for i in dataset.ids("val") if i not in used)
    except UserError:
        val = ()  # a small set may have none, and methods do without
    few = take_fraction(train, train_fraction, seed)
    return (Fold(few, take_fraction(val, train_fraction, seed), evaluate),)


def plan_scored(dataset: Dataset, split: str, folds: int | None) -> Fold:
    """Every sample of a split, for a method that is not trained: any split may be scored, folds in one pass.

    Raises UserError for a split that does not exist, or `folds` of another one than `all`.
    """
    if folds and split != "all":
        raise UserError(f"--folds scores every labelled sample; leave out --split {split}")
    return Fold((), (), dataset.ids(split))


def cuts_groups(dataset: Dataset, folds: int) -> bool:
    """Whether there are too few groups to hold out whole ones."""
    return len({dataset.group(i) for i in dataset.ids("all")}) < folds


def knows_groups(dataset: Dataset) -> bool:
    """Whether a dataset says which samples belong together; one that does not has a single group, of its own name."""
    return any(dataset.group(i) != dataset.info.name for i in dataset.ids("all"))


def plan_folds(dataset: Dataset, folds: int, split: str, train_fraction: float, seed: int) -> tuple[Fold, ...]:
    """K-fold cross-validation over every labelled sample.

    Whole groups are held out where there are at least K of them; else blocks of consecutive samples, because
    neighbouring frames and slices look alike.

    Raises UserError for fewer than two folds, or more than there are samples.
    """
    if split != "all":
        raise UserError(f"--folds scores every labelled sample; leave out --split {split}")
    ids = dataset.ids("all")
    if len(ids) < 2:
        raise UserError(f"--folds {folds}: there is 1 labelled sample; to learn from some and score others takes two")
    if not 2 <= folds <= len(ids):
        raise UserError(f"--folds {folds}: takes a number from 2 to {len(ids)}, the number of labelled samples")
    groups = [dataset.group(i) for i in ids]
    names = list(dict.fromkeys(groups))
    if not cuts_groups(dataset, folds):
        number = {name: position * folds // len(names) for position, name in enumerate(names)}
        member = [number[group] for group in groups]
    else:
        member = [position * folds // len(ids) for position in range(len(ids))]
    plan = []
    for fold in range(folds):
        held_out = tuple(i for i, m in zip(ids, member, strict=True) if m == fold)
        rest = tuple(i for i, m in zip(ids, member, strict=True) if m != fold)
        plan.append(Fold(take_fraction(rest, train_fraction, seed), (), held_out))
    return tuple(plan)


def take_fraction(ids: Sequence[str], fraction: float, seed: int) -> tuple[str, ...]:
    """A random part of the samples, at least one, in their order; the same for the same seed.

    A smaller fraction of one seed is contained in a larger one. Single samples are drawn, not groups: whole groups are
    what the scored samples are held apart by. Raises UserError for a fraction that is not above 0 and at most 1.
    """
    if not 0 < fraction <= 1:
        raise UserError(f"--train-fraction {fraction:g}: takes a number above 0 and up to 1")
    # Rounded first: 0.07 * 100 is 7.000000000000001.
    count = max(1, math.ceil(round(fraction * len(ids), 9)))
    chosen = np.sort(np.random.default_rng(seed).permutation(len(ids))[:count])
    return tuple(ids[position] for position in chosen)
