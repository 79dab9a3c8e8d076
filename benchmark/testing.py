"""Conformance checks for plugins, here and elsewhere: each raises AssertionError with what is wrong.

>>> from segbench.testing import check_dataset            # doctest: +SKIP
>>> check_dataset(MyDataset(root))                        # doctest: +SKIP
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .evaluation.statistics import Statistics
from .evaluation.whole_groups import of_whole_groups
from .metrics.pooled import drawn_by_class
from .registry import metrics, metrics_of
from .types import (
    Array,
    Dataset,
    DatasetInfo,
    FitContext,
    Method,
    Metric,
    Prediction,
    Sample,
    Samples,
    Statistic,
    UserError,
)


def check_dataset(dataset: Dataset, split: str = "all", most: int = 20) -> None:
    """Check a dataset that is on disk.

    Parameters
    ----------
    dataset : Dataset
    split : str
        The split whose samples are read.
    most : int
        Number of samples that are read, spread evenly over the split.
    """
    _check_info(dataset.info)
    ids = dataset.ids(split)
    _expect(len(ids) > 0, f"split {split} has no samples")
    _expect(len(set(ids)) == len(ids), "sample ids are not unique")
    _expect(all(isinstance(i, str) and not set(i) & set('/\\:*?"<>|') for i in ids), "ids must be safe file names")
    _expect(dataset.ids(split) == ids, "ids change from call to call")
    _expect_user_error(lambda: dataset.ids("no-such-split"), "an unknown split")
    _expect_user_error(lambda: dataset.load("no-such-sample"), "an unknown sample")
    copy = pickle.loads(pickle.dumps(dataset))
    _expect(copy.ids(split) == ids, "a pickled copy has other ids")
    chosen = ids[:: max(1, len(ids) // most)][:most]
    for sample_id in chosen:
        _check_sample(dataset, copy, sample_id)
        _expect(
            dataset.match_prediction(Path("any") / f"{sample_id}.png", ids) == sample_id,
            f"{sample_id}: a prediction named by its id is not matched",
        )
    _check_perfect(dataset, chosen)


def check_method(make: Callable[[], Method], train: Samples, val: Samples, folder: Path, seed: int = 0) -> None:
    """Fit a method, then check what it predicts, that a saved one predicts the same, and that it takes odd images.

    Parameters
    ----------
    make : callable
        Makes a fresh, cheap instance.
    train, val : Samples
        A few samples.
    folder : Path
        An empty folder that may be written to.
    """
    info = train.dataset.info
    method = make()
    _expect(set(method.config) == set(method.info.defaults), "config must hold every key of info.defaults and no other")
    before = [_labels(sample).copy() for sample in train]
    context = FitContext(dataset=info, device="cpu", seed=seed, folder=_new(folder / "fit"))
    method.fit(train, val, context)
    _expect(
        all(np.array_equal(a, _labels(s)) for a, s in zip(before, train, strict=True)),
        "fit changed its training samples",
    )
    images = [sample.image for sample in train if sample.image is not None]
    predictions = method.predict(images)
    _check_predictions(images, predictions, info)
    saved = _new(folder / "saved")
    method.save(saved)
    loaded = make()
    loaded.load(saved, info, "cpu")
    for first, second in zip(predictions, loaded.predict(images), strict=True):
        _expect(_same(first, second), "a loaded method predicts otherwise than the saved one")
    _expect(method.parameters() == loaded.parameters(), "a loaded method has another number of parameters")
    _expect((method.parameters() or 0) >= 0, "the number of parameters is below 0")
    _check_probabilities(predictions, loaded.predict_probabilities(images), info)
    shape = images[0].shape
    odd = [np.full(shape, 128, np.uint8), images[0][:, :1], images[0][:1], images[0][:33, :47]]
    _check_predictions(odd, loaded.predict(odd), info)
    _expect(loaded.predict([]) == [], "predicting no image gives no prediction")
    one = make()
    one.fit(train[:1], val[:0], FitContext(dataset=info, device="cpu", seed=seed, folder=_new(folder / "one")))
    _check_predictions(images, one.predict(images), info)


def check_metric(
    metric: Metric, pairs: Sequence[tuple[Sample, Prediction]], info: DatasetInfo, folder: Path | None = None
) -> None:
    """Check the laws of a metric on some samples with predictions.

    Statistics hold the declared columns; any sharding and any order give the same scores; they survive pickling and
    Parquet; computing twice gives the same; drawing every sample once gives the scores themselves, also those of
    single classes, and drawing some of them twice gives what sums say. No statistic that
    was measured is called impossible, and its side of the truth is the same whatever was predicted.
    """
    _expect(metrics().keys() >= {metric.name}, f"metric {metric.name} is not found by the registry")
    statistics = _measured(metric, pairs, info)
    perfect = _measured(metric, [(sample, _perfect(sample, prediction)) for sample, prediction in pairs], info)
    for statistic, same_truth in zip(statistics, perfect, strict=True):
        _check_statistic(metric, statistic)
        _check_truth_side(metric, statistic, same_truth, info)
    whole = Statistics(statistics)
    scores = metric.compute(whole.of(metric.name), info)
    _expect(list(scores) == [s.name for s in metric.scores], "compute returns other scores than it declares")
    for what in metric.scores:
        value = scores[what.name]
        _expect(
            math.isnan(value) or what.low - 1e-12 <= value <= what.high + 1e-12,
            f"{what.name} = {value} is outside of its range",
        )
    half = len(statistics) // 2
    sharded = Statistics(statistics[half:][::-1]).merge(Statistics(statistics[:half]))
    _expect(sharded == whole, "shards in another order are not the whole")
    _expect(_equal(metric.compute(sharded.of(metric.name), info), scores), "scores depend on shards or order")
    _expect(_equal(metric.compute(whole.of(metric.name), info), scores), "computing twice gives two results")
    copied = pickle.loads(pickle.dumps(statistics))
    _expect(Statistics(copied) == whole, "statistics do not survive pickling")
    _expect_user_error(lambda: whole.merge(Statistics(statistics[:1])), "measuring a sample twice")
    once = metric.resample(whole.of(metric.name), info, np.ones((1, len(statistics)), np.int64))
    for name, value in scores.items():
        _expect(
            np.allclose(once[name], value, rtol=1e-12, atol=1e-12, equal_nan=True),
            f"{name} of every sample drawn once is {once[name]}, not {value}",
        )
    _check_class_scores(metric, whole.of(metric.name), info)
    if folder is not None:
        whole.to_parquet(folder / "statistics.parquet", [metric])
        stored = Statistics.from_parquet(folder / "statistics.parquet", {metric.name: metric})
        _expect(stored == whole, "statistics do not survive Parquet")


def _check_class_scores(metric: Metric, statistics: Sequence[Statistic], info: DatasetInfo) -> None:
    """Scores of single classes are those of the table, in its order, however they are drawn."""
    if not metric.class_scores:
        return
    table, names = metric.per_class(statistics, info), [each.name for each in metric.classes_of(info)]
    rows = [name for name in table if name in names]
    _expect(rows == names, "per_class lacks classes of classes_of, or has them in another order")
    for name, row in table.items():
        other = [what.name for what in metric.class_scores if not math.isnan(row.get(what.name, math.nan))]
        _expect(name in names or not other, f"per_class has {', '.join(other)} of {name}, which classes_of lacks")
    often = np.arange(2 * len(statistics)).reshape(2, -1) % 3
    weights = np.concatenate([np.ones((1, len(statistics)), np.int64), often])
    drawn = metric.resample_classes(statistics, info, weights)
    for what in metric.class_scores:
        values = [table[name][what.name] for name in names]
        _expect(
            np.allclose(drawn[what.name][0], values, rtol=1e-12, atol=1e-12, equal_nan=True),
            f"{what.name} by class of every sample drawn once is {drawn[what.name][0]}, not {values}",
        )
        sums = metric.sums_by_class(statistics, info, what.name, range(len(names)))
        if sums is not None and sums.alone is None:
            by_sums = drawn_by_class(sums, weights)
            same = np.allclose(by_sums, drawn[what.name], rtol=1e-12, atol=1e-12, equal_nan=True)
            _expect(same, f"sums by class say {what.name} is {by_sums}, resampling says {drawn[what.name]}")


def _check_info(info: DatasetInfo) -> None:
    _expect(info.default_split in info.splits, f"default split {info.default_split} is none of the splits")
    ids = [c.id for c in info.classes]
    _expect(len(set(ids)) == len(ids) and len(ids) > 1, "class ids are not unique, or there is only one class")
    _expect(info.task != "binary" or info.foreground in ids, "the foreground is none of the classes")
    scores = [score.name for metric in metrics_of(info) for score in metric.scores]
    _expect(info.main_score in scores, f"main score {info.main_score} is none of {scores}")
    for name in ("summary", "licence", "citation", "homepage", "layout"):
        _expect(bool(getattr(info, name)), f"info.{name} is empty")


def _check_sample(dataset: Dataset, copy: Dataset, sample_id: str) -> None:
    parts: tuple[Any, ...] = tuple(part for part in ("image", "labels") if dataset.files(sample_id, part))
    _expect("labels" in parts, f"{sample_id}: a labelled sample has no label file")
    for part in parts:
        _expect(all(path.is_file() for path in dataset.files(sample_id, part)), f"{sample_id}: a file is missing")
    sample = dataset.load(sample_id, parts)
    _expect(sample.id == sample_id, f"{sample_id}: load returned sample {sample.id}")
    _expect(sample.group == dataset.group(sample_id), f"{sample_id}: group() and load() disagree")
    only = dataset.load(sample_id, ("labels",))
    _expect(only.image is None, f"{sample_id}: the image was read though only labels were asked for")
    labels = _labels(sample)
    _expect(labels.ndim == 2 and labels.dtype.kind in "iu", f"{sample_id}: labels must be (H, W) integers")
    _expect(np.array_equal(labels, _labels(only)), f"{sample_id}: labels change from call to call")
    _expect(np.array_equal(labels, _labels(copy.load(sample_id, ("labels",)))), f"{sample_id}: a pickled copy differs")
    known = dataset.info.predictable | dataset.info.void
    _expect(set(np.unique(labels).tolist()) <= known, f"{sample_id}: labels hold values of no class")
    if sample.image is not None:
        image = sample.image
        _expect(image.dtype == np.uint8 and image.ndim in (2, 3), f"{sample_id}: image must be (H, W[, 3]) uint8")
        _expect(image.shape[:2] == labels.shape, f"{sample_id}: image and labels differ in size")


def _check_perfect(dataset: Dataset, ids: Sequence[str]) -> None:
    """Truth given as prediction scores 1 wherever a score is defined."""
    for metric in metrics_of(dataset.info):
        samples = [dataset.load(sample_id, metric.parts) for sample_id in ids]
        pairs = [(sample, Prediction(labels=sample.labels)) for sample in samples]
        statistics = _measured(metric, pairs, dataset.info)
        for name, value in metric.compute(statistics, dataset.info).items():
            best = next(score for score in metric.scores if score.name == name)
            wanted = best.high if best.higher_is_better else best.low
            _expect(
                math.isnan(value) or math.isclose(value, wanted, abs_tol=1e-12),
                f"truth given as prediction scores {name} = {value}",
            )


def _check_predictions(images: Sequence[Array], predictions: Sequence[Prediction], info: DatasetInfo) -> None:
    _expect(len(predictions) == len(images), f"{len(images)} images gave {len(predictions)} predictions")
    for image, prediction in zip(images, predictions, strict=True):
        size = image.shape[:2]
        if prediction.labels is not None:
            _expect(prediction.labels.shape == size, f"labels {prediction.labels.shape} for an image of {size}")
            found = set(np.unique(prediction.labels).tolist())
            _expect(found <= {c.id for c in info.classes}, f"predicted label values {found} are no classes")
        else:
            values = np.asarray(prediction.probabilities)
            wanted = size if info.task == "binary" else (len(info.classes), *size)
            _expect(values.shape == wanted, f"probabilities {values.shape} for an image of {size}")
            _expect(values.dtype == np.float32, f"probabilities are {values.dtype}, not float32")
            _expect(bool(((values >= 0) & (values <= 1)).all()), "probabilities lie outside of 0..1 or are NaN")


def _check_probabilities(plain: Sequence[Prediction], given: Sequence[Prediction], info: DatasetInfo) -> None:
    """Who is asked for probabilities of all classes predicts the same, and gives none, or some that add up to 1."""
    _expect(len(plain) == len(given), f"predict_probabilities gave {len(given)} predictions, predict {len(plain)}")
    for one, other in zip(plain, given, strict=True):
        _expect(_same(one, other), "predict_probabilities predicts otherwise than predict")
        if one.labels is None or other.labels is None or other.probabilities is None:
            continue
        values, wanted = other.probabilities, (len(info.classes), *other.labels.shape)
        _expect(values.shape == wanted, f"probabilities {values.shape}; expected classes x height x width {wanted}")
        _expect(values.dtype == np.float32, f"probabilities are {values.dtype}, not float32")
        _expect(bool(((values >= 0) & (values <= 1)).all()), "probabilities lie outside of 0..1 or are NaN")
        _expect(np.allclose(values.sum(0), 1, atol=1e-3), "probabilities of a pixel do not add up to 1")


def _check_statistic(metric: Metric, statistic: Statistic) -> None:
    _expect(statistic.metric == metric.name, "a statistic carries another metric's name")
    _expect(set(statistic.columns) == set(metric.columns), "a statistic has other columns than the metric declares")
    for name, kind in metric.columns.items():
        _expect(statistic.columns[name].dtype == np.dtype(kind), f"column {name} is not {kind}")
    _expect(len({len(column) for column in statistic.columns.values()}) == 1, "columns differ in length")


def _measured(metric: Metric, pairs: Sequence[tuple[Sample, Prediction]], info: DatasetInfo) -> list[Statistic]:
    """The statistics of all samples in their order, also of a family that measures groups as a whole."""
    parts = [metric.measure(sample, prediction, info) for sample, prediction in pairs]
    found = {each.sample_id: each for each in of_whole_groups(parts, [metric], info)}
    return [found[sample.id] for sample, _ in pairs]


def _perfect(sample: Sample, prediction: Prediction) -> Prediction:
    """The truth as a prediction of the same kind; of objects none."""
    truth = sample.instances if sample.labels is None else sample.labels
    if prediction.panoptic is not None:
        return Prediction(panoptic=sample.panoptic)
    return Prediction(labels=truth) if prediction.objects is None else Prediction(objects=())


def _check_truth_side(metric: Metric, statistic: Statistic, same_truth: Statistic, info: DatasetInfo) -> None:
    fault = metric.fault(statistic, info)
    _expect(fault is None, f"{metric.name} calls its own statistic of {statistic.sample_id} impossible: {fault}")
    sides = [metric.truth_side(each) for each in (statistic, same_truth)]
    same = sides[0].keys() == sides[1].keys()
    same = same and all(np.array_equal(sides[0][name], sides[1][name], equal_nan=True) for name in sides[0])
    _expect(same, f"{metric.name}: truth_side of {statistic.sample_id} depends on the prediction")


def _labels(sample: Sample) -> Array:
    assert sample.labels is not None, f"{sample.id} was loaded without labels"
    return sample.labels


def _same(first: Prediction, second: Prediction) -> bool:
    a = first.labels if first.labels is not None else first.probabilities
    b = second.labels if second.labels is not None else second.probabilities
    return (first.labels is None) == (second.labels is None) and np.array_equal(np.asarray(a), np.asarray(b))


def _equal(first: Mapping[str, float], second: Mapping[str, float]) -> bool:
    """Bit for bit; NaN equals NaN."""
    return first.keys() == second.keys() and all(
        np.float64(first[name]).tobytes() == np.float64(second[name]).tobytes() for name in first
    )


def _new(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _expect_user_error(action: Callable[[], object], what: str) -> None:
    try:
        action()
    except UserError:
        return
    raise AssertionError(f"{what} must raise UserError")
