"""Where data lies: the root of a dataset, real or synthetic, and what identifies its content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..io.fingerprints import file_sha256, files_sha256, ids_sha256
from ..io.text_files import read_json
from ..io.user_folders import cache_home as cache_home
from ..io.user_folders import data_home as data_home
from ..types import Dataset, DatasetInfo, Part, UserError
from .sample_checks import sample_faults

Origin = Literal["real", "synthetic"]
Source = Literal["auto", "real", "synthetic"]

MARKER = "segbench-synthetic.json"
"""Only this file, which `bench data synthesize` writes, makes data synthetic."""

DOWNLOADED = "segbench-downloads.json"
"""In a root: what was fetched, its SHA-256, and what was unpacked."""
ARCHIVES = "downloads"
"""Folder in a root for files that are being fetched, and for archives that are kept."""
DOWNLOAD_LOCK = ".segbench-downloads.lock"


@dataclass(frozen=True)
class Location:
    """A root folder and what lies there."""

    root: Path
    origin: Origin


def default_root(name: str) -> Path:
    """Where the real data of a dataset is expected when no root is given."""
    return data_home() / name


def synthetic_root(name: str) -> Path:
    """Where synthetic data of a dataset is kept when no root is given."""
    return data_home() / f"{name}-synthetic"


def origin_of(root: Path) -> Origin:
    """Whether the data below a root is synthetic: decided by the marker file alone, there or just above."""
    return "real" if _marker(root) is None else "synthetic"


@dataclass(frozen=True)
class MadeBy:
    """How synthetic data was made, as its marker says: where it begins, and with which version, seed and plan."""

    folder: Path
    version: str
    seed: int
    plan: Any


def made_by(root: Path) -> MadeBy | None:
    """How the data below a root was made; None for real data, and where the marker does not say."""
    marker = _marker(root)
    try:
        content = None if marker is None else read_json(marker)
    except (OSError, ValueError, RecursionError):
        return None
    if marker is None or not isinstance(content, dict):
        return None
    version, seed = content.get("version"), content.get("seed")
    if not isinstance(version, str) or not isinstance(seed, int):
        return None
    return MadeBy(marker.parent, version[:20], seed, content.get("plan"))


def _marker(root: Path) -> Path | None:
    resolved = root.resolve()
    return next((p / MARKER for p in (resolved, *resolved.parents[:2]) if (p / MARKER).is_file()), None)


def locate(
    info: DatasetInfo,
    root: Path | None,
    source: Source,
    synthesize: Callable[[Path], None] | None,
) -> Location:
    """Find the data that a command is to use.

    Parameters
    ----------
    info : DatasetInfo
    root : Path, optional
        The folder that the user named; without it the default places are looked at.
    source : {'auto', 'real', 'synthetic'}
        `auto` takes real data where it is found and otherwise a synthetic sample.
    synthesize : callable, optional
        Makes a synthetic sample in an empty folder; None where the dataset has no generator or none is wanted.

    Raises
    ------
    UserError
        If there is nothing to use, saying where it was looked for and what to do.
    """
    if root is not None:
        return _named_root(info, root, source)
    real = default_root(info.name)
    if _holds_data(real) and source in ("auto", origin_of(real)):
        return Location(real, origin_of(real))
    put = f"put it there (see 'bench data describe {info.name}')"
    fetch = f", {put}, or try 'bench data download {info.name}'" if info.downloads else f", or {put}"
    hint = f"No data of {info.name} found: '{real}' does not exist or is empty. Give the folder with --root DIR{fetch}."
    if source == "real":
        raise UserError(hint)
    made = synthetic_root(info.name)
    if origin_of(made) == "synthetic":
        return Location(made, "synthetic")
    if synthesize is None:
        raise UserError(hint)
    synthesize(made)
    return Location(made, "synthetic")


def _holds_data(root: Path) -> bool:
    """Whether there is more than what a download under way leaves."""
    own = {ARCHIVES, DOWNLOADED, DOWNLOAD_LOCK}
    return root.is_dir() and any(path.name not in own for path in root.iterdir())


def _named_root(info: DatasetInfo, root: Path, source: Source) -> Location:
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise UserError(
            f"--root '{root}' {what}. Expected the folder that holds {info.layout}. "
            f"Run 'bench data describe {info.name}' for the layout."
        )
    origin = origin_of(root)
    if source not in ("auto", origin):
        raise UserError(f"--source {source} was asked for, but the data below '{root}' is {origin}")
    return Location(root, origin)


def data_sha256(
    dataset: Dataset,
    ids: Sequence[str],
    parts: Sequence[Part] = ("labels",),
    digest: Callable[[Path], str] = file_sha256,
) -> str:
    """Fingerprint of parts of some samples, by default of their truth: ids and content, wherever the files lie.

    `digest` gives the SHA-256 of a file, for a caller that knows it already.
    """
    paths = {path for sample_id in ids for part in parts for path in dataset.files(sample_id, part)}
    return hashlib.sha256(f"{ids_sha256(ids)}\n{files_sha256(paths, digest)}".encode()).hexdigest()


def read_all(
    dataset: Dataset,
    ids: Sequence[str],
    parts: Sequence[Part],
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Decode and check these parts of these samples; one sentence per fault, in the order of the ids.

    With the labels also what the dataset's own rules hold against them.
    """
    if "labels" in parts:
        parts = tuple(dict.fromkeys((*parts, *dataset.rule_parts)))

    def faults_of(sample_id: str) -> list[str]:
        try:
            sample = dataset.load(sample_id, parts)
        except UserError as error:
            return [str(error)]
        return sample_faults(dataset, sample)

    faults: dict[str, None] = {}  # each once: the pages of a truncated stack all say the same
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for done, found in enumerate(pool.map(faults_of, ids), 1):
            faults.update(dict.fromkeys(found))
            if progress is not None:
                progress(done, len(ids))
    return list(faults)
