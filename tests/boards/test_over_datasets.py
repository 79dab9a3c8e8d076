"""The board over datasets: which rows count, what is never mixed, and what a missing cell says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata

from places import ROOT
from segbench.boards.over_datasets import OverDatasets, over_datasets, over_datasets_section
from segbench.runs.find import FoundRun, find_runs

RECORDS = ROOT / "leaderboards" / "records"
SHARED = ("canny", "slic", "threshold")


def chosen(*wanted: tuple[str, str]) -> list[FoundRun]:
    """Committed runs of these datasets and methods."""
    return [run for run in find_runs([RECORDS]) if (run.record.dataset.name, run.record.method.name) in wanted]


def said_otherwise(run: FoundRun, **data: Any) -> FoundRun:
    """The same run on data of another origin or part, as its record says."""
    return FoundRun(run.folder, run.record.model_copy(update={"dataset": run.record.dataset.model_copy(update=data)}))


def every(*datasets: str, methods: tuple[str, ...] = SHARED) -> list[FoundRun]:
    return chosen(*((dataset, method) for dataset in datasets for method in methods))


@pytest.fixture(scope="module")
def real() -> list[FoundRun]:
    return every("camvid", "isbi2012", methods=(*SHARED, "unet"))


@pytest.fixture(scope="module")
def table(real: list[FoundRun]) -> OverDatasets:
    (found,) = over_datasets(real)
    return found


def test_mean_ranks_are_those_of_the_recorded_scores(table: OverDatasets) -> None:
    names = [name for name, _ in table.ranked]
    assert sorted(names) == ["canny", "slic", "threshold", "unet"]
    each = [
        rankdata([-(column.rows[name].record.main_value or 0) for name in names])  # of both higher is better
        for column in table.columns
    ]
    assert [rank.value for _, rank in table.ranked] == np.mean(each, axis=0).tolist()
    assert all(rank.low <= rank.value <= rank.high for _, rank in table.ranked)
    assert [rank.value for _, rank in table.ranked] == sorted(rank.value for _, rank in table.ranked)


def test_of_several_rows_the_plainest_counts_and_not_the_best(table: OverDatasets) -> None:
    """Of ISBI's networks one with settings of its own has the best score."""
    column = next(column for column in table.columns if column.key.dataset == "isbi2012")
    row = column.rows["unet"].record
    assert "--set" not in row.command
    assert row.method.preset == "quick"
    best = max(run.record.main_value or 0 for run in chosen(("isbi2012", "unet")) if not run.record.dataset.folds)
    assert (row.main_value or 0) < best


def test_a_row_of_several_seeds_is_drawn_as_its_mean(real: list[FoundRun]) -> None:
    hearts = every("medaka", methods=(*SHARED, "unet"))
    (found,) = over_datasets([*real, *(said_otherwise(run, origin="real") for run in hearts)])
    medaka = next(column for column in found.columns if column.key.dataset == "medaka")
    assert len(medaka.rows["unet"].records) == 3
    assert len(found.columns) == 3


def test_real_and_synthetic_data_never_stand_together(real: list[FoundRun]) -> None:
    assert [table.origin for table in over_datasets([*real, *every("medaka")])] == ["real"]
    drawn = [said_otherwise(run, origin="synthetic") for run in every("camvid")]
    both = over_datasets([*every("isbi2012"), *drawn, *every("medaka")])
    assert [table.origin for table in both] == ["synthetic"]
    assert {column.key.dataset for column in both[0].columns} == {"camvid", "medaka"}
    text = "\n".join(over_datasets_section(both))
    assert "SYNTHETIC data: 2 datasets" in text
    assert "never ranked with real data" in text


def test_a_part_of_a_split_is_left_out_and_named(real: list[FoundRun]) -> None:
    part = [said_otherwise(run, whole_n=5000) for run in every("medaka")]
    part = [said_otherwise(run, origin="real") for run in part]
    (found,) = over_datasets([*real, *part])
    assert {column.key.dataset for column in found.columns} == {"camvid", "isbi2012"}
    text = "\n".join(over_datasets_section([found]))
    assert "**Left out**, as a part of a split is not ranked with whole ones: medaka, split test" in text
    folded = [said_otherwise(run, origin="real") for run in chosen(("voc2012", "constant"))]
    (found,) = over_datasets([*real, *folded])
    assert "release=figures-274" in "\n".join(over_datasets_section([found]))


def test_a_method_that_lacks_a_dataset_has_no_mean_rank_and_its_cell_says_so(real: list[FoundRun]) -> None:
    hearts = [said_otherwise(run, origin="real") for run in every("medaka")]
    (found,) = over_datasets([*real, *hearts])
    assert found.incomplete == ("unet",)
    assert [name for name, _ in found.ranked if name == "unet"] == []
    text = "\n".join(over_datasets_section([found])).splitlines()
    row = next(line for line in text if line.startswith("| unet"))
    assert row.count("not run") == 1
    assert "rank" not in row
    assert any("**Without a mean rank**, as a dataset is missing: unet." in line for line in text)
    assert any("**3 datasets are few**" in line for line in text)


def test_one_dataset_or_too_few_shared_methods_make_no_table() -> None:
    assert over_datasets(every("camvid")) == []
    assert over_datasets(every("camvid", "isbi2012", methods=("canny", "slic"))) == []
    assert over_datasets_section([]) == []
    assert over_datasets([]) == []
