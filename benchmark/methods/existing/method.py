"""The base of models trained elsewhere: a name that says where the model is, a card, and no training.

No torch is imported here, so that methods can be listed without it.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field

from ...errors import UserError
from ...io.atomic import write_text
from ...io.text_files import read_json
from ...settings import Count, Settings
from ...types import DatasetInfo, Family, FitContext, MethodInfo, Prediction, Samples, Uint8
from ..base import BaseMethod
from .card import ModelCard, card_of, card_path, labels_of, read_card

if TYPE_CHECKING:
    from .outputs import Outputs

FILE = "model.json"


class ExistingSettings(Settings):
    """What a model that exists can be told."""

    card: str | dict[str, Any] | None = Field(
        default=None, json_schema_extra={"expected": "the path of a model card, or its content as a mapping"}
    )
    """Model card: a YAML file that says what the model expects and what its outputs mean; null is the one beside the
    model, FILE.yaml, where there is one.
    """
    sha256: str | None = None
    """SHA-256 of the model, filled in; given, the model has to be that one."""
    batch: Count = 1
    """Number of images of one size that the model is given at once."""


class ExistingMethod(BaseMethod):
    """A model that exists, as a segbench method: `prefix:source`.

    A subclass says `info` and `prefix`, `digest`, `_load` and `outputs_of`.
    """

    settings: ExistingSettings
    filled_in: ClassVar[tuple[str, ...]] = ("card", "sha256")
    adjustable: ClassVar[tuple[str, ...]] = ("channels", "scaling", "outputs", "classes")
    """What a card may say of it otherwise, which `bench doctor` tries."""
    source: ClassVar[str] = ""
    """Where the model is: what stands behind the colon of its name."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self._opened: tuple[ModelCard, DatasetInfo] | None = None

    @classmethod
    def named(cls, rest: str) -> type[Self]:
        """The method of the model at a place. Nothing is read, since a record's model may be gone.

        Raises UserError for a name without one.
        """
        if not rest.strip():
            raise UserError(f"'{cls.prefix}:' names no model: write {cls.info.name}")
        name = f"{cls.prefix}:{cls.short_name(rest)}"
        info = replace(cls.info, name=name, summary=f"{cls.info.summary}: {cls.short_name(rest)}", defaults={})
        return type(cls.__name__, (cls,), {"source": rest, "info": info, "__module__": cls.__module__})

    @classmethod
    def short_name(cls, source: str) -> str:
        """What a model is called in a record, wherever it lies: the name of its file."""
        return Path(source).name or source

    @classmethod
    def written_from(cls, folder: Path) -> str:
        """The method's name with the path of a file that was written as seen from `folder`."""
        inside = folder / cls.source
        found = not Path(cls.source).is_absolute() and inside.exists()
        return f"{cls.prefix}:{inside if found else cls.source}"

    @property
    def family(self) -> Family:
        """What the card says, else that of the method."""
        said = card_of(self.settings.card, "card").family if isinstance(self.settings.card, dict) else None
        return said or self.info.family

    @abstractmethod
    def digest(self) -> str:
        """SHA-256 of all that the model is; nothing of it is run.

        Raises UserError for a model that is not there or cannot be used, or a package that is missing.
        """

    @abstractmethod
    def _load(self, device: str) -> None:
        """Become ready for `outputs_of`; the card is known by now."""

    @abstractmethod
    def outputs_of(self, images: Sequence[Uint8], card: ModelCard) -> list[Outputs]:
        """What the model gives for images of one size, (H, W) or (H, W, 3) uint8, prepared as `card` says."""

    def class_names(self) -> Mapping[int, str]:
        """What the model itself calls its outputs, where it does."""
        return {}

    def resolved(self, dataset: DatasetInfo) -> Mapping[str, Any]:
        """The configuration with the card's content and the model's SHA-256. Raises UserError for either."""
        del dataset
        found, wanted = self.digest(), self.settings.sha256
        if wanted is not None and wanted != found:
            raise UserError(f"{self._place}: its SHA-256 is {found}, asked for is {wanted}: it is another model")
        card = json.loads(json.dumps(self._card().said()))  # as records have it, where every key is text
        return {**self.config, "card": card, "sha256": found}

    def open(self, dataset: DatasetInfo, device: str) -> None:
        """Load the model; its SHA-256 is what the configuration says."""
        self.resolved(dataset)
        card = self.look(dataset, device)
        outputs = self.known_outputs()
        if outputs is not None:
            labels_of(card, dataset, outputs, self.info.name, self.class_names())

    def look(self, dataset: DatasetInfo, device: str) -> ModelCard:
        """Load the model, known or not what its outputs mean; returns its card with what the file says itself."""
        self.digest()
        self._opened = self._card(), dataset
        self._load(device)
        return self._opened[0]

    def known_outputs(self) -> int | None:
        """The number of classes that the loaded model tells apart, where it is known before it is run."""
        return None

    def fit(self, train: Samples, val: Samples, context: FitContext) -> None:
        """Raises UserError: a model that exists is not trained."""
        del train, val, context
        raise UserError(f"method {self.info.name} is a model that exists: it is not trained")

    def predict(self, images: Sequence[Uint8]) -> list[Prediction]:
        """Each image in its own size: foreground probabilities of a binary task, else label values."""
        return self._predict(images, probabilities=False)

    def predict_probabilities(self, images: Sequence[Uint8]) -> list[Prediction]:
        """The same with the probabilities of all classes, of a model that gives logits or probabilities."""
        return self._predict(images, probabilities=True)

    def save(self, folder: Path) -> None:
        """Write `model.json`: where the model is and what it is, not the model itself."""
        source = Path(self.source)
        place = str(source.resolve()) if source.exists() else self.source
        content = {"method": self.info.name, "source": place, "config": dict(self.config)}
        write_text(folder / FILE, json.dumps(content, indent=2, sort_keys=True) + "\n")

    def load(self, folder: Path, dataset: DatasetInfo, device: str) -> None:
        """Become the method that was saved there; the model has to lie where it lay, unchanged."""
        try:
            content = read_json(folder / FILE)
            place, config = str(content["source"]), dict(content["config"])
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            raise UserError(f"'{folder / FILE}' does not say where the model is ({error}). Run it again.") from None
        if content.get("method") != self.info.name:
            raise UserError(f"'{folder}' holds a saved '{content.get('method')}', not a '{self.info.name}'")
        self.__dict__["source"] = place
        self._configure(config)
        self.open(dataset, device)

    def _predict(self, images: Sequence[Uint8], *, probabilities: bool) -> list[Prediction]:
        from .outputs import prediction

        card, dataset = self._ready()
        return [
            prediction(outputs, card, dataset, self.info.name, probabilities=probabilities)
            for batch in self._batches(images)
            for outputs in self.outputs_of(batch, card)
        ]

    def _configure(self, config: Mapping[str, Any]) -> None:
        super()._configure(config)
        if isinstance(self.settings.card, dict):
            card_of(self.settings.card, f"setting card of {self.info.name}")

    @property
    def _place(self) -> str:
        return f"{self.prefix}:{self.source}"

    def _card(self) -> ModelCard:
        """The card that is asked for, else the one beside the model, else one that says nothing."""
        asked = self.settings.card
        if isinstance(asked, dict):
            return card_of(asked, f"setting card of {self.info.name}")
        if asked is not None:
            return read_card(Path(asked))
        beside = self._card_beside()
        return ModelCard() if beside is None else read_card(beside)

    def _card_beside(self) -> Path | None:
        return card_path(Path(self.source))

    def _ready(self) -> tuple[ModelCard, DatasetInfo]:
        if self._opened is None:
            raise UserError(f"this {self.info.name} is not loaded yet: open it first")
        return self._opened

    def _batches(self, images: Sequence[Uint8]) -> list[list[Uint8]]:
        """Consecutive images of one shape, at most as many as are given at once."""
        batches: list[list[Uint8]] = []
        for image in images:
            if batches and batches[-1][0].shape == image.shape and len(batches[-1]) < self.settings.batch:
                batches[-1].append(image)
            else:
                batches.append([image])
        return batches


def missing_extra(package: str, extra: str, method: str) -> UserError:
    """The message for a package that a method needs and that is not installed."""
    return UserError(f"method {method}: needs the package {package}. Install it with: pip install 'segbench[{extra}]'")


INFO_TASKS = ("binary", "multiclass")


def existing(name: str, summary: str, reference: str, **more: Any) -> MethodInfo:
    """What is true of a method that runs models that exist."""
    told: dict[str, Any] = {"family": "learned", "settings": ExistingSettings, "tasks": INFO_TASKS, "trains": False}
    return MethodInfo(name=name, summary=summary, reference=reference, **{**told, **more})
