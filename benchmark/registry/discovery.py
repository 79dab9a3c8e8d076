"""Plugin classes by name: what segbench's own modules and the user's hold, and what is left out and why."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..errors import PluginWarning
from ..text import unknown
from ..types import DatasetDefaults, DatasetInfo, MethodDefaults, UserError
from .declarations import Kind, bases, faults, meant_as
from .sources import OWN, Source, own_sources, user_sources, writes


@dataclass(frozen=True)
class _Broken:
    """A plugin that is left out: what it is asked for by, in small letters, and why."""

    names: frozenset[str]
    reason: str


@dataclass(frozen=True)
class FoundPlugins:
    """Plugin classes of a kind by name, where each comes from, and what is left out."""

    classes: dict[str, type[Any]]
    origins: dict[str, str]
    broken: tuple[_Broken, ...]


def plugin_class(kind: Kind, name: str) -> type[Any]:
    """The class of this name or alias; segbench's own file of this name is looked at before all others are."""
    return _own_class(kind, name.lower()) or pick(kind, name, all_plugins(kind))


@cache
def _own_class(kind: Kind, wanted: str) -> type[Any] | None:
    """The class in segbench's own file of this name; kept, since each of thousands of records asks for it."""
    stem = wanted.replace("-", "_")
    for source in own_sources(kind):
        if source.name == stem:
            own, _ = _classes(kind, source)
            for cls in own:
                if wanted in _names(cls):
                    return cls
    return None


def pick(kind: Kind, name: str, found: FoundPlugins) -> type[Any]:
    """The class of this name or alias. Raises UserError: why it is left out, else the nearest names."""
    wanted = name.lower()
    taken = wanted in {known.lower() for known in found.classes}
    clash = next((one for one in found.broken if taken and wanted in one.names), None)
    if clash is not None:
        raise UserError(clash.reason)
    for cls in found.classes.values():
        if wanted in _names(cls):
            return cls
    if (reason := _reason(found, name)) is not None:
        raise UserError(reason)
    aliases = sorted({alias for cls in found.classes.values() for alias in _names(cls)} - set(found.classes))
    raise UserError(unknown(kind, name, found.classes, aliases))


def complete(kind: Kind) -> bool:
    """Whether no plugin of a kind is left out."""
    return not all_plugins(kind).broken


def why_left_out(kind: Kind, name: str) -> str | None:
    """What is wrong with the plugin of this name, or in the file of this name; None where nothing is."""
    return _reason(all_plugins(kind), name)


def _reason(found: FoundPlugins, name: str) -> str | None:
    names = {name.lower(), name.lower().replace("-", "_")}
    return next((one.reason for one in found.broken if names & one.names), None)


def plugins_named(kind: Kind, names: Iterable[str]) -> FoundPlugins:
    """All of the user's, and of segbench's own at least those of these names: everything, if one of them is neither."""
    own = [source for source in own_sources(kind) if writes(kind, source, names)]
    found = _found(kind, own)
    known = {*found.classes, *(name for one in found.broken for name in one.names)}
    return found if known >= set(names) else all_plugins(kind)


def all_plugins(kind: Kind) -> FoundPlugins:
    """Everything of a kind."""
    return _found(kind, own_sources(kind))


def _found(kind: Kind, own: Iterable[Source]) -> FoundPlugins:
    """Some of segbench's own and all of the user's. What cannot be used is told in a PluginWarning and left out."""
    classes: dict[str, type[Any]] = {}
    origins: dict[str, str] = {}
    broken: list[_Broken] = []
    for source in (*own, *user_sources(kind)):
        usable, faults = _classes(kind, source)
        broken += faults
        for cls in usable:
            name = _name(cls)
            if name in classes:
                text = f"two {kind}s are called '{name}': {origins[name]} and {source.origin}. Rename one."
                broken.append(_Broken(frozenset({name.lower()}), text))
            else:
                classes[name], origins[name] = cls, source.origin
    for one in broken:
        warnings.warn(f"plugin left out: {one.reason}", PluginWarning, stacklevel=4)
    return FoundPlugins(dict(sorted(classes.items())), origins, tuple(broken))


