"""Opening a dataset for a command: find or make its data, and report where it came from."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from ..data.index import DataIndex
from ..data.locations import Location, Source, locate, made_by, origin_of
from ..data.origin_in_use import origin_in_use
from ..data.splits import too_few
from ..io.listing import is_folder
from ..io.locks import exclusive
from ..io.reporter import Reporter
from ..registry import dataset_class, generator, make_dataset
from ..settings import check_settings
from ..text import counted
from ..types import Dataset, DatasetInfo, UserError
from .presets import setting as setting
from .record import Record

_SYNTHETIC = (
    "SYNTHETIC data: made by segbench, not real images. The scores say that the method works, not how good it is on "
    "real data; they are never ranked beside real ones."
)


def open_dataset(
    name: str,
    root: Path | None,
    source: Source,
    options: Mapping[str, Any],
    reporter: Reporter,
    *,
    may_synthesize: bool,
) -> tuple[Dataset, Location]:
    """Find the data of a dataset, or make a synthetic sample, and say which it is.

    Raises UserError where there is none to use, or it may not be read.
    """
    info: DatasetInfo = dataset_class(name).info
    if root is not None and root.is_dir() and not os.access(root, os.R_OK | os.X_OK):
        raise UserError(f"--root '{root}' may not be read (permission denied)")

    def make(folder: Path) -> None:
        with _alone(folder, reporter):
            if origin_of(folder) != "synthetic":
                reporter.say(f"No data of {info.name} found: making a small SYNTHETIC sample in {folder}")
                _generate(info, folder, 0, False, reporter)

    location = locate(info, root, source, make if may_synthesize and info.synthesizable else None)
    dataset = make_dataset(info.name, location.root, options)
    if location.origin == "synthetic":
        reporter.say(f"synthetic data: {location.root}")
        reporter.warn(_SYNTHETIC)
        _warn_of_another_version(info, location.root, reporter)
    return dataset, location


def located_in_use(
    index: DataIndex, location: Location, ids: Iterable[str], reporter: Reporter, source: Source = "auto"
) -> Location:
    """The location with the origin of the samples that are used, and a warning where their files alone say it.

    Raises UserError where real data was asked for and they are not.
    """
    found = origin_in_use(index, location.origin, ids)
    if found.told and source == "real":
        raise UserError(f"--source real was asked for, but below '{location.root}' {found.told}")
    if found.told:
        reporter.warn(found.told)
        reporter.warn(_SYNTHETIC)
    return replace(location, origin=found.origin)


def synthesize(info: DatasetInfo, folder: Path, seed: int, full: bool, reporter: Reporter) -> None:
    """Write synthetic data of a dataset in its official layout, replacing earlier synthetic data there.

    Raises UserError for a dataset without a generator, or a folder that holds anything else.
    """
    if not info.synthesizable:
        raise UserError(f"there is no synthetic {info.name}; use real data with --root DIR")
    folder = folder.resolve()
    if not folder.name:
        raise UserError(f"--root '{folder}' is no folder that data can be made in; name a new one")
    with _alone(folder, reporter):
        _generate(info, folder, seed, full, reporter)


def without_defaults(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a dataset that differ from its defaults, so that saying a default changes nothing.

    Raises UserError for one that it has not, or that has a wrong value.
    """
    cls = dataset_class(name)
    check_settings(cls.info.settings, f"dataset {cls.info.name}", options)
    defaults = {key: getattr(cls, key, field.default) for key, field in cls.info.settings.model_fields.items()}
    return {key: value for key, value in options.items() if defaults[key] != value}


def note_size(
    dataset: Dataset, split: str, found: int, options: Mapping[str, Any], reporter: Reporter, *, hint: str = ""
) -> None:
    """Warn of a split of another size than the official one, and of one of hardly any samples, with a `hint`.

    Options such as a view choose a part on purpose, and synthetic data is smaller on purpose too.
    """
    part = dataset.info.part_of(split, options)
    official = dataset.info.official_size(split) if part is None else part.size
    if official not in (None, found) and (part is not None or not options) and origin_of(dataset.root) == "real":
        size = counted(found, "sample")
        reporter.warn(f"split '{split}' has {size} below '{dataset.root}'; the official one has {official}")
    if few := too_few(split, found):
        reporter.warn(f"{few}; {hint}" if hint else few)


def _alone(folder: Path, reporter: Reporter) -> AbstractContextManager[None]:
    """One process at a time makes data in a folder; others wait for it."""
    busy = f"waiting for another process that makes data in {folder}"
    return exclusive(folder.with_name(f".{folder.name}.lock"), busy, reporter.say)


def _warn_of_another_version(info: DatasetInfo, root: Path, reporter: Reporter) -> None:
    """Data of an earlier version of segbench stays where it lies, though today's may differ."""
    made = made_by(root)
    if made is None or not info.synthesizable or (makes := generator(info.name)) is None:
        return
    if made.version == makes.GENERATOR_VERSION:
        return
    full = ["--full"] if made.plan == json.loads(json.dumps(asdict(makes.FULL))) else []
    words = ["bench", "data", "synthesize", info.name, "--root", str(made.folder), "--seed", str(made.seed), *full]
    reporter.warn(
        f"this SYNTHETIC data is of version {made.version} of its generator, and today's is version "
        f"{makes.GENERATOR_VERSION}: scores may differ from those of today's data. To make it again: "
        + shlex.join(words)
    )


def _generate(info: DatasetInfo, folder: Path, seed: int, full: bool, reporter: Reporter) -> None:
    makes = _generator(info)
    with reporter.progress("synthesizing") as update:
        makes.synthesize(
            folder,
            seed=seed,
            plan=makes.FULL if full else makes.SMALL,
            progress=lambda done, total: update(done, total, ""),
        )


def _generator(info: DatasetInfo) -> ModuleType:
    found = generator(info.name)
    if found is None:
        raise UserError(
            f"dataset {info.name} says that it can be synthesized (synthesizable=True), but there is no "
            f"segbench.synthetic.{info.name} to do it, nor synthetic/{info.name}.py in a plugin folder. Use real "
            "data with --root DIR, or take synthesizable out of its info."
        )
    return found


def data_of(record: Record, root: Path | None, reporter: Reporter) -> tuple[Dataset, Location]:
    """The dataset of a run, and where it lies: below `root`, where the run's command found it, or in the default place.

    Raises UserError where it is in none of these.
    """
    data = record.dataset
    place = root or (record.root if record.root is not None and is_folder(record.root) else None)
    source = data.origin if place is None else "auto"
    options = dataset_class(data.name).info.scored_options(data.options)
    return open_dataset(data.name, place, source, options, reporter, may_synthesize=False)
