"""Finding datasets, methods and metrics by name: files in the package, in a user's folder, and entry points.

A plugin is a class with an `info` (DatasetInfo or MethodInfo) in a file of its own; metrics are classes in
`segbench.metrics`. A file is imported only when it is asked for, or when everything is listed.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .._former_names import MODULES as FORMER_MODULES
from .._former_names import former_names
from ..errors import PluginWarning
from ..text import unknown
from ..types import Dataset, DatasetDefaults, DatasetInfo, Method, MethodDefaults, Metric, PredictionKind, UserError
from .declarations import Kind, bases, faults, meant_as, settings_not_taken
from .hooks import hook as hook
from .hooks import hooks as hooks
from .hooks import load_named as load_named
from .sources import OWN as OWN
from .sources import Source, own_sources, user_sources, writes
from .sources import own_plugin_folder as own_plugin_folder
from .sources import plugin_folders as plugin_folders
from .sources import user_files as user_files
from .user_modules import USER_MODULE as USER_MODULE
from .user_modules import load_user_module as load_user_module

if not TYPE_CHECKING:  # mypy takes only what is there now
    __getattr__ = former_names(__name__)


GENERATOR_MEMBERS = ("GENERATOR_VERSION", "SMALL", "FULL", "synthesize")
"""What a generator of synthetic data has: the plans of a small and of a full set, and what makes them."""


@dataclass(frozen=True)
class _Broken:
    """A plugin that is left out: what it is asked for by, and why."""

    names: frozenset[str]
    reason: str


@dataclass(frozen=True)
class _Found:
    """Plugin classes of a kind by name, where each comes from, and what is left out."""

    classes: dict[str, type[Any]]
    origins: dict[str, str]
    broken: tuple[_Broken, ...]


def dataset_class(name: str) -> type[Any]:
    """The dataset class of this name or alias. Raises UserError with near names."""
    return _find("dataset", name)


def method_class(name: str) -> type[Any]:
    """The method class of this name. Raises UserError with near names.

    A name with a colon, such as `smp:Unet/resnet18`, is one of a family: the class whose attribute `prefix` is what
    stands before the colon makes the method's class with its class method `named`.
    """
    prefix, colon, rest = name.partition(":")
    families = {cls.prefix: cls for cls in methods().values() if cls.prefix} if colon else {}
    if prefix not in families:
        return _find("method", name)
    made: type[Any] = families[prefix].named(rest)
    return made


def metric_family(name: str) -> Metric:
    """The metric family of this name. Raises UserError with near names."""
    family: Metric = _find("metric", name)()
    return family


def make_dataset(name: str, root: Path, options: Mapping[str, Any] | None = None) -> Dataset:
    """The dataset of this name below a root folder.

    Raises UserError for options that its class, a dataclass of somebody's own, is not built with.
    """
    cls = dataset_class(name)
    if refused := sorted(set(settings_not_taken(cls)) & set(options or {})):
        raise UserError(
            f"dataset {name} is not built with {refused[0]}: leave out the decorator @dataclass of its class"
        )
    dataset: Dataset = cls(root, **(options or {}))
    return dataset


def make_method(name: str, config: Mapping[str, Any] | None = None) -> Method:
    """The method of this name; `config` changes its defaults.

    Raises UserError for an unknown name or setting, with near ones.
    """
    cls = method_class(name)
    complete = dict(cls.info.defaults)
    for key, value in (config or {}).items():
        if key not in complete:
            raise UserError(unknown(f"setting of method {name}", key, complete))
        complete[key] = value
    method: Method = cls(complete)
    return method


def datasets() -> dict[str, type[Any]]:
    """Every dataset class by its name."""
    return dict(_all("dataset").classes)


def methods() -> dict[str, type[Any]]:
    """Every method class by its name."""
    return dict(_all("method").classes)


def metrics() -> dict[str, Metric]:
    """Every metric family by its name."""
    return {name: cls() for name, cls in _all("metric").classes.items()}


def metrics_named(names: Iterable[str]) -> dict[str, Metric]:
    """The metric families of these names that there are; modules of segbench's own that hold none of them are left."""
    wanted = list(names)
    found = _named("metric", wanted) if wanted else _Found({}, {}, ())
    return {name: found.classes[name]() for name in wanted if name in found.classes}


def origins(kind: Kind) -> dict[str, str]:
    """Where every plugin of a kind comes from: `segbench`, a file of the user's, or a package's entry point."""
    return dict(_all(kind).origins)


def generator(name: str) -> ModuleType | None:
    """The module that makes synthetic data of a dataset: segbench's own, or the user's `synthetic/<name>.py`.

    Raises UserError for a user's file that cannot be imported, or that lacks what a generator has.
    """
    stem = name.replace("-", "_")
    module = f"segbench.synthetic.{stem}"
    # A dataset may be called as something else in that package is, or was.
    if module not in FORMER_MODULES and importlib.util.find_spec(module) is not None:
        own = importlib.import_module(module)
        if all(what in vars(own) for what in GENERATOR_MEMBERS):
            return own
    path = next((path for path in user_files("synthetic", "py") if path.stem == stem), None)
    if path is None:
        return None
    loaded = load_user_module(f"{USER_MODULE}synthetic_{stem}", path)
    lacking = [what for what in GENERATOR_MEMBERS if what not in vars(loaded)]
    if lacking:
        raise UserError(f"{path}: lacks {', '.join(lacking)}, which every generator of synthetic data has")
    return loaded


