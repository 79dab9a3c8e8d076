"""A cache of what `bench list` found: importing everything that it names takes far longer than printing it."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .._version import __version__
from .atomic import write_text
from .fingerprints import file_stamp, folders_changed

Entries = list[dict[str, Any]]

_PACKAGE = __name__.partition(".")[0]
_PARTS = ("", ".datasets", ".baselines", ".configs")
_ENDINGS = (".py", ".yaml")


class KeptLists:
    """Lists of what comes with segbench, each as long as no file of segbench and nothing that is installed has changed.

    A file that is damaged is made again; where none can be written, none is.

    Parameters
    ----------
    path : of the JSON file that holds them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._made_of = _made_of()
        self._lists: dict[str, Entries] = {}
        with suppress(OSError, ValueError):
            seal, _, text = path.read_text("utf-8").partition("\n")
            if seal == self._seal(text):
                self._lists = json.loads(text)

    def get(self, what: str) -> Entries | None:
        """The list of this name, None where it is to be made."""
        return self._lists.get(what)

    def put(self, what: str, entries: Entries) -> None:
        """Write down a list, where that is possible."""
        self._lists[what] = entries
        text = json.dumps(self._lists)
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_text(self._path, f"{self._seal(text)}\n{text}")

    def _seal(self, text: str) -> str:
        """Stands for the text and for all that it was made of: of anything else it is another one."""
        return hashlib.sha256(f"{self._made_of}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()


def _made_of() -> str:
    """The version of Python and of segbench, the stamps of segbench's files, and when anything was last installed."""
    found = [f"{sys.version} {__version__}", *(f"{name} {time}" for name, time in folders_changed(tuple(sys.path)))]
    for part in _PARTS:
        spec = find_spec(f"{_PACKAGE}{part}")
        for place in (spec.submodule_search_locations if spec is not None else None) or ():
            for folder, folders, files in os.walk(place):
                folders[:] = sorted(name for name in folders if name != "__pycache__")
                paths = [Path(folder, name) for name in sorted(files) if name.endswith(_ENDINGS)]
                found += [f"{path} {file_stamp(path)}" for path in paths]
    return "\n".join(found)
