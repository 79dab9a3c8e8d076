"""Model cards: what cannot be read from a model's file, in a YAML file beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ...errors import UserError
from ...io.text_files import read_text
from ...io.yaml import Limits, explain, kind, read_yaml
from ...text import counted, unknown
from ...types import DatasetInfo

OUTPUT_NAMES = ("out", "logits")
"""Where a model has several outputs with names, that of the segmentation."""

_LIMITS = Limits(nodes=10_000, depth=4, text=1_000, aliases=False)

Side = Annotated[int, Field(ge=8, le=100_000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Index = Annotated[int, Field(ge=0, lt=100_000)]


def _above_zero(values: Sequence[float]) -> Sequence[float]:
    if min(values) <= 0:
        raise ValueError("expected numbers above 0")
    return values


_Values = Annotated[list[float], Field(min_length=1, max_length=4)]


class ModelCard(BaseModel):
    """What a model expects and what its outputs mean.

    Attributes
    ----------
    classes : class of the dataset, by name or label value, of every output that has one; the others are never
        predicted. None: the outputs are the dataset's classes in their order.
    channels : what the model is given: one grey channel, or three in this order.
    scale : the value of white before `mean` and `std`: 1 gives pixels in 0..1, 255 in 0..255.
    mean, std : subtracted from the scaled pixels, and what they are divided by; one value, or one for each channel in
        the order of `channels`.
    size : height and width that images are resized to, and the outputs back.
    stride : what the sides of the input are multiples of: images are filled up by reflection, and outputs cut again.
    outputs : whether a model gives logits or probabilities; a map of whole numbers is one of classes in any case.
    family : where its results stand: with the learned methods, the classical ones, or those from elsewhere.
    reference : who made it, and where it is described.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    classes: dict[Index, int | Name] | None = None
    channels: Literal["grey", "rgb", "bgr"] = "rgb"
    scale: Annotated[float, Field(gt=0, le=65535)] = 1.0
    mean: _Values = Field(default=[0.0])
    std: Annotated[_Values, AfterValidator(_above_zero)] = Field(default=[1.0])
    size: Annotated[list[Side], Field(min_length=2, max_length=2)] | None = None
    stride: Annotated[int, Field(ge=1, le=4096)] | None = None
    outputs: Literal["logits", "probabilities"] = "logits"
    family: Literal["learned", "classical", "external"] | None = None
    reference: Name | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.size is not None and self.stride is not None:
            raise ValueError(
                "size and stride exclude each other: images are resized, or filled up; expected one of them"
            )
        count = 1 if self.channels == "grey" else 3
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, count):
                raise ValueError(f"{name} has {len(values)} values; expected 1 or {count}, as channels={self.channels}")
        return self

    def to_yaml(self) -> str:
        """The card as the text of its file: only what is not the default."""
        return yaml.safe_dump(self.said(), sort_keys=False, default_flow_style=False, allow_unicode=True)

    def said(self) -> dict[str, Any]:
        """What differs from a card that says nothing, as plain values."""
        return self.model_dump(exclude_defaults=True)


def card_path(model: Path) -> Path | None:
    """The card beside a model: `net.pt.yaml` of `net.pt` alone, or `net.yaml` for each `net.*`; None without one."""
    beside = [model.with_name(f"{model.name}.yaml"), *([model.with_suffix(".yaml")] if model.suffix else [])]
    return next((path for path in beside if path.is_file()), None)


def read_card(path: Path) -> ModelCard:
    """The card in a file.

    Raises
    ------
    UserError
        Naming the file, the key, what was found and what was expected.
    """
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a model card ({error})") from None
    return card_of(read_yaml(text, path, _LIMITS), str(path))


def card_of(content: Any, where: str) -> ModelCard:
    """The card that a mapping is; `where` names it in errors. Raises UserError as `read_card`."""
    if not isinstance(content, dict):
        raise UserError(f"{where}: holds {kind(content)}; expected a model card, such as\n{_EXAMPLE}")
    classes = content.get("classes")
    if isinstance(classes, dict):  # JSON has no other keys than text
        numbered = {int(key) if isinstance(key, str) and key.isdecimal() else key: classes[key] for key in classes}
        content = {**content, "classes": numbered}
    for key in {"scale", "mean", "std"} & set(content):
        value = _as_float(content[key])
        content = {**content, key: [value] if key != "scale" and isinstance(value, float) else value}
    try:
        return ModelCard.model_validate(content)
    except ValidationError as error:
        told = [_told(problem) for problem in error.errors()]
        raise UserError(f"{where}: {'; '.join(dict.fromkeys(told[:3]))}") from None


