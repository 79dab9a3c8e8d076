"""Compared runs sample by sample: how often each is best, and where they are furthest apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from ..evaluation.comparison import Paired
from ..io.documents import Document, Number


class SampleScores(Document):
    """The score of each run on one sample; every run's score has its label as key."""

    __pydantic_extra__: dict[str, Number] = Field(init=False)

    sample: str

    @property
    def values(self) -> dict[str, float | None]:
        """The score of each run by its label."""
        return self.__pydantic_extra__


class PerSample(Document):
    """On how many samples each run is best (ties count for all), and the samples on which the runs differ most."""

    wins: dict[str, int]
    furthest_apart: list[SampleScores]


def per_sample(paired: Paired, labels: Sequence[str]) -> PerSample:
    """On how many samples each run is best (ties count for all), and where the runs are furthest apart."""
    values = paired.sign * paired.per_sample
    known = ~np.asarray(np.isnan(values).any(axis=0))
    top, bottom = np.max(values, axis=0), np.min(values, axis=0)
    best = known & (values == top)
    spread = np.where(known, top - bottom, -np.inf)
    furthest = [int(k) for k in np.argsort(-spread, kind="stable")[:10] if known[k] and spread[k] > 0]
    return PerSample(
        wins={label: int(best[k].sum()) for k, label in enumerate(labels)},
        furthest_apart=[
            SampleScores(
                sample=paired.runs[0][k].sample_id,
                **{label: float(paired.per_sample[run, k]) for run, label in enumerate(labels)},
            )
            for k in furthest
        ],
    )
