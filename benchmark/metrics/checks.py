"""What every metric asks of a sample and a prediction before it counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..types import Array, Prediction, Sample, UserError


def true_labels(sample: Sample) -> Array:
    """The sample's labels, which must be there."""
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
    truth = true_labels(sample) > 0
    if prediction.probabilities is None:
        labels = binary_labels(sample, prediction)
        return truth, labels.astype(np.float32)
    values = prediction.probabilities
    same_shape(sample, values.shape)
    _check_range(sample, values)
    return truth, values


def binary_labels(sample: Sample, prediction: Prediction) -> Array:
    """Predicted labels (H, W) uint8 in {0, 1} of a binary sample; a probability is foreground when > 0.5."""
    if prediction.probabilities is not None:
        same_shape(sample, prediction.probabilities.shape)
        _check_range(sample, prediction.probabilities)
        return (prediction.probabilities > 0.5).astype(np.uint8)
    assert prediction.labels is not None
    same_shape(sample, prediction.labels.shape)
    if prediction.labels.dtype.kind not in "biu":
        raise UserError(
            f"prediction of sample '{sample.id}' holds {prediction.labels.dtype} labels; labels are integers"
        )
    return prediction.labels


def unexpected_labels(sample_id: str, labels: list[int], expected: Sequence[int]) -> UserError:
    """The error for predicted label values that no class has."""
    found = ", ".join(map(str, labels[:8]))
    return UserError(
        f"prediction of sample '{sample_id}' holds label values {found}; expected only {', '.join(map(str, expected))}."
    )


def _check_range(sample: Sample, values: Array) -> None:
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    if not (low >= 0 and high <= 1):
        what = "NaN" if np.isnan(values).any() else f"values from {low:g} to {high:g}"
        raise UserError(f"prediction of sample '{sample.id}' holds {what}; probabilities lie in 0..1.")
