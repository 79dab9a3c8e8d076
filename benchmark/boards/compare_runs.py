"""What a comparison of stored runs says, from paired statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..data.own_folder.grouping import guessed_group
from ..evaluation.class_scores import ClassScore
from ..evaluation.comparison import Difference, Paired, holm
from ..io.reporter import Reporter
from ..runs.record import Record
from ..runs.stored import StoredRun
from .class_differences import class_differences
from .class_winners import class_winners
from .comparable import Comparable, badness, refuse_incomparable, whole_n
from .compared_families import compared_families
from .compared_methods import Costs, TrainedMethods, borrowed_spread, compared_methods, trained_methods
from .comparison_document import ComparedRun, Comparison, SeedSpread
from .labels import comparison_labels
from .labels_needed import LabelsNeeded, labels_needed
from .paired_difference import paired_difference
from .pareto import pareto_front
from .people import People, is_person, people_of
from .per_sample import per_sample
from .robustness import robustness
from .score_by_class import ScoreByClass, score_by_class
from .score_choice import score_of_all
from .seed_groups import SeedGroup

_ONE_SIDED = {"px": "one_sided_images", "µm": "one_sided_images", "mm": "one_sided_cases"}
"""By the unit of a distance, the count in the table by class of what only one of truth and prediction has."""


def compare_stored(
    runs: Sequence[StoredRun],
    reporter: Reporter,
    *,
    score: str | None = None,
    target: float | None = None,
    resamples: int = 2000,
    seed: int = 0,
    blocks: int | None = None,
    by_class: bool = False,
    corrupted: Sequence[StoredRun] = (),
) -> Comparison:
    """Compare opened runs that were scored on the same samples.

    Parameters
    ----------
    runs : sequence of StoredRun
    reporter : Reporter
    score : str, optional
        Name of the score; the main one by default.
    target : float, optional
        A value of the score: how many labels does each method need for it?
    resamples, seed : int
        Number of bootstrap samples (p values use ten times as many swaps, or as many for AP), and the seed of the
        bootstrap.
    blocks : int, optional
        Draw and swap so many consecutive samples of a group together, where there are too few groups.
    by_class : bool
        Compare the runs on every class, too.
    corrupted : sequence of StoredRun
        Runs of the same methods on images that were made worse.

    Raises
    ------
    UserError
        For runs that are not comparable (with the reason), or a score that one of them lacks.
    """
    for run in runs:
        if not run.record.complete:
            reporter.warn(f"{run.record.run_id} is partial: it was scored on {run.record.dataset.samples}")
    refuse_incomparable([run.record for run in runs])
    metric, info = score_of_all(runs, score)
    runs, people = _apart(runs)
    runs = sorted(runs, key=lambda run: badness(run.record.scores[info.name].value, info.higher_is_better))
    with reporter.progress("comparing") as update:
        paired = Paired(
            *(metric, runs[0].info, info),
            runs=tuple(tuple(run.statistics.of(metric.name)) for run in runs),
            resamples=resamples,
            seed=seed,
            blocks=blocks,
        )
        differences = paired.differences(lambda done, total: update(done, total, ""))
    records = [run.record for run in runs]
    needed = None if target is None else labels_needed(records, paired, target)
    by = score_by_class(metric, info, runs[0])
    found = _comparison(paired, records, comparison_labels(records), differences, by, needed)
    if found.methods is not None and (doubt := borrowed_spread(found.methods)):
        reporter.warn(doubt)
    labelled = [(row.label, run) for row, run in zip(found.runs, runs, strict=True)]
    beside: dict[str, Any] = {"people": _people(people, labelled, paired)}
    if by_class:
        methods = trained_methods(paired, records)
        with reporter.progress("comparing classes"):
            beside["by_class"] = class_differences(paired, by, runs, [row.label for row in found.runs], methods)
        if beside["by_class"] is None:
            reporter.warn(f"{found.title}: {_not_by_class(info.name, by, methods)}")
    if corrupted:
        beside["robustness"] = robustness(labelled, corrupted, info.name)
    return found.model_copy(update=beside)


def _apart(runs: Sequence[StoredRun]) -> tuple[list[StoredRun], list[StoredRun]]:
    """Methods and people; people alone are compared as methods are, each with the others."""
    people = [run for run in runs if is_person(run.record)]
    methods = [run for run in runs if not is_person(run.record)]
    return (methods, people) if methods else (people, [])


def _people(people: Sequence[StoredRun], labelled: Sequence[tuple[str, StoredRun]], paired: Paired) -> People | None:
    """The annotators beside the compared runs, with the differences of the best run from each of them."""
    if not people:
        return None
    statistics = [tuple(run.statistics.of(paired.metric.name)) for run in people]
    both = replace(paired, runs=(paired.runs[0], *statistics))
    pairs = [both.difference(0, place) for place in range(1, len(both.runs))]
    adjusted = holm([each.p for each in pairs])
    labels = [labelled[0][0], *(run.record.method.name for run in people)]
    differences = [
        paired_difference(replace(each, p_adjusted=p), labels) for each, p in zip(pairs, adjusted, strict=True)
    ]
    named = [(label, run.record) for label, run in labelled]
    return people_of([run.record for run in people], paired.score.name, named, differences)


def _comparison(
    paired: Paired,
    records: Sequence[Record],
    labels: Sequence[str],
    differences: Sequence[Difference],
    by: ScoreByClass | None,
    needed: LabelsNeeded | None,
) -> Comparison:
    data, score = records[0].dataset, paired.score
    found = compared_methods(paired, records, labels)
    return Comparison(
        dataset=data.name,
        version=Comparable.of(records[0]).own_version or None,
        origin=data.origin,
        split=data.split,
        score=score.name,
        unit=score.unit,
        higher_is_better=score.higher_is_better,
        n=len(paired.runs[0]),
        whole_n=whole_n(records),
        units=paired.units,
        drawn=paired.unit,
        blocks=paired.blocks,
        few_groups=paired.few_groups,
        group_hint=_group_hint(paired, records[0]),
        resamples=paired.resamples,
        smallest_p=paired.smallest_p,
        runs=_runs(paired, records, labels, differences),
        differences=[paired_difference(each, labels) for each in differences],
        families=compared_families(paired, records, labels, differences, None if found is None else found.families),
        seeds=_seeds(records, paired),
        per_class=[] if by is None else class_winners(records, labels, by),
        per_sample=per_sample(paired, labels),
        labels_needed=needed,
        methods=None if found is None else found.methods,
        method_differences=None if found is None else found.differences,
    )


def _group_hint(paired: Paired, record: Record) -> str | None:
    """By what the samples of a custom folder, which all stand alone, seem to belong together."""
    samples = paired.runs[0]
    if not Comparable.of(record).own_version or len({s.group for s in samples}) < len(samples):
        return None
    guessed = guessed_group([s.sample_id for s in samples])
    return None if guessed is None else guessed.expression


def _runs(
    paired: Paired, records: Sequence[Record], labels: Sequence[str], differences: Sequence[Difference]
) -> list[ComparedRun]:
    ranks = paired.rank_intervals(differences)
    front = pareto_front([record.cost for record in records], paired.values, paired.sign)
    rows = []
    for k, (record, label) in enumerate(zip(records, labels, strict=True)):
        low, high = paired.interval(k)
        rows.append(
            ComparedRun(
                run_id=record.run_id,
                label=label,
                method=record.method.name,
                family=record.method.family,
                seed=record.method.seed,
                value=float(paired.values[k]),
                low=low,
                high=high,
                rank=ranks[k][0],
                rank_low=ranks[k][0],
                rank_high=ranks[k][1],
                labels=record.method.n_train,
                cost=Costs.of(SeedGroup((record,))),
                on_front=front[k],
                left_out=_left_out(record, paired),
            )
        )
    return rows


def _left_out(record: Record, paired: Paired) -> int:
    """How many outlines or surfaces only one of truth and prediction has, where the score is a distance of both."""
    count = _ONE_SIDED.get(paired.score.unit)
    if count is None:
        return 0
    metric, info = paired.metric, paired.info
    names = metric.class_names(info) if isinstance(metric, ClassScore) else [c.name for c in info.foreground_classes]
    return int(sum(record.per_class.get(name, {}).get(count) or 0 for name in names))


def _seeds(records: Sequence[Record], paired: Paired) -> list[SeedSpread]:
    """Mean and standard deviation over the seeds of one configuration: the noise of training, not of the test set."""
    alike: dict[str, list[int]] = {}
    for k, record in enumerate(records):
        method = record.method
        key = repr((method.name, method.preset, sorted(method.config.items()), method.train_fraction))
        alike.setdefault(key, []).append(k)
    return [
        SeedSpread(
            method=records[places[0]].method.name,
            n_train=records[places[0]].method.n_train,
            seeds=[records[k].method.seed for k in places],
            mean=float(np.mean(paired.values[places])),
            std=float(np.std(paired.values[places], ddof=1)),
        )
        for places in alike.values()
        if len(places) > 1 and len({records[k].method.seed for k in places}) == len(places)
    ]


def _not_by_class(score: str, by: ScoreByClass | None, methods: TrainedMethods | None) -> str:
    """Why classes are not compared by what a score is made of."""
    if by is None:
        return (
            f"no score of single classes belongs to {score}, so classes are not compared. Choose another with --metric"
        )
    if methods is not None and len(methods.names) < 2:
        return "each of these runs is of one method, whose trainings are not compared by class"
    return f"{by.what.name} of single classes has no paired test, so classes are not compared"
