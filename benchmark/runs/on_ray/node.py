"""What a worker does first, on a node where another segbench may be installed, or none: nothing of it is imported here.

Ray sends these functions by value. Work begins only where the code is the same as the caller's.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import importlib
import os
import platform
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PARTS = ("datasets", "baselines", "configs")


@dataclass(frozen=True)
class Caller:
    """The process that gives out the work: its code, its current folder and its settings (`SEGBENCH_…`)."""

    code: str
    folder: str
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Unfit:
    """A node that cannot do the work, and why; `node` is Ray's identifier."""

    node: str
    why: str


def code_here() -> str:
    """The segbench that is installed here, with the plugins of the user, in words that tell two apart.

    Every source file and preset counts, byte by byte: two installations say the same only where they do the same.
    """
    try:
        package = importlib.import_module("segbench")
        version = importlib.import_module("segbench._version").__version__
        places = {"segbench": [*package.__path__]}
        places |= {f"segbench/{part}": [*importlib.import_module(f"segbench.{part}").__path__] for part in _PARTS}
        plugins = importlib.import_module("segbench.io.user_folders").plugin_folders()
    except (ImportError, AttributeError) as error:
        return f"no segbench, or an old one ({error})"
    places["plugins"] = [str(folder) for folder in plugins]
    found = {
        f"{name}/{path.relative_to(place).as_posix()}": path
        for name, folders in places.items()
        for place in folders
        for path in _sources(Path(place))
    }
    digest = hashlib.sha256()
    for name, path in sorted(found.items()):
        digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode(errors="surrogateescape"))
    own = sum(name.startswith("plugins/") for name in found)
    said = f"segbench {version} (code {digest.hexdigest()[:12]}"
    return f"{said}, Python {platform.python_version()})" + (f" with {own} plugin files" if own else "")


def _sources(place: Path) -> Iterator[Path]:
    for folder, below, names in os.walk(place):
        below[:] = [name for name in below if name != "__pycache__"]
        yield from (Path(folder, name) for name in names if name.endswith((".py", ".yaml")))


@functools.cache
def _known_code() -> str:
    return code_here()


def prepared(caller: Caller) -> Unfit | None:
    """Make this worker's process like the caller's; what stands against it, where something does."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    for name in [name for name in os.environ if name.startswith("SEGBENCH_") and name not in caller.environment]:
        del os.environ[name]
    os.environ.update(caller.environment)
    with contextlib.suppress(OSError):  # then paths that are not absolute are looked for in vain, and said to be
        os.chdir(caller.folder)
    found = _known_code()
    if found == caller.code:
        return None
    return Unfit(node, f"has {found}, and here is {caller.code}. Install the same on every node")


class Stopping:
    """An actor that tells cells, wherever they are, that the suite was asked to stop."""

    PATIENCE_S = 30.0

    def __init__(self) -> None:
        self._event = asyncio.Event()

    async def stop(self) -> None:
        """Tell all."""
        self._event.set()

    async def asked(self) -> bool:
        """Wait for it, not for ever; whether it was so."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), self.PATIENCE_S)
        return self._event.is_set()


def on_node(caller: Caller, module: str, function: str, *arguments: Any) -> Any:
    """Call a function of segbench, or return why not."""
    return prepared(caller) or getattr(importlib.import_module(module), function)(*arguments)


def iterated_on_node(caller: Caller, module: str, function: str, *arguments: Any) -> Generator[Any, None, None]:
    """Go through what a function of segbench yields, or yield why not."""
    unfit = prepared(caller)
    if unfit is not None:
        yield unfit
    else:
        yield from getattr(importlib.import_module(module), function)(*arguments)
