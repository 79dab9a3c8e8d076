"""The samples on which a run is worst, or most behind another one: each scored alone, from stored statistics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..evaluation.comparison import Paired
from ..evaluation.scores import defined
from ..io.documents import Document, Number
from ..runs.stored import StoredRun
from ..text import counted, number
from ..types import Float64, ScoreInfo
from .score_choice import score_of_all


class ScoredSample(Document):
    """A sample and the score of each run on it alone.

    behind : of two runs by how much the first is worse on it, in the score's unit; null of one run.
    """

    sample: str
    group: str
    scores: list[Number]
    behind: Number = None


class WorstSamples(Document):
    """The samples on which a run is worst, or on which the first of two is most behind the second; the worst first.

    means : of each run over the samples that have a score of every run, `scored` of all `n`.
    values : the score of each run on all samples together.
    behind : of two runs the number of samples on which the first is worse; null of one run.
    undefined : ids of the samples without a score of every run, which take no part.
    reading : what the score of a single sample means, in sentences.
    """

    run_ids: list[str]
    score: str
    unit: str
    higher_is_better: bool
    n: int
    scored: int
    means: list[Number]
    values: list[Number]
    behind: int | None
    samples: list[ScoredSample]
    undefined: list[str]
    reading: str


def worst_samples(runs: Sequence[StoredRun], count: int) -> WorstSamples:
    """At most `count` samples on which one run is worst by its main score, or on which it is most behind a second run.

    Of equal samples the first one comes first; samples on which the first run is not behind are none of those.

    Raises
    ------
    UserError
        For a second run that lacks the score, or was scored on other samples.
    """
    metric, info = score_of_all(runs, None)
    statistics = tuple(tuple(run.statistics.of(metric.name)) for run in runs)
    paired = Paired(metric, runs[0].info, info, statistics)
    alone = paired.per_sample
    known = ~np.asarray(np.isnan(alone).any(axis=0))
    behind = paired.sign * (alone[1] - alone[0]) if len(runs) == 2 else None
    key = paired.sign * alone[0] if behind is None else -behind
    shown = known if behind is None else known & (key < 0)
    order = [place for place in np.argsort(key, kind="stable").tolist() if shown[place]]
    means = alone[:, known].mean(axis=1) if known.any() else np.full(len(runs), np.nan)
    return WorstSamples(
        run_ids=[run.record.run_id for run in runs],
        score=info.name,
        unit=info.unit,
        higher_is_better=info.higher_is_better,
        n=alone.shape[1],
        scored=int(known.sum()),
        means=means.tolist(),
        values=paired.values.tolist(),
        behind=None if behind is None else len(order),
        samples=[
            ScoredSample(
                sample=statistics[0][place].sample_id,
                group=statistics[0][place].group,
                scores=alone[:, place].tolist(),
                behind=None if behind is None else float(behind[place]),
            )
            for place in order[:count]
        ],
        undefined=[statistics[0][place].sample_id for place in np.flatnonzero(~known).tolist()],
        reading=_reading(info, means, paired.values, int(known.sum())),
    )


def _reading(info: ScoreInfo, means: Float64, values: Float64, scored: int) -> str:
    """What the score of one sample is, and how it stands to that of all of them."""
    said = f"Each sample is scored alone, as if it were all of the data; {info.name}: {info.summary}."
    known = ~(np.isnan(means) | np.isnan(values))
    if not known.any() or np.allclose(means[known], values[known], rtol=0, atol=1e-9):
        return said
    mean, value = (" and ".join(number(defined(float(each)), ".4f") for each in both) for both in (means, values))
    whose = "the run's own" if len(means) == 1 else "the runs' own"
    return (
        f"{said} Their mean over {counted(scored, 'sample')}, {mean}, is not {whose} {info.name}, {value}: that is of "
        "all samples together."
    )
