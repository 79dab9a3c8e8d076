"""The settings of training as one typed model: its defaults are a method's defaults, its checks the user's messages."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ...errors import UserError
from ...settings import Count, Fraction, NonNegative, Positive, Settings

Side = Annotated[int, Field(ge=8)]


IGNORE = 255
"""The target value of a pixel that is not counted."""

PREDICTION = ("close_gaps", "tta", "window")
"""Settings that can be changed without training again."""

LOSSES = ("ce", "bce", "balanced-bce", "dice", "tversky", "focal")
_LOSS = f"different losses of {', '.join(map(repr, LOSSES))}, joined by +"


def _known_losses(value: str) -> str:
    names = value.split("+")
    if not set(names) <= set(LOSSES) or len(set(names)) < len(names):
        raise ValueError(f"expected {_LOSS}")
    return value


WEIGHT_FILES = (".safetensors", ".pth", ".pt", ".bin")
"""What names of files of weights end in."""


def _named_weights(value: str) -> str:
    if value not in ("imagenet", "coco") and not value.endswith(WEIGHT_FILES) and "/" not in value:
        raise ValueError("expected published weights by name, or the path of a run or a file of weights")
    return value


Weights: TypeAlias = Annotated[str, AfterValidator(_named_weights)] | None
"""Published weights by name, or the place of others."""


def named_file(settings: Any, published: tuple[str, ...]) -> str | None:
    """The run or file that settings with `weights` name, in `init` or there.

    Raises UserError where both do, or for published weights that the method has not.
    """
    init: str | None = settings.init
    weights: str | None = settings.weights
    if weights is None or weights in published:
        return init
    if weights in ("imagenet", "coco"):
        raise UserError(f"weights={weights}: expected {' or '.join(published)}, or the path of a run or a file")
    if init is not None:
        raise UserError(f"weights={weights} and init={init} both name weights; leave one out")
    return weights


def _keys_as_text(value: Any) -> Any:
    """Outputs by number as JSON has them, so that a class map is the same in a record."""
    return {str(key): each for key, each in value.items()} if isinstance(value, dict) else value


class TrainingConfig(Settings):
    """What every learned method can be told."""

    input: Literal["grey", "rgb"] = "grey"
    """Whether images are given as grey ones or in colour."""
    size: Annotated[list[Side], Field(min_length=2, max_length=2)] | None = Field(default=[256, 256])
    """Height and width in pixels that images are resized to; null keeps their own."""
    crop: Side | None = None
    """Side in pixels of the random crops that are trained on; null takes whole images."""

    optimizer: Literal["adam", "sgd"] = "adam"
    """How weights follow from gradients."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of sgd."""
    batch_size: Count = 8
    """Number of images in a step."""
    ghost_batches: Count = 1
    """Parts of a batch with batch norm statistics of their own; a processor computes them side by side, which small
    networks gain from.
    """
    epochs: Count = 20
    """Number of epochs."""
    iterations_per_epoch: Count | None = None
    """Number of steps in an epoch; null is one pass over the training images."""
    learning_rate: Positive = 0.001
    """Highest learning rate."""
    schedule: Literal["constant", "cosine", "poly"] = "cosine"
    """How the learning rate falls after the warm-up."""
    warmup: Fraction = 0.05
    """Share of all steps in which the learning rate rises."""
    weight_decay: NonNegative = 0.0
    """Weight of the L2 penalty on weights."""
    clip_norm: NonNegative = 1.0
    """Largest norm of the gradient; 0 does not limit it."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the exponential moving average of the weights, which then predicts; 0 is off."""
    select: Literal["last", "best"] = "last"
    """Whether the last weights are taken or those with the best validation score."""
    patience: Count | None = None
    """Number of epochs without a better validation score after which training ends, with the best weights; null: never.
    """
    time_limit_minutes: Positive | None = None
    """Minutes that training may take; the schedule is shaped to end with them."""

    init: str | None = None
    """Run, or file of weights (safetensors or a state dict), whose weights training starts from where names and shapes
    match; null starts as the method does.
    """
    init_sha256: str | None = None
    """SHA-256 of those weights, filled in; given, they have to be those."""
    init_classes: Annotated[str | dict[str, int | str], BeforeValidator(_keys_as_text)] | None = Field(
        default=None,
        json_schema_extra={"expected": "the path of a model card with 'classes', or {output: class, …}"},
    )
    """Class map of those weights: class of the dataset by output of their network, as a mapping or in a model card, by
    which the last layer is carried over to the dataset's classes; null takes it where it has the same shape.
    """
    freeze: Literal["encoder"] | None = None
    """Part of the network that is not trained; null trains all of it."""
    encoder_learning_rate_factor: Positive = 1.0
    """Learning rate of the encoder as a share of that of the rest."""

    loss: Annotated[str, AfterValidator(_known_losses)] = Field(default="dice", json_schema_extra={"expected": _LOSS})
    """Names of losses, joined by +."""
    background_weight: Positive = 1.0
    """Weight of the background's pixels in ce and bce."""
    class_weights: Literal["none", "median", "log"] = "none"
    """Weights of pixels in ce, bce and focal by how rare their class is in the training labels: median frequency
    balancing (SegNet's), or 1 / ln(1.02 + p) of a class with a part p of all pixels (ENet's).
    """
    balance: Annotated[float, Field(gt=0, lt=1)] = 0.875
    """The foreground's share of the weights in balanced-bce."""
    tversky_beta: Annotated[float, Field(gt=0, lt=1)] = 0.125
    """Weight of false positives in tversky; that of false negatives is 1 minus it."""
    focal_gamma: NonNegative = 2.0
    """How little pixels that are classified well count in focal."""

    flip: bool | Literal["horizontal"] = True
    """Augmentation: mirror at random, left to right and top to bottom; horizontal is left to right only, for
    photographs that have an above and a below.
    """
    rotate90: bool = False
    """Augmentation: rotate by a random multiple of 90 degrees."""
    rotation: NonNegative = 0.2
    """Augmentation: largest rotation in radians."""
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Augmentation: largest change of size, as a fraction."""
    shift: Fraction = 0.05
    """Augmentation: largest shift, as a fraction of the side."""
    shear: NonNegative = 0.1
    """Augmentation: largest shear, as a fraction."""
    elastic: NonNegative = 0.0
    """Augmentation: standard deviation of an elastic displacement in pixels of the input; 0 is off."""
    elastic_spacing: Count = 32
    """Augmentation: pixels between the points that are displaced at random."""
    brightness: Fraction = 0.0
    """Augmentation: largest change of brightness."""
    contrast: Fraction = 0.0
    """Augmentation: largest change of contrast."""
    gamma: NonNegative = 0.0
    """Augmentation: largest change of gamma."""
    color: Fraction = 0.0
    """Augmentation: largest change of colour."""
    noise: NonNegative = 0.0
    """Augmentation: largest standard deviation of Gaussian noise."""

    loading: Literal["threads", "processes"] = "threads"
    """What decodes images where --workers asks for help; changes no result."""
    cache_gb: NonNegative = 0.0
    """Gigabytes on disk for decoded samples; 0 stores none. Changes no result."""

    tta: Literal["none", "horizontal", "flips", "d4"] = "none"
    """Views whose predictions are averaged: the image alone, with its mirror image from left to right (horizontal),
    with all its mirror images (flips), or all eight symmetries of a square (d4).
    """
    window: Side | None = None
    """Side in pixels of the overlapping windows that a larger image is predicted in; null predicts it whole."""
    close_gaps: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """For outlines (binary tasks): least depth of the foreground's catchment basins whose watershed lines become
    background; 0 leaves outlines as predicted.
    """

    precision: Literal["auto", "fp32", "tf32", "bf16", "fp16"] = "auto"
    """Arithmetic of the forward pass; auto is bf16 on GPUs that have it and on processors with AMX, else fp32. tf32 is
    fp32 whose products a GPU may round to 10 bits.
    """
    compile: bool = False
    """Whether torch.compile is used."""
    deterministic: bool = False
    """Whether only deterministic algorithms are used."""

    @model_validator(mode="after")
    def _compiled_whole(self) -> Self:
        if self.compile and self.ghost_batches > 1:
            raise ValueError("compile=true trains batches as a whole, so it needs ghost_batches=1")
        return self

    @model_validator(mode="after")
    def _weighted_by_pixels(self) -> Self:
        if self.class_weights != "none" and not {"ce", "bce", "focal"} & set(self.loss.split("+")):
            raise ValueError(
                f"class_weights={self.class_weights} weighs pixels in ce, bce and focal, not in {self.loss}"
            )
        return self

    @model_validator(mode="after")
    def _slower_than_frozen(self) -> Self:
        if self.freeze == "encoder" and self.encoder_learning_rate_factor != 1:
            raise ValueError("freeze=encoder trains no encoder, so encoder_learning_rate_factor has no meaning")
        return self

    @property
    def selects(self) -> bool:
        """Whether weights are chosen by their validation score."""
        return self.select == "best" or self.patience is not None
