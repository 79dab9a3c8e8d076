"""`bench data`: where data lies, what it is, whether it is whole, and making synthetic data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..data import Location, default_root, ids_sha256, locate, origin_of, synthetic_root
from ..registry import dataset_class, make_dataset
from ..reporting import Reporter
from ..types import DatasetInfo, UserError
from .common import synthesize as write_synthetic
from .download import describe_downloads


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
                for split in (*info.splits, "all"):
                    try:
                        entry["splits"][split] = len(dataset.ids(split))
                    except UserError:
                        entry["splits"][split] = None
        found.append(entry)
    return {"dataset": info.name, "places": found}


def describe(name: str) -> dict[str, Any]:
    """Classes, splits, metrics, layout, licence and citation of a dataset."""
    info: DatasetInfo = dataset_class(name).info
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


def verify(name: str, root: Path | None, reporter: Reporter) -> dict[str, Any]:
    """Read every file of a dataset; `faults` is empty when all is well."""
    info: DatasetInfo = dataset_class(name).info
    location: Location = locate(info, root, "auto", None)
    dataset = make_dataset(info.name, location.root)
    with reporter.progress(f"verifying {info.name}") as update:
        faults = dataset.check(lambda done, total: update(done, total, ""))
    if location.origin == "real":
        # Synthetic data is smaller than the official set on purpose.
        faults = [*dataset.check_counts(), *faults]
    try:
        ids = dataset.ids("all")
    except UserError as error:
        ids, faults = (), [*faults, str(error)]
    faults = list(dict.fromkeys(faults))
    return {
        "dataset": info.name,
        "root": str(location.root),
        "origin": location.origin,
        "n": len(ids),
        "ids_sha256": ids_sha256(ids),
        "faults": faults,
    }


def synthesize(name: str, root: Path | None, seed: int, full: bool, reporter: Reporter) -> dict[str, Any]:
    """Write synthetic data in the official layout."""
    info: DatasetInfo = dataset_class(name).info
    folder = root or synthetic_root(info.name)
    write_synthetic(info, folder, seed, full, reporter)
    ids = make_dataset(info.name, folder).ids("all")
    return {"dataset": info.name, "root": str(folder), "origin": "synthetic", "seed": seed, "n": len(ids)}
