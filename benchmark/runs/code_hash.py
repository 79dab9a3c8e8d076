"""Which code a result depends on, as one hash: exact also between commits and outside a checkout.

What can change a result is what a run reaches by imports from its dataset, its method, the metric families that score
it, and the loop that joins them. How it is asked for, shown, drawn, compared and reported cannot, and is left out.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..data.locations import Origin, cache_home
from ..io.parsed_code import ParsedCode
from ..io.source_code import Import
from ..registry import dataset_class, generator, method_class, metrics_of
from ..registry.user_modules import USER_MODULE
from ..types import DatasetInfo, Metric

_PACKAGE = __name__.partition(".")[0]
_LOOP = tuple(
    f"{_PACKAGE}.{name}" for name in ("runs.fit_and_predict", "data.splits", "evaluation.scoring", "predictions.stored")
)
"""What joins dataset, method and metrics in a run. It counts wherever it stands, with what it imports."""
_READING = tuple(f"{_PACKAGE}.{name}" for name in ("runs.predictions_to_score", "evaluation.scoring"))
"""What joins predictions from elsewhere, dataset and metrics."""
_COUNTED = frozenset(
    {"types", "io", "cardiac", "settings", "metrics", "registry", "evaluation", "data", "methods"}
    | {"datasets", "baselines", "synthetic"}
)
"""Rooms whose modules count where they are imported. `errors` and `text` only word messages; `predictions` reads and
writes files of others; the rest stands above the loop."""
_SILENT = frozenset({f"{_PACKAGE}.io.reporter"})
"""In such a room, but it only prints."""


def code_sha256(
    info: DatasetInfo,
    method: str | None,
    origin: Origin,
    metrics: Sequence[Metric] = (),
    members: Sequence[str] = (),
) -> str:
    """Hash of the code that a run of this method on this dataset depends on, 64 hexadecimal digits.

    Comments, docstrings and layout do not count. Presets do not either: they show in a run's resolved configuration.
    A package's `__init__` counts where something in it is asked for, not where it only stands above a module.

    Parameters
    ----------
    info : of the dataset as it was opened, with the metrics that score it.
    method : by its name; None for predictions from elsewhere, whose reading counts.
    origin : {'real', 'synthetic'}
        The generator counts for synthetic data alone.
    metrics : families that score it beside those of the dataset.
    members : names of the methods that this one joins.
    """
    known = ParsedCode(cache_home() / "code.json")
    modules = code_of(info, method, origin, metrics, members, known)
    lines = [f"{name} {known.of(path, name).sha256}" for name, path in sorted(modules.items())]
    known.save()
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def code_of(
    info: DatasetInfo,
    method: str | None,
    origin: Origin,
    metrics: Sequence[Metric] = (),
    members: Sequence[str] = (),
    known: ParsedCode | None = None,
) -> dict[str, Path]:
    """Names and files of the modules that `code_sha256` is made of; `known` parses them."""
    known = known or ParsedCode()
    rooms = _COUNTED if method is not None else _COUNTED - {"methods", "baselines"} | {"predictions"}
    loop = _LOOP if method is not None else _READING
    own = [dataset_class(info.name).__module__]
    own += [method_class(name).__module__ for name in (*([] if method is None else [method]), *members)]
    own += [type(family).__module__ for family in (*metrics_of(info), *metrics)]
    maker = generator(info.name) if origin == "synthetic" else None
    waiting = [*loop, *own, *([] if maker is None else [maker.__name__])]
    found: dict[str, Path] = {}
    while waiting:
        name = waiting.pop()
        path = None if name in found else _file(name)
        if path is not None:
            found[name] = path
            waiting += [target for one in known.of(path, name).imports for target in _targets(one, name, rooms, known)]
    return found


def _targets(one: Import, importer: str, rooms: frozenset[str], known: ParsedCode) -> Iterator[str]:
    """The modules that count because of an import."""
    top = one.module.partition(".")[0]
    if one.typing or (top not in (_PACKAGE, importer.partition(".")[0]) and not _lies_beside(top, importer)):
        return
    target = f"{one.module}.{one.name}" if one.name and _file(f"{one.module}.{one.name}") else one.module
    if top != _PACKAGE:  # a plugin of several files: whatever its packages do when they are imported counts too
        parts = target.split(".")
        yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))
    elif _counts(target, rooms):
        origin = _origin_of_name(target, one.name, known)
        if origin is None or _counts(origin, rooms):
            yield origin or target


def _lies_beside(top: str, importer: str) -> bool:
    """Whether a module is a helper file of a user's own plugin: it lies in the plugin's folder, or below."""
    own, other = (_file(importer), _file(top)) if importer.startswith(USER_MODULE) else (None, None)
    return own is not None and other is not None and own.resolve().parent in other.resolve().parents


def _counts(module: str, rooms: frozenset[str]) -> bool:
    """Whether a module of segbench can change a result."""
    return module != _PACKAGE and module.split(".")[1] in rooms and module not in _SILENT


def _origin_of_name(package: str, name: str | None, known: ParsedCode) -> str | None:
    """The module from which a package's `__init__` takes a name that is asked of it; None where it does not."""
    path = _file(package)
    if name is None or path is None or path.name != "__init__.py":
        return None
    inside = [one for one in known.of(path, package).imports if one.name == name and one.module != package]
    return inside[0].module if inside else None


def _file(module: str) -> Path | None:
    """The source file of a module, found from the innermost package that is imported: nothing is imported for it."""
    if module in sys.modules:
        file = getattr(sys.modules[module], "__file__", None)
        return Path(file) if file else None
    parts = module.split(".")
    for end in range(len(parts) - 1, 0, -1):
        package = sys.modules.get(".".join(parts[:end]))
        if package is not None:
            places = (Path(folder).joinpath(*parts[end:]) for folder in getattr(package, "__path__", ()))
            files = (file for place in places for file in (place.with_suffix(".py"), place / "__init__.py"))
            return next((file for file in files if file.is_file()), None)
    return None
