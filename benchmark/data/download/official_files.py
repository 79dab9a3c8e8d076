"""Fetching the official files of a dataset into its root: what is missing, checked, and put where it belongs."""

from __future__ import annotations

import filecmp
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...io.locks import exclusive
from ...io.reporter import Reporter
from ...text import unknown
from ...types import DatasetInfo, Download, UserError
from ..locations import ARCHIVES, DOWNLOAD_LOCK, DOWNLOADED, default_root, origin_of
from .disk import byte_count, disk_error, need_space
from .fetch import Digest, Progress, RetryPolicy, accept, check, fetch, part_of
from .unpack import unpack


def choose(info: DatasetInfo, only: Sequence[str]) -> list[Download]:
    """The official files that are wanted, all where `only` is empty; it names files, or their stems.

    Raises UserError for a dataset without public files, or a name that is none of them.
    """
    if not info.downloads:
        raise UserError(
            f"{info.name} has no public address that segbench could fetch it from. Get it from {info.homepage} and put "
            f"it into '{default_root(info.name)}' (or name its folder with --root): {info.layout}."
        )
    names = {d.filename: d for d in info.downloads}
    by_stem = {d.filename.partition(".")[0]: d for d in info.downloads}
    for name in only:
        if name not in names and name not in by_stem:
            raise UserError(unknown(f"file of {info.name}", name, names))
    wanted = {(names.get(name) or by_stem[name]).filename for name in only} or set(names)
    return [d for d in info.downloads if d.filename in wanted]


def announce(info: DatasetInfo, root: Path, missing: Sequence[Download], keep: bool, reporter: Reporter) -> None:
    """Say size and licence before the first byte. Raises UserError where the disk has too little room."""
    known = sum(d.size or 0 for d in missing)
    unsized = [d.filename for d in missing if d.size is None]
    size = byte_count(known) if known else ""
    if unsized:
        size = f"{size} and {', '.join(unsized)} of unknown size" if size else "of unknown size"
    reporter.say(
        f"{info.name}: fetching {len(missing)} file{'s' * (len(missing) > 1)} ({size}) into {root}\n"
        f"licence: {info.licence}\ncite: {info.citation}\nhomepage: {info.homepage}"
    )
    unchecked = [d.filename for d in missing if not (d.sha256 or d.md5 or d.login)]
    if unchecked:
        reporter.say(
            f"no checksum is published for {', '.join(unchecked)}: the SHA-256 is written down in {DOWNLOADED} and "
            "holds from then on"
        )
    need_space(root, _least_room(root, missing, keep), info.name)


def _least_room(root: Path, missing: Sequence[Download], keep: bool) -> int:
    """Bytes that are needed at least: an archive and what it unpacks to lie side by side for a while."""
    packed = [d.size or 0 for d in missing if d.extract]
    paths = [root / ARCHIVES / d.filename for d in missing]
    held = sum(p.stat().st_size for path in paths for p in (path, part_of(path)) if p.is_file())
    return max(0, sum(d.size or 0 for d in missing) + (sum(packed) if keep else max(packed, default=0)) - held)


def with_logins(missing: Sequence[Download], folder: Path) -> list[tuple[Download, dict[str, str]]]:
    """Downloads with the headers that they need.

    Raises UserError for a log-in that fails, before anything is fetched.
    """
    names = [d.filename for d in missing if d.login and not (folder / d.filename).is_file()]
    if not names:
        return [(d, {}) for d in missing]
    from .cityscapes_login import log_in

    account = log_in(names, folder)
    offered = account.packages(names)
    return [
        (replace(d, url=offered[d.filename][0], md5=offered[d.filename][1]), account.headers)
        if d.filename in offered
        else (d, {})
        for d in missing
    ]


