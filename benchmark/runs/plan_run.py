"""Resolving what a run was asked for: names, settings and data, with everything that would fail found out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data.corruptions import Corruption
from ..data.cut_films import cut_films
from ..data.index import DataIndex
from ..data.splits import Fold, cuts_groups, knows_groups, plan_folds, plan_scored, plan_split
from ..io.reporter import Reporter
from ..registry import dataset_class, make_method, method_class
from ..types import Dataset, DatasetInfo, MethodInfo, UserError
from .devices import resolve_device
from .learned_from import check_start, refuse_other_weights
from .members import checked_members, refuse_inside
from .open_data import located_in_use, note_size, open_dataset, without_defaults
from .plan import RunPlan
from .plan_checks import check_data, refuse_mixture, refuse_task, refuse_training, refuse_transfer, refuse_unscored
from .presets import resolve
from .request import RunRequest
from .reuse_weights import trained_alike


def plan_run(request: RunRequest, reporter: Reporter) -> RunPlan:
    """Resolve a request, and check all data that the run will use.

    Raises
    ------
    UserError
        For wrong names, settings, or data.
    """
    plan = plan_help(request, reporter)
    plan = replace(
        plan, location=located_in_use(plan.index, plan.location, plan.all_ids, reporter, source=request.source)
    )
    check_data(plan, reporter)
    method = make_method(request.method, plan.config)
    if method.member_runs:
        refuse_inside(request.out, method.member_runs)
        about = (plan.dataset, plan.index, plan.options, plan.eval_ids)
        return replace(plan, members=checked_members(method.member_runs, *about, reporter))
    refuse_other_weights(plan.config)
    if told := check_start(plan.config, plan.folds[0], plan.dataset, plan.index, plan.eval_ids):
        reporter.warn(told)
    if request.weights is None:
        return plan
    any_method = plan.corruption is not None
    return replace(plan, weights=trained_alike(request.weights, plan.identity(), method, any_method=any_method))


def plan_help(request: RunRequest, reporter: Reporter) -> RunPlan:
    """Resolve a request, as a process needs it that only helps to train: no data is read, and none is hashed.

    Raises
    ------
    UserError
        For wrong names or settings, or where there is no data.
    """
    corruption = None if request.corrupt is None else Corruption.parse(request.corrupt)
    info = dataset_class(request.dataset).info
    method_info = method_class(request.method).info
    if info.classes:
        refuse_task(method_info, info)
    refuse_transfer(method_info, request)
    request = _with_network_of_init(request, method_info, info, reporter)
    config, options = resolve(request.preset, method_info, info, request.chosen_settings)
    # A wrong setting is to be found before anything is read.
    method = make_method(request.method, config)
    if not method_info.trains:
        refuse_training(method_info, request)
        if corruption is None:
            request = replace(request, seed=0)  # nothing is drawn, so any seed gives the same run
    device = resolve_device(request.device, bool(method_info.accelerated))
    options = without_defaults(info.name, options)
    dataset, location = open_dataset(info.name, request.root, request.source, options, reporter, may_synthesize=True)
    info = dataset.info  # of your own folder it is known only now
    refuse_task(method_info, info)
    split = request.split or ("all" if request.folds else info.default_split)
    folds = _folds(request, dataset, split, options, reporter)
    method = make_method(request.method, method.resolved(info))
    refuse_mixture(info, options, method.config)
    plan = RunPlan(
        request,
        dataset,
        location,
        split,
        folds,
        dict(method.config),
        options,
        device,
        DataIndex.of(dataset),
        method.family,
        method.oracle,
        method.predicts,
        corruption=corruption,
    )
    refuse_unscored(plan)
    return plan


def _folds(
    request: RunRequest, dataset: Dataset, split: str, options: Mapping[str, Any], reporter: Reporter
) -> tuple[Fold, ...]:
    """Which samples are learned from and which are scored, with what is to be known of that."""
    if not method_class(request.method).info.trains:
        scored = plan_scored(dataset, split, request.folds)
        note_size(dataset, split, len(scored.evaluate), options, reporter, hint="--split all scores all labels")
        return (scored,)
    if request.folds:
        if request.train_on != "train":
            raise UserError(
                f"--train-on {request.train_on}: --folds learns from every labelled sample outside a fold already; "
                "leave out one of the two"
            )
        folds = plan_folds(dataset, request.folds, split, request.train_fraction, request.seed)
        if cuts_groups(dataset, request.folds) and knows_groups(dataset):
            reporter.warn("folds cut through a video or stack: neighbours of the scored samples were trained on")
        else:
            _note_cut_films(dataset, folds[0], reporter)
        return folds
    folds = plan_split(dataset, split, request.train_fraction, request.seed, request.train_on)
    note_size(dataset, split, len(folds[0].evaluate), options, reporter, hint="--folds 5 scores all labels")
    _note_cut_films(dataset, folds[0], reporter)
    return folds


def _with_network_of_init(
    request: RunRequest, method: MethodInfo, dataset: DatasetInfo, reporter: Reporter
) -> RunRequest:
    """The request with the settings that the network of `--init` was built by, where it asks for no others.

    They become settings as if they had been typed, so that the command of the record says them.
    """
    place = request.chosen_settings.get("init")
    if not isinstance(place, str):
        return request
    config, _ = resolve(request.preset, method, dataset, request.chosen_settings)
    built = method_class(request.method).network_settings(Path(place))
    taken = {name: value for name, value in built.items() if name not in request.settings and config[name] != value}
    if not taken:
        return request
    reporter.say(f"as the network of --init: {', '.join(f'{name}={value}' for name, value in taken.items())}")
    return replace(request, settings={**request.settings, **taken})


def _note_cut_films(dataset: Dataset, fold: Fold, reporter: Reporter) -> None:
    if text := cut_films(dataset, fold.train, (*fold.val, *fold.evaluate)):
        reporter.warn(text)
