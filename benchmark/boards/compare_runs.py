"""What a comparison of stored runs says, from paired statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from ..data.own_folder.grouping import guessed_group
from ..evaluation.class_scores import ClassScore
from ..evaluation.comparison import Difference, Paired, holm
from ..evaluation.intervals import corrected_interval
from ..evaluation.resampling import in_few_groups
from ..io.reporter import Reporter
from ..runs.record import Record
from ..runs.stored import StoredRun
from ..types import Metric, ScoreInfo, UserError
from .class_differences import class_differences
from .comparable import RENAMED, Comparable, badness, differing, whole_n
from .compared_methods import Costs, TrainedMethods, borrowed_spread, compared_methods, trained_methods
from .comparison import (
    ClassWinners,
    ComparedRun,
    Comparison,
    Estimate,
    Families,
    FamilyMeans,
    LabelsNeeded,
    PairedDifference,
    PerSample,
    SampleScores,
    SeedSpread,
)
from .labels import comparison_labels
from .pareto import pareto_front
from .people import People, is_person, people_of
from .robustness import robustness
from .score_by_class import ScoreByClass, score_by_class
from .seed_groups import SeedGroup


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


def refuse_incomparable(records: Sequence[Record]) -> None:
    """Raise UserError, with the reason, where records were not scored on the same data in the same way."""
    for one, other in combinations(records, 2):
        for what, (first, second) in differing(one, other).items():
            advice = (
                f"Was the folder renamed? Write 'name: {first}' into its classes.yaml, and make the other run again."
                if what == RENAMED
                else "Score them on the same samples with the same labels; after a change, the older predictions anew."
            )
            raise UserError(
                f"{one.run_id} and {other.run_id} are not comparable: {what} differs ('{first}' and '{second}'). "
                f"{advice}"
            )


def score_of(run: StoredRun, name: str | None) -> tuple[Metric, ScoreInfo]:
    """A score by its name, the main one by default, with its family. Raises UserError where the run has none such."""
    name = name or run.record.main_score
    available = {score.name: (metric, score) for metric in run.metrics for score in metric.scores}
    if name not in available:
        raise UserError(no_score(name, [list(available)]))
    return available[name]


def score_names(run: StoredRun) -> list[str]:
    """The names of all scores of a run's families."""
    return [score.name for metric in run.metrics for score in metric.scores]


def no_score(name: str, of_runs: Sequence[Sequence[str]]) -> str:
    """That no run has a score of this name, and which scores all of them have; of those without a common one, any."""
    every = dict.fromkeys(each for names in of_runs for each in names)
    common = [each for each in every if all(each in names for names in of_runs)]
    return f"'{name}' is no score of these runs. Available: {', '.join(common or every)}."


def score_of_all(runs: Sequence[StoredRun], name: str | None) -> tuple[Metric, ScoreInfo]:
    """As `score_of` of the first run that has the score; raises UserError where another one lacks it."""
    name = name or runs[0].record.main_score
    holder = next((run for run in runs if name in score_names(run)), None)
    if holder is None:
        raise UserError(no_score(name, [score_names(run) for run in runs]))
    metric, info = score_of(holder, name)
    for run in runs:
        if info.name not in run.record.scores:
            raise UserError(f"'{run.folder}' has no score '{info.name}'; score it with the family '{metric.name}'")
    return metric, info


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
    families = _families(paired, records, labels, differences)
    if families is not None and found is not None:
        families = families.model_copy(update={"best_methods": found.families})
    return Comparison(
        dataset=data.name,
        version=Comparable.of(records[0]).own_version or None,
        origin=data.origin,
        split=data.split,
        score=score.name,
        unit=score.unit,
        higher_is_better=score.higher_is_better,
        n=len(paired.groups),
        whole_n=whole_n(records),
        units=paired.units,
        drawn=paired.unit,
        blocks=paired.blocks,
        few_groups=_few_groups(paired),
        group_hint=_group_hint(paired, records[0]),
        resamples=paired.resamples,
        smallest_p=paired.smallest_p,
        runs=_runs(paired, records, labels, differences),
        differences=[paired_difference(each, labels) for each in differences],
        families=families,
        seeds=_seeds(records, paired),
        per_class=[] if by is None else _per_class(records, labels, by),
        per_sample=_per_sample(paired, labels),
        labels_needed=needed,
        methods=None if found is None else found.methods,
        method_differences=None if found is None else found.differences,
    )


def _few_groups(paired: Paired) -> int | None:
    """The number of groups where these are too few to be drawn, so that samples count as independent."""
    groups = [s.group for s in paired.runs[0]]
    return len(set(groups)) if paired.unit == "samples" and in_few_groups(groups, paired.info.name) else None


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


def paired_difference(each: Difference, labels: Sequence[str]) -> PairedDifference:
    """A difference as a document; `labels` are those of the compared runs."""
    values = {key: value for key, value in vars(each).items() if key not in ("a", "b")}
    return PairedDifference(a=labels[each.a], b=labels[each.b], significant=each.significant, **values)


