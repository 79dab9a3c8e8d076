"""Forged runs through `bench leaderboard --validate`: what the folder shows to be impossible is refused by name."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forged_records import change

from places import ROOT
from segbench.boards.validation import validate
from segbench.evaluation.scoring import score
from segbench.evaluation.statistics import Statistics
from segbench.io.fingerprints import ids_sha256
from segbench.io.reporter import Reporter
from segbench.registry import dataset_class
from segbench.runs.record import read_record, write_record
from segbench.runs.stored import open_run
from segbench.types import Statistic

RECORDS = ROOT / "leaderboards" / "records"
Columns = dict[str, Any]


@pytest.fixture
def submitted(tmp_path: Path) -> Path:
    """A run on real slices, beside another of them."""
    for name in ("threshold-146d703e", "canny-e3c52ecd"):
        shutil.copytree(RECORDS / f"isbi2012-{name}", tmp_path / f"isbi2012-{name}")
    return tmp_path / "isbi2012-threshold-146d703e"


def refused(folder: Path) -> set[str]:
    """Names of the checks that failed."""
    return {check.name for check in validate(folder, None, Reporter()).checks if check.ok is False}


def rewrite(folder: Path, metric: str, forge: Callable[[Columns], None], every: bool = False) -> None:
    """Forge the statistics of a family for the first sample (or all), and make the whole record follow from them."""
    run = open_run(folder)
    items, done = [], False
    for item in run.statistics:
        columns: Columns = {name: np.array(column) for name, column in item.columns.items()}
        if item.metric == metric and (every or not done):
            forge(columns)
            done = True
        items.append(Statistic(item.metric, item.sample_id, item.group, item.index, columns))
    statistics = Statistics(items)
    statistics.to_parquet(folder / "statistics.parquet", run.metrics)
    scored = score(statistics, run.metrics, run.info)
    update = {"statistics_sha256": statistics.sha256(), "scores": scored.scores, "per_class": scored.per_class}
    update |= {"class_intervals": scored.class_intervals}
    write_record(folder, read_record(folder).model_copy(update=update))


def test_a_sound_run_is_not_refused(submitted: Path) -> None:
    assert refused(submitted) == set()


def test_what_nothing_proves_is_named(submitted: Path) -> None:
    checks = validate(submitted, None, Reporter()).checks
    assert {check.name for check in checks if check.ok is None} >= {"cost", "seed", "training", "origin"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"created": "yesterday"}, "created"),
        ({"created": "2026-11-23T13:25:28"}, "created"),
        ({"created": "1999-01-01T00:00:00+00:00"}, "created"),
        ({"created": "2999-01-01T00:00:00+00:00"}, "created"),
        ({"cost__train_s": -1.0}, "cost"),
        ({"cost__train_s": 1e300}, "cost"),
        ({"cost__predict_ms_per_image": -0.001}, "cost"),
        ({"cost__peak_memory_mb": -5}, "cost"),
        ({"cost__peak_memory_mb": 1e12}, "cost"),
        ({"cost__parameters": -1}, "cost"),
        ({"cost__macs_per_image": -1}, "cost"),
        ({"command": "rm -rf /"}, "command"),
        ({"command": "bench"}, "command"),
        ({"command": "bench evaluate --dataset isbi2012 --predictions p"}, "command"),
        ({"command": "bench run --dataset medaka --method threshold"}, "command"),
        ({"command": "bench run --dataset isbi2012 --method unet"}, "command"),
        ({"command": "bench run --dataset isbi2012 --method threshold --split val"}, "command"),
        ({"command": "bench run --dataset isbi2012 --method threshold --preset paper"}, "command"),
        ({"command": "bench run --dataset isbi2012 --method threshold --folds 5"}, "command"),
        ({"command": "bench run --dataset isbi2012 --method threshold --train-fraction 0.5"}, "command"),
        ({"command": "bench run -d isbi2012 -m 'thresh"}, "command"),
        ({"method__seed": 7}, "command"),
        ({"method__family": "learned"}, "method"),
        ({"method__family": "external"}, "command"),
        ({"method__preset": "gigantic"}, "method"),
        ({"method__preset": None}, "method"),
        ({"method__config": {"secret": 1}}, "method"),
        ({"dataset__origin": "synthetic"}, "origin"),
        ({"dataset__n": 4}, "samples"),
        ({"dataset__ids_sha256": "0" * 64}, "ids_sha256"),
        ({"statistics_sha256": "0" * 64}, "statistics"),
        ({"main_score": "dice"}, "main_score"),
    ],
)
def test_a_forged_record_is_refused(submitted: Path, changes: dict[str, object], expected: str) -> None:
    change(submitted, **changes)
    assert expected in refused(submitted)


def _set(name: str, value: float) -> Callable[[Columns], None]:
    def forge(columns: Columns) -> None:
        columns[name][0] = value

    return forge


def _scaled(name: str, factor: int) -> Callable[[Columns], None]:
    def forge(columns: Columns) -> None:
        columns[name][:] *= factor

    return forge


def _perfect(columns: Columns) -> None:
    columns["prediction"][:] = columns["truth"]


@pytest.mark.parametrize(
    ("metric", "forge", "expected"),
    [
        ("partition", _scaled("s_ab", 30), "possible"),
        ("partition", _set("s_ab", 0), "possible"),
        ("partition", _set("s_a", 1), "possible"),
        ("partition", _set("h_ab", 0.0), "possible"),
        ("partition", _set("h_b", 99.0), "possible"),
        ("partition", _set("h_a", -1.0), "possible"),
        ("partition", _set("threshold", 0.05), "possible"),
        ("partition", _scaled("foreground_pixels", 2), "agreement"),
        ("partition", _set("foreground_pixels", 1 << 40), "possible"),
        ("partition", _set("h_b", float("nan")), "possible"),
        ("binary-overlap", _set("pixels", -4), "possible"),
        ("binary-overlap", _set("prediction", 7), "possible"),
        ("binary-overlap", _set("truth", 7), "possible"),
        ("binary-overlap", _scaled("pixels", 2), "agreement"),
        ("binary-overlap", _perfect, "possible"),
    ],
)
def test_statistics_that_no_picture_gives_are_refused(
    submitted: Path, metric: str, forge: Callable[[Columns], None], expected: str
) -> None:
    """Scores, intervals and hashes all follow from the forged statistics; only what they count is impossible."""
    rewrite(submitted, metric, forge)
    assert expected in refused(submitted)


def test_another_truth_than_the_neighbours_is_refused(submitted: Path) -> None:
    def all_smaller(columns: Columns) -> None:
        columns["foreground_pixels"][:] -= 1

    rewrite(submitted, "partition", all_smaller, every=True)
    assert refused(submitted) >= {"agreement", "truth"}


def test_another_group_than_the_neighbours_is_refused(submitted: Path) -> None:
    """Groups decide the intervals: samples in groups of their own would make them narrow."""
    run = open_run(submitted)
    alone = [Statistic(s.metric, s.sample_id, s.sample_id, s.index, s.columns) for s in run.statistics]
    Statistics(alone).to_parquet(submitted / "statistics.parquet", run.metrics)
    assert "truth" in refused(submitted)


def test_real_where_the_same_truth_is_synthetic_beside_it(submitted: Path) -> None:
    other = next(submitted.parent.glob("isbi2012-canny-*"))
    change(other, dataset__origin="synthetic")
    assert "origin" in refused(submitted)


def test_with_the_data_its_truth_is_measured_again(tmp_path: Path, submitted: Path) -> None:
    """The committed run is of the real stack; a small stack of other pictures in its place is not its truth."""
    from small_stack import write_stack

    (tmp_path / "data").mkdir()
    write_stack(tmp_path / "data")
    failed = {c.name for c in validate(submitted, tmp_path / "data", Reporter()).checks if c.ok is False}
    assert failed == {"data_sha256", "truth"}


@pytest.mark.parametrize("split", ["val", "train", "challenge", "all"])
def test_samples_of_another_split_are_refused_by_the_official_list(submitted: Path, split: str) -> None:
    change(submitted, dataset__split=split)
    found = {check.name: check for check in validate(submitted, None, Reporter()).checks}["official ids"]
    assert (found.ok, "are those of split 'test'" in found.detail) == (False, True)


def test_samples_of_no_list_are_refused(submitted: Path) -> None:
    run = open_run(submitted)
    other = [Statistic(s.metric, s.sample_id.replace("25", "05"), s.group, s.index, s.columns) for s in run.statistics]
    statistics = Statistics(other)
    statistics.to_parquet(submitted / "statistics.parquet", run.metrics)
    ids = ids_sha256([s.sample_id for s in statistics.of("partition")])
    change(submitted, statistics_sha256=statistics.sha256(), dataset__ids_sha256=ids)
    assert "official ids" in refused(submitted)


@pytest.mark.parametrize("name", ["voc2012", "cityscapes", "cocostuff", "isbi2012"])
def test_official_lists_are_of_splits_and_differ(name: str) -> None:
    info = dataset_class(name).info
    assert info.default_split in info.official_ids
    assert set(info.official_ids) <= {*info.splits, "all"}
    assert all(re.fullmatch("[0-9a-f]{64}", ids) for ids in info.official_ids.values())
    assert len(set(info.official_ids.values())) == len(info.official_ids)


def test_the_list_of_isbi_2012_is_that_of_its_data(tmp_path: Path) -> None:
    from small_stack import write_stack

    dataset = write_stack(tmp_path)
    for split in ("train", "val", "test", "all"):
        assert dataset.info.official_ids[split] == ids_sha256(dataset.ids(split))
