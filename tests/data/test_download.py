"""Fetching one file against a real local server that cuts, changes, lies and refuses."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import random
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from file_server import Server, serving, sha256
from segbench import __version__
from segbench.data.download.disk import byte_count
from segbench.data.download.fetch import RetryPolicy, accept, fetch, part_of
from segbench.io import http as web
from segbench.types import Download, UserError

QUICK = RetryPolicy(attempts=3, timeout_s=5, first_wait_s=0.0)
CONTENT = random.Random(0).randbytes(300_000)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    with serving() as running:
        yield running


def _file(server: Server, **known: Any) -> Download:
    return Download(server.url("data.bin"), "data.bin", **known)


def _got(server: Server, folder: Path, patience: RetryPolicy = QUICK, **known: Any) -> bytes:
    """Fetch, check, and give the content."""
    path = folder / "data.bin"
    fetch(_file(server, **known), path, patience=patience)
    accept(_file(server, **known), path, None)
    assert sorted(p.name for p in folder.iterdir()) == ["data.bin"]
    return path.read_bytes()


def test_a_file_is_fetched_and_checked(server: Server, tmp_path: Path) -> None:
    server.add("data.bin", CONTENT)
    md5 = hashlib.md5(CONTENT).hexdigest()
    assert _got(server, tmp_path, sha256=sha256(CONTENT), md5=md5, size=len(CONTENT)) == CONTENT
    assert server.requests[0][1]["User-Agent"] == f"segbench/{__version__}"
    assert server.ranges() == [None]


def test_progress_counts_bytes_to_the_end(server: Server, tmp_path: Path) -> None:
    server.add("data.bin", CONTENT)
    seen: list[tuple[int, int | None]] = []
    fetch(_file(server), tmp_path / "data.bin", progress=lambda *step: seen.append(step))
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)


def test_a_cut_connection_goes_on_where_it_ended(server: Server, tmp_path: Path) -> None:
    server.add("data.bin", CONTENT, cuts=[100_000, 0, 50_000, 7])
    assert _got(server, tmp_path, sha256=sha256(CONTENT)) == CONTENT
    assert server.ranges() == [None, *(f"bytes={start}-" for start in (100_000, 100_000, 150_000, 150_007))]
    assert all(headers["If-Range"] == '"one"' for _, headers in server.requests[1:])


def test_a_server_that_knows_no_ranges_sends_all_again(server: Server, tmp_path: Path) -> None:
    server.add("data.bin", CONTENT, cuts=[100_000, 200_000], ranges=False)
    assert _got(server, tmp_path) == CONTENT


def test_attempts_that_bring_nothing_new_come_to_an_end(server: Server, tmp_path: Path) -> None:
    server.add("data.bin", CONTENT, cuts=[90_000, *[80_000] * 9], ranges=False)
    with pytest.raises(UserError, match=r"ended after 80 kB of 300 kB .3 attempts without a new byte.*80 kB are kept"):
        fetch(_file(server), tmp_path / "data.bin", patience=QUICK)
    assert len(server.requests) == 4  # one that brought something new, then 3
    assert part_of(tmp_path / "data.bin").read_bytes() == CONTENT[:80_000]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(0, 3000), max_size=6),
    ranges=st.booleans(),
    etag=st.sampled_from(['"one"', 'W/"weak"', None]),
    known=st.booleans(),
    framing=st.sampled_from(["length", "chunked"]),
)
def test_whatever_is_cut_the_bytes_are_right(
    server: Server,
    tmp_path_factory: pytest.TempPathFactory,
    cuts: list[int],
    ranges: bool,
    etag: str | None,
    known: bool,
    framing: str,
) -> None:
    content = CONTENT[:2500]
    server.add("data.bin", content, cuts=cuts, ranges=ranges, etag=etag, framing=framing)
    checksum = sha256(content) if known else None
    patient = replace(QUICK, attempts=10)
    assert _got(server, tmp_path_factory.mktemp("law"), patient, sha256=checksum) == content


@pytest.mark.parametrize("honours_if_range", [True, False])
def test_a_file_that_changes_between_attempts_is_never_mixed(
    server: Server, tmp_path: Path, honours_if_range: bool
) -> None:
    _leave_part(server, tmp_path, CONTENT[:100_000], len(CONTENT))
    server.add("data.bin", CONTENT[::-1], etag='"two"', if_range=honours_if_range)
    assert _got(server, tmp_path) == CONTENT[::-1]
    assert server.ranges() == ["bytes=100000-", None][: 1 if honours_if_range else 2]


def test_without_a_validator_only_a_known_checksum_lets_it_go_on(server: Server, tmp_path: Path) -> None:
    for known, expected in ((None, None), (sha256(CONTENT), "bytes=1000-")):
        server.requests.clear()
        server.add("data.bin", CONTENT, etag=None, cuts=[1000])
        assert _got(server, tmp_path / str(known)[:8], sha256=known) == CONTENT
        assert server.ranges() == [None, expected]


def _leave_part(server: Server, folder: Path, content: bytes, total: int | None, url: str | None = None) -> None:
    """What an interrupted download leaves."""
    part = part_of(folder / "data.bin")
    part.write_bytes(content)
    version = {"url": url or server.url("data.bin"), "etag": '"one"', "last_modified": None, "total": total}
    part.with_name("data.bin.part.json").write_text(json.dumps(version))


@pytest.mark.parametrize(
    ("held", "total", "requests_made"),
    [
        (CONTENT, len(CONTENT), []),
        (CONTENT, None, ["bytes=300000-"]),
        (CONTENT + b"more", None, ["bytes=300004-", None]),
        (CONTENT[:5], None, ["bytes=5-"]),
        (CONTENT + b"more", len(CONTENT), [None]),
    ],
    ids=["complete", "complete, length unknown", "too long", "short", "too long, length known"],
)
def test_what_an_earlier_attempt_left(
    server: Server, tmp_path: Path, held: bytes, total: int | None, requests_made: list[str | None]
) -> None:
    server.add("data.bin", CONTENT)
    _leave_part(server, tmp_path, held, total)
    assert _got(server, tmp_path) == CONTENT
    assert server.ranges() == requests_made


@pytest.mark.parametrize("sidecar", [None, "", "[]", '{"url": 1, "more": 2}'])
def test_a_part_of_unknown_origin_is_not_trusted(server: Server, tmp_path: Path, sidecar: str | None) -> None:
    server.add("data.bin", CONTENT)
    _leave_part(server, tmp_path, b"x" * 1000, None, url="http://elsewhere/data.bin")
    if sidecar is not None:
        (tmp_path / "data.bin.part.json").write_text(sidecar)
    assert _got(server, tmp_path) == CONTENT
    assert server.ranges() == [None]


@pytest.mark.parametrize(
    "odd", [{"etag": "a\r\nX-More: 1"}, {"etag": 7}, {"last_modified": ["a"]}, {"total": "many"}, {"total": 1e400}]
)
def test_a_damaged_sidecar_says_nothing(server: Server, tmp_path: Path, odd: dict[str, Any]) -> None:
    server.add("data.bin", CONTENT)
    _leave_part(server, tmp_path, CONTENT[:1000], None)
    sidecar = tmp_path / "data.bin.part.json"
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), **odd}))
    assert _got(server, tmp_path) == CONTENT
    assert server.ranges() == [None]


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"sha256": "0" * 64}, f"SHA-256 is {sha256(CONTENT)}, expected {'0' * 64}"),
        ({"md5": "1" * 32}, f"MD5 is {hashlib.md5(CONTENT).hexdigest()}, expected {'1' * 32}"),
    ],
)
def test_wrong_bytes_are_named_and_removed(server: Server, tmp_path: Path, known: dict[str, Any], words: str) -> None:
    server.add("data.bin", CONTENT)
    with pytest.raises(UserError, match=words):
        _got(server, tmp_path, **known)
    assert list(tmp_path.iterdir()) == []


def test_another_size_than_expected_is_refused_before_it_is_fetched(server: Server, tmp_path: Path) -> None:
    server.add("data.bin", CONTENT)
    with pytest.raises(UserError, match="offers 300000 bytes, expected 7"):
        _got(server, tmp_path, size=7)
    assert list(tmp_path.iterdir()) == []


def test_a_length_that_promises_too_much(server: Server, tmp_path: Path) -> None:
    server.add("data.bin", CONTENT, length=400_000)
    # The server can tell by a range request that nothing is missing.
    assert _got(server, tmp_path / "ranges") == CONTENT
    server.add("data.bin", CONTENT, length=400_000, ranges=False)
    with pytest.raises(UserError, match="ended after 300 kB of 400 kB"):
        _got(server, tmp_path / "none")


def test_a_length_that_promises_too_little(server: Server, tmp_path: Path) -> None:
    server.add("data.bin", CONTENT, length=1000)
    with pytest.raises(UserError, match=r"SHA-256 is"):
        _got(server, tmp_path, sha256=sha256(CONTENT))


@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_a_body_that_goes_on_beyond_the_known_size_is_left(server: Server, tmp_path: Path, framing: str) -> None:
    server.add("data.bin", b"x" * (1 << 22), framing=framing, pause_s=0.001)
    with pytest.raises(UserError, match="sends more than the 10 bytes that are expected"):
        _got(server, tmp_path, size=10)
    assert not (tmp_path / "data.bin").exists()
    assert part_of(tmp_path / "data.bin").stat().st_size < 1 << 22


def test_errors_that_pass_are_tried_again(server: Server, tmp_path: Path) -> None:
    server.add("data.bin", CONTENT, statuses=[500, 503], headers={"Retry-After": "0"})
    assert _got(server, tmp_path) == CONTENT
    server.requests.clear()
    server.add("data.bin", CONTENT, statuses=[503] * 5)
    with pytest.raises(UserError, match="the server answers 503"):
        _got(server, tmp_path)
    assert len(server.requests) == QUICK.attempts


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_errors_that_stay_end_it_at_once(server: Server, tmp_path: Path, code: int) -> None:
    server.add("data.bin", CONTENT, statuses=[code] * 5)
    with pytest.raises(UserError, match=f"answers {code}"):
        _got(server, tmp_path)
    assert len(server.requests) == 1


def test_retry_after_is_waited_for(server: Server, tmp_path: Path) -> None:
    server.add("data.bin", CONTENT, statuses=[429], headers={"Retry-After": "1"})
    begin = time.monotonic()
    assert _got(server, tmp_path) == CONTENT
    assert time.monotonic() - begin >= 1


@pytest.mark.parametrize("wait", ["\u00b2", "9" * 5000, "-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_wait_that_is_no_number_of_seconds_is_none(server: Server, tmp_path: Path, wait: str) -> None:
    server.add("data.bin", CONTENT, statuses=[503], headers={"Retry-After": wait})
    assert _got(server, tmp_path) == CONTENT


def test_a_server_that_falls_silent_is_asked_again(server: Server, tmp_path: Path) -> None:
    served = server.add("data.bin", CONTENT, pause_s=3.0, block=250_000)
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        served.pause_s = 0

    fetch(_file(server), tmp_path / "data.bin", patience=RetryPolicy(3, 0.7, 0.0), say=say)
    assert part_of(tmp_path / "data.bin").read_bytes() == CONTENT
    assert ["sends nothing more" in text for text in said] == [True]
    assert server.ranges() == [None, "bytes=250000-"]


def test_nobody_there(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/data.bin"
        with pytest.raises(UserError, match=r"could not be fetched.*refused.*try again later"):
            fetch(Download(url, "data.bin"), tmp_path / "data.bin", patience=QUICK)


@pytest.mark.parametrize("framing", ["close", "chunked"])
def test_a_length_that_is_not_told(server: Server, tmp_path: Path, framing: str) -> None:
    server.add("data.bin", CONTENT, framing=framing)
    assert _got(server, tmp_path) == CONTENT


def test_a_web_page_is_no_archive(server: Server, tmp_path: Path) -> None:
    server.add("data.bin", b"<html>log in</html>", headers={"Content-Type": "text/html; charset=utf-8"})
    with pytest.raises(UserError, match=r"brings a web page instead of data\.bin"):
        _got(server, tmp_path)


def test_redirects_are_followed_and_keep_the_range(server: Server, tmp_path: Path) -> None:
    server.add("data.bin", b"", redirect="/elsewhere")
    server.add("elsewhere", CONTENT, cuts=[1000])
    assert _got(server, tmp_path) == CONTENT
    assert [path for path, _ in server.requests] == ["/data.bin", "/elsewhere"] * 2
    assert server.ranges()[2:] == ["bytes=1000-"] * 2


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", "/data.bin"])
def test_redirects_to_other_places_are_refused(server: Server, tmp_path: Path, target: str) -> None:
    server.add("data.bin", b"", redirect=target)
    with pytest.raises(UserError, match=r"refused|not allowed|infinite loop"):
        _got(server, tmp_path)
    assert not (tmp_path / "data.bin").exists()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_only_http_and_https_are_opened(tmp_path: Path, url: str) -> None:
    with pytest.raises(UserError, match="http and https only"):
        fetch(Download(url, "data.bin"), tmp_path / "data.bin", patience=QUICK)


def test_https_is_never_left_for_http() -> None:
    request = urllib.request.Request("https://example.org/a")
    with pytest.raises(UserError, match="refused"):
        web._Redirects().redirect_request(
            request, io.BytesIO(), 302, "Found", http.client.HTTPMessage(), "http://example.org/a"
        )


def test_a_cookie_goes_to_its_own_host_only(server: Server, tmp_path: Path) -> None:
    server.add("data.bin", b"", redirect="/same")
    server.add("same", b"", redirect=server.url("other").replace("127.0.0.1", "localhost"))
    server.add("other", CONTENT)
    fetch(_file(server), tmp_path / "data.bin", headers={"Cookie": "secret=1"}, patience=QUICK)
    assert [headers.get("Cookie") for _, headers in server.requests] == ["secret=1", "secret=1", None]


def test_too_little_room_is_said_before_anything_is_fetched(server: Server, tmp_path: Path) -> None:
    server.add("data.bin", CONTENT, length=10**17)
    with pytest.raises(UserError, match=r"needs 100000000.0 GB in .* are free"):
        _got(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


FULL_DISK = """
import resource, sys
from pathlib import Path
from segbench.data.download.fetch import fetch
from segbench.types import Download, UserError
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    fetch(Download(sys.argv[1], "data.bin"), Path(sys.argv[2]))
except UserError as error:
    print(error)
"""


def test_a_full_disk_keeps_what_was_written(server: Server, tmp_path: Path) -> None:
    server.add("data.bin", CONTENT)
    command = [sys.executable, "-c", FULL_DISK, server.url("data.bin"), str(tmp_path / "data.bin")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "the disk is full, or the largest allowed file size is reached" in done.stdout
    assert part_of(tmp_path / "data.bin").read_bytes() == CONTENT[:200_000]
    assert _got(server, tmp_path) == CONTENT
    assert server.ranges() == [None, "bytes=200000-"]


def test_byte_counts_for_people() -> None:
    assert [byte_count(n) for n in (0, 999, 1000, 999_499_999, 19_336_861_798)] == [
        *("0 B", "999 B", "1 kB", "999 MB", "19.3 GB")
    ]
