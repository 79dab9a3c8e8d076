"""Where plugins come from: segbench's own modules, files in a user's folders, entry points of other packages."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from ..io.fingerprints import folders_changed
from ..io.user_folders import OWN as OWN
from ..io.user_folders import own_plugin_folder as own_plugin_folder
from ..io.user_folders import plugin_folders as plugin_folders
from ..types import UserError
from .declarations import Kind
from .user_modules import USER_MODULE, load_user_module
from .user_modules import reason as in_one_line


@dataclass(frozen=True)
class _Place:
    """Where plugins of a kind are: a package, a subfolder of a plugin folder, and a group of entry points."""

    package: str
    folder: str
    group: str


_PLACES: dict[Kind, _Place] = {
    "dataset": _Place("segbench.datasets", "datasets", "segbench.datasets"),
    "method": _Place("segbench.baselines", "baselines", "segbench.methods"),
    "metric": _Place("segbench.metrics", "metrics", "segbench.metrics"),
}


@dataclass(frozen=True)
class Source:
    """A module that may hold plugins: how it is called, where it is, who made it, and how it is imported."""

    name: str
    where: str
    origin: str
    load: Callable[[], ModuleType]


def user_files(folder: str, ending: str) -> list[Path]:
    """Files of this ending in a subfolder of every plugin folder; those that begin with `_` or `.` are left out."""
    found = [path for base in plugin_folders() for path in sorted((base / folder).glob(f"*.{ending}"))]
    return [path for path in found if not path.name.startswith(("_", "."))]


def writes(kind: Kind, source: Source, names: Iterable[str]) -> bool:
    """Whether a module of segbench's own holds one of these names as a text: only then can it be what defines it."""
    text = _own_text(_PLACES[kind].package, source.name)
    return text is None or any(f'"{name}"' in text for name in names)


@cache
def _own_text(package: str, name: str) -> str | None:
    """The source of one of segbench's own modules, None where there is none to read."""
    spec = importlib.util.find_spec(f"{package}.{name}")
    try:
        return Path(spec.origin).read_text("utf-8") if spec is not None and spec.origin is not None else None
    except OSError:
        return None


def own_sources(kind: Kind) -> Iterator[Source]:
    """segbench's own modules of a kind."""
    package = _PLACES[kind].package
    for name in _own_modules(package):
        yield Source(name, f"{package}.{name}", OWN, partial(_import, f"{package}.{name}"))


def user_sources(kind: Kind) -> Iterator[Source]:
    """The user's files, and entry points of other packages."""
    place = _PLACES[kind]
    for path in user_files(place.folder, "py"):
        load = partial(load_user_module, f"{USER_MODULE}{place.folder}_{path.stem}", path)
        yield Source(path.stem, str(path), str(path), load)
    for entry in _entries(place.group):
        origin = entry.dist.name if entry.dist is not None else entry.value
        where = f"plugin '{entry.name}' ({entry.value})"
        yield Source(entry.name.replace("-", "_"), where, origin, partial(_load_entry, entry))


def _entries(group: str) -> tuple[EntryPoint, ...]:
    """Entry points of a group; installed packages are looked through again only when any was added or taken away."""
    return _entries_of(entry_points, group, folders_changed(tuple(sys.path)))


@lru_cache(maxsize=16)
def _entries_of(
    search: Callable[..., Iterable[EntryPoint]], group: str, path: tuple[tuple[str, int], ...]
) -> tuple[EntryPoint, ...]:
    del path
    return tuple(search(group=group))


def _load_entry(entry: EntryPoint) -> ModuleType:
    try:
        loaded = entry.load()
        return loaded if isinstance(loaded, ModuleType) else sys.modules[loaded.__module__]
    except (Exception, SystemExit) as error:
        raise UserError(f"plugin '{entry.name}' ({entry.value}) cannot be loaded: {error}") from error


def _import(module: str) -> ModuleType:
    """One of segbench's own modules. In a checkout it may be a contributor's new file."""
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise UserError(f"{module}: cannot be imported ({in_one_line(error)}). Correct it.") from error


@cache
def _own_modules(package: str) -> tuple[str, ...]:
    """Names of the modules in one of segbench's own packages, which do not change while it runs."""
    return tuple(found.name for found in pkgutil.iter_modules(importlib.import_module(package).__path__))