def _left_out(record: Record, paired: Paired) -> int:
    """How many outlines only one of truth and prediction has, where the score is a distance of both."""
    if not paired.score.name.startswith("hausdorff95"):
        return 0
    metric = paired.metric
    names = metric.class_names(paired.info) if isinstance(metric, ClassScore) else record.per_class
    return int(sum(record.per_class.get(name, {}).get("one_sided_images") or 0 for name in names))


def _of_pair(differences: Sequence[Difference], a: int, b: int) -> Difference:
    """The difference of a from b, whichever of the two comes first among the pairs."""
    each = next(each for each in differences if {each.a, each.b} == {a, b})
    if each.a == a:
        return each
    return Difference(
        *(a, b, -each.value, -each.high, -each.low, each.p, each.p_adjusted, -each.effect),
        wins=each.losses,
        ties=each.ties,
        losses=each.wins,
    )


def _families(
    paired: Paired, records: Sequence[Record], labels: Sequence[str], differences: Sequence[Difference]
) -> Families | None:
    """The best learned run against the best classical one, and the families' means; None without both.

    The best were chosen for their scores: their test is the one that is adjusted for all pairs.
    """
    members = {
        family: [k for k, record in enumerate(records) if record.method.family == family and not record.method.oracle]
        for family in ("classical", "learned")
    }
    if not all(members.values()):
        return None
    best = {
        family: min(places, key=lambda k: (badness(float(paired.values[k]), paired.score.higher_is_better), k))
        for family, places in members.items()
    }
    each = _of_pair(differences, best["learned"], best["classical"])
    means = {family: float(np.mean(paired.values[places])) for family, places in members.items()}
    apart = paired.draws[members["learned"]].mean(axis=0) - paired.draws[members["classical"]].mean(axis=0)
    without = paired.without[members["learned"]].mean(axis=0) - paired.without[members["classical"]].mean(axis=0)
    value = means["learned"] - means["classical"]
    low, high = corrected_interval(value, apart, without, paired.sizes(*members["learned"], *members["classical"]))
    return Families(
        best=paired_difference(each, labels),
        means=FamilyMeans(**means),
        difference_of_means=Estimate(value=value, low=low, high=high),
    )


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


def _per_class(records: Sequence[Record], labels: Sequence[str], by: ScoreByClass) -> list[ClassWinners]:
    """The winner of every class, by the score of classes that belongs to the compared one."""
    rows = []
    for name in by.names:
        tables = [record.per_class.get(name, {}) for record in records]
        values = {label: table.get(by.what.name) for label, table in zip(labels, tables, strict=True)}
        known = {label: value for label, value in values.items() if value is not None}
        if known:
            best = max(known.values(), key=lambda value: by.sign * value)
            winners = [label for label, value in known.items() if value == best]
            row = {"class": name, "by": by.what.name, "winners": winners, **values}
            rows.append(ClassWinners.model_validate(row))
    return rows


def _per_sample(paired: Paired, labels: Sequence[str]) -> PerSample:
    """On how many samples each run is best (ties count for all), and where the runs are furthest apart."""
    values = paired.sign * paired.per_sample
    known = ~np.asarray(np.isnan(values).any(axis=0))
    top, bottom = np.max(values, axis=0), np.min(values, axis=0)
    best = known & (values == top)
    spread = np.where(known, top - bottom, -np.inf)
    furthest = [int(k) for k in np.argsort(-spread, kind="stable")[:10] if known[k] and spread[k] > 0]
    return PerSample(
        wins={label: int(best[k].sum()) for k, label in enumerate(labels)},
        furthest_apart=[
            SampleScores(
                sample=paired.runs[0][k].sample_id,
                **{label: float(paired.per_sample[run, k]) for run, label in enumerate(labels)},
            )
            for k in furthest
        ],
    )


def labels_needed(records: Sequence[Record], paired: Paired, target: float) -> LabelsNeeded:
    """How many labelled samples each method needs for a score, interpolated on a logarithmic scale of labels.

    None where a method never reaches it, or was run with one number of labels alone.
    """
    curves: dict[str, dict[float, list[float]]] = {}
    for record, value in zip(records, paired.values, strict=True):
        if record.method.n_train:
            curves.setdefault(record.method.name, {}).setdefault(record.method.n_train, []).append(float(value))
    methods = {name: _crossing(curve, target, paired.sign) for name, curve in curves.items()}
    return LabelsNeeded(target=target, methods=methods)


def _crossing(curve: dict[float, list[float]], target: float, sign: int) -> float | None:
    points = sorted((labels, sign * float(np.mean(values))) for labels, values in curve.items())
    if len(points) < 2:
        return None
    if points[0][1] >= sign * target:
        return points[0][0]
    for (few, low), (many, high) in pairwise(points):
        if low < sign * target <= high:
            part = (sign * target - low) / (high - low)
            return math.exp(math.log(few) + part * (math.log(many) - math.log(few)))
    return None
