"""The settings of training as one typed model: its defaults are a method's defaults, its checks the user's messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ...errors import UserError
from ...text import unknown

Count = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=8)]


IGNORE = 255
"""The target value of a pixel that is not counted."""

PREDICTION = ("close_gaps", "tta", "window")
"""Settings that can be changed without training again."""

LOSSES = ("ce", "bce", "balanced-bce", "dice", "tversky", "focal")


def _known_losses(value: str) -> str:
    names = value.split("+")
    if not set(names) <= set(LOSSES) or len(set(names)) < len(names):
        raise ValueError(f"expected different losses of {', '.join(map(repr, LOSSES))}, joined by +")
    return value


class TrainingConfig(BaseModel):
    """What every learned method can be told. Angles are in radians, zoom, shift and shear are fractions."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    # Input: colour kept, size (height, width) that images are resized to, side of random crops.
    input: Literal["grey", "rgb"] = "grey"
    size: Annotated[list[Side], Field(min_length=2, max_length=2)] | None = Field(default=[256, 256])
    crop: Side | None = None

    # Optimisation; None iterations is one pass over the training images. patience: epochs without a better
    # validation score after which training ends (None: never); it selects the best weights, as select=best does.
    optimizer: Literal["adam", "sgd"] = "adam"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    batch_size: Count = 8
    epochs: Count = 20
    iterations_per_epoch: Count | None = None
    learning_rate: Annotated[float, Field(gt=0)] = 0.001
    schedule: Literal["constant", "cosine", "poly"] = "cosine"
    warmup: Fraction = 0.05
    weight_decay: NonNegative = 0.0
    clip_norm: NonNegative = 1.0
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    select: Literal["last", "best"] = "last"
    patience: Count | None = None
    time_limit_minutes: Annotated[float, Field(gt=0)] | None = None

    # Loss: names joined by +. background_weight is for ce and bce, balance (the foreground's) for balanced-bce.
    loss: Annotated[str, AfterValidator(_known_losses)] = "dice"
    background_weight: Annotated[float, Field(gt=0)] = 1.0
    balance: Annotated[float, Field(gt=0, lt=1)] = 0.875
    tversky_beta: Annotated[float, Field(gt=0, lt=1)] = 0.125
    focal_gamma: NonNegative = 2.0

    # Augmentation; 0 or false is off. Elastic is the displacement's standard deviation in pixels of the input.
    flip: bool = True
    rotate90: bool = False
    rotation: NonNegative = 0.2
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.1
    shift: Fraction = 0.05
    shear: NonNegative = 0.1
    elastic: NonNegative = 0.0
    elastic_spacing: Count = 32
    brightness: Fraction = 0.0
    contrast: Fraction = 0.0
    gamma: NonNegative = 0.0
    color: Fraction = 0.0
    noise: NonNegative = 0.0

    # Loading, which changes no result: what decodes when --workers says so, GB on disk for decoded samples (0: none).
    loading: Literal["threads", "processes"] = "threads"
    cache_gb: NonNegative = 0.0

    # Prediction: views that are averaged, the side of the overlapping windows that a larger image is cut into, and, for
    # outlines (binary tasks), how deep the foreground's basins are whose borders become background (0: none do).
    tta: Literal["none", "flips", "d4"] = "none"
    window: Side | None = None
    close_gaps: Annotated[float, Field(ge=0, lt=1)] = 0.0

    # Hardware.
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    compile: bool = False
    deterministic: bool = False

    @property
    def selects(self) -> bool:
        """Whether weights are chosen by their validation score."""
        return self.select == "best" or self.patience is not None


Config = TypeVar("Config", bound=TrainingConfig)


def parse_config(kind: type[Config], method: str, values: Mapping[str, Any]) -> Config:
    """Check a complete configuration; raises UserError that names the key, the value and what is accepted."""
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        raise UserError(" ".join(_explain(kind, method, problem) for problem in error.errors())) from None


def check_keys(method: str, values: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Refuse keys that a method does not have, for methods whose configuration is no model."""
    strangers = [unknown(f"setting of method {method}", key, known) for key in values if key not in known]
    if strangers:
        raise UserError(" ".join(strangers))


def _explain(kind: type[TrainingConfig], method: str, problem: Any) -> str:
    if not problem["loc"]:
        return f"Settings of method {method}: {problem['ctx']['error']}."
    key = str(problem["loc"][0])
    if problem["type"] == "extra_forbidden":
        return unknown(f"setting of method {method}", key, kind.model_fields)
    where = "".join(f"[{part}]" for part in problem["loc"][1:] if isinstance(part, int))
    message = problem["msg"][0].lower() + problem["msg"][1:]
    return f"Setting {key}{where} of method {method} is {problem['input']!r}: {message}."