def _classes(kind: Kind, source: Source) -> tuple[list[type[Any]], list[_Broken]]:
    """Plugin classes of a module that have all members, and what is wrong with it."""
    try:
        module = source.load()
    except UserError as error:
        return [], [_Broken(frozenset({source.name.lower()}), str(error))]
    found = [cls for cls in vars(module).values() if _is_plugin(kind, cls, module.__name__)]
    usable, broken = [], []
    for cls in found:
        wrong = _wrong(kind, cls)
        if wrong:
            advice = "Correct the file." if bases(cls) else _ADVICE[kind]
            text = f"{source.where}: class {cls.__name__} {wrong}. {advice}"
            broken.append(_Broken(frozenset({source.name.lower(), *_names(cls)}), text))
            continue
        if not issubclass(cls, _DEFAULTS.get(kind, object)):
            _give_defaults(kind, cls)
        usable.append(cls)
    if not found and (kind != "metric" or source.origin != OWN):  # segbench.metrics holds what families share, too
        text = f"{source.where}: defines no {kind}. {_ADVICE[kind]} {_MARKS[kind]}"
        broken.append(_Broken(frozenset({source.name.lower()}), text))
    return usable, broken


@cache
def _wrong(kind: Kind, cls: type[Any]) -> str:
    """What keeps a class from being used, which is looked for once; empty where nothing does."""
    return " and ".join(faults(kind, cls, _optional(kind)))


_DEFAULTS: dict[Kind, type] = {"dataset": DatasetDefaults, "method": MethodDefaults}


_ADVICE: dict[Kind, str] = {
    "dataset": "Derive it from segbench.data.FileDataset, as what 'bench new dataset NAME' writes does.",
    "method": "Derive it from segbench.methods.BaseMethod, as what 'bench new method NAME' writes does.",
    "metric": "Derive it from segbench.metrics.MetricFamily, as what 'bench new metric NAME' writes does.",
}


_MARKS: dict[Kind, str] = {
    "dataset": "Its class has an attribute info = DatasetInfo(…). A helper file's name begins with '_'.",
    "method": "Its class has an attribute info = MethodInfo(…). A helper file's name begins with '_'.",
    "metric": "Its class has name, scores, measure and compute. A helper file's name begins with '_'.",
}


def _is_plugin(kind: Kind, cls: Any, module: str) -> bool:
    """Whether a class of this module is meant as a plugin, whole or not."""
    if not isinstance(cls, type) or cls.__module__ != module or cls.__name__.startswith("_"):
        return False
    return meant_as(kind, cls)


def _optional(kind: Kind) -> list[str]:
    """What could be left out when there was no base yet."""
    defaults = vars(_DEFAULTS[kind]) if kind in _DEFAULTS else {}
    return [name for name in defaults if name[0] != "_" and name not in ("info", "ids", "check")]


def _give_defaults(kind: Kind, cls: type[Any]) -> None:
    """Complete a class written when these members could be left out; a release later it has to have a base."""
    lacking = [name for name in _optional(kind) if not hasattr(cls, name)]
    for name in lacking:
        setattr(cls, name, vars(_DEFAULTS[kind])[name])
    if lacking:
        text = f"class {cls.__name__} lacks {', '.join(lacking)}. {_ADVICE[kind]}"
        warnings.warn(text, DeprecationWarning, stacklevel=2)


def _name(cls: type[Any]) -> str:
    return str(cls.info.name if hasattr(cls, "info") else cls.name)


def _names(cls: type[Any]) -> set[str]:
    aliases = cls.info.aliases if isinstance(getattr(cls, "info", None), DatasetInfo) else ()
    names = [str(name) for name in (getattr(getattr(cls, "info", cls), "name", ""), *aliases)]
    return {name.lower() for name in names}
