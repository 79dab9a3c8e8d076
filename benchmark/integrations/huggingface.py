"""A `compute_metrics` for the Hugging Face Trainer that returns official scores with their intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ..errors import UserError
from ..evaluation.evaluator import Evaluator
from . import named_scores


def compute_metrics(evaluator: Evaluator) -> Callable[[Any], dict[str, float]]:
    """What `Trainer(compute_metrics=…)` takes: scores of an evaluation, `<name>`, `<name>_low` and `<name>_high`.

    Logits (N, C, h, w) that are smaller than the labels (N, H, W), as Segformer's are, are enlarged bilinearly to their
    size, one image at a time. Samples are told apart by their place, so one process evaluates, or the Trainer gathers.

    Parameters
    ----------
    evaluator : Evaluator
        With the classes of the labels, such as `Evaluator(num_classes=19, ignore_index=255)`.

    Raises
    ------
    UserError
        From the function that is returned, for predictions that are no logits of these shapes.
    """

    def computed(evaluated: Any) -> dict[str, float]:
        logits, labels = evaluated.predictions, np.asarray(evaluated.label_ids)
        logits = np.asarray(logits[0] if isinstance(logits, tuple) else logits)
        if logits.ndim != 4 or labels.ndim != 3 or len(logits) != len(labels):
            raise UserError(
                f"compute_metrics: predictions are of shape {logits.shape} and labels of shape {labels.shape}; "
                "expected logits (N, C, h, w) and labels (N, H, W)"
            )
        evaluator.reset()
        for number, (scores, target) in enumerate(zip(logits, labels, strict=True)):
            tensor = torch.from_numpy(np.ascontiguousarray(scores, np.float32))[None]
            if tensor.shape[-2:] != target.shape:
                tensor = F.interpolate(tensor, target.shape, mode="bilinear", align_corners=False)
            evaluator.update(tensor, target[None], [number])
        return named_scores(evaluator)

    return computed
