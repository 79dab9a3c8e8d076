"""Pixel classification as in ilastik: a random forest on filters at many scales, the classical method with labels.

Every pixel is described by smoothed colour, edges, lines (eigenvalues of the Hessian) and texture (eigenvalues of the
structure tensor) at five scales, and by where it lies. A second forest may see, besides that, what the first one said
of the surroundings (ilastik's autocontext).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from segbench.errors import UserError
from segbench.methods.classical.method import ClassicalMethod, ClassicalSettings, as_labels, label_values
from segbench.methods.classical.objectives import (
    ALPHAS,
    Budget,
    Example,
    binary_scores,
    examples,
    frequencies,
    mean_iou,
    mean_score,
    objective_of,
    spread,
    targets,
)
from segbench.methods.classical.pixel_filters import as_rows, context_features, filter_responses
from segbench.methods.classical.random_forest import Forest, grow
from segbench.methods.classical.region_classes import VOID, Rule
from segbench.methods.classical.region_classes import rules as all_rules
from segbench.methods.classical.working_image import WorkingImage, blur
from segbench.methods.watershed_lines import borders, flood, valleys
from segbench.settings import Choices, Count, NonNegative
from segbench.types import Array, FitContext, Float32, Float64, Int64, MethodInfo, Prediction, Samples

MIN_DEPTH = 0.02
"""Least depth of a catchment basin of the background's probability."""
MAX_CONTEXT_IMAGES = 10
"""Number of images that the second forest is grown on: what the first one says of a whole image takes seconds."""


_Setting = tuple[float, str, float, Rule]
"""Smoothing, whether a watershed closes outlines, alpha, rule."""


@dataclass
class _Rows:
    """Pixels drawn from one training image, which has this place in the split.

    features (n, F), targets (n,), weights (n,): what each stands for, places (n,) in the flat image.
    """

    image: int

    features: Float32
    targets: Int64
    weights: Float64
    places: Int64


class IlastikLikeSettings(ClassicalSettings):
    """Smoothing of the answer, outlines, and the forests."""

    classes: Literal["auto", "classifier"] = Field(
        default="classifier", json_schema_extra={"expected": "auto or classifier: it is a classifier of pixels"}
    )
    """Pixels are classified by the forest; both values mean that."""
    smooth: Choices[NonNegative] = Field(default=[0.0, 1.0, 2.0])
    """Standard deviation in pixels of the Gaussian that smooths the forest's answer."""
    basins: Choices[Literal["no", "yes"]] = Field(default=["no", "yes"])
    """Whether a watershed of the background's probability closes outlines (datasets ranked by V_Rand)."""
    trees: Count = 25
    """Number of trees of each forest."""
    pixels: Count = 3000
    """Number of pixels that are drawn from each training image."""
    stages: Annotated[int, Field(ge=1, le=2)] = 2
    """1 is one forest; with 2 a second one also sees what the first one says of the surroundings."""


