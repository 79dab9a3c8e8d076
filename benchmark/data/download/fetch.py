"""Fetching one file over HTTP or HTTPS: resumable, tried again, and checked before it gets its name.

While a file is fetched it is `<name>.part`, with `<name>.part.json` beside it that says which version of the file on
the server the bytes belong to. Standard library only.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..._version import __version__
from ...io.atomic import write_text
from ...io.http import PASSING_STATUSES, TransientError, network_error, opener
from ...io.text_files import read_json
from ...text import whole_number
from ...types import Download, UserError
from ..locations import DOWNLOADED
from .disk import byte_count, disk_error, need_space

CHUNK = 1 << 20
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class RetryPolicy:
    """How long to wait for a server: `attempts` in a row that bring nothing new end it."""

    attempts: int = 5
    timeout_s: float = 60.0
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0


@dataclass(frozen=True)
class Digest:
    """What identifies a file's content."""

    size: int
    sha256: str
    md5: str


def fetch(
    download: Download,
    path: Path,
    *,
    headers: Mapping[str, str] | None = None,
    patience: RetryPolicy = RetryPolicy(),
    progress: Progress = lambda *_: None,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Fetch a file into `path` + `.part`, going on where an earlier attempt ended.

    Parameters
    ----------
    download : Download
        Where the file lies, and its size where that is known.
    path : Path
        Where the file is to be; not written here. `accept` checks the part and gives it this name.
    headers : mapping, optional
        Sent to the host of the address and to no other.
    progress : callable
        Called with (bytes so far, bytes in all or None).

    Raises
    ------
    UserError
        The server refuses the file, sends another size than expected, or cannot be reached; or the disk is full. What
        has been fetched is kept, and the same call resumes it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    job = _Job(download, part_of(path), dict(headers or {}), patience.timeout_s, progress)
    failures, furthest = 0, job.held()
    while True:
        try:
            job.attempt()
            return
        except TransientError as error:
            failures = 0 if job.held() > furthest else failures + 1
            furthest = max(furthest, job.held())
            if failures >= patience.attempts:
                kept = f" {byte_count(job.held())} are kept; the same command resumes from them." if job.held() else ""
                raise UserError(
                    f"{download.filename} could not be fetched from {download.url}: {error} ({failures} attempts "
                    f"without a new byte). Check the connection and try again later.{kept}"
                ) from error
            pause = max(patience.first_wait_s * 2 ** max(0, failures - 1), error.retry_after_s)
            pause = min(pause, patience.longest_wait_s)
            say(f"{download.filename}: {error}; trying again in {pause:.0f} s")
            time.sleep(pause)


def accept(download: Download, path: Path, recorded: str | None, progress: Progress = lambda *_: None) -> Digest:
    """Check a fetched part and give it its name, at once and only when it is right; a wrong one is removed.

    `recorded` is the SHA-256 that was written down when the file was first fetched. Raises UserError for another file
    than the official or the recorded one.
    """
    part = part_of(path)
    try:
        digest = check(download, part, recorded, progress)
    except UserError as error:
        discard(path)
        raise UserError(f"{error} The wrong file was removed and nothing was unpacked.") from error
    part.replace(path)
    _sidecar(part).unlink(missing_ok=True)
    return digest


def discard(path: Path) -> None:
    """Remove what has been fetched of a file."""
    part_of(path).unlink(missing_ok=True)
    _sidecar(part_of(path)).unlink(missing_ok=True)


def check(download: Download, path: Path, recorded: str | None, progress: Progress = lambda *_: None) -> Digest:
    """Size, SHA-256 and MD5 of a file; a UserError names what was expected and what was found."""
    found = _digest(path, progress)
    for what, expected, actual in (
        ("size in bytes", download.size, found.size),
        ("SHA-256", download.sha256, found.sha256),
        ("MD5", download.md5, found.md5),
    ):
        if expected is not None and str(expected).lower() != str(actual):
            raise UserError(
                f"{download.filename} from {download.url} is not the official file: its {what} is {actual}, expected "
                f"{expected}. Fetch it again; if that does not help, the file on the server has changed or something "
                "between changes it."
            )
    if recorded is not None and recorded != found.sha256:
        raise UserError(
            f"{download.filename} from {download.url} has changed: its SHA-256 is {found.sha256}, and it was "
            f"{recorded} when it was first fetched. Fetch it again; if the change is official, take "
            f"'{download.filename}' out of {DOWNLOADED} first."
        )
    return found


def part_of(path: Path) -> Path:
    """Where a file is while it is fetched."""
    return path.with_name(f"{path.name}.part")


@dataclass
class _Version:
    """Which version of the file the bytes of a part belong to."""

    url: str = ""
    etag: str | None = None
    last_modified: str | None = None
    total: int | None = None

    @property
    def validator(self) -> str | None:
        """What a server compares before it resumes the same file; weak tags do not promise the same bytes."""
        strong = self.etag is not None and not self.etag.startswith("W/")
        return self.etag if strong else self.last_modified


@dataclass
class _Job:
    download: Download
    part: Path
    headers: Mapping[str, str]
    timeout_s: float
    progress: Progress
    version: _Version = field(default_factory=_Version)

    def __post_init__(self) -> None:
        self.opener = opener()
        self.version = _read_version(_sidecar(self.part))

    def held(self) -> int:
        """Number of bytes from which the download may be resumed."""
        try:
            size = self.part.stat().st_size
        except FileNotFoundError:
            return 0
        checked = self.download.sha256 or self.download.md5
        known = self.version.url == self.download.url and (self.version.validator or checked)
        return size if known and size <= (self.version.total or size) else 0

    def attempt(self) -> None:
        """Fetch what is missing; returns when the part is complete."""
        held = self.held()
        if held and held == self.version.total:
            return
        try:
            response = self._open(held)
        except urllib.error.HTTPError as error:
            with error:
                self._refused(error, held)
            return
        except (OSError, http.client.HTTPException) as error:
            raise network_error(self.download.url, error) from error
        with response:
            start = self._begin(response, held)
            self._receive(response, start)

    def _open(self, held: int) -> Any:
        request = urllib.request.Request(self.download.url, headers={"User-Agent": f"segbench/{__version__}"})
        request.add_header("Accept-Encoding", "identity")
        for name, value in self.headers.items():
            request.add_unredirected_header(name, value)
        if held:
            request.add_header("Range", f"bytes={held}-")
            if self.version.validator:
                request.add_header("If-Range", self.version.validator)
        return self.opener.open(request, timeout=self.timeout_s)

    def _refused(self, error: urllib.error.HTTPError, held: int) -> None:
        """An answer that is an error: 416 may mean that nothing is missing."""
        if error.code == 416 and held:
            total = re.fullmatch(r"bytes \*/([0-9]+)", error.headers.get("Content-Range", ""))
            if total and whole_number(total[1]) == held and error.headers.get("ETag") in (None, self.version.etag):
                self._save(_Version(**{**asdict(self.version), "total": held}))
                return
            self._forget()
            raise TransientError("the server cannot go on where the last attempt ended, so it starts again")
        if error.code in PASSING_STATUSES:
            after = error.headers.get("Retry-After", "")
            raise TransientError(f"the server answers {error.code}", float(whole_number(after) or 0))
        raise UserError(
            f"{self.download.filename} cannot be fetched: {self.download.url} answers {error.code} ({error.reason}). "
            "The address may have moved: look at the dataset's homepage."
        )

    def _begin(self, response: Any, held: int) -> int:
        """Check an answer's head, and where its bytes belong."""
        new = _Version(self.download.url, response.headers.get("ETag"), response.headers.get("Last-Modified"))
        if response.status == 206 and held:
            span = re.fullmatch(r"bytes ([0-9]+)-[0-9]+/([0-9]+|\*)", response.headers.get("Content-Range", ""))
            new.total = whole_number(span[2]) if span and span[2] != "*" else self.version.total
            same = span is not None and whole_number(span[1]) == held and new.etag == self.version.etag
            if not same or self.version.total not in (None, new.total):
                self._forget()
                raise TransientError("the file changed on the server, so it starts again")
        elif response.status == 200:
            new.total = whole_number(response.headers.get("Content-Length", ""))
            held = 0
        else:
            raise UserError(f"{self.download.url} answers {response.status}, which brings no file")
        self._check_head(response, new.total)
        need_space(self.part.parent, (new.total or self.download.size or held) - held, self.download.filename)
        if not held:
            with self.part.open("wb"):
                pass
        self._save(new)
        return held

    def _check_head(self, response: Any, total: int | None) -> None:
        kind = response.headers.get_content_type()
        if kind == "text/html" and not self.download.filename.endswith((".html", ".htm")):
            raise UserError(
                f"{self.download.url} brings a web page instead of {self.download.filename}: the address has moved, or "
                "the network asks for a log-in first. Open it in a browser to see."
            )
        if self.download.size is not None and total not in (None, self.download.size):
            raise UserError(
                f"{self.download.filename} is not the official file: {self.download.url} offers {total} bytes, "
                f"expected {self.download.size}. The file on the server has changed; nothing was fetched."
            )

    def _receive(self, response: Any, start: int) -> None:
        done, total = start, self.version.total
        most = total if total is not None else self.download.size
        # Unbuffered, so that whatever ends this leaves a part whose every byte is right.
        with self.part.open("ab", buffering=0) as file:
            while True:
                self.progress(done, total)
                try:
                    block = response.read1(CHUNK)
                except (OSError, http.client.HTTPException, ValueError) as error:
                    raise network_error(self.download.url, error) from error
                if not block:
                    break
                _write(file, block, self.part)
                done += len(block)
                if most is not None and done > most:
                    raise UserError(
                        f"{self.download.filename} is not the official file: {self.download.url} sends more than the "
                        f"{most} bytes that are expected. What came is not used."
                    )
            os.fsync(file.fileno())
        if most is not None and done < most:
            raise TransientError(f"the connection ended after {byte_count(done)} of {byte_count(most)}")
        if total is None:
            self._save(_Version(**{**asdict(self.version), "total": done}))

    def _save(self, version: _Version) -> None:
        self.version = version
        try:
            write_text(_sidecar(self.part), json.dumps(asdict(version), indent=1) + "\n")
        except OSError as error:
            raise disk_error(error, self.part) from error

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        _sidecar(self.part).unlink(missing_ok=True)
        self.version = _Version()


def _write(file: Any, block: bytes, path: Path) -> None:
    rest = memoryview(block)
    while rest:
        try:
            rest = rest[file.write(rest) :]
        except OSError as error:
            raise disk_error(error, path) from error


def _sidecar(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_version(path: Path) -> _Version:
    """What a sidecar says; one that cannot be read says nothing, so that the file is fetched from its beginning."""
    try:
        found = _Version(**read_json(path))
    except (OSError, ValueError, TypeError, RecursionError):
        return _Version()
    texts = (found.url, found.etag or "", found.last_modified or "")  # which go into the head of a request
    sound = all(isinstance(each, str) and each.isprintable() for each in texts)
    return found if sound and (found.total is None or type(found.total) is int) else _Version()


def _digest(path: Path, progress: Progress) -> Digest:
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    size, total = 0, path.stat().st_size
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            sha256.update(block)
            md5.update(block)
            size += len(block)
            progress(size, total)
    return Digest(size, sha256.hexdigest(), md5.hexdigest())
