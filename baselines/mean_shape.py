"""The mean shape of the training masks, whatever the image shows: a prior that any method must beat.

Binary: the share of training masks with foreground at each relative place, cut where that is best for the training
images. Multi-class: the most frequent class of each place, after division by a power of its overall frequency.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from segbench.errors import UserError
from segbench.methods.classical.method import ClassicalMethod, ClassicalSettings, as_labels, label_values
from segbench.methods.classical.objectives import (
    ALPHAS,
    Budget,
    dice,
    frequencies,
    mean_iou,
    mean_score,
    objective_of,
    spread,
    spread_map,
    targets,
    v_rand,
)
from segbench.methods.classical.region_classes import VOID
from segbench.methods.classical.working_image import WorkingImage
from segbench.settings import Choices, Fraction
from segbench.types import Array, FitContext, Float32, Int64, MethodInfo, Prediction, Samples, Uint8


class MeanShapeSettings(ClassicalSettings):
    """The level of the mean mask."""

    classes: Literal["auto"] = Field(default="auto", json_schema_extra={"expected": "auto: it has no regions"})
    """There are no regions to name."""
    level: Choices[Fraction] = Field(default=[0.5, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7])
    """Share of training masks with foreground at a place from which on it is foreground."""


class MeanShape(ClassicalMethod):
    """Class frequencies by place, in coordinates relative to the frame; never looks at an image."""

    info = MethodInfo(
        name="mean-shape",
        family="classical",
        summary="the mean of the training masks at each relative place: a prior any method must beat",
        reference="the pixelwise mean of the training masks; no image is looked at",
        settings=MeanShapeSettings,
        tasks=("binary", "multiclass"),
    )

    def fit(self, train: Samples, val: Samples, context: FitContext) -> None:
        """Average up to `fit_images` masks, then choose level or balance on up to `max_images` of them."""
        del val
        info = context.dataset
        if len(train) == 0:
            raise UserError(f"the training split of '{info.name}' is empty, so it has no mean shape")
        budget = Budget(self.settings.max_seconds, context)
        places = spread(len(train), self.settings.fit_images)
        classes = len(info.classes) if info.task == "multiclass" else 2
        self.arrays = {"frequencies": frequencies(targets(train, places, info), classes)}
        objective = objective_of(info)
        self.chosen = {"labels": label_values(info), "objective": objective, "shape_images": len(places)}
        key, options = ("alpha", list(ALPHAS)) if objective == "miou" else ("level", self.space["level"])
        tuning = spread(len(train), self.settings.max_images)
        scores: list[list[Array]] = [[] for _ in options]
        for target in targets(train, tuning, info):
            if budget.over and scores[0]:
                context.warn(f"{self.info.name}: {key} was chosen on {len(scores[0])} of {len(tuning)} images")
                break
            for option, each in zip(options, scores, strict=True):
                each.append(self._score(target, option))
        mean = (lambda each: mean_iou(np.sum(each, axis=0))) if objective == "miou" else mean_score
        worth = [mean(each) for each in scores]
        best = int(np.argmax(worth))
        self.chosen |= {key: options[best], "training_score": worth[best], "training_images": len(scores[0])}
        self.chosen |= {"candidates": len(options), "fit_seconds": round(budget.seconds, 1)}

    def _score(self, target: Uint8, option: float) -> Array:
        """Dice (1,), V_Rand by threshold (T,), or pixels by true and predicted class (K, K) of one training mask."""
        if self.chosen["objective"] == "miou":
            predicted, seen = self._positions(target.shape[:2], option), target != VOID
            number = len(self.chosen["labels"])
            pairs = target[seen].astype(np.int64) * number + predicted[seen]
            return np.bincount(pairs, minlength=number**2).reshape(number, number)
        values = self._foreground(target.shape[:2], option)
        if self.chosen["objective"] == "v_rand":
            return v_rand(values, target)
        return np.array([dice(values > 0.5, target)])

    def _foreground(self, shape: tuple[int, ...], level: float) -> Float32:
        """Share of masks (H, W) with foreground at each place, moved so that `level` becomes 0.5."""
        share = spread_map(self.arrays["frequencies"][1], (shape[0], shape[1]))
        return np.asarray(np.clip(share - level + 0.5, 0, 1), np.float32)

    def _positions(self, shape: tuple[int, ...], alpha: float) -> Int64:
        """Position (H, W) of the class that is most frequent at each place, for its overall frequency."""
        grid = self.arrays["frequencies"]
        overall = grid.mean(axis=(1, 2))
        best = np.full(shape, -1, np.float32)
        result = np.zeros(shape, np.int64)
        for position in np.flatnonzero(overall).tolist():
            share = spread_map(grid[position], (shape[0], shape[1])) * np.float32(overall[position] ** -alpha)
            result[share > best] = position
            best = np.maximum(best, share)
        return result

    def _predict(self, image: WorkingImage) -> Prediction:
        values = as_labels(np.array(self.chosen["labels"]))
        if self.chosen["objective"] == "miou":
            return Prediction(labels=values[self._positions(image.frame, self.chosen["alpha"])])
        foreground = self._foreground(image.frame, self.chosen["level"])
        if self.chosen["objective"] == "v_rand":
            return Prediction(probabilities=foreground)
        return Prediction(labels=values[(foreground > 0.5).astype(np.intp)])
