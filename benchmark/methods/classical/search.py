"""The search itself: every candidate on every tuning image, then the best of all ways to name its regions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol

import numpy as np

from ...types import Array, Float32, Float64, MethodInfo, Samples, Uint8, UserError
from .objectives import (
    ALPHAS,
    Budget,
    Example,
    binary_scores,
    box_of,
    confusion_of,
    cross_fitted,
    examples,
    mean_iou,
    mean_score,
    objective_of,
    oracle_scores,
    spread,
)
from .region_classes import SIDES, Rule, Segmentation, Table, count_classes, region_features, rules
from .working_image import WorkingImage

SMALL_BOX = 0.6
"""Where the prior's box covers less than this share of the frame, the box alone is tried too."""
MIN_CANDIDATES = 4
"""Number of candidates that are tried on every tuning image."""
MAX_CLASSIFIED = 24
"""Number of candidates, evenly spaced, that are tried without a rule: each then costs two forests."""

Key = tuple[int, str]


class Searched(Protocol):
    """What the search needs of a method."""

    info: ClassVar[MethodInfo]
    regional: ClassVar[bool]
    settings: Any
    arrays: dict[str, Array]

    def candidates(self, colored: bool) -> list[dict[str, Any]]: ...

    def working_image(self, image: Uint8, roi: str | None = None) -> WorkingImage: ...

    def prior(self, image: WorkingImage) -> Float32: ...

    def segmented(self, image: WorkingImage, params: Mapping[str, Any]) -> Segmentation: ...


@dataclass
class _Trial:
    """What one candidate left on one image: scores by rule, and its regions where a classifier is to name them."""

    by_rule: dict[Rule, Float64] = field(default_factory=dict)
    table: Table | None = None
    regions: Array | None = None


