"""A user's own files as modules, each imported once."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from ..errors import UserError

USER_MODULE = "segbench_user_"
"""How the module names of a user's own files begin."""

_FAILED: dict[tuple[Path, int], str] = {}
"""Why a user's file could not be imported; it is not run again before it has changed."""


def load_user_module(name: str, path: Path) -> ModuleType:
    """Import a user's file under this name, once. Raises UserError, with its error, where it cannot be imported."""
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__ == str(path):
        return loaded
    version = (path, path.stat().st_mtime_ns)
    if version in _FAILED:
        raise UserError(_FAILED[version])
    spec = importlib.util.spec_from_file_location(name, path, loader=_FromSource(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        text = f"{path}: cannot be imported ({reason(error)}). Correct the file, or take it away."
        _FAILED[version] = text
        raise UserError(text) from error
    return module


class _FromSource(SourceFileLoader):
    """Runs the source as it is now: bytecode is told from it by second and size alone, which miss a quick change."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def reason(error: BaseException) -> str:
    """An error in one line: with its kind, but where its sentence is meant for users anyway."""
    return str(error).rstrip(".") if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