def get(
    root: Path,
    wanted: Download,
    before: dict[str, Any] | None,
    headers: dict[str, str],
    patience: RetryPolicy,
    keep: bool,
    reporter: Reporter,
) -> dict[str, Any]:
    """Fetch one file, check it and put it where it belongs. Its entry for the manifest.

    Raises UserError where it cannot be fetched, is not the official file, or would replace another.
    """
    path = root / ARCHIVES / wanted.filename
    recorded = before.get("sha256") if before else None
    digest = _held(wanted, path, recorded, reporter) if path.is_file() else None
    if digest is None:
        with _bar(reporter, f"fetching {wanted.filename}") as progress:
            fetch(wanted, path, headers=headers, patience=patience, progress=progress, say=reporter.say)
        with _bar(reporter, f"checking {wanted.filename}") as progress:
            digest = accept(wanted, path, recorded, progress)
    return {
        "url": wanted.url,
        "size": digest.size,
        "sha256": digest.sha256,
        "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
        "published_checksum": bool(wanted.sha256 or wanted.md5),
        **_put(root, wanted, path, keep, reporter),
    }


def _put(root: Path, wanted: Download, path: Path, keep: bool, reporter: Reporter) -> dict[str, Any]:
    """Move or unpack a checked file to where it belongs."""
    if not wanted.extract:
        target = root / wanted.into / wanted.filename
        if target.exists() and not filecmp.cmp(path, target, shallow=False):
            raise UserError(
                f"'{target}' differs from the official {wanted.filename}, and segbench overwrites nothing. Move it "
                "away if you want the official one, and run again."
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        return {"extracted": False}
    with _bar(reporter, f"unpacking {wanted.filename}") as progress:
        made = unpack(
            path,
            root / wanted.into,
            path.with_name(f"{path.name}.unpacking"),
            holds=wanted.holds,
            progress=progress,
        )
    if not keep:
        path.unlink()
    folders = {folder: {"files": n, "bytes": size} for folder, (n, size) in made.folders.items()}
    return {"extracted": True, "into": wanted.into, "folders": folders}


def _held(wanted: Download, path: Path, recorded: str | None, reporter: Reporter) -> Digest:
    """A file that was kept, or that the user put there, is not fetched again."""
    reporter.say(f"{wanted.filename}: found in {path.parent}")
    with _bar(reporter, f"checking {wanted.filename}") as progress:
        try:
            return check(wanted, path, recorded, progress)
        except UserError as error:
            raise UserError(f"{error} It lies at '{path}': remove it first.") from error


@contextmanager
def one_fetch_at_a_time(root: Path, reporter: Reporter) -> Iterator[None]:
    """One process at a time fetches into a folder; others wait for it.

    Raises UserError for a root that is a file, holds synthetic data, or cannot be written to.
    """
    if root.exists() and not root.is_dir():
        raise UserError(f"--root '{root}' is a file. Name the folder that the data is to be put in.")
    if root.is_dir() and origin_of(root) == "synthetic":
        raise UserError(f"'{root}' holds SYNTHETIC data, and real data is never put beside it. Choose another --root.")
    busy = f"waiting for another process that fetches data into {root}"
    with ExitStack() as stack:
        try:
            root.mkdir(parents=True, exist_ok=True)
            (root / ARCHIVES).mkdir(exist_ok=True)
            stack.enter_context(exclusive(root / DOWNLOAD_LOCK, busy, reporter.say))
        except OSError as error:
            raise disk_error(error, Path(error.filename or root)) from error
        try:
            (root / ARCHIVES).mkdir(exist_ok=True)  # the other process may have tidied it away
            yield
        finally:
            _tidy(root)


def _tidy(root: Path) -> None:
    """Leave no empty folders, so that a root without any data does not look as if it had some."""
    if not any((root / ARCHIVES).iterdir()):
        (root / ARCHIVES).rmdir()
    if [path.name for path in root.iterdir()] == [DOWNLOAD_LOCK]:
        (root / DOWNLOAD_LOCK).unlink()
        root.rmdir()


@contextmanager
def _bar(reporter: Reporter, what: str) -> Iterator[Progress]:
    """Bytes, rate and time left on stderr."""
    if reporter.quiet or not reporter.console.is_terminal:
        reporter.say(f"{what} …")
        yield lambda *_: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=reporter.console) as bar:
        task = bar.add_task(what, total=None)
        first: list[int] = []

        def update(done: int, total: int | None) -> None:
            if not first:
                # What an earlier attempt brought is no part of the rate.
                first.append(done)
                bar.reset(task, completed=done, total=total)
            bar.update(task, completed=done, total=total)

        yield update
