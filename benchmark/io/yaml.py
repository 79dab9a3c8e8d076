"""Reading YAML that somebody else wrote, and saying what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ..errors import UserError
from ..text import unknown

MAX_NODES = 100_000
MAX_DEPTH = 20


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses what would silently be lost: a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.MarkedYAMLError(problem=f"the key '{twice}' is given twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def read_yaml(text: str, path: Path) -> Any:
    """The content of a YAML text from outside: plain values only; `path` names it in errors.

    Raises
    ------
    UserError
        For what is no YAML, a key given twice, or more than a file of settings can need.
    """
    try:
        content = yaml.load(text, _Loader)
        _measure(content, path)
    except yaml.MarkedYAMLError as error:
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{path}{where}: cannot be read as YAML: {error.problem or error}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as YAML: {error}") from None
    except RecursionError:
        raise UserError(f"{path}: is nested more than {MAX_DEPTH} levels deep") from None
    return content


def _measure(content: Any, path: Path) -> None:
    """Refuse what aliases blow up to, before anything walks through all of it."""
    stack, nodes = [(content, 1)], 0
    while stack:
        value, depth = stack.pop()
        nodes += 1
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            what = f"{MAX_NODES:,} values" if nodes > MAX_NODES else f"{MAX_DEPTH} levels"
            raise UserError(f"{path}: holds more than {what} once its aliases are put in")
        if isinstance(value, dict):
            stack += [(item, depth + 1) for item in (*value, *value.values())]
        elif isinstance(value, list):
            stack += [(item, depth + 1) for item in value]


def explain(problem: Any, known: Sequence[str]) -> str:
    """One sentence for one of pydantic's errors: the key, what was found, what was expected.

    `known` are the keys that are accepted beside it.
    """
    where = ""
    for part in problem["loc"]:
        where += f"[{part}]" if isinstance(part, int) else f".{part}" if where else str(part)
    what, value = problem["type"], problem["input"]
    if what == "missing":
        return f"'{where}' is missing"
    if what == "extra_forbidden":
        return f"'{where}': {unknown('key', str(problem['loc'][-1]), known)}"
    message = problem["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    message = message.replace("valid dictionary", "mapping").replace("dictionary", "mapping")
    return f"'{where}' is {kind(value)}: {message[0].lower()}{message[1:]}"


def kind(value: Any) -> str:
    """What a value is, short enough for a message."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = json.dumps(value, default=str, ensure_ascii=False)
    return "nothing" if value is None else text if len(text) <= 60 else text[:57] + "…"