@dataclass
class Search:
    """One method's search; `places` and `tables` are the tuning images and the best candidate's regions of them."""

    method: Searched
    train: Samples
    budget: Budget
    places: list[int] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.info = self.budget.context.dataset
        self.objective = objective_of(self.info)
        ways = self.method.settings.classes
        binary = self.info.task == "binary"
        self.by_rule = binary and ways in ("auto", "rule")
        self.by_classifier = ways in ("classifier", "oracle") or (
            ways == "auto" and (not binary or self.method.regional)
        )
        self.rules = SIDES if self.objective == "v_rand" else rules()
        self.examples: list[Example] = []
        self.trials: dict[Key, list[_Trial]] = {}
        self.tried = 0

    def run(self) -> dict[str, Any]:
        """Try everything and return what was chosen, with its score and what it took.

        Raises UserError where no candidate could be scored.
        """
        wanted = spread(len(self.train), self.method.settings.max_images)
        for place, example in zip(wanted, examples(self.train, wanted, self.info), strict=True):
            if self.examples and self.budget.over:
                break
            if not self.examples:
                self.candidates = self.method.candidates(self.method.working_image(example.image).colored)
                if not self.by_rule and len(self.candidates) > MAX_CLASSIFIED:
                    self.candidates = [self.candidates[n] for n in spread(len(self.candidates), MAX_CLASSIFIED)]
                if not self.candidates:
                    raise UserError(f"the settings of {self.method.info.name} leave no candidate to try")
            self._try_all(example, len(wanted))
            self.examples.append(example)
            self.places.append(place)
            self._halve()
        complete = {key: found for key, found in self.trials.items() if len(found) == len(self.examples)}
        self._warn(len(wanted))
        key, chosen, score = self._best(complete)
        self.tables = [trial.table for trial in complete[key] if trial.table is not None]
        return {
            **self.candidates[key[0]],
            "roi": key[1],
            **chosen,
            "training_score": score,
            "training_images": len(self.examples),
            "candidates": self.tried,
            "search_seconds": round(self.budget.seconds, 1),
        }

    @property
    def _rois(self) -> tuple[str, ...]:
        if self.objective != "dice":
            return ("frame",)
        top, left, bottom, right = box_of(self.method.arrays["prior"])
        return ("frame", "box") if (bottom - top) * (right - left) < SMALL_BOX else ("frame",)

    def _try_all(self, example: Example, images: int) -> None:
        """Every candidate on one image; one that the time does not allow on the first image is left out."""
        context, first = self.budget.context, not self.examples
        done = 0
        for roi in self._rois:
            image = self.method.working_image(example.image, roi)
            prior = self.method.prior(image) if self.info.task == "binary" else np.zeros(0, np.float32)
            for number, params in enumerate(self.candidates):
                key = (number, roi)
                if first and self.trials and self.budget.over:
                    return
                if first or key in self.trials:
                    self.trials.setdefault(key, []).append(self._try(image, example, prior, params))
                done += 1
                context.progress(len(self.examples), images, f"candidate {done}")

    def _try(self, image: WorkingImage, example: Example, prior: Float32, params: Mapping[str, Any]) -> _Trial:
        segmentation = self.method.segmented(image, params)
        trial = _Trial()
        if self.by_rule:
            values = segmentation.map(image)
            trial.by_rule = binary_scores(values, image, example.target, prior, self.objective, self.rules)
        if self.by_classifier:
            regions = segmentation.partition()
            classes = len(self.info.classes) if self.info.task == "multiclass" else 2
            counts = count_classes(regions, np.asarray(image.fit(example.target), np.uint8), classes)
            trial.table = Table(region_features(regions, image), counts)
            if self.info.task == "binary":
                trial.regions = regions.astype(np.uint16) if regions.max() < 1 << 16 else regions
        return trial

    def _halve(self) -> None:
        """After each image the better half by rule stays, `MIN_CANDIDATES` at least; classifiers are not halved."""
        self.tried = max(self.tried, len(self.trials))
        if not self.by_rule:
            return
        worth = {
            key: max(mean_score([trial.by_rule[rule] for trial in trials]) for rule in self.rules)
            for key, trials in self.trials.items()
        }
        ranked = sorted(worth, key=lambda key: -worth[key])
        remaining = set(ranked[: max(MIN_CANDIDATES, len(ranked) // 2)])
        self.trials = {key: trials for key, trials in self.trials.items() if key in remaining}

    def _warn(self, images: int) -> None:
        every = len(self.candidates) * len(self._rois)
        if len(self.examples) < images or self.tried < every:
            self.budget.context.warn(
                f"the search was cut by max_seconds: {self.tried} of {every} candidates were tried on "
                f"{len(self.examples)} of {images} images, so what was chosen depends on this machine"
            )

    def _best(self, complete: Mapping[Key, list[_Trial]]) -> tuple[Key, dict[str, Any], float]:
        """The first of the best: candidates in order, for each its rules before its classifier."""
        best: tuple[Key, dict[str, Any], float] | None = None
        for done, (key, trials) in enumerate(complete.items()):
            # Forests may take longer than the regions did: twice the time is the end.
            if done and self.budget.seconds > 2 * self.budget.max_seconds:
                self.budget.context.warn(f"{done} of {len(complete)} candidates were judged: max_seconds was reached")
                break
            for chosen, score in self._ways(key, trials):
                if best is None or score > best[2]:
                    best = key, chosen, score
        assert best is not None
        return best

    def _ways(self, key: Key, trials: list[_Trial]) -> list[tuple[dict[str, Any], float]]:
        """Every way to name one candidate's regions, with its score."""
        ways: list[tuple[dict[str, Any], float]] = []
        for rule in self.rules if self.by_rule else ():
            score = mean_score([trial.by_rule[rule] for trial in trials])
            ways.append(({"classes": "rule", **_said(rule)}, score))
        tables = [trial.table for trial in trials if trial.table is not None]
        if self.method.settings.classes == "oracle":
            return [({"classes": "oracle"}, oracle_scores(tables))]
        if tables:
            ways += self._classified(key, trials, tables)
        return ways

    def _classified(self, key: Key, trials: list[_Trial], tables: list[Table]) -> list[tuple[dict[str, Any], float]]:
        ways: list[tuple[dict[str, Any], float]] = []
        models = cross_fitted(tables, self.budget.context.seed)
        for alpha in (0.0,) if self.objective == "v_rand" else ALPHAS:
            fitted = [replace(model, alpha=alpha) for model in models]
            shares = [model.shares(table.features) for model, table in zip(fitted, tables, strict=True)]
            said = {"classes": "classifier", "alpha": alpha}
            if self.objective == "miou":
                parts = [confusion_of(t, s.argmax(axis=1)) for t, s in zip(tables, shares, strict=True)]
                ways.append((said, mean_iou(np.sum(parts, axis=0))))
                continue
            scores: dict[Rule, list[Float64]] = {}
            for trial, share, example in zip(trials, shares, self.examples, strict=True):
                assert trial.regions is not None
                image = self.method.working_image(example.image, key[1])
                prior = self.method.prior(image)
                mine = [rule for rule in self.rules if rule.side == "brighter"]
                found = binary_scores(share[:, 1][trial.regions], image, example.target, prior, self.objective, mine)
                for rule, score in found.items():
                    scores.setdefault(rule, []).append(score)
            ways += [(said | _said(rule), mean_score(each)) for rule, each in scores.items()]
        return ways


def _said(rule: Rule) -> dict[str, Any]:
    return {"side": rule.side, "pick": rule.pick, "gate": rule.gate}
