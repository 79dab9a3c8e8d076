"""The base of all settings, and the types that they are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from ..errors import UserError

T = TypeVar("T")

Count: TypeAlias = Annotated[int, Field(ge=1)]
"""A whole number above 0."""
Positive: TypeAlias = Annotated[float, Field(gt=0)]
NonNegative: TypeAlias = Annotated[float, Field(ge=0)]
Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1)]


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


Choices: TypeAlias = Annotated[T | Annotated[list[T], Field(min_length=1)], BeforeValidator(_listed)]
"""One value, or a list of values of which a method chooses on its training samples: `Choices[Positive]`."""


class Settings(BaseModel):
    """What a method or a dataset can be told: every field with its type, default and range, its docstring the meaning.

    Values are taken as they are (no text for a number, no 1 for true), keys that are no field are refused, and a
    checked model does not change. Options are `Literal`s, values to try are `Choices`.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True, defer_build=True)


def settings_of(name: str, defaults: Mapping[str, Any], meanings: Mapping[str, str] | None = None) -> type[Settings]:
    """A model without types or ranges: its fields are the keys of `defaults`, with their meanings where they have."""
    told = meanings or {}
    fields: dict[str, Any] = {key: (Any, Field(value, description=told.get(key))) for key, value in defaults.items()}
    return create_model(name, __base__=Settings, **fields)


def refuse_no_model(owner: str, settings: Any) -> None:
    """Raise UserError unless this is a class that derives from `Settings`; `owner` is whose it is meant to be."""
    if not (isinstance(settings, type) and issubclass(settings, Settings)):
        expected = "a class that derives from segbench.settings.Settings"
        raise UserError(f"settings of {owner} is {settings!r}; expected {expected}")


def values_to_try(value: Any) -> list[Any]:
    """The values of a setting that is `Choices`: the list itself, or the single value.

    >>> values_to_try([1.0, 2.0]), values_to_try("otsu")
    ([1.0, 2.0], ['otsu'])
    """
    return list(value) if isinstance(value, (list, tuple)) else [value]
