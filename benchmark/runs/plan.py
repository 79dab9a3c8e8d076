"""What a run is before it begins: names, settings and data resolved, and everything that would fail found out."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ..data.corruptions import Corruption
from ..data.cut_films import cut_films
from ..data.index import DataIndex
from ..data.locations import Location
from ..data.sample_checks import without_images
from ..data.splits import Fold, cuts_groups, knows_groups, plan_folds, plan_scored, plan_split
from ..data.what_is_left import Left, left_to_learn, left_to_score
from ..io.reporter import Reporter
from ..registry import dataset_class, make_method, method_class, methods, metrics_of
from ..text import counted
from ..types import Dataset, DatasetInfo, Family, MethodInfo, Metric, PredictionKind, UserError, parts_of
from .code_hash import code_sha256
from .devices import resolve_device
from .environment import describe
from .identity import run_identity
from .learned_from import check_start, refuse_other_weights
from .members import Member, checked_members, fraction_of, refuse_inside, splits_of
from .open_data import located_in_use, note_size, open_dataset, without_defaults
from .presets import resolve
from .record import Cost, DatasetBlock, Environment, MethodBlock, Record
from .request import RunRequest
from .reuse_weights import trained_alike
from .writer import RunWriter, current_time, dataset_block

UNFINISHED = "the run has not finished"
"""Warns in the record of a run that has begun."""


@dataclass(frozen=True)
class RunPlan:
    """A run, resolved: its folds on their data, the whole configuration of its method, and where it computes.

    `options` are the dataset's that differ from its defaults. `index` is what is known of its files. `predicts` is what
    its method predicts, which decides the families that score it. `weights` is the record of the run whose weights are
    taken instead of training.
    `corruption` is what is done to the images to predict. `members` are the runs whose fitted methods it joins.
    """

    request: RunRequest
    dataset: Dataset
    location: Location
    split: str
    folds: tuple[Fold, ...]
    config: dict[str, Any]
    options: dict[str, Any]
    device: str
    index: DataIndex
    family: Family
    oracle: bool = False
    predicts: PredictionKind = "maps"
    weights: Record | None = None
    corruption: Corruption | None = None
    members: tuple[Member, ...] = ()

    @property
    def method(self) -> MethodInfo:
        """What is true of the method."""
        info: MethodInfo = method_class(self.request.method).info
        return info

    @property
    def trains(self) -> bool:
        """Whether a method is fitted in it."""
        return self.method.trains and self.weights is None

    @property
    def folds_asked(self) -> int | None:
        """The number of folds that methods were fitted in; None where all samples are scored in one pass."""
        return self.request.folds if self.method.trains else None

    @property
    def eval_ids(self) -> tuple[str, ...]:
        """The samples that are scored."""
        return tuple(i for fold in self.folds for i in fold.evaluate)

    @property
    def all_ids(self) -> tuple[str, ...]:
        """The samples that are used, each once."""
        return tuple(dict.fromkeys(i for fold in self.folds for i in (*fold.train, *fold.val, *fold.evaluate)))

    @property
    def n_train(self) -> float | None:
        """The number of samples that are learned from, a mean over folds; None where nothing is."""
        if self.members:
            return float(len(frozenset().union(*(member.learned for member in self.members))))
        return sum(len(fold.train) for fold in self.folds) / len(self.folds) if self.method.trains else None

    @property
    def train_fraction(self) -> float:
        """The part of the labels that is learned from: of several runs that are joined the smallest."""
        return fraction_of([member.record for member in self.members], self.request.train_fraction)

    @property
    def train_on(self) -> Literal["train+val"] | None:
        """The splits that are learned from, by a run that is joined too; None where it is `train` alone."""
        return splits_of([member.record for member in self.members], self.request.train_on)

    @property
    def labelled(self) -> bool:
        """Whether the split has public labels, so that it can be scored."""
        split = self.dataset.info.splits.get(self.split)
        return split is None or split.labelled

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The families that score it; none without labels."""
        return self.families if self.labelled else ()

    @property
    def families(self) -> tuple[Metric, ...]:
        """The families that score what its method predicts, whether or not the split has labels."""
        return metrics_of(self.dataset.info, kind=self.predicts, more=self.request.metrics)

    @property
    def takes_probabilities(self) -> bool:
        """Whether a family measures the probabilities of all classes, of a task of several."""
        return self.dataset.info.task == "multiclass" and any(metric.takes_probabilities for metric in self.metrics)

    def writer(self) -> RunWriter:
        """What writes it into its folder."""
        identity = self.identity()
        request = self.request
        about = (identity, request.out, request.command(), request.overwrite)
        return RunWriter.of(self.dataset.info.name, self.method.name, *about)

    def identity(self) -> dict[str, Any]:
        """Everything that the result depends on."""
        info = self.dataset.info
        return run_identity(
            dataset=info.name,
            version=info.version,
            method=self.method.name,
            weights=None if self.weights is None else self.weights.run_id,
            corruption=None if self.corruption is None else str(self.corruption),
            split=self.split,
            options=self.options,
            origin=self.location.origin,
            **self._data_hashes(),
            metrics={metric.name: metric.version for metric in self.families},
            preset=self.request.preset,
            config=self.config,
            seed=self.request.seed,
            folds=self.folds_asked,
            train_fraction=self.train_fraction,
            train_on=self.train_on,
        )

    def _data_hashes(self) -> dict[str, str]:
        """Fingerprints of the scored truth, and of every image and label that is used; each file is read once."""
        with self.index as index:
            return {
                "data_sha256": index.data_sha256(self.eval_ids, parts_of(self.families)),
                "inputs_sha256": index.data_sha256(self.all_ids, ("image", "labels")),
            }


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
    _check_data(plan, reporter)
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
        _refuse_task(method_info, info)
    _refuse_transfer(method_info, request)
    request = _with_network_of_init(request, method_info, info, reporter)
    config, options = resolve(request.preset, method_info, info, request.chosen_settings)
    # A wrong setting is to be found before anything is read.
    method = make_method(request.method, config)
    if not method_info.trains:
        _refuse_training(method_info, request)
        if corruption is None:
            request = replace(request, seed=0)  # nothing is drawn, so any seed gives the same run
    device = resolve_device(request.device, bool(method_info.accelerated))
    options = without_defaults(info.name, options)
    dataset, location = open_dataset(info.name, request.root, request.source, options, reporter, may_synthesize=True)
    info = dataset.info  # of your own folder it is known only now
    _refuse_task(method_info, info)
    split = request.split or ("all" if request.folds else info.default_split)
    folds = _folds(request, dataset, split, options, reporter)
    method = make_method(request.method, method.resolved(info))
    _refuse_mixture(info, options, method.config)
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
    _refuse_unscored(plan)
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


