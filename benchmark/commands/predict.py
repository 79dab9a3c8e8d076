"""`bench predict`: segment new images, stacks, folders or videos with a trained run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._former_names import former_names
from ..runs.predict import predict
from ..runs.request import PredictRequest

if not TYPE_CHECKING:  # mypy takes only what is there now
    __getattr__ = former_names(__name__)

__all__ = ["PredictRequest", "predict"]
