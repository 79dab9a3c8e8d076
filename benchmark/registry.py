"""Finding datasets, methods and metrics by name: files in the package, in a user's folder, and entry points.

A plugin is a class with an `info` (DatasetInfo or MethodInfo) in a file of its own; metrics are classes in
`segbench.metrics`. A file is imported only when it is asked for, or when everything is listed.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import platformdirs

from ._former_names import former_names
from .text import unknown
from .types import Dataset, DatasetInfo, Method, MethodInfo, Metric, UserError

if not TYPE_CHECKING:  # mypy takes only what is there now
    __getattr__ = former_names(__name__)

USER_MODULE = "segbench_user_"
"""How the module names of a user's own files begin."""

Kind = Literal["dataset", "method"]

_PACKAGES: dict[Kind, str] = {"dataset": "segbench.datasets", "method": "segbench.baselines"}
_FOLDERS: dict[Kind, str] = {"dataset": "datasets", "method": "baselines"}
_ENTRY_POINTS: dict[Kind, str] = {"dataset": "segbench.datasets", "method": "segbench.methods"}
_INFOS: dict[Kind, type] = {"dataset": DatasetInfo, "method": MethodInfo}


def plugin_folders() -> list[Path]:
    """Folders whose `datasets/` and `baselines/` hold a user's own files.

    Those named in `$SEGBENCH_PLUGINS` (separated as in PATH), then the platform's data directory.
    """
    named = [Path(part) for part in os.environ.get("SEGBENCH_PLUGINS", "").split(os.pathsep) if part]
    own = Path(platformdirs.user_data_dir("segbench", appauthor=False)) / "plugins"
    return [*named, *([own] if own.is_dir() else [])]


def dataset_class(name: str) -> type[Any]:
    """The dataset class of this name or alias. Raises UserError with near names."""
    return _find("dataset", name)


def method_class(name: str) -> type[Any]:
    """The method class of this name. Raises UserError with near names.

    A name with a colon, such as `smp:Unet/resnet18`, is one of a family: the class whose attribute `prefix` is what
    stands before the colon makes the method's class with its class method `named`.
    """
    prefix, colon, rest = name.partition(":")
    families = {cls.prefix: cls for cls in _all("method").values() if hasattr(cls, "prefix")} if colon else {}
    if prefix not in families:
        return _find("method", name)
    made: type[Any] = families[prefix].named(rest)
    return made


def make_dataset(name: str, root: Path, options: Mapping[str, Any] | None = None) -> Dataset:
    """The dataset of this name below a root folder."""
    dataset: Dataset = dataset_class(name)(root, **(options or {}))
    return dataset


def make_method(name: str, config: Mapping[str, Any] | None = None) -> Method:
    """The method of this name; `config` changes its defaults."""
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
    return _all("dataset")


def methods() -> dict[str, type[Any]]:
    """Every method class by its name."""
    return _all("method")


def metrics() -> dict[str, Metric]:
    """Every metric family by its name."""
    found: dict[str, Metric] = {}
    for name in _own_modules("segbench.metrics"):
        for cls in vars(importlib.import_module(f"segbench.metrics.{name}")).values():
            own = isinstance(cls, type) and cls.__module__.endswith(f"metrics.{name}")
            if own and not cls.__name__.startswith("_") and _is_metric(cls):
                metric: Metric = cls()
                found[metric.name] = metric
    return dict(sorted(found.items()))


def metrics_of(info: DatasetInfo, *, objects: bool = False, more: Iterable[str] = ()) -> tuple[Metric, ...]:
    """The metric families that score a dataset, in its order, and after them those named in `more`.

    `objects` asks for the families that score predicted objects with confidences.
    """
    return families(info, (*(info.object_metrics if objects else info.metrics), *more))


def families(info: DatasetInfo, names: Iterable[str]) -> tuple[Metric, ...]:
    """The metric families of these names, each once, in this order.

    Raises
    ------
    UserError
        For a name that does not exist, a family that does not fit the dataset, or two that report the same score.
    """
    known = metrics()
    chosen: dict[str, Metric] = {}
    owner: dict[str, str] = {}
    for name in dict.fromkeys(names):
        if name not in known:
            raise UserError(f"dataset {info.name}: " + unknown("metric", name, known))
        family = chosen[name] = known[name]
        tasks = getattr(family, "tasks", (info.task,))
        if info.task not in tasks:
            raise UserError(f"metric '{name}' scores {tasks[0]} tasks; {info.name} is {info.task}")
        if info.void and not getattr(family, "takes_void", True):
            raise UserError(f"metric '{name}' knows no void label, which {info.name} has")
        for score in family.scores:
            if owner.setdefault(score.name, family.name) != family.name:
                raise UserError(
                    f"metric families {owner[score.name]} and {family.name} both report '{score.name}'. Leave out one."
                )
    return tuple(chosen.values())