class IlastikLike(ClassicalMethod):
    """A random forest on multi-scale filters; smoothing of its answer and class balance chosen on training images."""

    info = MethodInfo(
        name="ilastik-like",
        family="classical",
        summary="random forest on multi-scale filters of every pixel (colour, edges, lines, texture, place)",
        reference="Berg et al.: ilastik, Nature Methods 16, 2019; Tu & Bai: Auto-context, IEEE PAMI 32(10), 2010",
        settings=IlastikLikeSettings,
        tasks=("binary", "multiclass"),
    )

    settings: IlastikLikeSettings

    def fit(self, train: Samples, val: Samples, context: FitContext) -> None:
        """Draw pixels of the training images, judge settings by forests of the other half, and grow on all.

        The second forest learns from what the first one says of images that it was not grown on.
        """
        del val
        info = context.dataset
        if len(train) == 0:
            raise UserError(f"the training split of '{info.name}' is empty, so no forest can be grown")
        budget = Budget(self.settings.max_seconds, context)
        places = spread(len(train), self.settings.fit_images)
        binary = info.task == "binary"
        self.arrays = {"prior": frequencies(targets(train, places, info), 2)[1]} if binary else {}
        self.chosen = self.channels_of(train)
        number = 2 if binary else len(info.classes)
        drawn = self._draw(train, places, budget)
        total = np.bincount(
            np.concatenate([rows.targets for rows in drawn]), np.concatenate([rows.weights for rows in drawn]), number
        )
        self.arrays["frequencies"] = total / max(float(total.sum()), 1.0)
        self.chosen |= {"labels": label_values(info), "objective": objective_of(info), "classes": "classifier"}
        forests = self._judged(train, drawn, budget)
        for stage, forest in enumerate(forests):
            self.arrays |= forest.arrays(f"forest{stage}_")
        self.chosen |= {"classifier_images": len(drawn), "stages": len(forests), "splits": forests[0].splits}
        self.chosen["fit_seconds"] = round(budget.seconds, 1)
        context.log(f"{self.info.name}: chose {self.chosen}")

    def _draw(self, train: Samples, places: Sequence[int], budget: Budget) -> list[_Rows]:
        """Pixels of as many images as a third of the time allows, one at least."""
        drawn: list[_Rows] = []
        for place, example in zip(places, examples(train, places, budget.context.dataset), strict=True):
            if drawn and budget.seconds > budget.max_seconds / 3:
                budget.context.warn(
                    f"{self.info.name}: pixels of {len(drawn)} of {len(places)} images were drawn: max_seconds was near"
                )
                break
            if budget.context.stop():
                raise KeyboardInterrupt
            rows = _draw(self.working_image(example.image), example, self.settings.pixels, place, budget.context.seed)
            if len(rows.targets):
                drawn.append(rows)
            budget.context.progress(len(drawn), len(places), "drawing pixels")
        if not drawn:
            raise UserError("all pixels of the training images are void: there is nothing to learn from")
        return drawn

    def _judged(self, train: Samples, drawn: Sequence[_Rows], budget: Budget) -> list[Forest]:
        """Choose the settings by forests of every other image, and return those of all images."""
        seed, context = budget.context.seed, budget.context
        halves = [drawn, drawn] if len(drawn) == 1 else [drawn[1::2], drawn[::2]]
        first = [self._grow(rows, seed) for rows in (*halves, drawn)]
        stages = [[forest] for forest in first]
        if self.settings.stages > 1:
            seen: list[tuple[int, _Rows]] = []
            chosen = spread(len(drawn), MAX_CONTEXT_IMAGES)
            for done, number in enumerate(chosen, start=1):
                if context.stop():
                    raise KeyboardInterrupt
                image = self.working_image(train[drawn[number].image].image)
                seen.append((number, self._around(image, first[number % 2], drawn[number])))
                context.progress(done, len(chosen), "looking around")
            parts = [[rows for number, rows in seen if number % 2 != half] or [seen[0][1]] for half in (0, 1)]
            for forests, rows in zip(stages, (*parts, [rows for _, rows in seen]), strict=True):
                forests.append(self._grow(rows, seed + 1))
        self._choose(train, drawn, stages, budget)
        return stages[2]

    def _around(self, image: WorkingImage, forest: Forest, rows: _Rows) -> _Rows:
        """The same pixels with what a forest says of their surroundings."""
        shares = self._shares(image, [forest])
        context = np.stack([values.ravel()[rows.places] for values in context_features(shares, image)], axis=1)
        return replace(rows, features=np.concatenate([rows.features, context], axis=1))

    def _grow(self, rows: Sequence[_Rows], seed: int) -> Forest:
        features, found, weights = (
            np.concatenate([getattr(part, name) for part in rows]) for name in ("features", "targets", "weights")
        )
        return grow(features, found, seed, weights, self.settings.trees, min_leaf=4, max_depth=16)

    def _choose(
        self, train: Samples, drawn: Sequence[_Rows], stages: Sequence[Sequence[Forest]], budget: Budget
    ) -> None:
        """Smoothing, outlines, balance and rule by images that a forest was not grown on; of one image, by that one."""
        info, name = budget.context.dataset, self.info.name
        numbers = spread(len(drawn), self.settings.max_images)
        images = examples(train, [drawn[number].image for number in numbers], info)
        scores: dict[_Setting, list[Any]] = {}
        for used, (number, example) in enumerate(zip(numbers, images, strict=True)):
            if used and budget.over:
                budget.context.warn(f"{name}: max_seconds was reached: judged on {used} of {len(numbers)} images")
                break
            image = self.working_image(example.image)
            for key, score in self._scores(self._shares(image, stages[number % 2]), image, example):
                scores.setdefault(key, []).append(score)
            budget.context.progress(used + 1, len(numbers), "judging")
        mean = (lambda parts: mean_iou(np.sum(parts, axis=0))) if info.task == "multiclass" else mean_score
        worth = {key: mean(parts) for key, parts in scores.items()}
        smooth, basins, alpha, rule = best = max(worth, key=lambda key: worth[key])
        self.chosen |= {"smooth": smooth, "basins": basins, "alpha": alpha}
        self.chosen |= {"side": rule.side, "pick": rule.pick, "gate": rule.gate, "training_score": worth[best]}
        self.chosen |= {"training_images": len(scores[best]), "candidates": len(worth)}
        self.chosen["search_seconds"] = round(budget.seconds, 1)

    def _scores(self, shares: Float32, image: WorkingImage, example: Example) -> Iterator[tuple[_Setting, Any]]:
        """What each setting is worth on one image: scores of a binary one, else pixels by true and predicted class."""
        objective = self.chosen["objective"]
        mine = [r for r in (all_rules() if objective == "dice" else [Rule()]) if r.side == "brighter"]
        for smooth in self.space["smooth"]:
            softer = _smoothed(shares, image, smooth)
            for alpha in (0.0, 1.0) if objective == "v_rand" else ALPHAS:
                balanced = self._balanced(softer, alpha)
                if objective == "miou":
                    target = image.fit(example.target).ravel()
                    seen = target != VOID
                    number = len(self.chosen["labels"])
                    pairs = target[seen].astype(np.int64) * number + balanced.argmax(axis=1)[seen]
                    yield (smooth, "no", alpha, Rule()), np.bincount(pairs, minlength=number**2).reshape(number, number)
                    continue
                prior = self.prior(image)
                for basins in self.space["basins"] if objective == "v_rand" else ("no",):
                    values = _outlined(balanced[:, 1].reshape(image.shape), basins)
                    found = binary_scores(values, image, example.target, prior, objective, mine)
                    yield from (((smooth, basins, alpha, rule), score) for rule, score in found.items())

    def _balanced(self, shares: Float32, alpha: float) -> Float32:
        """Shares divided by (training frequency)^alpha, each row summing to 1."""
        if not alpha:
            return shares
        frequent = self.arrays["frequencies"]
        balanced = shares * (np.where(frequent > 0, frequent, 1.0) ** -alpha).astype(np.float32)
        return np.asarray(balanced / np.maximum(balanced.sum(axis=1, keepdims=True), 1e-12), np.float32)

    def _shares(self, image: WorkingImage, forests: Sequence[Forest]) -> Float32:
        """Class shares (h * w, K) of every pixel."""
        several = len(self.chosen["labels"])
        rows = as_rows(filter_responses(image))
        shares = forests[0].shares_of(rows, several)
        for forest in forests[1:]:
            shares = forest.shares_of(np.concatenate([rows, as_rows(context_features(shares, image))], axis=1), several)
        return shares

    def _predict(self, image: WorkingImage) -> Prediction:
        chosen = self.chosen
        forests = [Forest.of(self.arrays, f"forest{stage}_") for stage in range(chosen["stages"])]
        shares = self._balanced(_smoothed(self._shares(image, forests), image, chosen["smooth"]), chosen["alpha"])
        labels = as_labels(np.array(chosen["labels"]))
        if chosen["objective"] == "miou":
            return Prediction(labels=image.restore(labels[shares.argmax(axis=1)].reshape(image.shape)))
        foreground = shares[:, 1].reshape(image.shape)
        if chosen["objective"] == "v_rand":
            values = image.restore(_outlined(foreground, chosen["basins"]))
            return Prediction(probabilities=np.clip(values, 0, 1))
        rule = Rule(chosen["side"], chosen["pick"], chosen["gate"])
        return Prediction(labels=labels[image.restore(rule.mask(foreground, self.prior(image))).astype(np.intp)])


