"""`bench verify`: recompute what a run folder says from what it holds, and compare bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..data.locations import Location, data_sha256
from ..errors import MemoryShortError
from ..evaluation.evaluate import evaluate
from ..evaluation.statistics import Statistics
from ..io.reporter import Reporter
from ..predictions.find import find_predictions
from ..runs.folder import PREDICTIONS
from ..runs.open_data import data_of, open_dataset
from ..runs.origin_check import origin_here
from ..runs.stored import StoredRun, open_unchecked
from ..runs.stored_checks import Check, Verification, binding_checks, same_check, stored_checks
from ..text import some
from ..types import Dataset, Metric, UserError, parts_of


def verify(folder: Path, root: Path | None, reporter: Reporter) -> Verification:
    """Check a run and say what was found.

    Scores, intervals and tables are recomputed from the statistics, the run's id from what it stands for, and the
    digests of the record and of the files beside it. Where the data is found (below `root`, else in the
    default places, or where the run's command found it) the fingerprints are too, and where the run kept its
    predictions they are measured again. It proves what it says from the bytes on disk: hashes that earlier commands
    kept in the cache are not used.

    Raises
    ------
    UserError
        If it is no run folder, cannot be read, was made with another version of its dataset or metrics, there is no
        data below `root`, or memory is too short to read a prediction.
    """
    run = open_unchecked(folder)
    return Verification.of(run, [*stored_checks(run), *binding_checks(run), *_measured(run, root, reporter)])


def _measured(run: StoredRun, root: Path | None, reporter: Reporter) -> list[Check]:
    """Everything that needs the dataset."""
    data = run.record.dataset
    kept = (run.folder / PREDICTIONS).is_dir()
    what = "truth" + (" and predictions" if kept else "")
    try:
        dataset, location = _opened(run, root, reporter)
    except UserError as error:
        if root is not None:
            raise
        return [Check.of(what, None, f"not checked: {error}")]
    if dataset.info.version != data.version:
        return [same_check("classes", data.version, dataset.info.version)]
    split = run.info.splits.get(data.split)
    if split is not None and not split.labelled:
        return []
    available = set(dataset.ids(data.split))
    absent = [i for i in run.ids if i not in available]
    checks = [
        same_check("origin", data.origin, origin_here(run.record, run.ids, dataset, location)),
        Check.of("split", not absent, _split_detail(absent, len(available), data.split)),
    ]
    if absent:
        return checks
    checks.append(same_check("complete", run.record.complete, len(run.ids) == len(available)))
    checks.append(same_check("data_sha256", data.data_sha256, data_sha256(dataset, run.ids, parts_of(run.metrics))))
    if not kept:
        return [*checks, Check.of("predictions", None, "not checked: the run did not keep them (--save-predictions)")]
    return [*checks, _predictions(run, dataset, reporter)]


def _opened(run: StoredRun, root: Path | None, reporter: Reporter) -> tuple[Dataset, Location]:
    """The data below `root`; without one that of the default place, or else of the place that the run's command names.

    Raises UserError where there is none.
    """
    if root is None:
        data = run.record.dataset
        with suppress(UserError):
            return open_dataset(data.name, None, data.origin, data.options, reporter, may_synthesize=False)
    return data_of(run.record, root, reporter)


def _split_detail(absent: Sequence[str], size: int, split: str) -> str:
    if absent:
        return f"{len(absent)} scored samples are not in split '{split}' here, first: {absent[0]}"
    return f"every scored sample is one of the {size} of split '{split}'"


def _predictions(run: StoredRun, dataset: Dataset, reporter: Reporter) -> Check:
    """Measure the kept predictions again."""
    ids = dataset.ids(run.record.dataset.split)
    if len(run.ids) == run.record.dataset.n:
        scored = set(run.ids)
        ids = tuple(i for i in ids if i in scored)
    # Of several classes label maps are kept, and no probabilities.
    soft = [metric for metric in run.metrics if metric.takes_probabilities and dataset.info.task == "multiclass"]
    metrics = [metric for metric in run.metrics if metric not in soft]
    stored = Statistics([each for metric in metrics for each in run.statistics.of(metric.name)])
    try:
        again = _measure(dataset, metrics, ids, run.folder / PREDICTIONS, reporter)
    except MemoryShortError:
        raise
    except UserError as error:
        return Check.of("predictions", False, str(error))
    differing = _unequal(stored, again)
    detail = f"{len(ids)} predictions give the stored statistics"
    if soft:
        detail += f", but for {some([metric.name for metric in soft])}: the label maps kept hold no probabilities"
    if differing:
        detail = f"{len(differing)} of {len(ids)} give other statistics than stored, first: {differing[0]}"
    return Check.of("predictions", not differing, detail)


def _measure(
    dataset: Dataset, metrics: Sequence[Metric], ids: Sequence[str], folder: Path, reporter: Reporter
) -> Statistics:
    found = find_predictions(dataset, ids, folder)
    with reporter.progress("measuring again") as update:
        return evaluate(
            dataset,
            metrics,
            found.files.items(),
            workers=None,
            progress=lambda done: update(done, len(ids), ""),
        )


def _unequal(first: Statistics, second: Statistics) -> list[str]:
    """Samples whose statistics are not the same bit for bit, or that only one side has."""
    one, other = ({(s.metric, s.sample_id): Statistics([s]) for s in side} for side in (first, second))
    return sorted({key[1] for key in one.keys() | other.keys() if one.get(key) != other.get(key)})