def metrics_of(info: DatasetInfo, *, kind: PredictionKind = "maps", more: Iterable[str] = ()) -> tuple[Metric, ...]:
    """The metric families that score predictions of a kind, in the dataset's order, and after them those in `more`.

    Label maps have the dataset's further ones between them.

    Raises UserError as `families` does, and for a main score that none of those of label maps gives.
    """
    own = info.metrics_for(kind)
    beside = info.further_metrics if kind == "maps" else ()
    found = families(info, (*own, *beside, *more))
    ranked = {score.name for family in found for score in family.scores if family.name in own}
    if ranked and kind == "maps" and info.main_score not in ranked:
        raise UserError(f"dataset {info.name}: " + unknown("main score", info.main_score, ranked))
    return found


def families(info: DatasetInfo, names: Iterable[str]) -> tuple[Metric, ...]:
    """The metric families of these names, each once, in this order.

    Raises
    ------
    UserError
        For a name that does not exist, a family that does not fit the dataset, or two that report the same score.
    """
    wanted = list(dict.fromkeys(names))
    found = _named("metric", wanted)
    chosen: dict[str, Metric] = {}
    owner: dict[str, str] = {}
    for name in wanted:
        try:
            family = chosen[name] = _pick("metric", name, found)()
        except UserError as error:
            raise UserError(f"dataset {info.name}: {error}") from None
        if info.task not in family.tasks:
            raise UserError(f"metric '{name}' scores {family.tasks[0]} tasks; {info.name} is {info.task}")
        if info.void and not family.takes_void:
            raise UserError(f"metric '{name}' knows no void label, which {info.name} has")
        if family.needs_background and info.classes and len(info.foreground_classes) in (0, len(info.classes)):
            lacks = "no class beside it"
            if info.foreground_classes:
                lacks = "none. In classes.yaml it has 'kind: background'"
                lacks += "; an Evaluator has it where a class is called 'background'"
            raise UserError(f"metric '{name}' scores the classes beside a background, and {info.name} has {lacks}.")
        if family.needs_volumes and (info.volumes is None or not info.volumes.spacing_mm):
            raise UserError(
                f"metric '{name}' measures volumes in mm, and {info.name} says no spacing. 'bench data import' writes "
                "that of NIfTI volumes into classes.yaml; for slices of your own write 'volumes: {spacing_mm: {CASE: "
                "[5.0, 0.8, 0.8]}}' there, in mm between slices, rows and columns of each subfolder."
            )
        for score in family.scores:
            if owner.setdefault(score.name, family.name) != family.name:
                raise UserError(
                    f"metric families {owner[score.name]} and {family.name} both report '{score.name}'. Leave out one."
                )
    return tuple(chosen.values())


def _find(kind: Kind, name: str) -> type[Any]:
    """The class of this name or alias; segbench's own file of this name is looked at before all others are."""
    return _own_class(kind, name.lower()) or _pick(kind, name, _all(kind))


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


def _pick(kind: Kind, name: str, found: _Found) -> type[Any]:
    """The class of this name or alias. Raises UserError: why it is left out, else the nearest names."""
    wanted = name.lower()
    clash = next((one for one in found.broken if name in one.names and name in found.classes), None)
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
    return not _all(kind).broken


def why_left_out(kind: Kind, name: str) -> str | None:
    """What is wrong with the plugin of this name, or in the file of this name; None where nothing is."""
    return _reason(_all(kind), name)


def _reason(found: _Found, name: str) -> str | None:
    names = {name.lower(), name.lower().replace("-", "_")}
    return next((one.reason for one in found.broken if names & one.names), None)


def _named(kind: Kind, names: Iterable[str]) -> _Found:
    """All of the user's, and of segbench's own at least those of these names: everything, if one of them is neither."""
    own = [source for source in own_sources(kind) if writes(kind, source, names)]
    found = _found(kind, own)
    known = {*found.classes, *(name for one in found.broken for name in one.names)}
    return found if known >= set(names) else _all(kind)


def _all(kind: Kind) -> _Found:
    """Everything of a kind."""
    return _found(kind, own_sources(kind))


def _found(kind: Kind, own: Iterable[Source]) -> _Found:
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
                broken.append(_Broken(frozenset({name}), text))
            else:
                classes[name], origins[name] = cls, source.origin
    for one in broken:
        warnings.warn(f"plugin left out: {one.reason}", PluginWarning, stacklevel=4)
    return _Found(dict(sorted(classes.items())), origins, tuple(broken))


def _classes(kind: Kind, source: Source) -> tuple[list[type[Any]], list[_Broken]]:
    """Plugin classes of a module that have all members, and what is wrong with it."""
    try:
        module = source.load()
    except UserError as error:
        return [], [_Broken(frozenset({source.name}), str(error))]
    found = [cls for cls in vars(module).values() if _is_plugin(kind, cls, module.__name__)]
    usable, broken = [], []
    for cls in found:
        wrong = _wrong(kind, cls)
        if wrong:
            advice = "Correct the file." if bases(cls) else _ADVICE[kind]
            text = f"{source.where}: class {cls.__name__} {wrong}. {advice}"
            broken.append(_Broken(frozenset({source.name, *_names(cls)}), text))
            continue
        if not issubclass(cls, _DEFAULTS.get(kind, object)):
            _give_defaults(kind, cls)
        usable.append(cls)
    if not found and (kind != "metric" or source.origin != OWN):  # segbench.metrics holds what families share, too
        text = f"{source.where}: defines no {kind}. {_ADVICE[kind]} {_MARKS[kind]}"
        broken.append(_Broken(frozenset({source.name}), text))
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