def _told(problem: Any) -> str:
    if not problem["loc"]:
        return str(problem["msg"]).removeprefix("Value error, ")
    if problem["loc"][0] == "classes" and problem["loc"][-1] == "[key]":
        return f"'classes': the key {problem['input']!r} is no output of a model; expected its number, from 0"
    # A class is a number or a name: pydantic tells of each of the two.
    loc = [
        part for part in problem["loc"] if part != "int" and "function" not in str(part) and part != "constrained-str"
    ]
    return explain({**problem, "loc": tuple(loc)}, tuple(ModelCard.model_fields))


def _as_float(value: Any) -> Any:
    """Whole numbers are numbers too."""
    if isinstance(value, list):
        return [_as_float(each) for each in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def labels_of(
    card: ModelCard, dataset: DatasetInfo, outputs: int, model: str, names: Mapping[int, str] | None = None
) -> dict[int, int]:
    """The label value that each output of a model stands for, in the order of the outputs.

    Parameters
    ----------
    card : of the model.
    dataset : whose label values they are.
    outputs : number of classes that the model tells apart. One output of a binary task is the foreground's.
    model : its name in messages.
    names : what the model itself calls its outputs, for the example.

    Raises
    ------
    UserError
        With a filled-in example, where the card does not say which output is which, or says what cannot be.
    """
    if card.classes is None:
        if outputs == len(dataset.classes):
            return {place: each.id for place, each in enumerate(dataset.classes)}
        if outputs == 1 and dataset.task == "binary":
            return {0: dataset.foreground}
        what = f"{model} gives {counted(outputs, 'output')}, {dataset.name} has {len(dataset.classes)} classes"
        raise UserError(
            f"{what}, and no model card says which is which. {example_card(dataset, outputs, model, names)}"
        )
    known = {each.name.lower(): each.id for each in (*dataset.classes, *dataset.unscored)}
    found: dict[int, int] = {}
    for index, said in sorted(card.classes.items()):
        if index >= outputs:
            raise UserError(
                f"the card of {model} names output {index}, "
                f"but the model has {outputs}: numbers from 0 to {outputs - 1}"
            )
        label = known.get(said.lower(), said) if isinstance(said, str) else said
        if label not in dataset.predictable:
            told = unknown(f"class of {dataset.name}", str(said), sorted(known))
            raise UserError(f"the card of {model}, output {index}: {told}")
        found[index] = int(label)
    if not found:
        raise UserError(
            f"the card of {model} has 'classes' without any. {example_card(dataset, outputs, model, names)}"
        )
    return found


def example_card(dataset: DatasetInfo, outputs: int, model: str, names: Mapping[int, str] | None = None) -> str:
    """What to write where nothing says which output is which: a card to correct, filled in as far as it can be.

    `names` are what the model itself calls its outputs.
    """
    own = {each.name.lower(): each.name for each in (*dataset.classes, *dataset.unscored)}
    told = dict(names or {})
    same = {index: own[name.lower()] for index, name in told.items() if name.lower() in own}
    if not same:
        same = {place: each.name for place, each in enumerate(dataset.classes[:outputs])}
    lines = [f"  {index}: {name}" for index, name in sorted(same.items())]
    left = [index for index in range(outputs) if index not in same]
    if left:
        told_as = f" ({', '.join(told[index] for index in left[:5] if index in told)})" if told else ""
        lines.append(f"  # outputs without a line are never predicted: {', '.join(map(str, left[:8]))}{told_as} …")
    text = "\n".join(["classes:  # output of the model: class of the dataset, by name or label value", *lines])
    return (
        f"Write a model card, '{Path(model).name}.yaml' beside the model (or --set card=FILE), such as\n{text}\n{_MORE}"
    )


_MORE = """# channels: rgb       # or bgr, grey
# scale: 1            # the value of white: 1 or 255
# mean: [0.485, 0.456, 0.406]
# std: [0.229, 0.224, 0.225]
# size: [512, 1024]   # height, width; or stride: 32"""
_EXAMPLE = f"classes:\n  0: background\n  1: foreground\n{_MORE}"
