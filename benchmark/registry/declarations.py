"""What the class of a plugin must have and of which types, and a sentence for each fault: found, and expected."""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from ..settings import check_settings
from ..types import Dataset, DatasetInfo, Method, MethodInfo, Metric, UserError

Kind = Literal["dataset", "method", "metric"]

PROTOCOLS: dict[Kind, type[Any]] = {"dataset": Dataset, "method": Method, "metric": Metric}
_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "True or False", type(None): "None"}
MAX_SHOWN = 60
"""Characters that a message shows of a value."""


def faults(kind: Kind, cls: type[Any], optional: Sequence[str]) -> Iterator[str]:
    """What keeps a class from being a plugin of this kind, one clause each, such as `lacks measure of Metric`.

    Parameters
    ----------
    kind : what it is meant as.
    cls : its class.
    optional : members that it may leave out.
    """
    protocol = PROTOCOLS[kind]
    lacking = [name for name in _members(protocol, kind) if not hasattr(cls, name) and name not in optional]
    unwritten = sorted(getattr(cls, "__abstractmethods__", frozenset()))
    if lacking or unwritten:
        names = ", ".join(dict.fromkeys([*lacking, *unwritten]))
        yield f"lacks {names}" + (f" of {protocol.__name__}" if lacking else "")
        return
    for name in _functions(cls):
        value = getattr(cls, name)
        if not callable(value):
            yield f"has {name} = {_shown(value)}; expected a function, 'def {name}(…)'"
    info = None if kind == "metric" else cls.info
    wrong = [*_wrong_attributes(kind, cls), *([] if info is None else _wrong("info", info, type(info)))]
    yield from (f"has {one}" for one in wrong)
    if info is not None and not wrong:
        yield from _wrong_settings(kind, cls)
    if isinstance(info, DatasetInfo) and not wrong:
        yield from _contradictions(info)


def meant_as(kind: Kind, cls: type[Any]) -> bool:
    """Whether a class is meant as a plugin of this kind, whole or not."""
    if kind == "metric":
        own = set(dir(cls)) - getattr(cls, "__abstractmethods__", frozenset())
        return len({"name", "scores", "measure", "compute"} & own) > 1
    return isinstance(getattr(cls, "info", None), DatasetInfo if kind == "dataset" else MethodInfo)


def _members(protocol: type[Any], kind: Kind) -> list[str]:
    """What a class must have: every method, and of datasets and metrics every attribute that a class knows."""
    of_instances = {"dataset": {"root"}, "metric": set()}.get(kind)
    members = [(name, value) for base in protocol.__mro__ for name, value in vars(base).items() if base is not object]
    members = [(name, value) for name, value in members if name[0] != "_"]
    if of_instances is None:
        return [name for name, value in members if callable(value)]
    return [name for name, _ in members if name not in of_instances]


def _functions(cls: type[Any]) -> list[str]:
    """Functions of segbench's bases, which a class that derives from them may replace by functions alone."""
    found = [(name, value) for base in bases(cls) for name, value in vars(base).items()]
    return list(dict.fromkeys(name for name, v in found if name[0] != "_" and isinstance(v, types.FunctionType)))


def bases(cls: type[Any]) -> list[type[Any]]:
    """The classes of segbench that a plugin's class derives from."""
    package = __name__.partition(".")[0] + "."
    return [base for base in cls.__mro__[1:] if base.__module__.startswith(package)]


def _wrong_attributes(kind: Kind, cls: type[Any]) -> Iterator[str]:
    """Attributes of the class whose types are not the declared ones."""
    hints: dict[str, Any] = {}
    for base in reversed(bases(cls)):
        if any("ClassVar" in str(hint) for hint in vars(base).get("__annotations__", {}).values()):
            hints |= {name: hint for name, hint in get_type_hints(base).items() if get_origin(hint) is ClassVar}
    hints = {name: get_args(hint)[0] for name, hint in hints.items()}
    if kind == "metric":
        declared = {name: value for name, value in vars(Metric).items() if isinstance(value, property)}
        hints |= {name: get_type_hints(value.fget)["return"] for name, value in declared.items()}
    for name, hint in hints.items():
        value = getattr(cls, name, None)
        if name != "info" and hasattr(cls, name) and not isinstance(value, property):
            yield from _wrong(name, value, hint)


