"""`bench doctor`: what is wrong with predictions, why, what they score once corrected, and the corrected files."""

from __future__ import annotations

from collections.abc import Sequence

from ..data.index import DataIndex
from ..data.what_is_left import Pixels, left_to_learn
from ..diagnosis.checked_predictions import examine
from ..diagnosis.conclusions import conclude
from ..diagnosis.corrected import write_corrected
from ..diagnosis.document import Diagnosis, Finding, ModelDiagnosis
from ..diagnosis.lenient_reading import list_files
from ..io.reporter import Reporter
from ..predictions.official_formats import refuse_used
from ..registry import dataset_class, method_class
from ..runs.devices import resolve_device
from ..runs.open_data import note_size, open_dataset
from ..runs.request import DoctorRequest as DoctorRequest
from ..types import Dataset, UserError

__all__ = ["Diagnosis", "DoctorRequest", "Finding", "ModelDiagnosis", "diagnose"]


def diagnose(request: DoctorRequest, reporter: Reporter) -> Diagnosis:
    """Do what `bench doctor` says; nothing is written but, where asked for, corrected predictions in a new folder.

    Raises
    ------
    UserError
        If there is nothing to diagnose: no data, no predictions, or no file that belongs to the split; or if corrected
        predictions cannot lie where they are to.
    """
    if request.out is not None:
        refuse_place(request)
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
    found, corrected = conclude(case, split, request.predictions, reporter, partial=request.partial)
    if request.out is None:
        return found
    count = write_corrected(corrected, found, request.predictions, request.out, reporter)
    return found.model_copy(update={"written": str(request.out), "n_written": count}) if count else found


def refuse_place(request: DoctorRequest) -> None:
    """Raise UserError where corrected predictions cannot be written, before anything is looked at."""
    assert request.out is not None
    if request.method is not None:
        raise UserError("--out writes corrected predictions; the remedy of a model (--method) is its model card")
    refuse_used(request.out)
    for flag, held in (("--predictions", request.predictions), ("--root", request.root)):
        if held is not None and request.out.resolve().is_relative_to(held.resolve()):
            raise UserError(f"--out '{request.out}' lies in {flag} '{held}', where it would be read too; name another")


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
