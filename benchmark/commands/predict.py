"""`bench predict`: segment new images, stacks, folders or videos with a trained run."""

from __future__ import annotations

from ..runs.predict import predict
from ..runs.request import PredictRequest

__all__ = ["PredictRequest", "predict"]
