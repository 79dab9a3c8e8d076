"""The engine: the same statistics from any number of workers, few samples under way, faults and interrupts come out."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segbench.evaluation import evaluate as evaluation
from segbench.evaluation.evaluate import evaluate
from segbench.registry import USER_MODULE, load_user_module, make_dataset, metrics, metrics_of
from segbench.types import Dataset, Metric, Prediction, Statistic, UserError

SLOW = """
import os, pathlib, time
from segbench.datasets.isbi2012 import ISBI2012

class Slow(ISBI2012):
    def load(self, sample_id, parts=("image", "labels")):
        pathlib.Path(os.environ["SEEN"], sample_id).touch()
        time.sleep(0.5)
        return super().load(sample_id, parts)
"""
"""A dataset that leaves a trace of every sample that is read."""


@pytest.fixture
def medaka(hearts: Path) -> Dataset:
    """SYNTHETIC frames of which the families leave the lock."""
    return make_dataset("medaka", hearts)


def _pairs(dataset: Dataset) -> list[tuple[str, Prediction]]:
    random = np.random.default_rng(4)
    pairs = []
    for sample_id in dataset.ids("all"):
        labels = dataset.load(sample_id, ("labels",)).labels
        assert labels is not None
        pairs.append((sample_id, Prediction(labels=labels ^ (random.random(labels.shape) < 0.1))))
    return pairs


def _families(dataset: Dataset) -> tuple[Metric, ...]:
    families = metrics_of(dataset.info)
    assert all(getattr(metric, "releases_gil", False) for metric in families if metric.name == "binary-overlap")
    return tuple(metric for metric in families if metric.name == "binary-overlap")


def test_threads_give_the_same_table(medaka: Dataset, tmp_path: Path) -> None:
    families, pairs = _families(medaka), _pairs(medaka)
    tables = []
    for workers, order in ((0, pairs), (1, pairs), (2, pairs[::-1]), (7, pairs), (None, pairs[::-1])):
        path = tmp_path / f"{workers}.parquet"
        evaluate(medaka, families, order, workers=workers).to_parquet(path, families)
        tables.append(path.read_bytes())
    assert len(set(tables)) == 1


@pytest.mark.slow
def test_threads_measure_where_the_families_leave_the_lock_and_processes_elsewhere(
    medaka: Dataset, stacks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: set[int] = set()
    measure = evaluation.measure

    def watched(*args: Any) -> list[Statistic]:
        where.add(threading.get_ident())
        return measure(*args)

    monkeypatch.setattr(evaluation, "measure", watched)
    evaluate(medaka, _families(medaka), _pairs(medaka), workers=2)
    assert where
    assert threading.get_ident() not in where
    where.clear()
    isbi = make_dataset("isbi2012", stacks)
    truth = isbi.load(isbi.ids("all")[0], ("labels",)).labels
    assert (
        len(evaluate(isbi, [metrics()["partition"]], [(isbi.ids("all")[0], Prediction(labels=truth))], workers=2)) == 1
    )
    assert not where


@pytest.mark.parametrize("workers", [2, 5])
def test_few_predictions_are_taken_ahead(medaka: Dataset, workers: int) -> None:
    done = 0
    ahead = []

    def taken() -> Iterator[tuple[str, Prediction]]:
        for number, pair in enumerate(_pairs(medaka), 1):
            ahead.append(number - done)
            yield pair

    def progress(n: int) -> None:
        nonlocal done
        done = n

    evaluate(medaka, _families(medaka), taken(), workers=workers, progress=progress)
    assert done == len(ahead) > 40
    assert max(ahead) <= 3 * workers + 1


def test_a_fault_in_a_thread_names_the_sample_and_ends_the_work(medaka: Dataset) -> None:
    pairs = _pairs(medaka)
    bad = replace(pairs[20][1], labels=np.zeros((3, 4), np.uint8))
    before = threading.active_count()
    with pytest.raises(UserError, match=f"{pairs[20][0]}.*3 x 4"):
        evaluate(medaka, _families(medaka), [*pairs[:20], (pairs[20][0], bad), *pairs[21:]], workers=3)
    assert threading.active_count() == before


def test_an_interrupt_ends_the_threads_at_once(medaka: Dataset) -> None:
    taken = itertools.count()

    def progress(done: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        evaluate(medaka, _families(medaka), ((next(taken), p)[1] for p in _pairs(medaka)), workers=3, progress=progress)
    assert threading.active_count() == before
    assert next(taken) < 20


@pytest.mark.slow
def test_after_an_interrupt_processes_measure_no_more(
    stacks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits in a worker's own queue cannot be cancelled: it is passed over."""
    (tmp_path / "seen").mkdir()
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    module = tmp_path / "slow.py"
    module.write_text(SLOW)
    isbi = load_user_module(f"{USER_MODULE}slow", module).Slow(stacks)

    def progress(done: int) -> None:
        assert done == 1
        raise KeyboardInterrupt

    labels = make_dataset("isbi2012", stacks).load("slice-00", ("labels",)).labels
    pairs = [(name, Prediction(labels=labels)) for name in isbi.ids("all")]
    with pytest.raises(KeyboardInterrupt):
        evaluate(isbi, [metrics()["partition"]], pairs, workers=2, progress=progress)
    # Two were under way when the first was done; without the stop, three more that were queued are measured as well.
    assert len(list((tmp_path / "seen").iterdir())) <= 4


def test_the_engine_chooses_processes_only_for_many_samples() -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert evaluation._chosen_workers(False, evaluation.POOL_FROM - 1) == 0
    assert evaluation._chosen_workers(False, evaluation.POOL_FROM) == cores
    assert 1 <= evaluation._chosen_workers(True, 1) <= 16
