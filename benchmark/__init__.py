"""segbench: which segmentation method is better, by how much, at what cost, and can the number be trusted."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ._former_names import FormerModules

if TYPE_CHECKING:
    from .evaluation.evaluator import Evaluator
    from .runs.table import load_runs

__all__ = ["Evaluator", "__version__", "load_runs"]
__version__ = "0.1.0"

sys.meta_path.insert(0, FormerModules())


class _Checkout(MetaPathFinder):
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


def __getattr__(name: str) -> Any:
    """Import what is offered here only when it is used, so that `import segbench` is quick."""
    if name == "Evaluator":
        from .evaluation.evaluator import Evaluator

        return Evaluator
    if name == "load_runs":
        from .runs.table import load_runs

        return load_runs
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
