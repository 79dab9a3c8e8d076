"""What several commands share: finding data with its origin said aloud."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..data import Location, Source, locate, origin_of
from ..registry import dataset_class, make_dataset
from ..reporting import Reporter
from ..types import Dataset, DatasetInfo, UserError


def open_dataset(
    name: str,
    root: Path | None,
    source: Source,
    options: Mapping[str, Any],
    reporter: Reporter,
    *,
    may_synthesize: bool,
) -> tuple[Dataset, Location]:
    """Find the data of a dataset, or make a synthetic sample, and say which it is."""
    info: DatasetInfo = dataset_class(name).info

    def make(folder: Path) -> None:
        with _alone(folder, reporter):
            if origin_of(folder) != "synthetic":
                reporter.say(f"No data of {info.name} found: making a small SYNTHETIC sample in {folder}")
                _generate(info, folder, 0, False, reporter)

    location = locate(info, root, source, make if may_synthesize and info.synthesizable else None)
    dataset = make_dataset(info.name, location.root, options)
    if location.origin == "synthetic":
        reporter.warn(
            f"SYNTHETIC data ({location.root}): made by segbench, not real images. The scores say that the method "
            "works, not how good it is on real data; they are never ranked beside real ones."
        )
    return dataset, location


def synthesize(info: DatasetInfo, folder: Path, seed: int, full: bool, reporter: Reporter) -> None:
    """Write synthetic data of a dataset in its official layout, replacing earlier synthetic data there."""
    if not info.synthesizable:
        raise UserError(f"there is no synthetic {info.name}; use real data with --root DIR")
    with _alone(folder, reporter):
        _generate(info, folder, seed, full, reporter)


@contextmanager
def _alone(folder: Path, reporter: Reporter) -> Iterator[None]:
    """One process at a time makes data in a folder; others wait for it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        reporter.say(f"waiting for another process that makes data in {folder}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _generate(info: DatasetInfo, folder: Path, seed: int, full: bool, reporter: Reporter) -> None:
    generator = importlib.import_module(f"segbench.synthetic.{info.name}")
    with reporter.progress("synthesizing") as update:
        generator.synthesize(
            folder,
            seed=seed,
            plan=generator.FULL if full else generator.SMALL,
            progress=lambda done, total: update(done, total, ""),
        )
