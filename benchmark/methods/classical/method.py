"""What the classical methods share: a configuration that is a search space, the search, and from regions to classes.

A method is a subclass with `info`, whose settings say which values to try, and `segment`, which turns one working image
into values or regions. `.objectives` says how candidates are judged, `.region_classes` how regions
become classes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from ...errors import UserError
from ...io.images.picture import luma
from ...io.text_files import read_json
from ...settings import Count, Positive, Settings, describe_settings, values_to_try
from ...types import Array, DatasetInfo, FitContext, Float32, MethodInfo, Prediction, Samples, Uint8
from ..base import BaseMethod, with_settings
from .objectives import Budget, box_of, examples, frequencies, objective_of, product, spread, spread_map, targets
from .region_classes import RegionClassifier, Rule, Segmentation, Table, count_classes, region_features
from .search import Search
from .working_image import WHOLE, WorkingImage


class ClassicalSettings(Settings):
    """What every classical method can be told. A field that is `Choices` is searched on the training samples."""

    classes: Literal["auto", "rule", "classifier", "oracle"] = "auto"
    """How regions become classes: "rule" picks foreground by side, prior and component (binary only); "classifier" is a
    random forest on colour, position and texture; "auto" is the classifier for multi-class tasks, for binary ones the
    rule, or the better of the two where regions mean more than two sides; "oracle" uses ground truth, an upper bound.
    """
    max_images: Count = 6
    """Number of training images that candidates are tried on."""
    fit_images: Count = 100
    """Number of training images that priors and classifiers are fitted on."""
    max_seconds: Positive = 120.0
    """Seconds that all of the fitting may take."""
    max_pixels: Count = 1 << 20
    """Number of pixels that a larger image is shrunk to."""


ARRAYS = "arrays.npz"


class ClassicalMethod(BaseMethod):
    """A method without gradients: fitted by trying its candidates on training images.

    A subclass says `info`, whose settings extend `ClassicalSettings`, and `segment`.
    """

    info: ClassVar[MethodInfo]
    regional: ClassVar[bool] = False
    """Whether `segment` gives regions that mean more than two sides of a threshold."""
    settings: ClassicalSettings
    chosen: dict[str, Any]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "info" in vars(cls):
            cls.info = with_settings(cls.info, ClassicalSettings)
            if cls.fit is ClassicalMethod.fit and cls.segment is ClassicalMethod.segment:
                raise UserError(f"class {cls.__name__} lacks segment, from a working image to a Segmentation")

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.chosen = {}
        self.arrays: dict[str, Array] = {}
        self.space = {
            setting.name: values_to_try(self.config[setting.name])
            for setting in describe_settings(self.info.settings)
            if setting.to_try
        }

    @property
    def oracle(self) -> bool:
        """Whether regions take their class from ground truth: `predict_with_truth` is then what predicts."""
        return self.settings.classes == "oracle"

    def segment(self, image: WorkingImage, params: Mapping[str, Any]) -> Segmentation:
        """Values or regions of a working image that is not constant, by one candidate's parameters."""
        raise NotImplementedError

    def accepts(self, params: Mapping[str, Any], colored: bool) -> bool:
        """Whether a combination of values is a candidate of its own, for grey or for coloured images."""
        del params, colored
        return True

    def candidates(self, colored: bool) -> list[dict[str, Any]]:
        """Every candidate, from the simplest; in grey images all channels and colour spaces are one."""
        space = dict(self.space)
        if not colored:
            space |= {key: space[key][:1] for key in ("channel", "space") if key in space}
        return [params for params in product(space) if self.accepts(params, colored)]

    def fit(self, train: Samples, val: Samples, context: FitContext) -> None:
        """Try every candidate within the budget, keep the best, and fit its classifier where it has one.

        When `max_seconds` cuts the search that is warned of: what is chosen then depends on the machine.
        """
        del val
        info, name = context.dataset, context.dataset.name
        if len(train) == 0:
            raise UserError(f"the training split of '{name}' is empty, so no {self.info.name} can be chosen")
        if self.settings.classes == "rule" and info.task == "multiclass":
            raise UserError(f"classes=rule is for binary datasets; '{name}' has {len(info.classes)}: use classifier")
        budget = Budget(self.settings.max_seconds, context)
        self.arrays, self.chosen = {}, self.channels_of(train)
        if info.task == "binary":
            places = spread(len(train), self.settings.fit_images)
            self.arrays["prior"] = frequencies(targets(train, places, info), 2)[1]
        search = Search(self, train, budget)
        chosen = search.run()
        self.chosen |= {**chosen, "labels": label_values(info), "objective": objective_of(info)}
        if chosen["classes"] == "classifier":
            self._fit_classifier(train, search, budget)
        self.chosen["fit_seconds"] = round(budget.seconds, 1)
        context.log(f"{self.info.name}: chose {self.chosen}")

    def _fit_classifier(self, train: Samples, search: Search, budget: Budget) -> None:
        """Fit on up to `fit_images` images, as many as the time allows; the tuning images at least."""
        info = budget.context.dataset
        places = [p for p in spread(len(train), self.settings.fit_images) if p not in search.places]
        tables = list(search.tables)
        for done, example in enumerate(examples(train, places, info), start=1):
            if budget.over:
                budget.context.warn(
                    f"{self.info.name}: the classifier was fitted on {len(tables)} of "
                    f"{len(places) + len(search.tables)} images: max_seconds was reached"
                )
                break
            budget.context.progress(done, len(places), "describing regions")
            tables.append(self.table(self.working_image(example.image), example.target, info))
        self.arrays |= RegionClassifier.fit(tables, budget.context.seed).arrays()
        self.chosen["classifier_images"] = len(tables)

    def channels_of(self, train: Samples) -> dict[str, Any]:
        """Whether the images are worked on in colour: where any of the tuning images is, so that all have one kind."""
        places = spread(len(train), self.settings.max_images)
        return {"colored": any(train[place].image.ndim == 3 for place in places)}

    def working_image(self, image: Uint8, roi: str | None = None) -> WorkingImage:
        """An image, (H, W) or (H, W, 3) uint8, as it is worked on, in the chosen part of the frame or in `roi`.

        A grey image among coloured ones has three equal channels, and a coloured one among grey ones its luma.
        """
        colored = self.chosen.get("colored", image.ndim == 3)
        if colored and image.ndim == 2:
            image = np.repeat(image[..., None], 3, axis=2)
        elif not colored:
            image = luma(image)
        boxed = (roi or self.chosen.get("roi", "frame")) == "box"
        return WorkingImage(image, self.settings.max_pixels, box_of(self.arrays["prior"]) if boxed else WHOLE)

    def prior(self, image: WorkingImage) -> Float32:
        """Share of training images with foreground at each place (h, w) of a working image."""
        return np.asarray(image.fit(spread_map(self.arrays["prior"], image.frame)), np.float32)

    def segmented(self, image: WorkingImage, params: Mapping[str, Any]) -> Segmentation:
        """As `segment`; a constant working image is one region without contrast. Raises UserError for another type."""
        if image.constant:
            return Segmentation(np.full(image.shape, 0.5, np.float32), np.zeros(image.shape, np.int32))
        found = self.segment(image, params)
        if not isinstance(found, Segmentation):
            kind = type(found).__name__
            raise UserError(f"method {self.info.name}: segment returned {kind}; expected segbench.methods.Segmentation")
        return found

    def table(self, image: WorkingImage, target: Uint8, info: DatasetInfo) -> Table:
        """The regions of a training image with its target (h, w), described and counted, by the chosen parameters."""
        regions = self.segmented(image, self.chosen).partition()
        classes = len(info.classes) if info.task == "multiclass" else 2
        counts = count_classes(regions, np.asarray(image.fit(target), np.uint8), classes)
        return Table(region_features(regions, image), counts)

    def predict(self, images: Sequence[Uint8]) -> list[Prediction]:
        """Label values of each image, or foreground probabilities where the dataset is ranked by V_Rand."""
        if not self.chosen:
            raise UserError(f"this {self.info.name} has not been chosen yet: fit it, or load a fitted one")
        if self.oracle:
            raise UserError(f"{self.info.name} with classes=oracle needs the truth, and is no method to predict with")
        return [self._predict(self.working_image(image)) for image in images]

    def predict_with_truth(self, images: Sequence[Uint8], truths: Sequence[Array]) -> list[Prediction]:
        """The best assignment of classes to the regions of each image: an upper bound, never ranked.

        truths: (H, W) integer label values; values of no class do not count.
        """
        values = np.array(self.chosen["labels"])
        results = []
        for image, truth in zip(images, truths, strict=True):
            working = self.working_image(image)
            regions = self.segmented(working, self.chosen).partition()
            target = np.full(truth.shape, 255, np.uint8)
            for position, value in enumerate(self.chosen["labels"]):
                target[truth == value] = position
            best = count_classes(regions, np.asarray(working.fit(target), np.uint8), len(values)).argmax(axis=1)
            results.append(Prediction(labels=working.restore(as_labels(values)[best[regions]])))
        return results

    def _predict(self, image: WorkingImage) -> Prediction:
        chosen = self.chosen
        values = as_labels(np.array(chosen["labels"]))
        segmentation = self.segmented(image, chosen)
        if chosen["classes"] == "classifier":
            regions = segmentation.partition()
            classifier = RegionClassifier.of(self.arrays, chosen["alpha"])
            shares = classifier.shares(region_features(regions, image))
            if chosen["objective"] == "miou":
                return Prediction(labels=image.restore(values[shares.argmax(axis=1)[regions]], float(values[0])))
            foreground: Float32 = shares[:, 1][regions]
        else:
            foreground = segmentation.map(image)
        rule = Rule(chosen["side"], chosen["pick"], chosen["gate"])
        if chosen["objective"] == "v_rand":
            return Prediction(probabilities=np.clip(image.restore(rule.map(foreground)), 0, 1))
        mask = image.restore(rule.mask(foreground, self.prior(image)))
        return Prediction(labels=values[mask.astype(np.intp)])

    def save(self, folder: Path) -> None:
        """Write `<method>.json` (configuration and what was chosen) and `arrays.npz` (what was fitted)."""
        document = {"method": self.info.name, "config": dict(self.config), "chosen": self.chosen}
        (folder / f"{self.info.name}.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        # mypy reads the names of the arrays as those of savez's own arguments.
        np.savez_compressed(folder / ARRAYS, **self.arrays)  # type: ignore[arg-type]

    def load(self, folder: Path, dataset: DatasetInfo, device: str) -> None:
        """Become the method that was saved in `folder`."""
        del dataset, device
        path = folder / f"{self.info.name}.json"
        try:
            document = read_json(path)
            self._configure(document["config"])
            self.chosen = dict(document["chosen"])
            with np.load(folder / ARRAYS, allow_pickle=False) as stored:
                self.arrays = {name: stored[name] for name in stored.files}
        except UserError as error:
            raise UserError(f"'{path}': {error}") from None
        except Exception as error:  # over whatever bytes lie there, the reader of arrays may raise anything
            raise UserError(f"'{path}' holds no saved {self.info.name} ({type(error).__name__}: {error})") from None


def label_values(info: DatasetInfo) -> list[int]:
    """Label values in the order of a target's positions: all classes, or (not foreground, foreground)."""
    if info.task == "multiclass":
        return [entry.id for entry in info.classes]
    others = [entry.id for entry in info.classes if entry.id not in (info.foreground, info.ignore_label)]
    return [others[0] if others else 0, info.foreground]


def as_labels(values: Array) -> Array:
    """Label values of any shape in the smallest type that image files take."""
    return values.astype(np.uint8 if values.max() < 256 else np.uint16)
