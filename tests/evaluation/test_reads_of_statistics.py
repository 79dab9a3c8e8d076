"""Intervals of many samples: statistics are read as often as of few draws, so that time grows with samples alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import pytest

from segbench.evaluation import resampling
from segbench.evaluation.intervals import score_intervals
from segbench.registry import dataset_class, metrics
from segbench.types import Array, DatasetInfo, Metric, Prediction, Sample, Statistic

COUNT = 60


class Reads(Mapping[str, Array]):
    """Columns that count how often one is asked for."""

    total = 0

    def __init__(self, columns: Mapping[str, Array]) -> None:
        self._columns = columns

    def __getitem__(self, name: str) -> Array:
        Reads.total += 1
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


def of_binary(random: np.random.Generator) -> tuple[Sample, Prediction]:
    truth = random.integers(0, 2, (8, 8)).astype(np.uint8)
    found = random.random((8, 8)).astype(np.float32)
    return Sample("", "", 0, labels=truth, instances=truth.astype(np.int32)), Prediction(probabilities=found)


def of_instances(random: np.random.Generator) -> tuple[Sample, Prediction]:
    truth = random.integers(0, 4, (8, 8)).astype(np.int32)
    found = random.integers(0, 4, (8, 8)).astype(np.int32)
    sample = Sample("", "", 0, labels=(truth > 0).astype(np.uint8), instances=truth)
    return sample, Prediction(labels=(found > 0).astype(np.uint8), instances=found)


def of_classes(random: np.random.Generator) -> tuple[Sample, Prediction]:
    found = random.random((21, 8, 8))
    truth = random.integers(0, 21, (8, 8)).astype(np.uint8)
    return Sample("", "", 0, labels=truth), Prediction(probabilities=(found / found.sum(axis=0)).astype(np.float32))


CASES: Mapping[str, tuple[str, Callable[[np.random.Generator], tuple[Sample, Prediction]]]] = {
    "binary-overlap": ("isbi2012", of_binary),
    "partition": ("isbi2012", of_binary),
    "boundary": ("isbi2012", of_binary),
    "cardiac": ("medaka", of_binary),
    "foreground-overlap": ("isbi2012", of_binary),
    "instance-matching": ("isbi2012", of_instances),
    "partition-instances": ("isbi2012", of_instances),
    "calibration": ("voc2012", of_classes),
    "centreline": ("isbi2012", of_binary),
    "pixel-ranking": ("isbi2012", of_binary),
    "sensitivity-specificity": ("voc2012", of_classes),
    "topology": ("isbi2012", of_binary),
    "voc2012-overlap": ("voc2012", of_classes),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_statistics_are_read_no_more_often_for_more_parts_of_draws(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    metric: Metric = metrics()[name]
    dataset, make = CASES[name]
    info = dataset_class(dataset).info
    found = [counted(metric, make, info, number) for number in range(COUNT)]
    reads = []
    for chunk in (1 << 22, 40 * COUNT):
        monkeypatch.setattr(resampling, "_CHUNK", chunk)
        Reads.total = 0
        score_intervals(metric, [replace(each) for each in found], info)
        reads.append(Reads.total)
    assert reads[0] == reads[1] > 0


def counted(
    metric: Metric, make: Callable[[np.random.Generator], tuple[Sample, Prediction]], info: DatasetInfo, number: int
) -> Statistic:
    sample, prediction = make(np.random.default_rng(number))
    sample = replace(sample, id=f"{number:03d}", group=f"{number:03d}")
    one = metric.measure(sample, prediction, info)
    return replace(one, columns=Reads(one.columns))
