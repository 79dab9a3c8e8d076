"""May a submitted run folder stand on a board? Nothing but the folder is needed."""

from __future__ import annotations

from pathlib import Path

from ..data.locations import data_sha256
from ..evaluation.evaluate import evaluate
from ..evaluation.statistics import Statistics
from ..io.reporter import Reporter
from ..registry import metrics_of
from ..runs.open_data import open_dataset
from ..runs.origin_check import origin_here
from ..runs.stored import StoredRun, open_unchecked
from ..runs.stored_checks import Check, Verification, binding_checks, same_check, stored_checks
from ..types import Dataset, Prediction, parts_of
from .impossible import impossible_checks
from .signature import signature_check
from .submission import form_checks, neighbour_checks, neighbours_of, same_truth


def validate(
    folder: Path, root: Path | None, reporter: Reporter, signers: Path | None = None, *, among: Path | None = None
) -> Verification:
    """Recompute what can be recomputed from a run's statistics, and hold its samples and truth against its neighbours.

    Neighbours are the run folders of the folder `among`, by default those beside it. With `root` the truth of every
    statistic is measured again from the data there; with `signers`, a file of allowed SSH signers, one of them is to
    have signed the record. What only the predictions could prove is not checked: say in the pull request where they
    can be had.

    Raises
    ------
    UserError
        If it is no run folder, cannot be read, was made with another version of its dataset or metrics, or there is no
        data below `root`.
    """
    run = open_unchecked(folder)
    neighbours = list(neighbours_of(folder, run.record, among))
    if not neighbours:
        reporter.say("no comparable run beside it: samples and truth were compared with nothing")
    checks = [*form_checks(run), *impossible_checks(run), *stored_checks(run), *binding_checks(run)]
    checks.append(signature_check(run.folder, signers))
    checks += neighbour_checks(run, neighbours)
    if root is not None:
        checks += _held_against_data(run, root, reporter)
    return Verification.of(run, checks)


def _held_against_data(run: StoredRun, root: Path, reporter: Reporter) -> list[Check]:
    """Whether samples, truth and origin of a run are those of the data below `root`."""
    data = run.record.dataset
    dataset, location = open_dataset(run.info.name, root, "auto", data.options, reporter, may_synthesize=False)
    absent = sorted(set(run.ids) - set(dataset.ids(data.split)))
    checks = [
        same_check("version here", data.version, dataset.info.version),
        same_check("origin here", data.origin, origin_here(run.record, run.ids, dataset, location)),
        Check.of("split here", not absent, f"'{absent[0]}' is not in split '{data.split}'" if absent else data.split),
    ]
    if absent or not all(check.ok for check in checks):
        return checks
    checks.append(same_check("data_sha256", data.data_sha256, data_sha256(dataset, run.ids, parts_of(run.metrics))))
    return [*checks, same_truth(run, _of_perfect_predictions(run, dataset, reporter), f"'{root}'")]


def _of_perfect_predictions(run: StoredRun, dataset: Dataset, reporter: Reporter) -> Statistics:
    """What the families measure where the truth itself is the prediction: the truth's side is what any would give."""
    parts = parts_of(run.metrics)
    of_labels = {metric.name for metric in metrics_of(run.info)}

    def prediction(sample_id: str) -> Prediction:
        if not of_labels & {metric.name for metric in run.metrics}:
            return Prediction(objects=())  # the families of objects: no object is found
        return Prediction(labels=dataset.load(sample_id, parts).labels)

    pairs = ((sample_id, prediction(sample_id)) for sample_id in run.ids)
    with reporter.progress("measuring the truth") as update:
        return evaluate(dataset, run.metrics, pairs, workers=0, progress=lambda done: update(done, len(run.ids), ""))
