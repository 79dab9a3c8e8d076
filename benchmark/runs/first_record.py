"""The record of a run that has begun."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .code_hash import code_sha256
from .environment import describe
from .plan import RunPlan
from .record import Cost, DatasetBlock, Environment, MethodBlock, Record
from .writer import RunWriter, current_time, dataset_block

UNFINISHED = "the run has not finished"
"""Warns in the record of a run that has begun."""


def first_record(plan: RunPlan, writer: RunWriter, warnings: Sequence[str]) -> Record:
    """The record of a run that has begun: everything but the results."""
    request, identity = plan.request, writer.identity
    return Record(
        run_id=writer.run_id,
        created=current_time(),
        complete=False,
        dataset=_dataset_block(plan, identity),
        method=MethodBlock(
            name=plan.method.name,
            family=plan.family,
            config=plan.config,
            preset=request.preset,
            seed=request.seed,
            train_fraction=plan.train_fraction,
            train_on=plan.train_on,
            n_train=plan.n_train,
            oracle=plan.oracle,
            corruption=None if plan.corruption is None else str(plan.corruption),
        ),
        metrics=identity["metrics"],
        main_score=plan.dataset.info.main_score,
        cost=Cost(device=plan.device),
        environment=Environment(
            **describe(plan.device),
            code_sha256=code_sha256(
                plan.dataset.info,
                plan.method.name,
                plan.location.origin,
                plan.families,
                [member.record.method.name for member in plan.members],
            ),
        ),
        command=request.command(),
        warnings=[*warnings, UNFINISHED],
    )


def _dataset_block(plan: RunPlan, identity: Mapping[str, Any]) -> DatasetBlock:
    return dataset_block(
        plan.dataset,
        plan.location,
        plan.split,
        plan.eval_ids,
        identity["data_sha256"],
        listed=len(plan.eval_ids),
        inputs_sha256=identity["inputs_sha256"],
        options=plan.options,
        folds=plan.folds_asked,
        **_image_form(plan),
    )


def _image_form(plan: RunPlan) -> dict[str, Any]:
    """What `bench predict` compares new images with: shape of the first training image, where there is one."""
    fold = plan.folds[0]
    ids = fold.train or fold.evaluate
    image = plan.dataset.load(ids[0], ("image",)).image if ids else None
    return {} if image is None else {"image_shape": list(image.shape)}
