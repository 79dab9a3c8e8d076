"""The engine that a suite was asked to run on."""

from __future__ import annotations

from ....errors import UserError
from ....io.reporter import Reporter
from ....registry import method_class
from ...on_ray.cluster import refuse_without_ray
from ...request import SuiteRequest
from ..planned import suite_folder
from ..spec import Plan
from .engine import Engine
from .local import LocalEngine, visible_gpus
from .ray import RayEngine


def engine_of(request: SuiteRequest, plan: Plan, reporter: Reporter) -> Engine:
    """The engine of a request.

    This machine runs one cell at a time on the CPU, or one on every visible GPU, unless `--jobs` says otherwise.

    Raises UserError where what the engine needs is not installed, and for an option of another one.
    """
    if request.engine == "ray":
        refuse_without_ray()
        on_gpus = request.device in ("auto", "cuda")
        return RayEngine(suite_folder(request, plan), reporter, request.address, request.jobs, on_gpus)
    if request.address is not None:
        raise UserError("--address names a Ray cluster: add --engine ray, or leave it out")
    accelerated = any(method_class(cell.method).info.accelerated for cell in plan.cells)
    gpus = visible_gpus() if accelerated and request.device in ("auto", "cuda") else ()
    return LocalEngine(request.jobs or len(gpus) or 1, gpus)