def _draw(image: WorkingImage, example: Example, most: int, place: int, seed: int) -> _Rows:
    """As many pixels of each class that occurs, `most` in all, each standing for its share of the class."""
    target = np.asarray(image.fit(example.target)).ravel()
    random = np.random.default_rng((seed, place))
    present = [position for position in np.unique(target).tolist() if position != VOID]
    taken: list[Int64] = []
    weights: list[Float64] = []
    for position in present:
        every = np.flatnonzero(target == position)
        some = np.sort(random.choice(every, min(len(every), max(1, most // len(present))), replace=False))
        taken.append(some)
        weights.append(np.full(len(some), len(every) / len(some) / target.size))
    places = np.concatenate([np.zeros(0, np.int64), *taken])
    features = np.stack([values.ravel()[places] for values in filter_responses(image)], axis=1)
    return _Rows(place, features, target[places].astype(np.int64), np.concatenate([np.zeros(0), *weights]), places)


def _smoothed(shares: Float32, image: WorkingImage, sigma: float) -> Float32:
    """Shares (h * w, K) after a Gaussian of each class's map."""
    if not sigma:
        return shares
    maps: Array = shares.reshape(*image.shape, -1)
    softer = [blur(np.ascontiguousarray(maps[..., position]), sigma) for position in range(maps.shape[2])]
    return as_rows(softer)


def _outlined(foreground: Float32, basins: str) -> Float32:
    """Foreground probabilities (h, w), or 1 inside of catchment basins and the mean of each border along it."""
    if basins == "no":
        return foreground
    relief = blur(1 - foreground, 1.0)
    return np.clip(1 - borders(flood(relief, valleys(relief, MIN_DEPTH)), relief), 0, 1)
