"""The samples of a section: overlays of the runs that stored their predictions, where the images are found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..io.listing import is_folder
from ..io.reporter import Reporter, SilentReporter
from ..predictions.find import find_predictions
from ..predictions.stored import MAX_SHOWN, shown_ids
from ..registry import dataset_class, hooks
from ..runs.folder import PREDICTIONS, SHOWN
from ..runs.open_data import open_dataset
from ..runs.origin_check import origin_here
from ..types import Dataset, UserError
from .anatomy import section_anatomy
from .html import Html, tag
from .overlays import Album, Kept, key, overlays
from .sections import Entry, Section

MAX_RUNS = 4
"""Number of runs, the best that stored their predictions, whose samples are shown."""


def section_samples(section: Section, root: Path | None, album: Album, reporter: Reporter) -> list[Html]:
    """Overlays of the runs that kept their predictions, or a sentence that says how to get them."""
    entries = [entry for entry in section.opened if kept_place(entry) is not None]
    if not entries:
        return [
            _said(f"No run kept its predictions. Run again with {_how_to_store(section.entries)} to see samples here.")
        ]
    dataset = _dataset(entries, root, reporter)
    if dataset is None:
        return [_said(f"The images of {section.name} were not found. Say where they are with --root DIR.")]
    written: list[Html] = []
    causes: list[Html] = []
    doubts: list[Html] = []
    kept: list[Kept] = []
    whole: list[Kept] = []
    try:
        kept = [kept_of(entry, dataset) for entry in entries[:MAX_RUNS]]
        if any(run.found.kind != "maps" for run in kept):
            return [_said("Predicted objects and segments are not drawn here.")]
        whole = [run for run in kept if run.whole]
        causes, doubts = section_anatomy(section, whole, dataset, album) if whole else ([], [])
        for head, figures in overlays(section, kept, dataset, album):
            written += [tag("h4", head), tag("div", figures, class_="overlays")]
        for _, make in hooks(kept[0].entry.metrics, "report_strip"):
            written += make(whole[0], dataset, album) if whole else []
    except UserError as error:
        reporter.warn(f"overlays of {section.title} end early: {error}")
        section.notes.append("Some samples are left out: predictions, images and statistics do not belong together.")
    if len(whole) < len(kept):
        section.notes.append(
            f"Runs keep the predictions of at most {MAX_SHOWN} samples, the same of every run; best, median and worst "
            f"are of these. With all of them ({_how_to_store(entries)}) the page also says what the errors come from."
        )
    if album.full:
        section.notes.append("Further samples are left out, to keep the page small.")
    if len(entries) > MAX_RUNS:
        section.notes.append(f"Samples of the best {MAX_RUNS} of {len(entries)} runs that kept their predictions.")
    if dataset.info.task == "binary":
        section.notes.append("Of a prediction that holds probabilities, what is above 0.5 is shown.")
    if not written:
        return [*causes, *doubts]
    return [*causes, key(dataset.info, pair=len(entries) > 1), *written, *doubts]


def _how_to_store(entries: Sequence[Entry]) -> str:
    """The commands that made these runs, with the option that keeps predictions."""
    commands = dict.fromkeys(entry.record.made_by for entry in entries)
    return " or ".join(f"{command} … --save-predictions" for command in commands)


def _said(text: str) -> Html:
    return tag("p", text, class_="note")


def data_of(entries: Sequence[Entry], root: Path | None) -> Dataset | None:
    """The data that runs were scored on: below `root`, or as `section_samples` finds it for runs with predictions.

    None where it is not found, or nobody asks for it. Nothing is said: what there is to say, `section_samples` says.
    """
    silent = SilentReporter()
    if any(kept_place(entry) is not None for entry in entries):
        found = _looked_for(entries, root, silent)
        return None if isinstance(found, UserError) else found
    try:
        return None if root is None else data_below(entries[0], root, silent)
    except UserError:
        return None


def _dataset(entries: Sequence[Entry], root: Path | None, reporter: Reporter) -> Dataset | None:
    """The same, and where it is not found, why."""
    try:
        return data_or_refusal(entries, root, reporter)
    except UserError as error:
        reporter.say(f"no overlays of {entries[0].record.dataset.name}: {error}")
        return None


def data_or_refusal(entries: Sequence[Entry], root: Path | None, reporter: Reporter) -> Dataset:
    """The data that runs were scored on, as `data_of` finds it. Raises UserError, with what to do, where it is not."""
    found = _looked_for(entries, root, reporter)
    if not isinstance(found, UserError):
        return found
    stated = [place for entry in entries if (place := entry.record.root) is not None]
    if root is None and stated and not any(map(is_folder, stated)):
        raise UserError(f"its data was below '{stated[0]}', which is no folder here; say where with --root")
    raise found


def _looked_for(entries: Sequence[Entry], root: Path | None, reporter: Reporter) -> Dataset | UserError:
    """The data below `root`, where commands of the runs found it, or in the default places; else what hindered it."""
    recorded = [place for entry in entries if (place := entry.record.root) is not None and is_folder(place)]
    faults: list[UserError] = []
    for place in dict.fromkeys([*([] if root is None else [root]), *recorded, None]):
        try:
            return data_below(entries[0], place, reporter)
        except UserError as error:
            faults.append(error)
    return faults[0]


def data_below(entry: Entry, root: Path | None, reporter: Reporter) -> Dataset:
    """The data of a run below a root. Raises UserError where it is not there."""
    data = entry.record.dataset
    source = data.origin if root is None else "auto"
    options = dataset_class(data.name).info.scored_options(data.options)
    dataset, location = open_dataset(data.name, root, source, options, reporter, may_synthesize=False)
    here = origin_here(entry.record, _scored(entry), dataset, location)
    if here != data.origin or dataset.info.version != data.version:
        raise UserError(
            f"the data below '{location.root}' is not that of {entry.record.run_id}: it is {here}, of version "
            f"'{dataset.info.version}', and was {data.origin}, of version '{data.version}'"
        )
    if not _scored(entry) <= set(dataset.ids(data.split)):
        raise UserError(f"samples of {entry.record.run_id} are not below '{location.root}'")
    return dataset


def _scored(entry: Entry) -> set[str]:
    assert entry.statistics is not None
    return {s.sample_id for s in entry.statistics}


def kept_place(entry: Entry) -> Path | None:
    """Where a run keeps predictions: all of them, or those of a few samples; None where it has none."""
    return next((entry.folder / name for name in (PREDICTIONS, SHOWN) if (entry.folder / name).is_dir()), None)


def kept_of(entry: Entry, dataset: Dataset) -> Kept:
    """A run with the predictions that it keeps. Raises UserError where some are missing, or are of other samples."""
    scored, place = _scored(entry), kept_place(entry)
    assert place is not None
    if place.name == SHOWN:
        return Kept(entry, find_predictions(dataset, shown_ids(scored), place))
    ids = dataset.ids(entry.record.dataset.split)
    if len(scored) == entry.record.dataset.n:
        ids = tuple(i for i in ids if i in scored)
    if not scored <= set(ids):
        raise UserError(f"samples of {entry.record.run_id} are not below '{dataset.root}'")
    return Kept(entry, find_predictions(dataset, ids, place))
