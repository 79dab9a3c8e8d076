"""Values compared with a model, and the one message that says what is wrong with them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from ..errors import UserError
from ..text import unknown
from .base import Settings
from .description import describe_settings

Model = TypeVar("Model", bound=Settings)


def check_settings(kind: type[Model], owner: str, values: Mapping[str, Any]) -> Model:
    """The model of these values.

    Parameters
    ----------
    kind : the model.
    owner : whose settings they are, as a message names it: "method unet".
    values : by name; a setting that is left out has its default.

    Raises
    ------
    UserError
        With the nearest name for one that does not exist; else with the name, what was found and what is allowed.
    """
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        # The branches of a union fail one by one for one value; the last one names the element of a list.
        found = {problem["loc"][:1]: problem for problem in error.errors()}
        raise UserError(" ".join(_sentence(kind, owner, problem) for problem in found.values())) from None


def _sentence(kind: type[Settings], owner: str, problem: Any) -> str:
    if not problem["loc"]:
        return f"Settings of {owner}: {problem['ctx']['error']}."
    key = str(problem["loc"][0])
    if problem["type"] == "extra_forbidden":
        return unknown(f"setting of {owner}", key, kind.model_fields)
    (setting,) = (setting for setting in describe_settings(kind) if setting.name == key)
    if problem["type"] == "too_short" and setting.to_try:
        return f"Setting {key} of {owner} is an empty list: nothing could be tried. Expected {setting.expected}."
    where = "".join(f"[{part}]" for part in problem["loc"][1:] if isinstance(part, int))
    value = problem["input"]
    near = difflib.get_close_matches(value, map(str, setting.options or ()), n=1) if isinstance(value, str) else []
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"Setting {key}{where} of {owner} is {value!r}: expected {setting.expected}.{hint}"
