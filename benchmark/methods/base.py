"""What every method has, with the defaults of what only some need. No torch is imported here."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from pydantic import create_model

from ..settings import Choices, Settings, check_settings
from ..types import DatasetInfo, FitContext, MethodDefaults, MethodInfo, Prediction, Samples, Uint8

_AnyChoices: TypeAlias = Choices[Any]


class BaseMethod(MethodDefaults, ABC):
    """A segmentation method, built from its configuration. A subclass says `info`, `fit`, `predict`, `save` and `load`.

    Attributes
    ----------
    info : what is true of the method before it is built.
    settings : the checked configuration, of the type `info.settings`.
    config : the same as plain values, as they were given.
    chosen : what was chosen on the training samples, for the record.
    """

    info: ClassVar[MethodInfo]
    settings: Any
    config: Mapping[str, Any]
    chosen: Mapping[str, Any]

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Check a configuration. Raises UserError that names the setting, what was found and what is allowed."""
        self._configure(config)
        self.chosen = {}

    @abstractmethod
    def fit(self, train: Samples, val: Samples, context: FitContext) -> None:
        """Learn from `train`; `val` is for choices such as early stopping, and may be empty."""

    @abstractmethod
    def predict(self, images: Sequence[Uint8]) -> list[Prediction]:
        """Segment images, each (H, W) or (H, W, 3) uint8 of any size; one prediction of the same H, W for each."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write all that `load` needs into an existing folder."""

    @abstractmethod
    def load(self, folder: Path, dataset: DatasetInfo, device: str) -> None:
        """Become the method that was saved there, ready to predict on `device`."""

    def _configure(self, config: Mapping[str, Any]) -> None:
        self.settings = check_settings(self.info.settings, f"method {self.info.name}", config)
        self.config = {**self.info.defaults, **config}


def with_settings(info: MethodInfo, base: type[Settings]) -> MethodInfo:
    """`info` with a model that extends `base`, made of its defaults where it has none (as plugins wrote before)."""
    if issubclass(info.settings, base):
        return info
    warnings.warn(
        f"method {info.name}: give MethodInfo(settings=...), a model that extends {base.__name__}, instead of defaults",
        DeprecationWarning,
        stacklevel=3,
    )
    fields: dict[str, Any] = {}
    for key, value in info.defaults.items():
        known = base.model_fields.get(key)
        kind: Any = _AnyChoices if isinstance(value, list) else Any
        fields[key] = (kind if known is None else known.rebuild_annotation(), value)
    return replace(info, settings=create_model("Settings", __base__=base, **fields))
