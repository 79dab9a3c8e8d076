"""Finding datasets, methods and metrics by name: files in the package, in a user's folder, and entry points.

A plugin is a class with an `info` (DatasetInfo or MethodInfo) in a file of its own; metrics are classes in
`segbench.metrics`. A file is imported only when it is asked for, or when everything is listed.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .._former_names import MODULES as FORMER_MODULES
from .._former_names import former_names
from ..text import unknown
from ..types import Dataset, DatasetInfo, Method, Metric, PredictionKind, UserError
from .declarations import Kind, settings_not_taken
from .discovery import all_plugins, pick, plugin_class, plugins_named
from .discovery import complete as complete
from .discovery import why_left_out as why_left_out
from .hooks import hook as hook
from .hooks import hooks as hooks
from .hooks import load_named as load_named
from .sources import OWN as OWN
from .sources import own_plugin_folder as own_plugin_folder
from .sources import plugin_folders as plugin_folders
from .sources import user_files as user_files
from .user_modules import USER_MODULE as USER_MODULE
from .user_modules import load_user_module as load_user_module

if not TYPE_CHECKING:  # mypy takes only what is there now
    __getattr__ = former_names(__name__)


GENERATOR_MEMBERS = ("GENERATOR_VERSION", "SMALL", "FULL", "synthesize")
"""What a generator of synthetic data has: the plans of a small and of a full set, and what makes them."""


def dataset_class(name: str) -> type[Any]:
    """The dataset class of this name or alias. Raises UserError with near names."""
    return plugin_class("dataset", name)


def method_class(name: str) -> type[Any]:
    """The method class of this name. Raises UserError with near names.

    A name with a colon, such as `smp:Unet/resnet18`, is one of a family: the class whose attribute `prefix` is what
    stands before the colon makes the method's class with its class method `named`.
    """
    prefix, colon, rest = name.partition(":")
    families = {cls.prefix: cls for cls in methods().values() if cls.prefix} if colon else {}
    if prefix not in families:
        return plugin_class("method", name)
    made: type[Any] = families[prefix].named(rest)
    return made


def metric_family(name: str) -> Metric:
    """The metric family of this name. Raises UserError with near names."""
    family: Metric = plugin_class("metric", name)()
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
    return dict(all_plugins("dataset").classes)


def methods() -> dict[str, type[Any]]:
    """Every method class by its name."""
    return dict(all_plugins("method").classes)


def metrics() -> dict[str, Metric]:
    """Every metric family by its name."""
    return {name: cls() for name, cls in all_plugins("metric").classes.items()}


def metrics_named(names: Iterable[str]) -> dict[str, Metric]:
    """The metric families of these names that there are; modules of segbench's own that hold none of them are left."""
    wanted = list(names)
    if not wanted:
        return {}
    found = plugins_named("metric", wanted)
    return {name: found.classes[name]() for name in wanted if name in found.classes}


def origins(kind: Kind) -> dict[str, str]:
    """Where every plugin of a kind comes from: `segbench`, a file of the user's, or a package's entry point."""
    return dict(all_plugins(kind).origins)


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
    found = plugins_named("metric", wanted)
    chosen: dict[str, Metric] = {}
    owner: dict[str, str] = {}
    for name in wanted:
        try:
            family = chosen[name] = pick("metric", name, found)()
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
