"""What a setting is and takes, told from its model: for people in words, for machines in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from .base import Settings

Kind = Literal["whole number", "number", "true or false", "text", "list", "mapping", "any"]

_KINDS: Mapping[str, Kind] = {
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "string": "text",
    "array": "list",
    "object": "mapping",
}
EXPECTED = "expected"
"""Key of `json_schema_extra` that says in words what a field takes, where its type cannot."""


class SettingDescription(BaseModel):
    """One setting: its name, type, default, what it takes and what it means.

    Attributes
    ----------
    type : of one value; where `to_try`, a list of such values is taken too, and the best of them is chosen.
    nullable : whether null is taken.
    options : the only values, where they are few.
    minimum, maximum : the range of a number, its ends included unless `above_minimum` or `below_maximum`.
    expected : all that in words.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    name: str
    type: Kind
    default: Any
    nullable: bool = False
    to_try: bool = False
    options: list[Any] | None = None
    minimum: int | float | None = None
    above_minimum: bool = False
    maximum: int | float | None = None
    below_maximum: bool = False
    expected: str
    meaning: str


@cache
def describe_settings(kind: type[Settings]) -> tuple[SettingDescription, ...]:
    """Every setting of a model, in its order."""
    properties: dict[str, Any] = kind.model_json_schema().get("properties", {})
    defaults = {name: field.get_default(call_default_factory=True) for name, field in kind.model_fields.items()}
    return tuple(_described(name, schema, defaults[name]) for name, schema in properties.items())


def _described(name: str, schema: Mapping[str, Any], default: Any) -> SettingDescription:
    branches = schema.get("anyOf", [schema])
    nullable = any(branch.get("type") == "null" for branch in branches)
    branches = [branch for branch in branches if branch.get("type") != "null"]
    one = branches[0]
    to_try = len(branches) == 2 and branches[1].get("type") == "array" and branches[1]["items"] == one
    lowest, highest = one.get("exclusiveMinimum", one.get("minimum")), one.get("exclusiveMaximum", one.get("maximum"))
    expected = schema.get(EXPECTED) or (_to_try(one, default) if to_try else _any_of(branches))
    return SettingDescription(
        name=name,
        type=_KINDS.get(one.get("type") or _type_of(one.get("enum", [one.get("const")])[0]), "any"),
        default=default,
        nullable=nullable,
        to_try=to_try,
        options=one.get("enum", [one["const"]] if "const" in one else None),
        minimum=lowest,
        above_minimum="exclusiveMinimum" in one,
        maximum=highest,
        below_maximum="exclusiveMaximum" in one,
        expected=f"{expected}, or null" if nullable else expected,
        meaning=" ".join(schema.get("description", "").split()),
    )


def _type_of(value: Any) -> str:
    return {bool: "boolean", int: "integer", float: "number", str: "string"}.get(type(value), "")


def _to_try(schema: Mapping[str, Any], default: Any) -> str:
    """One value or several: options by name, numbers by their range and the default as an example."""
    if "enum" in schema or "const" in schema:
        return f"one or a list of {_names(schema)}"
    kind = {"integer": "whole numbers", "number": "numbers"}.get(schema.get("type", ""), "values")
    bounds = _bounds(schema)
    return f"one or a list of {kind} such as {default}" + (f", each {bounds.removeprefix('of ')}" if bounds else "")


def _any_of(branches: list[dict[str, Any]]) -> str:
    return ", or ".join(_expected(branch) for branch in branches)


def _expected(schema: Mapping[str, Any]) -> str:
    """What a type takes, in words."""
    if "enum" in schema or "const" in schema:
        return f"one of {_names(schema)}" if len(schema.get("enum", ())) > 1 else _names(schema)
    kind = schema.get("type")
    if kind in ("integer", "number"):
        bounds = _bounds(schema)
        return f"a {_KINDS[kind]}" + (f" {bounds}" if bounds else "")
    if kind == "array":
        low, high = schema.get("minItems"), schema.get("maxItems")
        count = f"{low} " if low is not None and low == high else ""
        return f"a list of {count}values, each {_expected(schema.get('items', {}))}"
    return {"boolean": "true or false", "string": "text", "object": "a mapping"}.get(str(kind), "any value")


def _names(schema: Mapping[str, Any]) -> str:
    return ", ".join(str(value) for value in schema.get("enum", [schema.get("const")]))


def _bounds(schema: Mapping[str, Any]) -> str:
    """`above 0`, `from 0 to 1`, `of at least 0 and below 1`."""
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    if schema.get("type") == "integer" and low is not None:
        low, above = (None, 0) if low == 1 and high is None else (low, above)
    if low is not None and high is not None:
        words = [f"from {_number(low)} to {_number(high)}"]
    else:
        bounds = {"above": above, "of at least": low, "below": below, "of at most": high}
        words = [f"{word} {_number(value)}" for word, value in bounds.items() if value is not None]
    if "multipleOf" in schema:
        words.append(f"a multiple of {_number(schema['multipleOf'])}")
    return " and ".join(words)


def _number(value: float) -> str:
    return f"{value:g}"
