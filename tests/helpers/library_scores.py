"""The calls of well-known libraries that `bench explain` names, as functions of label maps.

A file of its own, as these imports take seconds that collecting tests should not.

Every function takes truth and prediction, (n, H, W) uint8: indices of VOC 2012's classes with 255 as void, or 0 and 1.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling import getIouScoreForLabel, getScoreAverage
from cityscapesscripts.helpers.labels import labels as official_labels
from monai.metrics.meandice import DiceMetric as MonaiDice
from monai.metrics.meaniou import MeanIoU as MonaiMeanIoU
from segmentation_models_pytorch import metrics as smp
from sklearn.metrics import f1_score, jaccard_score
from torchmetrics.classification import BinaryF1Score, MulticlassJaccardIndex
from torchmetrics.functional.segmentation import mean_iou
from torchmetrics.segmentation import DiceScore, MeanIoU

from segbench.types import Array

VOID = 255
C = 21
Runner = Callable[[Array, Array], Any]


def _counted(truth: Array, predicted: Array) -> tuple[Array, Array]:
    return truth[truth != VOID], predicted[truth != VOID]


def _flat(truth: Array, predicted: Array) -> tuple[Array, Array]:
    return truth.ravel(), predicted.ravel()


def _filled(truth: Array, _: Array | None = None) -> Any:
    return _long(np.where(truth == VOID, 0, truth))


def _long(labels: Array) -> Any:
    return torch.from_numpy(labels.astype(np.int64))


def _one_hot(labels: Array, masked: Array | None = None) -> Any:
    """(n, C, H, W), nothing set where the label is void or the mask says so."""
    hot = labels[:, None] == np.arange(C)[None, :, None, None]
    return torch.from_numpy(hot if masked is None else hot & ~masked[:, None]).long()


def _masked(truth: Array, predicted: Array) -> tuple[Any, Any]:
    """Prediction and truth as torchmetrics takes them, both empty on void pixels."""
    return _one_hot(predicted, truth == VOID), _one_hot(truth)


def _monai(truth: Array, predicted: Array, metric: Any) -> Any:
    metric(_one_hot(predicted).float(), _one_hot(truth).float())
    return metric.aggregate()


def _update(metric: Any, *arguments: Any) -> Any:
    metric.update(*arguments)
    return metric.compute()


def _jaccard_index(truth: Any, predicted: Array, **options: Any) -> Any:
    return _update(MulticlassJaccardIndex(C, **options), _long(predicted), truth)


def _smp(truth: Array, predicted: Array, reduction: str, ignore_index: int | None = VOID) -> Any:
    stats = smp.get_stats(_long(predicted), _long(truth), "multiclass", ignore_index=ignore_index, num_classes=C)
    return smp.iou_score(*stats, reduction=reduction)


def _cityscapes_scripts(truth: Array, predicted: Array) -> float:
    """The official mean, with class k as the k-th evaluated label; the maps hold none of the two classes too many."""
    evaluated = np.array([label.id for label in official_labels if label.id >= 0 and not label.ignoreInEval])
    counted, found = _counted(truth, predicted)
    return cityscapes_mean_iou(evaluated[counted], evaluated[found])


def cityscapes_mean_iou(truth: Array, predicted: Array) -> float:
    """Mean class IoU of label ids 0 to 33 by the official functions."""
    args = SimpleNamespace(evalLabels=list(range(34)))
    matrix = np.zeros((34, 34), np.int64)
    np.add.at(matrix, (truth.ravel(), predicted.ravel()), 1)
    scores = {label: getIouScoreForLabel(label, matrix, args) for label in args.evalLabels}
    return float(getScoreAverage(scores, args))


CLASSES = list(range(C))
MULTICLASS: dict[str, Runner] = {
    "cityscapesScripts": _cityscapes_scripts,
    "torchmetrics MulticlassJaccardIndex(average='macro', ignore_index=void)": lambda t, p: _jaccard_index(
        _long(t), p, average="macro", ignore_index=VOID
    ),
    "torchmetrics MulticlassJaccardIndex(average='weighted', ignore_index=void)": lambda t, p: _jaccard_index(
        _long(t), p, average="weighted", ignore_index=VOID
    ),
    "torchmetrics MulticlassJaccardIndex(average='micro', ignore_index=void)": lambda t, p: _jaccard_index(
        _long(t), p, average="micro", ignore_index=VOID
    ),
    "torchmetrics MulticlassJaccardIndex(average='macro'), void set to 0": lambda t, p: _jaccard_index(
        _filled(t), p, average="macro"
    ),
    "torchmetrics MulticlassJaccardIndex(average='macro', ignore_index=0), void set to 0": lambda t, p: _jaccard_index(
        _filled(t), p, average="macro", ignore_index=0
    ),
    "torchmetrics.functional.segmentation mean_iou(), mean over images, void masked": lambda t, p: mean_iou(
        *_masked(t, p), num_classes=C
    ).mean(),
    "torchmetrics.functional.segmentation mean_iou(per_class=True), mean of all, void masked": lambda t, p: mean_iou(
        *_masked(t, p), num_classes=C, per_class=True
    ).mean(),
    "torchmetrics.segmentation MeanIoU(), void masked": lambda t, p: _update(MeanIoU(C), *_masked(t, p)),
    "torchmetrics.segmentation MeanIoU(per_class=True), mean of all, void masked": lambda t, p: _update(
        MeanIoU(C, per_class=True), *_masked(t, p)
    ).mean(),
    "torchmetrics.segmentation MeanIoU(include_background=False), void masked": lambda t, p: _update(
        MeanIoU(C, include_background=False), *_masked(t, p)
    ),
    "torchmetrics.segmentation MeanIoU(), void set to 0": lambda t, p: _update(
        MeanIoU(C, input_format="index"), _long(p), _filled(t)
    ),
    "MONAI MeanIoU(ignore_index=void)": lambda t, p: _monai(t, p, MonaiMeanIoU(ignore_index=VOID)),
    "MONAI MeanIoU(ignore_empty=False, ignore_index=void)": lambda t, p: _monai(
        t, p, MonaiMeanIoU(ignore_empty=False, ignore_index=VOID)
    ),
    "MONAI MeanIoU(include_background=False, ignore_index=void)": lambda t, p: _monai(
        t, p, MonaiMeanIoU(include_background=False, ignore_index=VOID)
    ),
    "MONAI MeanIoU(reduction='mean_batch', ignore_index=void), mean of all": lambda t, p: _monai(
        t, p, MonaiMeanIoU(reduction="mean_batch", ignore_index=VOID)
    ).mean(),
    "MONAI MeanIoU() without ignore_index": lambda t, p: _monai(t, p, MonaiMeanIoU()),
    "smp iou_score(reduction='macro') with ignore_index=void": lambda t, p: _smp(t, p, "macro"),
    "smp iou_score(reduction='micro') with ignore_index=void": lambda t, p: _smp(t, p, "micro"),
    "smp iou_score(reduction='micro-imagewise') with ignore_index=void": lambda t, p: _smp(t, p, "micro-imagewise"),
    "smp iou_score(reduction='macro-imagewise') with ignore_index=void": lambda t, p: _smp(t, p, "macro-imagewise"),
    "smp iou_score(reduction='macro') without ignore_index": lambda t, p: _smp(t, p, "macro", None),
    "scikit-learn jaccard_score(average='macro') of the counted pixels": lambda t, p: jaccard_score(
        *_counted(t, p), average="macro"
    ),
    "scikit-learn jaccard_score(average='micro') of the counted pixels": lambda t, p: jaccard_score(
        *_counted(t, p), average="micro"
    ),
    "scikit-learn jaccard_score(average='weighted') of the counted pixels": lambda t, p: jaccard_score(
        *_counted(t, p), average="weighted"
    ),
    "scikit-learn jaccard_score(labels=classes, average='macro') of the counted pixels": lambda t, p: jaccard_score(
        *_counted(t, p), labels=CLASSES, average="macro"
    ),
    "scikit-learn jaccard_score(labels=classes, average='macro', zero_division=1) of the counted pixels": (
        lambda t, p: jaccard_score(*_counted(t, p), labels=CLASSES, average="macro", zero_division=1)
    ),
    "scikit-learn jaccard_score(labels=classes[1:], average='macro') of the counted pixels": lambda t, p: jaccard_score(
        *_counted(t, p), labels=CLASSES[1:], average="macro"
    ),
    "scikit-learn jaccard_score(average='macro') of all pixels": lambda t, p: jaccard_score(
        *_flat(t, p), average="macro"
    ),
    "scikit-learn jaccard_score(labels=classes, average='macro') of all pixels": lambda t, p: jaccard_score(
        *_flat(t, p), labels=CLASSES, average="macro"
    ),
}


def _dice_score(truth: Array, predicted: Array, **options: Any) -> Any:
    return _update(DiceScore(2, input_format="index", **options), _long(predicted), _long(truth))


def _monai_dice(truth: Array, predicted: Array, **options: Any) -> Any:
    metric = MonaiDice(**options)
    metric(_one_hot(predicted)[:, :2].float(), _one_hot(truth)[:, :2].float())
    return metric.aggregate()


def _smp_f1(truth: Array, predicted: Array, reduction: str) -> Any:
    return smp.f1_score(*smp.get_stats(_long(predicted)[:, None], _long(truth)[:, None], "binary"), reduction=reduction)


BINARY: dict[str, Runner] = {
    "scikit-learn f1_score()": lambda t, p: f1_score(*_flat(t, p)),
    "scikit-learn f1_score() per image, mean over images": lambda t, p: np.mean(
        [f1_score(*_flat(a, b), zero_division=0) for a, b in zip(t, p, strict=True)]
    ),
    "scikit-learn f1_score(average='macro')": lambda t, p: f1_score(*_flat(t, p), average="macro"),
    "scikit-learn f1_score(average='micro')": lambda t, p: f1_score(*_flat(t, p), average="micro"),
    "scikit-learn f1_score(average='weighted')": lambda t, p: f1_score(*_flat(t, p), average="weighted"),
    "torchmetrics BinaryF1Score()": lambda t, p: _update(BinaryF1Score(), _long(p), _long(t)),
    "torchmetrics BinaryF1Score(multidim_average='samplewise'), mean over images": lambda t, p: _update(
        BinaryF1Score(multidim_average="samplewise"), _long(p), _long(t)
    ).mean(),
    "torchmetrics.segmentation DiceScore()": _dice_score,
    "torchmetrics.segmentation DiceScore(include_background=False)": lambda t, p: _dice_score(
        t, p, include_background=False
    ),
    "torchmetrics.segmentation DiceScore(aggregation_level='global')": lambda t, p: _dice_score(
        t, p, aggregation_level="global"
    ),
    "torchmetrics.segmentation DiceScore(aggregation_level='global', include_background=False)": (
        lambda t, p: _dice_score(t, p, aggregation_level="global", include_background=False)
    ),
    "torchmetrics.segmentation DiceScore(average='micro', aggregation_level='global')": lambda t, p: _dice_score(
        t, p, average="micro", aggregation_level="global"
    ),
    "torchmetrics.segmentation DiceScore(average='weighted', aggregation_level='global')": lambda t, p: _dice_score(
        t, p, average="weighted", aggregation_level="global"
    ),
    "MONAI DiceMetric()": _monai_dice,
    "MONAI DiceMetric(ignore_empty=False)": lambda t, p: _monai_dice(t, p, ignore_empty=False),
    "MONAI DiceMetric(include_background=False)": lambda t, p: _monai_dice(t, p, include_background=False),
    "MONAI DiceMetric(include_background=False, ignore_empty=False)": lambda t, p: _monai_dice(
        t, p, include_background=False, ignore_empty=False
    ),
    "smp f1_score(reduction='micro')": lambda t, p: _smp_f1(t, p, "micro"),
    "smp f1_score(reduction='micro-imagewise')": lambda t, p: _smp_f1(t, p, "micro-imagewise"),
}
