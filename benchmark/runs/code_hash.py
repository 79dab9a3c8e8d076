"""Which code a result depends on, as a hash of its source files: exact also between commits and outside a checkout."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from ..io.fingerprints import file_sha256
from ..registry import dataset_class, method_class

_HERE = Path(__file__).resolve().parent
_NOT_ENGINE = frozenset({"cli", "baselines", "datasets", "configs"})
_NEIGHBOUR = re.compile(rb"segbench\.((?:baselines|datasets)\.\w+)")


def code_sha256(dataset: str, method: str) -> str:
    """Hash of the source that a run of this method on this dataset depends on.

    All of segbench but the command line's printing, and of the datasets and methods these two alone, with those that
    their files name. Presets are not part of it: they show in a run's resolved configuration.
    """
    files = {f"segbench/{path.relative_to(_HERE).as_posix()}": path for path in _engine()}
    for name in (dataset_class(dataset).__module__, method_class(method).__module__):
        files.update(_plugin(name))
    lines = [f"{name} {_digest(path, *_stamp(path))}" for name, path in sorted(files.items())]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def _engine() -> Iterable[Path]:
    for path in _HERE.rglob("*.py"):
        if path.relative_to(_HERE).parts[0] not in _NOT_ENGINE:
            yield path


def _plugin(module: str) -> dict[str, Path]:
    """The file of a dataset or method, and of the datasets and methods that it names."""
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _file(name)
        if name not in found and path is not None:
            found[name] = path
            waiting += [f"segbench.{part.decode()}" for part in _NEIGHBOUR.findall(path.read_bytes())]
    return found


def _file(module: str) -> Path | None:
    """The source file of a module, imported or not."""
    if module in sys.modules:
        file = sys.modules[module].__file__
    else:
        spec = importlib.util.find_spec(module)
        file = spec.origin if spec else None
    return Path(file) if file and Path(file).is_file() else None


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=4096)
def _digest(path: Path, size: int, time_ns: int) -> str:  # noqa: ARG001 (a changed file has another key)
    return file_sha256(path)