def hook(metric: Metric, name: str) -> Any | None:
    """What another room does for this metric family alone; None where the family names nothing under `name`.

    A family lies below the rooms that draw, rank and report it, so it names the function in its class attribute `hooks`
    as `module:function`, which is imported when it is asked for. A room calls the hooks that it knows and never asks
    for a family by its name.

    Raises
    ------
    UserError
        Where what the family names cannot be imported.
    """
    target: str | None = getattr(metric, "hooks", {}).get(name)
    if target is None:
        return None
    return load_named(target, f"metric '{metric.name}': its hook '{name}'")


def load_named(target: str, what: str) -> Any:
    """What a plugin names as `module:object`. Raises UserError that begins with `what` where it is not there."""
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(f"{what}, '{target}', cannot be loaded ({error})") from error


def hooks(metrics: Iterable[Metric], name: str) -> Iterator[tuple[Metric, Any]]:
    """The families that name a hook, each with its function, in their order."""
    for metric in metrics:
        if (found := hook(metric, name)) is not None:
            yield metric, found


def _is_metric(cls: type[Any]) -> bool:
    return all(callable(getattr(cls, name, None)) for name in ("measure", "compute", "resample", "per_class"))


def _find(kind: Kind, name: str) -> type[Any]:
    stem = name.lower().replace("-", "_")
    for module in _modules(kind, only=stem):
        for cls in _plugins(kind, module):
            if name.lower() in _names(cls):
                return cls
    found = _all(kind)
    for cls in found.values():
        if name.lower() in _names(cls):
            return cls
    aliases = sorted({alias for cls in found.values() for alias in _names(cls)} - set(found))
    raise UserError(unknown(kind, name, found, aliases))


def _all(kind: Kind) -> dict[str, type[Any]]:
    found: dict[str, type[Any]] = {}
    for cls in (cls for module in _modules(kind) for cls in _plugins(kind, module)):
        other = found.setdefault(cls.info.name, cls)
        if other is not cls:
            raise UserError(
                f"two {kind}s are called '{cls.info.name}': {other.__module__} and {cls.__module__}. Rename one."
            )
    return dict(sorted(found.items()))


def _names(cls: type[Any]) -> set[str]:
    return {name.lower() for name in (cls.info.name, *getattr(cls.info, "aliases", ()))}


def _plugins(kind: Kind, module: ModuleType) -> Iterator[type[Any]]:
    for cls in list(vars(module).values()):
        own = isinstance(cls, type) and cls.__module__ == module.__name__
        if own and isinstance(getattr(cls, "info", None), _INFOS[kind]):
            yield cls


def _modules(kind: Kind, only: str | None = None) -> Iterator[ModuleType]:
    """Modules that may hold plugins of a kind; with `only`, those of this file name."""
    for name in _own_modules(_PACKAGES[kind]):
        if only in (None, name):
            yield importlib.import_module(f"{_PACKAGES[kind]}.{name}")
    for folder in plugin_folders():
        for path in sorted((folder / _FOLDERS[kind]).glob("*.py")):
            if only in (None, path.stem):
                yield load_user_module(f"{USER_MODULE}{_FOLDERS[kind]}_{path.stem}", path)
    for entry in entry_points(group=_ENTRY_POINTS[kind]):
        if only in (None, entry.name.replace("-", "_")):
            try:
                loaded = entry.load()
            except (Exception, SystemExit) as error:
                raise UserError(f"plugin '{entry.name}' ({entry.value}) cannot be loaded: {error}") from error
            yield loaded if isinstance(loaded, ModuleType) else sys.modules[loaded.__module__]


@cache
def _own_modules(package: str) -> tuple[str, ...]:
    """Names of the modules in one of segbench's own packages, which do not change while it runs."""
    return tuple(found.name for found in pkgutil.iter_modules(importlib.import_module(package).__path__))


def load_user_module(name: str, path: Path) -> ModuleType:
    """Import a user's file under this name, once."""
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__ == str(path):
        return loaded
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UserError(f"{path}: cannot be imported ({type(error).__name__}: {error})") from error
    return module
