"""`bench doctor`: what is wrong with predictions, why, and what they would score after the remedy."""

from __future__ import annotations

from collections.abc import Sequence

from ..data.index import DataIndex
from ..data.what_is_left import Pixels, left_to_learn
from ..diagnosis.checked_predictions import examine
from ..diagnosis.conclusions import conclude
from ..diagnosis.document import Diagnosis, Finding, ModelDiagnosis
from ..diagnosis.lenient_reading import list_files
from ..io.reporter import Reporter
from ..registry import dataset_class, method_class
from ..runs.devices import resolve_device
from ..runs.open_data import note_size, open_dataset
from ..runs.request import DoctorRequest as DoctorRequest
from ..types import Dataset, UserError

__all__ = ["Diagnosis", "DoctorRequest", "Finding", "ModelDiagnosis", "diagnose"]


def diagnose(request: DoctorRequest, reporter: Reporter) -> Diagnosis:
    """Do what `bench doctor` says; nothing is written.

    Raises
    ------
    UserError
        If there is nothing to diagnose: no data, no predictions, or no file that belongs to the split.
    """
    info = dataset_class(request.dataset).info
    dataset, _ = open_dataset(info.name, request.root, "auto", {}, reporter, may_synthesize=False)
    info = dataset.info  # of your own folder it is known only now
    split = request.split or info.default_split
    if split in info.splits and not info.splits[split].labelled:
        raise UserError(f"split '{split}' of {info.name} has no public labels, so nothing can be scored here")
    if request.method is not None:
        if request.predictions is not None:
            raise UserError("--method looks at a model, --predictions at what one predicted: give one of them")
        from ..methods.existing.diagnosis import diagnose_model  # with torch, which predictions need not

        device = resolve_device(request.device, bool(method_class(request.method).info.accelerated))
        return diagnose_model(request.method, dataset, split, device, reporter)
    if request.predictions is None:
        raise UserError("say what to look at: --predictions FOLDER, or --method torch:FILE for a model that exists")
    ids = dataset.ids(split)
    note_size(dataset, split, len(ids), {}, reporter)
    listing = list_files(dataset, ids, request.predictions)
    case = examine(dataset, ids, listing, reporter)
    if dataset.self_defined:  # what others publish was looked at by many
        _look_at_training(dataset, [truth.pixels for truth in case.truths.values()], reporter)
    return conclude(case, split, request.predictions, reporter, partial=request.partial)


def _look_at_training(dataset: Dataset, scored: Sequence[Pixels], reporter: Reporter) -> None:
    """Warn of a training split that nobody could have learned the scored classes from."""
    try:
        ids = dataset.ids("train")
    except UserError:
        return  # predictions of other people's methods need none
    with DataIndex.of(dataset) as index, reporter.progress("looking at training labels") as update:
        index.faults(ids, ("labels",), lambda done, total: update(done, total, ""))
        left = left_to_learn(dataset.info, "split 'train'", index.label_counts(ids).values(), scored)
    for text in filter(None, (left.refusal, *left.warnings)):
        reporter.warn(text)
