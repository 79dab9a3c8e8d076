"""Otsu's threshold: the classical baseline that a learned method has to beat.

One channel, smoothed, split at the grey value that separates its histogram best, image by image. What the training
split decides is small and readable: which channel, how much smoothing, and whether foreground is the brighter side.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segbench.errors import UserError
from segbench.training.config import check_keys
from segbench.types import Array, DatasetInfo, FitContext, Float64, MethodInfo, Prediction, Sample, Samples, Uint8

FILE = "threshold.json"
SIGMAS = (0.0, 1.0, 2.0, 4.0, 8.0)
GREY_CHANNELS = ("grey",)
COLOR_CHANNELS = ("grey", "red", "red_excess", "green_excess", "chroma")


class Threshold:
    """Otsu's threshold per image; channel, smoothing and polarity are chosen by mean Dice on the training split."""

    info = MethodInfo(
        name="threshold",
        family="classical",
        summary="Otsu threshold per image; channel, smoothing and polarity chosen on the training split",
        reference="Otsu: A threshold selection method from gray-level histograms, 1979",
        defaults={"max_images": 40, "max_seconds": 60.0},
    )

    def __init__(self, config: Mapping[str, Any]) -> None:
        check_keys(self.info.name, config, self.info.defaults)
        for key, kinds in (("max_images", (int,)), ("max_seconds", (int, float))):
            value = config[key]
            if isinstance(value, bool) or not isinstance(value, kinds) or value <= 0:
                raise UserError(f"Setting {key} of method threshold is {value!r}: expected a number above 0.")
        self.config: Mapping[str, Any] = dict(config)
        self.chosen: dict[str, Any] = {}

    def fit(self, train: Samples, val: Samples, context: FitContext) -> None:  # noqa: ARG002 (nothing left to choose)
        """Score every candidate on at most `max_images` evenly spaced training images and keep the best.

        Ties go to the earlier candidate: the simpler channel, less smoothing, the brighter side. `max_seconds` is a
        safety: when it ends the search early that is warned of, for the choice then depends on the machine.
        """
        if len(train) == 0:
            name = context.dataset.name
            raise UserError(f"the training split of '{name}' is empty, so no threshold can be chosen")
        indices = np.unique(np.linspace(0, len(train) - 1, min(len(train), self.config["max_images"])).astype(int))
        scores: dict[tuple[str, float, str], list[float]] = {}
        start = time.monotonic()
        for done, index in enumerate(indices, start=1):
            if context.stop():
                raise KeyboardInterrupt
            for candidate, score in _candidate_scores(train[int(index)], context.dataset):
                scores.setdefault(candidate, []).append(score)
            context.progress(done, len(indices), "choosing channel, smoothing and polarity")
            if time.monotonic() - start > self.config["max_seconds"] and done < len(indices):
                context.warn(f"the threshold was chosen on {done} of {len(indices)} images: max_seconds was reached")
                break
        means = {candidate: _mean(values) for candidate, values in scores.items()}
        (channel, sigma, side), score = max(means.items(), key=lambda item: item[1])
        self.chosen = {
            "channel": channel,
            "sigma": sigma,
            "side": side,
            "training_dice": score,
            "training_images": done,
            "labels": [_background(context.dataset), context.dataset.foreground],
        }
        context.log(f"threshold: chose {self.chosen}")

    def predict(self, images: Sequence[Uint8]) -> list[Prediction]:
        """Label values (uint8) of each image; a constant image has no contrast and is background."""
        if not self.chosen:
            raise UserError("this threshold has not been chosen yet: fit it, or load a fitted one")
        chosen = self.chosen
        values = np.array(chosen["labels"], dtype=np.uint8)
        masks = (_sides(_channel(image, chosen["channel"]), chosen["sigma"])[chosen["side"]] for image in images)
        return [Prediction(labels=values[mask.astype(np.intp)]) for mask in masks]

    def save(self, folder: Path) -> None:
        """Write `threshold.json`: the configuration and what was chosen."""
        document = {"method": self.info.name, "config": dict(self.config), "chosen": self.chosen}
        (folder / FILE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    def load(self, folder: Path, dataset: DatasetInfo, device: str) -> None:  # noqa: ARG002 (the file says it all)
        """Become the threshold that was saved in `folder`."""
        path = folder / FILE
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            self.config, self.chosen = document["config"], document["chosen"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"'{path}' holds no saved threshold ({type(error).__name__}: {error})") from None

    def parameters(self) -> int:
        """Nothing is trained by gradient."""
        return 0


def _candidate_scores(sample: Sample, dataset: DatasetInfo) -> list[tuple[tuple[str, float, str], float]]:
    """Dice of every (channel, sigma, polarity) on one sample; NaN where truth and mask are both empty."""
    if sample.image is None or sample.labels is None:
        raise UserError(f"sample '{sample.id}' has no image or no labels, so it cannot be learned from")
    truth = sample.labels == dataset.foreground
    counted = np.ones_like(truth) if dataset.ignore_label is None else sample.labels != dataset.ignore_label
    results = []
    for channel in GREY_CHANNELS if sample.image.ndim == 2 else COLOR_CHANNELS:
        values = _channel(sample.image, channel)
        for sigma in SIGMAS:
            for polarity, side in _sides(values, sigma).items():
                mask = side & counted
                size = int(mask.sum()) + int(truth.sum())
                dice = 2 * int((mask & truth).sum()) / size if size else float("nan")
                results.append(((channel, sigma, polarity), dice))
    return results


def _channel(image: Uint8, name: str) -> Float64:
    """(H, W) float64 values of a channel; every channel of a grey image is the grey value itself."""
    from skimage.color import rgb2gray

    if image.ndim == 2:
        return np.asarray(image / 255, dtype=np.float64)
    if name == "grey":
        return np.asarray(rgb2gray(image), dtype=np.float64)
    red, green, blue = (np.asarray(image[..., channel] / 255, dtype=np.float64) for channel in range(3))
    if name == "red":
        return red
    if name == "red_excess":
        return red - (green + blue) / 2
    if name == "green_excess":
        return green - (red + blue) / 2
    return np.asarray(np.ptp(image, axis=2), dtype=np.float64) / 255


def _sides(values: Float64, sigma: float) -> dict[str, Array]:
    """(H, W) bool masks of both sides of Otsu's threshold after smoothing; none of a constant image is foreground."""
    from skimage.filters import gaussian, threshold_otsu

    if values.min() == values.max():
        nothing = np.zeros(values.shape, dtype=bool)
        return {"brighter": nothing, "darker": nothing}
    smooth = values
    if sigma:
        smooth = gaussian(values, sigma, mode="nearest", preserve_range=True)  # type: ignore[no-untyped-call]
    brighter = np.asarray(smooth > threshold_otsu(smooth))  # type: ignore[no-untyped-call]
    return {"brighter": brighter, "darker": ~brighter}


def _mean(scores: list[float]) -> float:
    """Mean of the defined scores; below every score when none is defined."""
    defined = [score for score in scores if not np.isnan(score)]
    return float(np.mean(defined)) if defined else -1.0


def _background(dataset: DatasetInfo) -> int:
    """The label value of what is not foreground."""
    others = [entry.id for entry in dataset.classes if entry.id not in (dataset.foreground, dataset.ignore_label)]
    return others[0] if others else 0
