"""Statistics merge, store and do not depend on who measured them; intervals follow from them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow.parquet import ParquetFile

from segbench.errors import UserError
from segbench.evaluation.evaluate import evaluate
from segbench.evaluation.intervals import corrected_interval, paired_intervals, score_intervals
from segbench.evaluation.resampling import Units, bootstrap_weights
from segbench.evaluation.statistics import Statistics
from segbench.registry import make_dataset, metrics, metrics_of
from segbench.testing import check_metric
from segbench.types import Dataset, Float64, Int64, Prediction, Sample, Statistic, VolumeSlices


def _noisy(dataset: Dataset, ids: tuple[str, ...]) -> list[tuple[Sample, Prediction]]:
    random = np.random.default_rng(0)
    pairs = []
    for sample_id in ids:
        sample = dataset.load(sample_id, ("labels",))
        assert sample.labels is not None
        values = 0.3 * sample.labels + 0.7 * random.random(sample.labels.shape)
        pairs.append((sample, Prediction(probabilities=values.astype(np.float32))))
    return pairs


@pytest.mark.parametrize("name", sorted(name for name, metric in metrics().items() if metric.parts == ("labels",)))
def test_every_metric_obeys_the_laws(name: str, stacks: Path, tmp_path: Path) -> None:
    dataset = make_dataset("isbi2012", stacks)
    # A stack is no film and says no spacing; where time or lengths are asked for, it is taken for one that does.
    spacing = {dataset.group(i): (50.0, 4.0, 4.0) for i in dataset.ids("test")}
    info = replace(dataset.info, frames_per_second=15.0, volumes=VolumeSlices(spacing_mm=spacing))
    check_metric(metrics()[name], _noisy(dataset, dataset.ids("test")), info, tmp_path)


@pytest.mark.slow
@settings(max_examples=20)
@given(order=st.permutations(range(6)), cut=st.integers(0, 6))
def test_any_sharding_and_order_gives_the_same_bytes(order: list[int], cut: int) -> None:
    random = np.random.default_rng(5)
    metric = metrics()["partition"]
    items = [
        metric.measure(
            Sample(f"s{n}", "g", n, labels=(random.random((12, 9)) < 0.7).astype(np.uint8)),
            Prediction(probabilities=random.random((12, 9)).astype(np.float32)),
            make_dataset_info(),
        )
        for n in range(6)
    ]
    shuffled = [items[position] for position in order]
    merged = Statistics(shuffled[cut:]).merge(Statistics(shuffled[:cut]))
    assert merged == Statistics(items)
    info = make_dataset_info()
    first, second = (metric.compute(s.of("partition"), info) for s in (merged, Statistics(items)))
    assert np.array(list(first.values())).tobytes() == np.array(list(second.values())).tobytes()


def make_dataset_info() -> Any:
    from segbench.registry import dataset_class

    return dataset_class("isbi2012").info


@pytest.mark.slow
def test_a_process_pool_gives_the_same_table(stacks: Path, tmp_path: Path) -> None:
    dataset = make_dataset("isbi2012", stacks)
    families = metrics_of(dataset.info)
    pairs = [(sample.id, prediction) for sample, prediction in _noisy(dataset, dataset.ids("test"))]
    files = []
    for workers, order in ((0, pairs), (2, pairs[::-1])):
        path = tmp_path / f"{workers}.parquet"
        evaluate(dataset, families, order, workers=workers).to_parquet(path, families)
        files.append(path.read_bytes())
    assert files[0] == files[1]


def test_merging_leaves_both_sides_alone_and_refuses_a_sample_twice(stacks: Path) -> None:
    dataset = make_dataset("isbi2012", stacks)
    metric = metrics()["binary-overlap"]
    one, two = (metric.measure(*pair, dataset.info) for pair in _noisy(dataset, dataset.ids("test")[:2]))
    first, second = Statistics([one]), Statistics([two])
    assert len(first.merge(second)) == 2
    assert (len(first), len(second)) == (1, 1)
    with pytest.raises(UserError, match="measured twice"):
        first.merge(Statistics([one]))


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "statistics.parquet"
    path.write_bytes(b"PAR1 nothing")
    with pytest.raises(UserError, match=r"statistics\.parquet"):
        Statistics.from_parquet(path, metrics())


def test_a_table_of_many_row_groups_is_read_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups end between statistics: also of one without rows, of another family, and of none at all."""
    random = np.random.default_rng(7)
    families = {name: metrics()[name] for name in ("overlap", "boundary")}
    items = [
        Statistic(
            name,
            f"s{number:02d}",
            f"g{number % 3}",
            number,
            {
                column: random.integers(0, 2**62, rows) if kind == "int64" else random.random(rows)
                for column, kind in family.columns.items()
            },
        )
        for name, family in families.items()
        for number, rows in enumerate((3, 0, 1, 9, 0, 0, 2, 5))
    ]
    written = []
    for limit in (1, 4, 9, 1000):
        monkeypatch.setattr("segbench.evaluation.statistics.MAX_GROUP_ROWS", limit)
        for some in (items, items[:1], []):
            path = tmp_path / f"{limit}-{len(some)}.parquet"
            Statistics(some).to_parquet(path, families.values())
            assert Statistics.from_parquet(path, families) == Statistics(some)
        written.append(ParquetFile(tmp_path / f"{limit}-{len(items)}.parquet").num_row_groups)
    assert written == [16, 8, 4, 1]


