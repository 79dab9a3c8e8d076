"""`bench data`: where data lies, what it is, whether it is whole, and making synthetic data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..data.documents import (
    DataDescription,
    DataPlace,
    DataStatus,
    DataVerification,
    DescribedClass,
    DescribedSplit,
    SynthesizedData,
)
from ..data.download.manifest import describe_downloads
from ..data.index import DataIndex
from ..data.locations import Location, Origin, default_root, locate, origin_of, synthetic_root
from ..data.origin_in_use import OriginInUse, every_sample, origin_in_use
from ..data.verification import Report, verify_dataset
from ..errors import DamagedDataError
from ..io.atomic import write_text
from ..io.reporter import Reporter
from ..registry import dataset_class, make_dataset
from ..runs.open_data import synthesize as write_synthetic
from ..types import Dataset, DatasetInfo, UserError


def status(name: str, root: Path | None) -> DataStatus:
    """Where the data of a dataset is expected and what was found there. Raises UserError for an unknown name."""
    info: DatasetInfo = dataset_class(name).info
    places = {} if root is None else {"given": root}
    places |= {"default": default_root(info.name), "synthetic": synthetic_root(info.name)}
    return DataStatus(dataset=info.name, places=[_place(info, what, place) for what, place in places.items()])


def _place(info: DatasetInfo, what: str, root: Path) -> DataPlace:
    if not root.is_dir():
        return DataPlace(place=what, root=str(root))
    try:
        dataset = make_dataset(info.name, root)
    except UserError as error:
        return DataPlace(place=what, root=str(root), problem=str(error))
    return DataPlace(place=what, root=str(root), found=True, origin=origin_of(root), splits=_sizes(dataset))


def describe(
    name: str, root: Path | None = None, *, write: bool = False, reporter: Reporter | None = None
) -> DataDescription:
    """Classes, splits, metrics, layout, licence and citation of a dataset; below a root also what is there.

    With `write` the classes of a dataset that defines itself are guessed and written down below the root; without it
    a guess is returned as `proposal` where there is no definition yet.

    Raises
    ------
    UserError
        For an unknown name, a root without this dataset, or `write` where there is nothing to guess, or a definition.
    """
    cls = dataset_class(name)
    if write and (root is None or not cls.self_defined):
        raise UserError("--write guesses the classes of a folder of your own; use it with: folder --root DIR")
    if root is None:
        return _about(cls.info)
    location = locate(cls.info, root, "auto", None)
    guess: dict[str, Any] = {}
    if cls.self_defined and (write or not cls.is_defined(root)):
        guess = _guess(cls, root, write, reporter or Reporter(quiet=True))
        if not write:
            return _about(cls.info_of(guess["definition"]), root=str(root), found={}, **guess)
    dataset = make_dataset(cls.info.name, location.root)
    located = origin_in_use(DataIndex(dataset), location.origin, every_sample(dataset))
    if reporter is not None:
        for text in filter(None, (located.told, *dataset.hints())):
            reporter.warn(text)
    return _about(dataset.info, root=str(root), origin=located.origin, found=_sizes(dataset), **guess)


def _guess(cls: type[Any], root: Path, write: bool, reporter: Reporter) -> dict[str, Any]:
    if write and cls.is_defined(root):
        raise UserError(
            f"'{root}' says already what its classes are, which is not written over. Edit that, or move it away first."
        )
    with reporter.progress("looking at masks") as update:
        proposal = cls.propose(root, lambda done, total: update(done, total, ""))
    if write:
        write_text(proposal.path, proposal.text)
    else:  # what is written is read again, and then says it itself
        for text in proposal.hints:
            reporter.warn(text)
    return {
        "path": str(proposal.path),
        "written": write,
        "proposal": proposal.text,
        "definition": dict(proposal.definition),
    }


def _sizes(dataset: Dataset) -> dict[str, int | None]:
    """Number of samples of every split and of all; None where a split cannot be used."""

    def size(split: str) -> int | None:
        try:
            return len(dataset.ids(split))
        except UserError:
            return None

    return {split: size(split) for split in (*dataset.info.splits, "all")}


def _about(info: DatasetInfo, **here: Any) -> DataDescription:
    """What is true of a dataset anywhere, and what was found here."""
    classes = [DescribedClass(id=c.id, name=c.name, color=list(c.color), kind=c.kind) for c in info.classes]
    splits = {
        name: DescribedSplit(official_size=split.official_size, summary=split.summary, labelled=split.labelled)
        for name, split in info.splits.items()
    }
    return DataDescription(
        name=info.name,
        aliases=list(info.aliases),
        version=info.version,
        summary=info.summary,
        task=info.task,
        classes=classes,
        ignore_label=info.ignore_label,
        splits=splits,
        default_split=info.default_split,
        metrics=[*info.metrics, *info.further_metrics],
        main_score=info.main_score,
        options=dict(info.options),
        pixel_size_um=list(info.pixel_size_um) if info.pixel_size_um else None,
        frames_per_second=info.frames_per_second,
        layout=info.layout,
        expected_root=str(default_root(info.name)),
        synthetic_available=info.synthesizable,
        licence=info.licence,
        citation=info.citation,
        homepage=info.homepage,
        downloads=describe_downloads(info),
        **here,
    )


def verify(
    name: str,
    root: Path | None,
    reporter: Reporter,
    *,
    cache: bool = True,
    options: Mapping[str, Any] | None = None,
) -> DataVerification:
    """Check a dataset on disk; `faults` is empty when all is well. With `cache` unchanged files are not read again.

    Raises UserError for an unknown name or option, or where there is no data.
    """
    info: DatasetInfo = dataset_class(name).info
    location: Location = locate(info, root, "auto", None)
    try:
        dataset = make_dataset(info.name, location.root, options)
        with (
            DataIndex.of(dataset) if cache else DataIndex(dataset) as index,
            reporter.progress(f"verifying {info.name}") as update,
        ):
            located = origin_in_use(index, location.origin, every_sample(dataset))
            numbered: Origin = "real" if located.mixed else located.origin
            report = verify_dataset(index, numbered, lambda done, total: update(done, total, ""))
    except DamagedDataError as error:
        located, report = OriginInUse(location.origin), Report(faults=[str(error)])
    report.warnings += filter(None, [located.told])
    return DataVerification(dataset=info.name, root=str(location.root), origin=located.origin, **vars(report))


def synthesize(name: str, root: Path | None, seed: int, full: bool, reporter: Reporter) -> SynthesizedData:
    """Write synthetic data in the official layout."""
    info: DatasetInfo = dataset_class(name).info
    folder = root or synthetic_root(info.name)
    write_synthetic(info, folder, seed, full, reporter)
    ids = make_dataset(info.name, folder).ids("all")
    return SynthesizedData(dataset=info.name, root=str(folder), origin="synthetic", seed=seed, n=len(ids))
