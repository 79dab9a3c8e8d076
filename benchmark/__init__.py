"""segbench: which segmentation method is better, by how much, at what cost, and can the number be trusted."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ._former_names import FormerModules
from ._version import __version__

if TYPE_CHECKING:
    from .api import (
        Run,
        check,
        compare,
        evaluate,
        list_datasets,
        list_methods,
        list_metrics,
        list_presets,
        load_run,
        panels,
        plan,
        run,
        slice_runs,
        table,
    )
    from .errors import SegbenchWarning, UserError
    from .evaluation.evaluator import Evaluator
    from .runs.table import load_runs

__all__ = [
    "Evaluator",
    "Run",
    "SegbenchWarning",
    "UserError",
    "__version__",
    "check",
    "compare",
    "evaluate",
    "list_datasets",
    "list_methods",
    "list_metrics",
    "list_presets",
    "load_run",
    "load_runs",
    "panels",
    "plan",
    "run",
    "slice_runs",
    "table",
]
_HOMES = {
    "Evaluator": "evaluation.evaluator",
    "SegbenchWarning": "errors",
    "UserError": "errors",
    "load_runs": "runs.table",
}
"""Where what is offered here stands; all else is in `api`."""

sys.meta_path.insert(0, FormerModules())


class _Checkout:
    """In a checkout `datasets/`, `baselines/`, `configs/` and `leaderboards/published/` beside this folder are parts of
    this package: a new file anywhere in them is seen without installing again, and nothing else of the checkout is.
    """

    def __init__(self, root: Path) -> None:
        parts = (root / "datasets", root / "baselines", root / "configs", root / "leaderboards" / "published")
        self._folders = {f"{__name__}.{part.name}": str(part.parent) for part in parts}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        del path
        folder = self._folders.get(fullname)
        return None if folder is None else PathFinder.find_spec(fullname, [folder], target)


_here = Path(__file__).resolve().parent
if _here.name == "benchmark":
    __path__[:] = [str(_here)]
    sys.meta_path.insert(0, _Checkout(_here.parent))


if not TYPE_CHECKING:  # mypy takes only what is there

    def __getattr__(name: str) -> Any:
        """Import what is offered here only when it is used, so that `import segbench` is quick."""
        if name not in __all__:
            raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
        value = getattr(import_module(f".{_HOMES.get(name, 'api')}", __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """What is offered here, and the modules that were imported."""
    own = (name for name in globals() if name.startswith("__") or f"{__name__}.{name}" in sys.modules)
    return sorted({*__all__, *own} - {"_former_names", "_native", "_version"})
