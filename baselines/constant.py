"""The majority class everywhere: the score that needs no method at all."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from segbench.errors import UserError
from segbench.methods.classical.method import ClassicalMethod, ClassicalSettings, as_labels, label_values
from segbench.methods.classical.objectives import objective_of, spread, targets
from segbench.methods.classical.region_classes import VOID
from segbench.methods.classical.working_image import WorkingImage
from segbench.types import FitContext, MethodInfo, Prediction, Samples


class ConstantSettings(ClassicalSettings):
    """The budget alone."""

    classes: Literal["auto"] = Field(default="auto", json_schema_extra={"expected": "auto: it has no regions"})
    """There are no regions to name."""


class Constant(ClassicalMethod):
    """The class with most pixels in the training images, for every pixel."""

    info = MethodInfo(
        name="constant",
        family="classical",
        summary="the majority class of the training pixels everywhere",
        reference="no method",
        settings=ConstantSettings,
        tasks=("binary", "multiclass"),
    )

    def fit(self, train: Samples, val: Samples, context: FitContext) -> None:
        """Count the pixels of each class on up to `fit_images` training images."""
        del val
        info = context.dataset
        if len(train) == 0:
            raise UserError(f"the training split of '{info.name}' is empty, so it has no majority class")
        labels = label_values(info)
        places = spread(len(train), self.settings.fit_images)
        counts = np.zeros(len(labels), np.int64)
        for target in targets(train, places, info):
            counts += np.bincount(target[target != VOID], minlength=len(labels))[: len(labels)]
        share = float(counts.max() / max(int(counts.sum()), 1))
        self.chosen = {
            "labels": labels,
            "label": labels[int(counts.argmax())],
            "share": share,
            "objective": objective_of(info),
            "training_images": len(places),
        }

    def _predict(self, image: WorkingImage) -> Prediction:
        return Prediction(labels=as_labels(np.full(image.frame, self.chosen["label"], np.int64)))
