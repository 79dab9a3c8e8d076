"""The engine that a suite was asked to run on."""

from __future__ import annotations

import importlib.util

from ....errors import UserError
from ....io.reporter import Reporter
from ....registry import method_class
from ...on_ray.cluster import refuse_without_ray
from ...request import SuiteRequest
from ..planned import suite_folder
from ..spec import Plan
from . import slurm_queue
from .engine import Engine
from .local import LocalEngine, visible_gpus
from .ray import RayEngine
from .slurm import SlurmEngine


def engine_of(request: SuiteRequest, plan: Plan, reporter: Reporter) -> Engine:
    """The engine of a request.

    This machine runs one cell at a time on the CPU, or one on every visible GPU, unless `--jobs` says otherwise.

    Raises UserError where what the engine needs is not installed, and for an option of another one.
    """
    if request.engine == "ray":
        refuse_without_ray()
        on_gpus = request.device in ("auto", "cuda")
        return RayEngine(suite_folder(request, plan), reporter, request.address, request.jobs, on_gpus)
    if request.engine == "slurm":
        return _slurm_engine(request, plan, reporter)
    if request.address is not None:
        raise UserError("--address names a Ray cluster: add --engine ray, or leave it out")
    if request.slurm:
        raise UserError("--slurm says where SLURM runs the cells: add --engine slurm, or leave it out")
    accelerated = any(method_class(cell.method).info.accelerated for cell in plan.cells)
    gpus = visible_gpus() if accelerated and request.device in ("auto", "cuda") else ()
    return LocalEngine(request.jobs or len(gpus) or 1, gpus)


def _slurm_engine(request: SuiteRequest, plan: Plan, reporter: Reporter) -> SlurmEngine:
    slurm_queue.refuse_without_slurm()
    if importlib.util.find_spec("submitit") is None:
        raise UserError('--engine slurm works through submitit, which is not installed: pip install "segbench[slurm]"')
    return SlurmEngine(
        suite_folder(request, plan),
        plan.name,
        reporter,
        {**plan.slurm, **request.slurm},
        at_a_time=request.jobs,
        on_gpus=request.device in ("auto", "cuda"),
    )
