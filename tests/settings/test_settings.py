"""Settings as models: the types, the one message about wrong values, and the description made of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from segbench.errors import UserError
from segbench.settings import Choices, Count, Fraction, NonNegative, Settings, check_settings, describe_settings
from segbench.types import MethodInfo


class Toy(Settings):
    kind: Choices[Literal["otsu", "li"]] = Field(default=["otsu", "li"])
    """How the threshold is found,
    image by image."""
    sigma: Choices[NonNegative] = Field(default=[0.0, 2.5])
    number: Choices[Annotated[int, Field(ge=2)]] = Field(default=[2, 3])
    classes: Literal["auto", "rule"] = "auto"
    images: Count = 6
    share: Fraction = 0.5
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    stride: Literal[8, 16] | None = None
    weights: Literal["imagenet"] | None = None
    size: Annotated[list[Count], Field(min_length=2, max_length=2)] | None = None
    channels: Annotated[int, Field(ge=64, multiple_of=32)] = 128
    arguments: dict[str, Any] = Field(default={})
    flip: bool = True
    loss: str = Field(default="ce", json_schema_extra={"expected": "losses joined by +"})


def message(**values: Any) -> str:
    with pytest.raises(UserError) as caught:
        check_settings(Toy, "method toy", values)
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"kin": 1}, "Unknown setting of method toy 'kin'. Did you mean 'kind'? Available: arguments, channels"),
        ({"kind": "otsou"}, "kind of method toy is 'otsou': expected one or a list of otsu, li. Did you mean 'otsu'?"),
        ({"kind": ["li", "otsou"]}, "Setting kind[1] of method toy is 'otsou': expected one or a list of otsu, li."),
        ({"kind": []}, "Setting kind of method toy is an empty list: nothing could be tried."),
        ({"sigma": True}, "Setting sigma of method toy is True: expected one or a list of numbers such as [0.0, 2.5]"),
        ({"sigma": [1, -1]}, "Setting sigma[1] of method toy is -1: expected one or a list of numbers"),
        ({"number": 2.5}, "one or a list of whole numbers such as [2, 3], each at least 2."),
        ({"classes": "rul"}, "is 'rul': expected one of auto, rule. Did you mean 'rule'?"),
        ({"images": 0}, "Setting images of method toy is 0: expected a whole number above 0."),
        ({"images": True}, "Setting images of method toy is True: expected a whole number above 0."),
        ({"share": 1.5}, "is 1.5: expected a number from 0 to 1."),
        ({"momentum": 1}, "is 1: expected a number of at least 0 and below 1."),
        ({"stride": 9}, "is 9: expected one of 8, 16, or null."),
        ({"weights": "coco"}, "is 'coco': expected imagenet, or null."),
        ({"size": [256]}, "is [256]: expected a list of 2 values, each a whole number above 0, or null."),
        ({"size": [256, 0]}, "Setting size[1] of method toy is 0: expected a list of 2 values"),
        ({"channels": 65}, "is 65: expected a whole number of at least 64 and a multiple of 32."),
        ({"arguments": 1}, "is 1: expected a mapping."),
        ({"flip": 1}, "is 1: expected true or false."),
        ({"loss": 1}, "is 1: expected losses joined by +."),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(change: dict[str, Any], wanted: str) -> None:
    assert wanted in message(**change)


def test_every_wrong_setting_is_named_once() -> None:
    assert message(images=0, sigma="wide").count("Setting ") == 2


def test_values_stay_as_they_are_and_what_is_left_out_has_its_default() -> None:
    checked = check_settings(Toy, "method toy", {"kind": "li", "sigma": (0.5, 1.0), "number": 4})
    assert (checked.kind, checked.sigma, checked.number) == ("li", [0.5, 1.0], 4)
    assert checked.images == 6
    assert Toy().kind == ["otsu", "li"]


def test_a_setting_is_described_by_its_type() -> None:
    kind, sigma, number, classes, *_ = described = describe_settings(Toy)
    assert [setting.name for setting in described] == list(Toy().model_dump())
    assert {setting.name: setting.default for setting in described} == Toy().model_dump()
    assert kind.meaning == "How the threshold is found, image by image."
    assert (kind.type, kind.options, kind.to_try) == ("text", ["otsu", "li"], True)
    assert (sigma.type, sigma.minimum, sigma.above_minimum, sigma.maximum) == ("number", 0, False, None)
    assert (number.type, number.minimum, number.to_try) == ("whole number", 2, True)
    assert (classes.options, classes.to_try, classes.nullable) == (["auto", "rule"], False, False)
    by_name = {setting.name: setting for setting in described}
    assert (by_name["momentum"].maximum, by_name["momentum"].below_maximum) == (1, True)
    assert (by_name["stride"].type, by_name["stride"].nullable) == ("whole number", True)
    assert by_name["size"].type == "list"
    assert not by_name["size"].to_try
    assert by_name["loss"].expected == "losses joined by +"


def test_a_method_gives_a_model_or_defaults_and_has_both() -> None:
    typed = MethodInfo("toy", "classical", "a test", "a test", settings=Toy)
    assert typed.defaults == Toy().model_dump()
    plain = MethodInfo("plain", "classical", "a test", "a test", {"soft": False, "level": None})
    assert plain.settings().model_dump() == {"soft": False, "level": None}
    assert check_settings(plain.settings, "method plain", {"level": 3}).model_dump() == {"soft": False, "level": 3}
    with pytest.raises(UserError, match="Did you mean 'soft'"):
        check_settings(plain.settings, "method plain", {"sft": 1})
    assert MethodInfo("bare", "classical", "a test", "a test").defaults == {}
