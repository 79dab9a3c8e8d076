"""segbench from Python: what the command line does, for scripts and notebooks. Everything here is `segbench.…` too."""

from .asking import plan, slice_runs
from .comparing import check, compare
from .names import list_datasets, list_methods, list_metrics, list_presets
from .papers import panels, table
from .running import evaluate, run
from .stored_run import Run, load_run

__all__ = [
    "Run",
    "check",
    "compare",
    "evaluate",
    "list_datasets",
    "list_methods",
    "list_metrics",
    "list_presets",
    "load_run",
    "panels",
    "plan",
    "run",
    "slice_runs",
    "table",
]
