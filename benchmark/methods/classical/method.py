"""What the classical methods share: a configuration that is a search space, the search, and from regions to classes.

A method is a subclass with `info`, whose defaults are `BUDGET` and the lists of values to try, and `segment`, which
turns one picture into values or regions. `.objectives` says how candidates are judged, `.region_classes` how regions
become classes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...errors import UserError
from ...types import Array, DatasetInfo, FitContext, Float32, MethodInfo, Prediction, Samples, Uint8
from ..training.config import check_keys
from .objectives import Budget, box_of, examples, frequencies, objective_of, product, spread, spread_map, targets
from .region_classes import RegionClassifier, Rule, Segmentation, Table, count_classes, region_features
from .search import Search
from .working_image import WHOLE, Picture

BUDGET: Mapping[str, Any] = {
    "classes": "auto",
    "max_images": 6,
    "fit_images": 100,
    "max_seconds": 120.0,
    "max_pixels": 1 << 20,
}
"""Keys of every classical method: how regions become classes, training images that candidates are tried on, training
images that priors and classifiers are fitted on, seconds for all of it, and pixels that an image is shrunk to."""

CLASSES = ("auto", "rule", "classifier", "oracle")
ARRAYS = "arrays.npz"


class ClassicalMethod:
    """A method without gradients: fitted by trying its candidates on training images.

    `classes` of the configuration: "rule" picks foreground by side, prior and component (binary only); "classifier"
    names regions by a random forest on colour, position and texture; "auto" is the classifier for multi-class tasks,
    for binary ones the rule, or the better of the two for a `regional` method; "oracle" gives each region its most
    frequent true class, an upper bound that needs the truth.
    """

    info: ClassVar[MethodInfo]
    regional: ClassVar[bool] = False
    """Whether `segment` gives regions that mean more than two sides of a threshold."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        check_keys(self.info.name, config, self.info.defaults)
        self.config: Mapping[str, Any] = dict(config)
        self.chosen: dict[str, Any] = {}
        self.arrays: dict[str, Array] = {}
        self.space = {
            key: self._values(key) for key, default in self.info.defaults.items() if isinstance(default, list)
        }
        for key in (key for key, default in self.info.defaults.items() if isinstance(default, (int, float))):
            value, whole = config[key], isinstance(self.info.defaults[key], int)
            number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
            if not number or not value > 0:
                raise UserError(
                    f"Setting {key} of method {self.info.name} is {value!r}: expected a "
                    f"{'whole number' if whole else 'number'} above 0."
                )
        if config["classes"] not in CLASSES:
            found = f"Setting classes of method {self.info.name} is {config['classes']!r}"
            raise UserError(f"{found}: expected one of {', '.join(CLASSES)}.")

    @property
    def oracle(self) -> bool:
        """Whether regions take their class from the truth: `predict_with_truth` is then what predicts."""
        return bool(self.config["classes"] == "oracle")

    def segment(self, picture: Picture, params: Mapping[str, Any]) -> Segmentation:
        """Values or regions of a picture that is not constant, by one candidate's parameters."""
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
        if self.config["classes"] == "rule" and info.task == "multiclass":
            raise UserError(f"classes=rule is for binary datasets; '{name}' has {len(info.classes)}: use classifier")
        budget = Budget(float(self.config["max_seconds"]), context)
        self.arrays = {}
        if info.task == "binary":
            places = spread(len(train), self.config["fit_images"])
            self.arrays["prior"] = frequencies(targets(train, places, info), 2)[1]
        search = Search(self, train, budget)
        chosen = search.run()
        self.chosen = {**chosen, "labels": label_values(info), "objective": objective_of(info)}
        if chosen["classes"] == "classifier":
            self._fit_classifier(train, search, budget)
        self.chosen["fit_seconds"] = round(budget.seconds, 1)
        context.log(f"{self.info.name}: chose {self.chosen}")

    def _fit_classifier(self, train: Samples, search: Search, budget: Budget) -> None:
        """Fit on up to `fit_images` images, as many as the time allows; the tuning images at least."""
        info = budget.context.dataset
        places = [p for p in spread(len(train), self.config["fit_images"]) if p not in search.places]
        tables = list(search.tables)
        for done, example in enumerate(examples(train, places, info), start=1):
            if budget.over:
                budget.context.warn(
                    f"{self.info.name}: the classifier was fitted on {len(tables)} of "
                    f"{len(places) + len(search.tables)} images: max_seconds was reached"
                )
                break
            budget.context.progress(done, len(places), "describing regions")
            tables.append(self.table(self.picture(example.image), example.target, info))
        self.arrays |= RegionClassifier.fit(tables, budget.context.seed).arrays()
        self.chosen["classifier_images"] = len(tables)

    def picture(self, image: Uint8, roi: str | None = None) -> Picture:
        """An image as it is worked on, in the chosen part of the frame unless told otherwise."""
        boxed = (roi or self.chosen.get("roi", "frame")) == "box"
        return Picture(image, self.config["max_pixels"], box_of(self.arrays["prior"]) if boxed else WHOLE)

    def prior(self, picture: Picture) -> Float32:
        """Share of training images with foreground at each place (h, w) of a picture."""
        return np.asarray(picture.fit(spread_map(self.arrays["prior"], picture.frame)), np.float32)

    def segmented(self, picture: Picture, params: Mapping[str, Any]) -> Segmentation:
        """As `segment`; a constant picture is one region without contrast."""
        if picture.constant:
            return Segmentation(np.full(picture.shape, 0.5, np.float32), np.zeros(picture.shape, np.int32))
        return self.segment(picture, params)

    def table(self, picture: Picture, target: Uint8, info: DatasetInfo) -> Table:
        """The regions of a training picture, described and counted, by the chosen parameters."""
        regions = self.segmented(picture, self.chosen).partition()
        classes = len(info.classes) if info.task == "multiclass" else 2
        counts = count_classes(regions, np.asarray(picture.fit(target), np.uint8), classes)
        return Table(region_features(regions, picture), counts)

    def predict(self, images: Sequence[Uint8]) -> list[Prediction]:
        """Label values of each image, or foreground probabilities where the dataset is ranked by V_Rand."""
        if not self.chosen:
            raise UserError(f"this {self.info.name} has not been chosen yet: fit it, or load a fitted one")
        if self.oracle:
            raise UserError(f"{self.info.name} with classes=oracle needs the truth, and is no method to predict with")
        return [self._predict(self.picture(image)) for image in images]

    def predict_with_truth(self, images: Sequence[Uint8], truths: Sequence[Array]) -> list[Prediction]:
        """The best assignment of classes to the regions of each image: an upper bound, never ranked.

        truths: (H, W) integer label values; values of no class do not count.
        """
        values = np.array(self.chosen["labels"])
        results = []
        for image, truth in zip(images, truths, strict=True):
            picture = self.picture(image)
            regions = self.segmented(picture, self.chosen).partition()
            target = np.full(truth.shape, 255, np.uint8)
            for position, value in enumerate(self.chosen["labels"]):
                target[truth == value] = position
            best = count_classes(regions, np.asarray(picture.fit(target), np.uint8), len(values)).argmax(axis=1)
            results.append(Prediction(labels=picture.restore(as_labels(values)[best[regions]])))
        return results

    def _predict(self, picture: Picture) -> Prediction:
        chosen = self.chosen
        values = as_labels(np.array(chosen["labels"]))
        segmentation = self.segmented(picture, chosen)
        if chosen["classes"] == "classifier":
            regions = segmentation.partition()
            classifier = RegionClassifier.of(self.arrays, chosen["alpha"])
            shares = classifier.shares(region_features(regions, picture))
            if chosen["objective"] == "miou":
                return Prediction(labels=picture.restore(values[shares.argmax(axis=1)[regions]], float(values[0])))
            foreground: Float32 = shares[:, 1][regions]
        else:
            foreground = segmentation.map(picture)
        rule = Rule(chosen["side"], chosen["pick"], chosen["gate"])
        if chosen["objective"] == "v_rand":
            return Prediction(probabilities=np.clip(picture.restore(rule.map(foreground)), 0, 1))
        mask = picture.restore(rule.mask(foreground, self.prior(picture)))
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
            document = json.loads(path.read_text(encoding="utf-8"))
            self.config, self.chosen = document["config"], document["chosen"]
            with np.load(folder / ARRAYS, allow_pickle=False) as kept:
                self.arrays = {name: kept[name] for name in kept.files}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"'{path}' holds no saved {self.info.name} ({type(error).__name__}: {error})") from None

    def parameters(self) -> int:
        """Nothing is trained by gradient."""
        return 0

    def _values(self, key: str) -> list[Any]:
        """The values to try for a key: those of the configuration, a single one if it was fixed."""
        known = list(self.info.defaults[key])
        given = self.config[key]
        values = list(given) if isinstance(given, (list, tuple)) else [given]
        texts = isinstance(known[0], str)
        for value in values:
            good = value in known if texts else isinstance(value, (int, float)) and not isinstance(value, bool)
            if not texts and good:
                good = value >= 0 and (isinstance(value, int) or not all(isinstance(k, int) for k in known))
            if not good:
                wanted = f"of {', '.join(known)}" if texts else f"numbers such as {known}"
                raise UserError(
                    f"Setting {key} of method {self.info.name} holds {value!r}: expected one or a list {wanted}."
                )
        if not values:
            raise UserError(f"Setting {key} of method {self.info.name} is an empty list: nothing could be tried.")
        return values


def label_values(info: DatasetInfo) -> list[int]:
    """Label values in the order of a target's positions: all classes, or (not foreground, foreground)."""
    if info.task == "multiclass":
        return [entry.id for entry in info.classes]
    others = [entry.id for entry in info.classes if entry.id not in (info.foreground, info.ignore_label)]
    return [others[0] if others else 0, info.foreground]


def as_labels(values: Array) -> Array:
    """Label values in the smallest type that image files take."""
    return values.astype(np.uint8 if values.max() < 256 else np.uint16)
