"""Reading YAML that somebody else wrote, and saying what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..errors import UserError
from ..text import unknown

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe loader, in its quick form where there is one."""


@dataclass(frozen=True)
class Limits:
    """How much a YAML text may hold: values, levels, characters of one value; and whether aliases may stand in it."""

    nodes: int = 100_000
    depth: int = 20
    text: int = 5_000
    aliases: bool = True


def read_yaml(text: str, where: Path | str, limits: Limits = Limits()) -> Any:
    """The content of a YAML text from outside: plain values only; `where` names it in errors.

    Everything is checked before any value is made: a few lines of aliases fill a memory, a key given twice loses the
    first of its values in silence, and the digits of a long number take minutes.

    Raises
    ------
    UserError
        For what is no YAML, a key given twice, a tag beyond the standard's, or more than a file of settings can need.
    """
    loader = None
    try:
        _check_events(text, where, limits)
        loader = _LOADER(text)
        node = loader.get_single_node()
        _refuse_repeats(node, where)
        content = None if node is None else loader.construct_document(node)
        if limits.aliases:
            _measure(content, where, limits)
    except yaml.MarkedYAMLError as error:
        line = f" {_line(error.problem_mark)}" if error.problem_mark else ""
        raise UserError(f"{where}:{line} cannot be read as YAML ({error.problem or error})") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{where}: cannot be read as YAML ({error})") from None
    except (TypeError, AttributeError, LookupError):
        # What a constructor stumbles over says nothing to a user.
        raise UserError(f"{where}: cannot be read as YAML (a value is not what its tag says)") from None
    finally:
        if loader is not None:
            loader.dispose()
    return content


def _check_events(text: str, where: Path | str, limits: Limits) -> None:
    """Refuse too many, too deep and too long values, and aliases where there are to be none."""
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent) and not limits.aliases:
            raise UserError(f"{where}: {_line(event.start_mark)} uses an alias (*{event.anchor}); write it out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        nodes += isinstance(event, yaml.NodeEvent)
        if depth > limits.depth:
            raise UserError(f"{where}: {_line(event.start_mark)} is nested more than {limits.depth} levels deep")
        if nodes > limits.nodes:
            raise UserError(f"{where}: holds more than {limits.nodes:,} values")
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > limits.text:
            raise UserError(f"{where}: {_line(event.start_mark)} holds a value of {len(event.value)} characters")


def _refuse_repeats(root: yaml.Node | None, where: Path | str) -> None:
    """YAML's reader keeps the last of equal keys and says nothing."""
    waiting, done = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in done:  # an alias: its anchor was looked at
            continue
        done.add(id(node))
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in seen and key.value != "<<":
                    raise UserError(f"{where}: {_line(key.start_mark)} gives the key '{key.value}' a second time")
                seen.add(str(key.value))
                waiting += [key, value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def _line(mark: Any) -> str:
    return f"line {mark.line + 1}"


def _measure(content: Any, where: Path | str, limits: Limits) -> None:
    """Refuse what aliases blow up to, before anything walks through all of it."""
    stack, nodes = [(content, 1)], 0
    while stack:
        value, depth = stack.pop()
        nodes += 1
        if nodes > limits.nodes or depth > limits.depth:
            what = f"{limits.nodes:,} values" if nodes > limits.nodes else f"{limits.depth} levels"
            raise UserError(f"{where}: holds more than {what} once its aliases are put in")
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
