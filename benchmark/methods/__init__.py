"""What baselines are built from: the bases of all methods, of learned and of classical ones.

>>> from segbench.methods import ClassicalMethod, LearnedMethod
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .base import BaseMethod

if TYPE_CHECKING:
    from .classical.method import ClassicalMethod, ClassicalSettings
    from .classical.region_classes import Segmentation
    from .classical.working_image import WorkingImage
    from .training.config import TrainingConfig
    from .training.method import LearnedMethod

__all__ = [
    "BaseMethod",
    "ClassicalMethod",
    "ClassicalSettings",
    "LearnedMethod",
    "Segmentation",
    "TrainingConfig",
    "WorkingImage",
]

_PLACES = {
    "ClassicalMethod": "classical.method",
    "ClassicalSettings": "classical.method",
    "LearnedMethod": "training.method",
    "Segmentation": "classical.region_classes",
    "TrainingConfig": "training.config",
    "WorkingImage": "classical.working_image",
}


def __getattr__(name: str) -> Any:
    """Imports a base when it is first asked for: a learned method needs nothing of the classical ones."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f".{_PLACES[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
