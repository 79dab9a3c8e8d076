"""What a run is refused for before it begins: settings that do not fit together, and data that cannot be used."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from ..data.sample_checks import without_images
from ..data.what_is_left import Left, left_to_learn, left_to_score
from ..io.reporter import Reporter
from ..registry import methods
from ..text import counted
from ..types import DatasetInfo, MethodInfo, UserError, parts_of
from .plan import RunPlan
from .request import RunRequest


def refuse_task(method: MethodInfo, info: DatasetInfo) -> None:
    """Raise UserError for a method that does not do the task of a dataset."""
    if info.task not in method.tasks:
        able = ", ".join(name for name, cls in methods().items() if info.task in cls.info.tasks)
        raise UserError(
            f"method {method.name} does {' and '.join(method.tasks)} segmentation, but {info.name} asks for "
            f"{info.task} segmentation ({len(info.classes)} classes). "
            + (f"Methods that do: {able}." if able else "No method does; 'bench evaluate' scores your own results.")
        )


def refuse_transfer(method: MethodInfo, request: RunRequest) -> None:
    """Raise UserError for `--init` and `--freeze` of a method that is no network."""
    for option in ("init", "freeze"):
        if getattr(request, option) is not None and option not in method.defaults:
            raise UserError(f"--{option}: {method.name} trains no network that could start from weights; leave it out")


def refuse_training(method: MethodInfo, request: RunRequest) -> None:
    """Raise UserError for what only a training can be asked for."""
    asked = {
        "--weights": request.weights is not None,
        f"--train-fraction {request.train_fraction:g}": request.train_fraction != 1,
        f"--train-on {request.train_on}": request.train_on != "train",
    }
    for option, wanted in asked.items():
        if wanted:
            raise UserError(f"{option}: {method.name} is a model that exists and is not trained; leave it out")


def refuse_mixture(info: DatasetInfo, options: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Raise UserError where channels that are several images would be mixed to one grey value."""
    seen = sorted(info.image_options & options.keys())
    if seen and config.get("input") == "grey":
        raise UserError(
            f"{seen[0]}={options[seen[0]]} gives images of three channels, which input=grey would mix to one: add "
            "--set input=rgb"
        )


def refuse_unscored(plan: RunPlan) -> None:
    """Raise UserError for predictions that the dataset does not score, and for an oracle without the truth."""
    info, name = plan.dataset.info, plan.method.name
    if not info.metrics_for(plan.predicts):
        raise UserError(f"{name} predicts {plan.predicts}, which {info.name} does not score")
    if plan.oracle and not plan.labelled:
        raise UserError(f"{name} is an oracle here: it needs the truth, which split '{plan.split}' has not")


def check_data(plan: RunPlan, reporter: Reporter) -> None:
    """Decode everything that will be used, so that a broken file is named before hours of training.

    What an earlier command found sound, and what has not changed since, is not decoded again. Raises UserError for
    samples without an image, broken files, and where nothing is left to learn from or to score.
    """
    ids = plan.all_ids
    verify = f"bench data verify {plan.dataset.info.name} --root {shlex.quote(str(plan.location.root))}"
    without = [i for i in ids if not plan.dataset.files(i, "image")]
    if without:
        raise UserError(
            f"{len(without)} of {len(ids)} samples have no image (first: {without[0]}); a method needs images. "
            + (f"Indeed {without_images(plan.dataset, ids)}. " if len(without) == len(ids) else "")
            + f"Run '{verify}' for all. Ground truth alone can be used by 'bench evaluate'."
        )
    with plan.index, reporter.progress("checking data") as update:
        # A split without public labels has images alone.
        blind = set() if plan.labelled else set(plan.eval_ids)
        seen = [i for i in ids if i not in blind]
        parts = tuple(dict.fromkeys(("image", "labels", *parts_of(plan.families))))
        faults = plan.index.faults(seen, parts, lambda done, _: update(done, len(ids)))
        rest = [i for i in ids if i in blind]
        faults += plan.index.faults(rest, ("image",), lambda done, _: update(len(seen) + done, len(ids)))
    if faults:
        more = f" (and {counted(len(faults) - 1, 'more fault')})" if len(faults) > 1 else ""
        raise UserError(f"{faults[0].rstrip('.')}{more}. Run '{verify}' for all.")
    for found in _what_is_left(plan):
        if found.refusal:
            raise UserError(found.refusal)
        for warning in found.warnings:
            reporter.warn(warning)


def _what_is_left(plan: RunPlan) -> Iterator[Left]:
    """Whether the samples that were checked leave anything to score, and to learn from."""
    info, index = plan.dataset.info, plan.index
    if plan.labelled:
        yield left_to_score(info, f"split '{plan.split}'", index.label_counts(plan.eval_ids).values())
    for number, fold in enumerate(plan.folds if plan.method.trains and plan.request.weights is None else (), 1):
        what = "the training set" + (f" of fold {number}" if len(plan.folds) > 1 else "")
        train, scored = (index.label_counts(ids).values() for ids in (fold.train, fold.evaluate))
        yield left_to_learn(info, what, train, scored, few=plan.location.origin == "synthetic")
