"""The engine that a suite was asked to run on."""

from __future__ import annotations

from ....registry import method_class
from ...request import SuiteRequest
from ..spec import Plan
from .engine import Engine
from .local import LocalEngine, visible_gpus


def engine_of(request: SuiteRequest, plan: Plan) -> Engine:
    """The engine of a request.

    This machine runs one cell at a time on the CPU, or one on every visible GPU, unless `--jobs` says otherwise.
    """
    accelerated = any(method_class(cell.method).info.accelerated for cell in plan.cells)
    gpus = visible_gpus() if accelerated and request.device in ("auto", "cuda") else ()
    return LocalEngine(request.jobs or len(gpus) or 1, gpus)
