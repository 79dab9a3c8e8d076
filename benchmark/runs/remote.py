"""Runs that lie on a web server, behind an index: read, never written, and believed no more than a stranger's folder.

Files are kept by their SHA-256 in the folder of what can be made again, so that each is fetched once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urljoin, urlsplit, urlunsplit

from pydantic import ValidationError

from ..io.atomic import replace_folder, temporary_folder
from ..io.fingerprints import file_sha256
from ..io.http import SmallFile, read_address
from ..io.reporter import Reporter
from ..io.text_files import parse_json
from ..io.user_folders import cache_home
from ..text import counted, shown
from ..types import UserError
from .folder import RECORD, STATISTICS
from .record import read_record
from .request import Place
from .results_index import INDEX, MAX_RUNS, IndexedRun, ResultsIndex

MAX_INDEX_BYTES = 16 * 1024**2
MAX_TOTAL_BYTES = 4 * 1024**3
"""Of all files of an index together."""


def folders_of(places: Sequence[Place], reporter: Reporter) -> tuple[Path, ...]:
    """Places as folders of this machine: those of addresses are fetched, or were before.

    Raises
    ------
    UserError
        Where an index or one of its files cannot be read, is no such file, or is larger than is taken.
    """
    found: list[Path] = []
    for place in places:
        found += [place] if isinstance(place, Path) else _fetched(place, reporter)
    return tuple(found)


def _fetched(address: str, reporter: Reporter) -> list[Path]:
    address = _of_index(address)
    index = _read_index(address)
    missing = [run for run in index.runs if not _is_whole(_folder(run), run)]
    size = sum(file.size for run in missing for file in run.files.values())
    if size > MAX_TOTAL_BYTES:
        raise UserError(
            f"{address} lists {size / 1e9:.1f} GB of files; at most {MAX_TOTAL_BYTES / 1e9:.1f} GB are read"
        )
    if missing:
        reporter.say(f"{address}: fetching {counted(len(missing), 'run')} of {len(index.runs)} ({size / 1e6:.1f} MB)")
        with reporter.progress("fetching runs") as update:
            for number, run in enumerate(missing):
                _fetch(run, address)
                update(number + 1, len(missing), "")
    return [_folder(run) for run in index.runs]


def _of_index(address: str) -> str:
    """The address of the index, also where that of its folder is given; without a fragment."""
    parts = urlsplit(address)
    path = parts.path if parts.path.endswith(".json") else f"{parts.path.rstrip('/')}/{INDEX}"
    return urlunsplit(parts._replace(path=path, fragment=""))


def _read_index(address: str) -> ResultsIndex:
    content = read_address(address, SmallFile(MAX_INDEX_BYTES))
    try:
        index = ResultsIndex.model_validate(parse_json(content))
    except ValidationError as error:
        first = error.errors()[0]
        where = shown(".".join(map(str, first["loc"])))
        raise UserError(f"{address} is no index of results: '{where}' is wrong: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{address} is no index of results ({error}). Expected what 'bench publish --index FOLDER' writes."
        ) from error
    if not index.runs:
        raise UserError(f"{address} lists no run (expected 1 to {MAX_RUNS})")
    for run in index.runs:
        if not {RECORD, STATISTICS} <= run.files.keys():
            raise UserError(f"{address}: {run.run_id} lacks {RECORD} or {STATISTICS}")
    return index


def _folder(run: IndexedRun) -> Path:
    """Where the files of a run are kept: a folder that stands for their content, whichever index lists them."""
    content = "\n".join(f"{name} {file.sha256}" for name, file in sorted(run.files.items()))
    return cache_home() / "results" / hashlib.sha256(content.encode()).hexdigest()[:32] / run.run_id


def _is_whole(folder: Path, run: IndexedRun) -> bool:
    """Whether all files of a run lie there, with the content that the index says."""
    try:
        return all(file_sha256(folder / name) == file.sha256 for name, file in run.files.items())
    except OSError:
        return False


def _fetch(run: IndexedRun, address: str) -> None:
    """Fetch the files of a run: all of them come to lie in their folder at once, and only when they are right."""
    target = _folder(run)
    with temporary_folder(target) as made:
        for name, expected in run.files.items():
            place = urljoin(urlunsplit(urlsplit(address)._replace(query="")), f"{run.folder}/{name}")
            content = read_address(place, SmallFile(expected.size))
            found = hashlib.sha256(content).hexdigest()
            if found != expected.sha256:
                raise UserError(
                    f"{place} is not the file that {address} lists: SHA-256 {found}, expected {expected.sha256}. "
                    "Whoever keeps the results there can write the index again: bench publish --index FOLDER"
                )
            (made / name).write_bytes(content)
        told = read_record(made).run_id
        if told != run.run_id:
            raise UserError(f"{address} lists {run.run_id}, and its record says {told}")
        if not _is_whole(target, run):  # else another process was quicker
            replace_folder(made, target)