def test_a_table_that_its_few_bytes_blow_up_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are alike take no room in a file, and neither does a long name that all rows share."""
    known = {"overlap": metrics()["overlap"]}
    rows = 200_000
    names = {"metric": "overlap", "sample": "s" * 20_000, "group": "g"}
    texts = {name: pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), [text]) for name, text in names.items()}
    numbers = {name: np.zeros(rows, np.int64) for name in ("index", *known["overlap"].columns)}
    path = tmp_path / "statistics.parquet"
    pq.write_table(pa.table({**texts, **numbers}), path)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(UserError, match="column 'sample' has texts of up to 4,000,000,000 bytes"):
        Statistics.from_parquet(path, known)
    monkeypatch.setattr("segbench.evaluation.statistics.MAX_CELLS", 1 << 20)
    with pytest.raises(UserError, match="cells; a table of statistics has at most"):
        Statistics.from_parquet(path, known)


def test_reading_statistics_imports_no_pandas(tmp_path: Path) -> None:
    """It takes as long and as much memory as all else that a command imports."""
    path = tmp_path / "statistics.parquet"
    Statistics().to_parquet(path, [metrics()["overlap"]])
    code = (
        "import sys; from pathlib import Path; from segbench.evaluation.statistics import Statistics\n"
        "assert not len(Statistics.from_parquet(Path(sys.argv[1]), {})); assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


def test_whole_groups_are_drawn_where_there_are_five() -> None:
    groups = [f"video {n // 3}" for n in range(15)]
    units = Units.of_groups(groups)
    assert (units.name, units.count) == ("groups", 5)
    weights = np.concatenate(list(bootstrap_weights(units, 50)))
    assert weights.shape == (50, 15)
    assert (weights.reshape(50, 5, 3).min(axis=2) == weights.reshape(50, 5, 3).max(axis=2)).all()
    assert (weights.reshape(50, 5, 3)[:, :, 0].sum(axis=1) == 5).all()
    few = Units.of_groups(groups[:12])
    assert (few.name, few.count) == ("samples", 12)
    assert (np.concatenate(list(bootstrap_weights(few, 50))).sum(axis=1) == 12).all()


def test_an_interval_draws_samples_with_replacement(stacks: Path) -> None:
    """As many samples as there are, scored by plain resampling; then corrected as `corrected_interval` says."""
    dataset = make_dataset("isbi2012", stacks)
    metric = metrics()["binary-overlap"]
    measured = [metric.measure(*pair, dataset.info) for pair in _noisy(dataset, dataset.ids("train"))]
    low, high = score_intervals(metric, measured, dataset.info)["dice"]

    def dice(of: list[Statistic]) -> float:
        return metric.compute(of, dataset.info)["dice"]

    random = np.random.default_rng(9)
    n = len(measured)
    draws = [dice([measured[k] for k in random.integers(0, n, n)]) for _ in range(2000)]
    without = [dice(measured[:k] + measured[k + 1 :]) for k in range(n)]
    expected = corrected_interval(dice(measured), np.array(draws), np.array(without), alike(n))
    assert [low, high] == pytest.approx(list(expected), abs=0.1 * (expected[1] - expected[0]))
    assert low < dice(measured) < high


def alike(units: int) -> Int64:
    """The sizes of so many units of equal size."""
    return np.ones(units, np.int64)


def mean_interval(values: Float64, seed: int = 0, limits: tuple[float, float] = (-np.inf, np.inf)) -> tuple[float, ...]:
    """The interval of a mean."""
    n = len(values)
    draws = np.random.default_rng(seed).choice(values, (20_000, n)).mean(axis=1)
    return corrected_interval(float(values.mean()), draws, (values.sum() - values) / (n - 1), alike(n), limits)


def test_the_interval_of_a_mean_of_few_normal_values_is_students() -> None:
    values = np.array([-1.3, -0.4, 0.0, 0.4, 1.3])
    half = 2.7764451 * values.std(ddof=1) / np.sqrt(5)
    assert mean_interval(values) == pytest.approx((-half, half), rel=0.06)
    # A percentile interval is 1.6 times too narrow here.
    draws = np.random.default_rng(0).choice(values, (20_000, 5)).mean(axis=1)
    assert np.quantile(draws, 0.975) < half / 1.5


def test_the_interval_of_a_mean_of_many_skewed_values_is_that_of_scipys_bca() -> None:
    from scipy.stats import bootstrap

    values = np.random.default_rng(3).exponential(size=300) ** 2
    peer = bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(1))
    low, high = peer.confidence_interval
    assert mean_interval(values) == pytest.approx((low, high), abs=0.02 * (high - low))
    # It leans to the side of the long tail, which no symmetric interval does.
    assert high - values.mean() > 1.1 * (values.mean() - low)


def test_an_interval_ends_where_the_score_does() -> None:
    low, high = mean_interval(np.array([0.8, 0.9, 1.0, 1.0, 1.0]), limits=(0.0, 1.0))
    assert 0.7 < low < 0.9
    assert high == 1.0


def test_without_a_value_or_spread_there_is_no_guess() -> None:
    draws, without = np.full(10, 0.5), np.full(4, 0.5)
    assert corrected_interval(0.5, draws, without, alike(4)) == (0.5, 0.5)
    assert np.isnan(corrected_interval(np.nan, draws, without, alike(4))).all()
    assert np.isnan(corrected_interval(0.5, np.full(10, np.nan), without, alike(4))).all()


def test_draws_that_miss_the_score_are_not_corrected_to_a_point() -> None:
    """As of a mean over classes that few samples hold: most draws lack some of them, and lie below the score."""
    draws = np.linspace(0.1, 0.2, 1000)
    draws[-10:] = 0.25
    low, high = corrected_interval(0.24, draws, np.array([0.2, 0.23, 0.24, 0.22]), alike(4))
    assert (low, high) == tuple(np.quantile(draws, (0.025, 0.975)))
    assert high - low > 0.09
    assert high < 0.24


def test_one_sample_has_no_interval(stacks: Path) -> None:
    dataset = make_dataset("isbi2012", stacks)
    metric = metrics()["binary-overlap"]
    interval = score_intervals(
        metric, [metric.measure(*_noisy(dataset, ("slice-00",))[0], dataset.info)], dataset.info
    )["dice"]
    assert np.isnan(interval).all()


@pytest.mark.parametrize(
    ("blocks", "sizes"), [(1, [1]), (2, [1, 1]), (5, [1] * 5), (5, [40, 3, 3, 2, 9]), (200, [1] * 200)]
)
def test_intervals_of_many_scores_are_those_of_each_bit_for_bit(blocks: int, sizes: list[int]) -> None:
    random = np.random.default_rng(blocks)
    scores = random.normal(0, 0.01, (40, 1))
    draws = scores + random.normal(0, 0.004, (40, 2000)) + random.exponential(0.002, (40, 1))
    without = scores + random.gamma(2, 1e-4, (40, blocks))
    draws[0], without[0] = 0.0, 0.0
    draws[1] += 0.1
    draws[2, :7], without[3, 0], scores[4], without[5] = np.nan, np.nan, np.nan, scores[5]
    draws[6] = np.round(draws[6], 3)
    held = np.array(sizes)
    expected = [corrected_interval(*each, held) for each in zip(scores[:, 0].tolist(), draws, without, strict=True)]
    assert repr(paired_intervals(scores[:, 0], draws, without, np.tile(held, (40, 1))).tolist()) == repr(
        [list(each) for each in expected]
    )


def test_where_one_unit_of_many_counts_there_is_no_interval() -> None:
    """As of seven beats that are all of one film: every draw that holds it is alike, which says nothing of others."""
    draws = np.array([0.3, np.nan, 0.1 + 0.2, 0.3])
    assert np.isnan(corrected_interval(0.3, draws, np.array([0.3, np.nan, 0.3]), alike(3))).all()
    assert np.isnan(
        paired_intervals(np.array([0.3]), draws[None], np.array([[0.3, np.nan, 0.3]]), alike(3)[None])
    ).all()
    # Two that count and agree are two.
    assert corrected_interval(1.0, np.ones(4), np.ones(3), alike(3)) == (1.0, 1.0)
    assert corrected_interval(1.0, np.array([1.0, np.nan, 1.0]), np.ones(3), alike(3)) == (1.0, 1.0)
