"""The few types that datasets, methods and metrics are made of. No I/O, no torch."""

from __future__ import annotations

from ..errors import UserError
from .arrays import Array, Family, Float32, Float64, Int64, Part, PredictionKind, Progress, Task, Uint8
from .datasets import Dataset, DatasetDefaults, Samples
from .infos import CatchAllLabel, ClassInfo, DatasetInfo, Download, LabelCoding, SplitInfo, SplitPart, VolumeSlices
from .methods import FitContext, Measurements, Method, MethodDefaults, MethodInfo, OwnCost, Track
from .metrics import AbsentClasses, Metric, PredictionSource, ScoreInfo, Statistic, Sums, SumsByClass, parts_of
from .samples import RLE, Object, Panoptic, Prediction, Sample, Segment

__all__ = [
    "RLE",
    "AbsentClasses",
    "Array",
    "CatchAllLabel",
    "ClassInfo",
    "Dataset",
    "DatasetDefaults",
    "DatasetInfo",
    "Download",
    "Family",
    "FitContext",
    "Float32",
    "Float64",
    "Int64",
    "LabelCoding",
    "Measurements",
    "Method",
    "MethodDefaults",
    "MethodInfo",
    "Metric",
    "Object",
    "OwnCost",
    "Panoptic",
    "Part",
    "Prediction",
    "PredictionKind",
    "PredictionSource",
    "Progress",
    "Sample",
    "Samples",
    "ScoreInfo",
    "Segment",
    "SplitInfo",
    "SplitPart",
    "Statistic",
    "Sums",
    "SumsByClass",
    "Task",
    "Track",
    "Uint8",
    "UserError",
    "VolumeSlices",
    "parts_of",
]
