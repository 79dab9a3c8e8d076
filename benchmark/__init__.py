"""segbench: which segmentation method is better, by how much, at what cost, and can the number be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .evaluation.evaluator import Evaluator
    from .runs.table import load_runs

__all__ = ["Evaluator", "__version__", "load_runs"]
__version__ = "0.1.0"

_here = Path(__file__).resolve().parent
if _here.name == "benchmark":
    # In a checkout the sibling folders `datasets/`, `baselines/` and `configs/` are parts of this package. First in the
    # path, so that a new file anywhere in the checkout is seen without installing again.
    __path__[:0] = [str(_here), str(_here.parent)]


def __getattr__(name: str) -> Any:
    """Import what is offered here only when it is used, so that `import segbench` is quick."""
    if name == "Evaluator":
        from .evaluation.evaluator import Evaluator

        return Evaluator
    if name == "load_runs":
        from .runs.table import load_runs

        return load_runs
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