def _refuse_transfer(method: MethodInfo, request: RunRequest) -> None:
    """`--init` and `--freeze` are for networks."""
    for option in ("init", "freeze"):
        if getattr(request, option) is not None and option not in method.defaults:
            raise UserError(f"--{option}: {method.name} trains no network that could start from weights; leave it out")


def _refuse_training(method: MethodInfo, request: RunRequest) -> None:
    """What only a training can be asked for."""
    asked = {
        "--weights": request.weights is not None,
        f"--train-fraction {request.train_fraction:g}": request.train_fraction != 1,
        f"--train-on {request.train_on}": request.train_on != "train",
    }
    for option, wanted in asked.items():
        if wanted:
            raise UserError(f"{option}: {method.name} is a model that exists and is not trained; leave it out")


def _refuse_mixture(info: DatasetInfo, options: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Channels that are several images are not to be mixed to one grey value."""
    seen = sorted(info.image_options & options.keys())
    if seen and config.get("input") == "grey":
        raise UserError(
            f"{seen[0]}={options[seen[0]]} gives images of three channels, which input=grey would mix to one: add "
            "--set input=rgb"
        )


def _note_cut_films(dataset: Dataset, fold: Fold, reporter: Reporter) -> None:
    if text := cut_films(dataset, fold.train, (*fold.val, *fold.evaluate)):
        reporter.warn(text)


def _refuse_unscored(plan: RunPlan) -> None:
    info, name = plan.dataset.info, plan.method.name
    if not info.metrics_for(plan.predicts):
        raise UserError(f"{name} predicts {plan.predicts}, which {info.name} does not score")
    if plan.oracle and not plan.labelled:
        raise UserError(f"{name} is an oracle here: it needs the truth, which split '{plan.split}' has not")


def _refuse_task(method: MethodInfo, info: DatasetInfo) -> None:
    if info.task not in method.tasks:
        able = ", ".join(name for name, cls in methods().items() if info.task in cls.info.tasks)
        raise UserError(
            f"method {method.name} does {' and '.join(method.tasks)} segmentation, but {info.name} asks for "
            f"{info.task} segmentation ({len(info.classes)} classes). "
            + (f"Methods that do: {able}." if able else "No method does; 'bench evaluate' scores your own results.")
        )


def _check_data(plan: RunPlan, reporter: Reporter) -> None:
    """Decode everything that will be used, so that a broken file is named before hours of training.

    What an earlier command found sound, and what has not changed since, is not decoded again.
    """
    ids = plan.all_ids
    without = [i for i in ids if not plan.dataset.files(i, "image")]
    if without:
        verify = f"bench data verify {plan.dataset.info.name} --root {shlex.quote(str(plan.location.root))}"
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
        hint = f"bench data verify {plan.dataset.info.name} --root {shlex.quote(str(plan.location.root))}"
        raise UserError(f"{faults[0].rstrip('.')}{more}. Run '{hint}' for all.")
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
