"""`bench data`: where data lies, what it is, whether it is whole, and making synthetic data."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..data.download.manifest import describe_downloads
from ..data.index import DataIndex
from ..data.locations import Location, default_root, locate, origin_of, synthetic_root
from ..data.verification import Report, verify_dataset
from ..errors import DamagedDataError
from ..io.atomic import write_text
from ..io.reporter import Reporter
from ..registry import dataset_class, make_dataset
from ..runs.open_data import synthesize as write_synthetic
from ..types import Dataset, DatasetInfo, UserError


def status(name: str, root: Path | None) -> dict[str, Any]:
    """Where the data of a dataset is expected and what was found there."""
    info: DatasetInfo = dataset_class(name).info
    places = [("given", root)] if root is not None else []
    places += [("default", default_root(info.name)), ("synthetic", synthetic_root(info.name))]
    found = []
    for what, place in places:
        assert place is not None
        entry: dict[str, Any] = {"place": what, "root": str(place), "found": False, "origin": None, "splits": {}}
        if place.is_dir():
            try:
                dataset = make_dataset(info.name, place)
            except UserError as error:
                entry["problem"] = str(error)
            else:
                entry.update(found=True, origin=origin_of(place))
                entry["splits"] = {split: _size(dataset, split) for split in (*dataset.info.splits, "all")}
        found.append(entry)
    return {"dataset": info.name, "places": found}


def describe(
    name: str, root: Path | None = None, *, write: bool = False, reporter: Reporter | None = None
) -> dict[str, Any]:
    """Classes, splits, metrics, layout, licence and citation of a dataset; below a root also what is there.

    With `write` the classes of a dataset that defines itself are guessed and written down below the root; without it
    a guess is returned as `proposal` where there is no definition yet.
    """
    cls = dataset_class(name)
    if write and (root is None or not cls.self_defined):
        raise UserError("--write guesses the classes of a folder of your own; use it with: folder --root DIR")
    if root is None:
        return _about(cls.info)
    location = locate(cls.info, root, "auto", None)
    guess = {}
    if cls.self_defined and (write or not cls.is_defined(root)):
        guess = _guess(cls, root, write, reporter or Reporter(quiet=True))
        if not write:
            return {**_about(cls.info_of(guess["definition"])), "root": str(root), "found": {}, **guess}
    dataset = make_dataset(cls.info.name, location.root)
    found = {split: _size(dataset, split) for split in (*dataset.info.splits, "all")}
    return {**_about(dataset.info), "root": str(root), "origin": location.origin, "found": found, **guess}


def _guess(cls: type[Any], root: Path, write: bool, reporter: Reporter) -> dict[str, Any]:
    if write and cls.is_defined(root):
        raise UserError(
            f"'{root}' says already what its classes are, which is not written over. Edit that, or move it away first."
        )
    with reporter.progress("looking at masks") as update:
        proposal = cls.propose(root, lambda done, total: update(done, total, ""))
    if write:
        write_text(proposal.path, proposal.text)
    return {
        "path": str(proposal.path),
        "written": write,
        "proposal": proposal.text,
        "definition": dict(proposal.definition),
    }


def _size(dataset: Dataset, split: str) -> int | None:
    """Number of samples of a split, None where it has none."""
    try:
        return len(dataset.ids(split))
    except UserError:
        return None


def _about(info: DatasetInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "aliases": list(info.aliases),
        "version": info.version,
        "summary": info.summary,
        "task": info.task,
        "classes": [{"id": c.id, "name": c.name, "color": list(c.color), "kind": c.kind} for c in info.classes],
        "ignore_label": info.ignore_label,
        "splits": {
            split: {"official_size": s.official_size, "summary": s.summary, "labelled": s.labelled}
            for split, s in info.splits.items()
        },
        "default_split": info.default_split,
        "metrics": list(info.metrics),
        "main_score": info.main_score,
        "options": dict(info.options),
        "pixel_size_um": list(info.pixel_size_um) if info.pixel_size_um else None,
        "frames_per_second": info.frames_per_second,
        "layout": info.layout,
        "expected_root": str(default_root(info.name)),
        "synthetic_available": info.synthesizable,
        "licence": info.licence,
        "citation": info.citation,
        "homepage": info.homepage,
        "downloads": describe_downloads(info),
    }


def verify(name: str, root: Path | None, reporter: Reporter, *, cache: bool = True) -> dict[str, Any]:
    """Check a dataset on disk; `faults` is empty when all is well. With `cache` unchanged files are not read again."""
    info: DatasetInfo = dataset_class(name).info
    location: Location = locate(info, root, "auto", None)
    try:
        dataset = make_dataset(info.name, location.root)
        with (
            DataIndex.of(dataset) if cache else DataIndex(dataset) as index,
            reporter.progress(f"verifying {info.name}") as update,
        ):
            report = verify_dataset(index, location.origin, lambda done, total: update(done, total, ""))
    except DamagedDataError as error:
        report = Report(faults=[str(error)])
    where = {"dataset": info.name, "root": str(location.root), "origin": location.origin}
    return {**where, **asdict(report)}


def synthesize(name: str, root: Path | None, seed: int, full: bool, reporter: Reporter) -> dict[str, Any]:
    """Write synthetic data in the official layout."""
    info: DatasetInfo = dataset_class(name).info
    folder = root or synthetic_root(info.name)
    write_synthetic(info, folder, seed, full, reporter)
    ids = make_dataset(info.name, folder).ids("all")
    return {"dataset": info.name, "root": str(folder), "origin": "synthetic", "seed": seed, "n": len(ids)}
