"""What every metric asks of a sample and a prediction before it counts."""

from __future__ import annotations

import numpy as np

from ..text import runs_of
from ..types import Array, DatasetInfo, Int64, Prediction, Sample, UserError
from .joint_counts import joint_counts
from .probabilities import holds_nan, likeliest
from .small_integers import smallest


def true_labels(sample: Sample) -> Array:
    """The sample's labels (H, W). Raises UserError where it has none."""
    if sample.labels is None:
        raise UserError(f"sample '{sample.id}' has no ground truth, so it cannot be scored")
    return sample.labels


def same_shape(sample: Sample, found: tuple[int, ...]) -> None:
    """Refuse a prediction of another size than the truth: truth is never resized."""
    expected = true_labels(sample).shape
    if found != expected:
        raise UserError(
            f"prediction of sample '{sample.id}' is {' x '.join(map(str, found))}, its ground truth is "
            f"{' x '.join(map(str, expected))} (height x width). Predictions are scored at the size of the truth: "
            "write them at that size."
        )


def foreground_probabilities(sample: Sample, prediction: Prediction) -> tuple[Array, Array]:
    """True foreground (H, W) bool and the predicted probability (H, W) of a binary sample, checked."""
    labels = true_labels(sample)
    _check_binary(f"ground truth of sample '{sample.id}'", labels)
    truth = labels > 0
    if prediction.probabilities is None:
        labels = binary_labels(sample, prediction)
        _check_binary(f"prediction of sample '{sample.id}'", labels)
        return truth, labels.astype(np.float32)
    values = prediction.probabilities
    same_shape(sample, values.shape)
    _check_range(sample, values)
    return truth, values


def binary_labels(sample: Sample, prediction: Prediction) -> Array:
    """Predicted labels (H, W) uint8 in {0, 1} of a binary sample; a probability is foreground when > 0.5.

    Raises UserError naming the sample for a wrong shape or value.
    """
    if prediction.probabilities is not None:
        same_shape(sample, prediction.probabilities.shape)
        _check_range(sample, prediction.probabilities)
        return (prediction.probabilities > 0.5).astype(np.uint8)
    if prediction.labels is None:
        held = _held(prediction)
        raise UserError(f"prediction of sample '{sample.id}' holds {held}, which cannot be scored as a mask")
    same_shape(sample, prediction.labels.shape)
    _check_integers(sample, prediction.labels)
    return prediction.labels


def class_labels(sample: Sample, prediction: Prediction, info: DatasetInfo) -> Array:
    """Predicted label values (H, W) of a multi-class sample; of probabilities (C, H, W) the likeliest class's.

    Raises UserError naming the sample for a wrong shape or value.
    """
    if prediction.labels is not None:
        same_shape(sample, prediction.labels.shape)
        _check_integers(sample, prediction.labels)
        return prediction.labels
    if prediction.probabilities is None:
        held = _held(prediction)
        raise UserError(f"prediction of sample '{sample.id}' holds {held}, which cannot be scored as a label map")
    if info.task == "binary":
        return binary_labels(sample, prediction)
    values = prediction.probabilities
    if values.ndim != 3 or len(values) != len(info.classes):
        raise UserError(
            f"prediction of sample '{sample.id}' has shape {values.shape}; expected probabilities of "
            f"{len(info.classes)} classes x height x width"
        )
    same_shape(sample, values.shape[1:])
    if holds_nan(values):
        raise UserError(f"prediction of sample '{sample.id}' holds NaN; probabilities lie in 0..1.")
    return np.asarray(smallest(np.array([c.id for c in info.classes])).take(likeliest(values)))


def label_values_in_words(found: list[int]) -> str:
    """Label values in ascending order, as a message says them.

    >>> label_values_in_words([4]), label_values_in_words([4, 7, 8, 9])
    ('label value 4', 'label values 4, 7-9')
    """
    return f"label value{'' if len(found) == 1 else 's'} {runs_of(found)}"


def check_labels(sample_id: str, truth: Int64, predicted: Int64, info: DatasetInfo) -> None:
    """Refuse label values, in pairs that occur (n,), that the dataset does not know."""
    void, predictable = info.void, info.predictable
    unknown = sorted(set(truth.tolist()) - predictable - void)
    if unknown:
        raise UserError(
            f"ground truth of sample '{sample_id}' holds {label_values_in_words(unknown)}, which {info.name} does not "
            f"know. {_expected(info)}"
        )
    counted = {b for a, b in zip(truth.tolist(), predicted.tolist(), strict=True) if a not in void}
    foreign = sorted(counted - predictable)
    if foreign:
        raise UserError(
            f"prediction of sample '{sample_id}' holds {label_values_in_words(foreign)}. {_expected(info)} "
            f"'bench doctor' looks for the cause."
        )


def _held(prediction: Prediction) -> str:
    """What a prediction holds that is no map of labels or probabilities."""
    return "objects" if prediction.panoptic is None else "segments"


def _expected(info: DatasetInfo) -> str:
    return f"Expected only {runs_of(sorted(info.predictable), 400)}."


def _check_integers(sample: Sample, labels: Array) -> None:
    if labels.dtype.kind not in "biu":
        raise UserError(f"prediction of sample '{sample.id}' holds {labels.dtype} labels; labels are integers")
    if labels.dtype == np.uint64 and labels.max(initial=0) > np.iinfo(np.int64).max:
        raise UserError(f"prediction of sample '{sample.id}' holds the label value {labels.max()}; no class has it")


def _check_binary(what: str, labels: Array) -> None:
    low, high = int(labels.min(initial=0)), int(labels.max(initial=0))
    if low < 0 or high > 1:
        raise UserError(f"{what} holds label values from {low} to {high}. Expected only 0-1.")


def _check_range(sample: Sample, values: Array) -> None:
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    if not (low >= 0 and high <= 1):
        what = "NaN" if np.isnan(values).any() else f"values from {low:g} to {high:g}"
        raise UserError(f"prediction of sample '{sample.id}' holds {what}; probabilities lie in 0..1.")


def label_counts(labels: Array) -> dict[int, int]:
    """Number of pixels of every label value that occurs in labels (H, W), ascending."""
    values, _, pixels = joint_counts(labels, labels)
    return dict(zip(values.tolist(), pixels.tolist(), strict=True))