def _contradictions(info: DatasetInfo) -> Iterator[str]:
    if info.default_split not in info.splits:
        yield f"has the default split '{info.default_split}', which is none of its splits: {', '.join(info.splits)}"
    ids = [entry.id for entry in info.classes]
    if len(set(ids)) < len(ids):
        yield f"has two classes of one label value: {', '.join(map(str, ids))}"
    if info.task == "binary" and ids and info.foreground not in ids:
        yield f"has the foreground {info.foreground}, which is none of its label values: {', '.join(map(str, ids))}"


def _wrong_settings(kind: Kind, cls: type[Any]) -> Iterator[str]:
    """Defaults that the model refuses, and settings of a dataset that it cannot be built with."""
    info = cls.info
    try:
        check_settings(info.settings, f"{kind} {info.name}", info.defaults if isinstance(info, MethodInfo) else {})
    except UserError as error:
        yield f"has a default that its settings refuse: {str(error).rstrip('.')}"
    # An info that was made of another dataset's has its settings, which nobody meant to offer.
    copied = info.settings.__module__.startswith("segbench.datasets.") and not cls.__module__.startswith("segbench.")
    if kind == "dataset" and not copied and (untaken := settings_not_taken(cls)):
        yield f"is not built with its settings {', '.join(untaken)}; leave out the decorator @dataclass"


def settings_not_taken(cls: type[Any]) -> list[str]:
    """Settings of a dataset that its class is not built with."""
    taken = inspect.signature(cls).parameters
    if any(each.kind is each.VAR_KEYWORD for each in taken.values()):
        return []
    return [name for name in cls.info.settings.model_fields if name not in taken]


def _wrong(name: str, value: Any, hint: Any) -> Iterator[str]:
    """`name = value; expected …` for each part of a value that is not of its declared type."""
    if dataclasses.is_dataclass(hint) and isinstance(value, hint):  # type: ignore[arg-type]  # a class, not an instance
        hints = get_type_hints(hint)
        for each in dataclasses.fields(hint):
            yield from _wrong(f"{name}.{each.name}", getattr(value, each.name), hints[each.name])
    elif get_origin(hint) is tuple and isinstance(value, tuple) and get_args(hint)[-1] is Ellipsis:
        for place, part in enumerate(value):
            yield from _wrong(f"{name}[{place}]", part, get_args(hint)[0])
    elif _of_mapping(hint) and isinstance(value, Mapping):
        for key, part in value.items():
            yield from _wrong(f"a key of {name}", key, get_args(hint)[0])
            yield from _wrong(f"{name}[{key!r}]", part, get_args(hint)[1])
    elif not _fits(value, hint):
        yield f"{name} = {_shown(value)}; expected {expected(hint)}"


def _fits(value: Any, hint: Any) -> bool:
    origin, parts = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin is Literal:
        return isinstance(value, str) and value in parts
    if origin in (Union, types.UnionType):
        return any(not [*_wrong("", value, part)] for part in parts)
    if origin is tuple:
        return isinstance(value, tuple) and len(value) == len(parts) and all(map(_fits, value, parts))
    if origin is type:
        return isinstance(value, type) and issubclass(value, parts[0])
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int and isinstance(value, bool):
        return False
    return isinstance(value, origin or hint)


def _of_mapping(hint: Any) -> bool:
    return get_origin(hint) is not None and isinstance(get_origin(hint), type) and issubclass(get_origin(hint), Mapping)


def expected(hint: Any) -> str:
    """A type in words.

    >>> expected(tuple[str, ...]), expected(Literal["a", "b"]), expected(int | None)
    ('a tuple of text, in brackets with a comma after each', "'a' or 'b'", 'a whole number or None')
    """
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if origin in (Union, types.UnionType):
        return " or ".join(map(expected, parts))
    if origin is tuple and parts[-1] is Ellipsis:
        return f"a tuple of {expected(parts[0]).removeprefix('a ')}, in brackets with a comma after each"
    if origin is tuple:
        return f"a tuple of {len(parts)}: {', '.join(map(expected, parts))}"
    if _of_mapping(hint):
        return f"a dictionary of {expected(parts[1]).removeprefix('a ')} by name"
    if origin is type:
        return f"a class that derives from {parts[0].__name__}"
    return _WORDS.get(hint, getattr(hint, "__name__", str(hint)))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"
