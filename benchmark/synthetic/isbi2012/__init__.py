"""Synthetic ISBI 2012: stacks that look like serial sections of neural tissue under an electron microscope.

Cells, membranes, mitochondria, vesicles, blur, noise and a contrast that differs from slice to slice are fitted to the
published figures of the real stack (share of membrane pixels, sizes of cells, grey levels); no pixel is taken from it.

Reference
---------
The real data: Cardona et al., PLoS Biology 8(10) (2010); Arganda-Carreras et al., Frontiers in Neuroanatomy 9:142
(2015).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..output_folder import Mark, building, make_all, save_picture
from .microscope import micrograph
from .tissue import Tissue, bends

GENERATOR_VERSION = "2"
_NOTICE = "Synthetic: made by segbench, not under a microscope. Never publish a score on it as one on ISBI 2012."
_MARK = Mark("segbench.synthetic.isbi2012", GENERATOR_VERSION, _NOTICE)
_VOLUME, _LABELS, _CHALLENGE = "train-volume.tif", "train-labels.tif", "test-volume.tif"

Page = NDArray[np.uint8]


@dataclass(frozen=True)
class Plan:
    """How many slices of 512 x 512 pixels each of the two volumes has."""

    slices: int


SMALL = Plan(slices=30)
FULL = SMALL


def synthesize(
    root: Path,
    *,
    seed: int = 0,
    plan: Plan = SMALL,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Make the three stacks below `root`: the same bytes for one seed and plan, whatever the number of workers.

    Parameters and errors are those of every generator: see `segbench.synthetic`. `progress` counts slices.
    """
    with building(root, frozenset({_VOLUME, _LABELS, _CHALLENGE}), _MARK, seed, plan) as partial:
        positions = range(2 * plan.slices)
        made = make_all(functools.partial(_page, seed, plan), positions, workers, progress)
        labelled, challenge = positions[: plan.slices], positions[plan.slices :]
        save_picture(partial / _VOLUME, np.stack([made[n][0] for n in labelled]), _MARK)
        save_picture(partial / _LABELS, np.stack([made[n][1] for n in labelled]), _MARK)
        save_picture(partial / _CHALLENGE, np.stack([made[n][0] for n in challenge]), _MARK)


def _page(seed: int, plan: Plan, position: int) -> tuple[Page, Page]:
    volume, page = divmod(position, plan.slices)
    return section(seed, volume, page, plan.slices)


def section(seed: int, volume: int, page: int, slices: int) -> tuple[Page, Page]:
    """One slice: image and labels (255 cell, 0 membrane), (512, 512) uint8 each.

    ``volume`` is 0 for the labelled stack and 1 for the challenge's. The volume is drawn from its own random numbers,
    what the microscope adds from those of the slice.
    """
    tissue, displacement = _volume(seed, volume, slices)
    distance, owner = tissue.membranes(page, displacement[page])
    rng = np.random.default_rng([seed, volume, 1 + page])
    return micrograph(rng, tissue, page, distance, owner)


@functools.lru_cache(maxsize=2)
def _volume(
    seed: int, volume: int, slices: int
) -> tuple[Tissue, list[tuple[NDArray[np.float32], NDArray[np.float32]]]]:
    rng = np.random.default_rng([seed, volume, 0])
    return Tissue.draw(rng, slices), bends(rng, slices)
