"""Results on a web server: read through an index, each file once, and never more than it promises."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas
import pytest
from committed_records import on_whole_split

import segbench
from commands import Run, printed_json
from file_server import Server, serving, sha256
from places import ROOT
from segbench.io.http import SmallFile, read_address
from segbench.io.reporter import Reporter
from segbench.runs import remote
from segbench.types import UserError

RECORDS = ROOT / "leaderboards" / "records"
CHOSEN = on_whole_split("isbi2012-*")[:3]
QUICK = SmallFile(1000, timeout_s=2, total_s=5, attempts=3, wait_s=0.0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    with serving() as running:
        yield running


@pytest.fixture
def hosted(bench: Run, server: Server, tmp_path: Path) -> Server:
    """A server with three results below `results/`, as `bench publish --index` lists them."""
    for folder in CHOSEN:
        shutil.copytree(folder, tmp_path / "results" / "records" / folder.name)
    assert bench("publish", "--index", "results").returncode == 0
    for path in (tmp_path / "results").rglob("*.*"):
        if path.is_file():
            server.add(path.relative_to(tmp_path).as_posix(), path.read_bytes())
    return server


def rewrite(server: Server, change: Any) -> None:
    """Another index than the one that was written."""
    index = json.loads(server.files["/results/index.json"].content)
    change(index)
    server.add("results/index.json", json.dumps(index).encode())


def test_a_board_of_a_server_is_that_of_the_folder(bench: Run, hosted: Server) -> None:
    of_folder = bench("leaderboard", "results")
    of_server = bench("leaderboard", hosted.url("results/index.json"))
    assert of_server.returncode == 0, of_server.stderr
    assert of_server.stdout == of_folder.stdout


def test_each_file_is_fetched_once_whichever_command_asks(bench: Run, hosted: Server) -> None:
    address = hosted.url("results/index.json")
    printed_json(bench("leaderboard", address, "--json"))
    assert len(hosted.requests) == 1 + 2 * len(CHOSEN)
    assert printed_json(bench("compare", address, "--json", "--resamples", "100"))["runs"]
    assert printed_json(bench("report", address, "--out", "page", "--json"))["runs"] == len(CHOSEN)
    assert [path for path, _ in hosted.requests[1 + 2 * len(CHOSEN) :]] == ["/results/index.json"] * 2


def test_the_address_of_the_folder_will_do_and_folders_stand_beside(bench: Run, hosted: Server, tmp_path: Path) -> None:
    other = on_whole_split("isbi2012-*")[3]
    shutil.copytree(other, tmp_path / "runs" / other.name)
    found = printed_json(bench("compare", hosted.url("results/"), "runs", "--json", "--resamples", "100"))
    assert {run["run_id"] for run in found["runs"]} == {folder.name for folder in (*CHOSEN, other)}


def test_python_compares_what_lies_on_a_server(hosted: Server) -> None:
    found = segbench.compare(hosted.url("results/index.json"), resamples=100, progress=False)
    assert {run.run_id for run in found.runs} == {folder.name for folder in CHOSEN}


def test_a_table_holds_the_runs_of_a_server_beside_those_of_a_folder(hosted: Server) -> None:
    here = segbench.load_runs(CHOSEN)
    of_server = segbench.load_runs(hosted.url("results/"))
    pandas.testing.assert_frame_equal(of_server.drop(columns="folder"), here.drop(columns="folder"))
    other = on_whole_split("isbi2012-*")[3]
    both = segbench.load_runs([hosted.url("results/index.json"), other])
    assert set(both.run_id) == {folder.name for folder in (*CHOSEN, other)}
    with pytest.raises(UserError, match=r"gone/index\.json"):
        segbench.load_runs(hosted.url("gone"))


def test_a_kept_file_that_was_changed_is_fetched_again(hosted: Server) -> None:
    address, quiet = hosted.url("results/index.json"), Reporter(quiet=True)
    first = remote.folders_of([address], quiet)
    (first[0] / "record.json").write_text("{}")
    assert remote.folders_of([address], quiet) == first
    assert (first[0] / "record.json").read_bytes() == (RECORDS / first[0].name / "record.json").read_bytes()


def _another_content(server: Server) -> None:
    name = next(name for name in server.files if name.endswith("statistics.parquet"))
    server.files[name].content = server.files[name].content[:-1] + b"x"


def _more_than_promised(server: Server) -> None:
    name = next(name for name in server.files if name.endswith("record.json"))
    server.files[name].content += b" " * 100_000


def _gone(server: Server) -> None:
    del server.files[next(name for name in server.files if name.endswith("record.json"))]


def _another_scheme(server: Server) -> None:
    server.files["/results/index.json"].redirect = "file:///etc/passwd"


def _ftp(server: Server) -> None:
    server.files["/results/index.json"].redirect = "ftp://127.0.0.1/index.json"


def _in_a_circle(server: Server) -> None:
    server.files["/results/index.json"].redirect = "/results/index.json"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_another_content, "is not the file that"),
        (_more_than_promised, "sends more than"),
        (_gone, "404"),
        (_another_scheme, "is not allowed"),
        (_ftp, "is refused"),
        (_in_a_circle, "302"),
    ],
)
def test_what_a_server_may_not_do(bench: Run, hosted: Server, tmp_path: Path, spoil: Any, told: str) -> None:
    spoil(hosted)
    done = bench("leaderboard", hosted.url("results/index.json"), "--out", "boards")
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "boards").exists()


def _folder(place: str) -> Any:
    return lambda index: index["runs"][0].update(folder=place)


def _size(size: int) -> Any:
    return lambda index: index["runs"][0]["files"]["record.json"].update(size=size)


@pytest.mark.parametrize(
    "change",
    [
        *(
            _folder(place)
            for place in ("../secret", "/etc", "a/../../b", "https://example.org/x", "a\\b", "%2e%2e/x", "")
        ),
        *(_folder(place) for place in (".hidden", "a//b", "a?b", "a#b", "a b", "a\n")),
        lambda index: index["runs"][0].update(run_id="../escaped"),
        lambda index: index["runs"][0].update(run_id="another"),
        lambda index: index["runs"][0]["files"].pop("statistics.parquet"),
        lambda index: index["runs"][0]["files"].update({"../x": {"size": 1, "sha256": "0" * 64}}),
        lambda index: index["runs"][0]["files"]["record.json"].update(sha256="none"),
        *(_size(size) for size in (-1, 1 << 40)),
        lambda index: index.update(index_version=2),
        lambda index: index.update(runs=[]),
        lambda index: index.update(runs={}),
        lambda index: index.pop("runs"),
    ],
)
def test_an_index_that_means_harm_is_refused(hosted: Server, change: Any) -> None:
    rewrite(hosted, change)
    with pytest.raises(UserError):
        remote.folders_of([hosted.url("results/index.json")], Reporter(quiet=True))
    assert {path for path, _ in hosted.requests} <= set(hosted.files)


@pytest.mark.parametrize(
    "content", [b"", b"[1, 2", b"[]", b"null", b'"text"', b"[" * 100_000, b"\xff\xfe\x00", b"<html>"]
)
def test_what_is_no_index_is_told(hosted: Server, content: bytes) -> None:
    hosted.add("results/index.json", content)
    with pytest.raises(UserError, match="is no index of results"):
        remote.folders_of([hosted.url("results/index.json")], Reporter(quiet=True))


def test_more_than_the_total_is_not_begun(hosted: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGBENCH_CACHE", str(tmp_path / "nothing was fetched before"))
    monkeypatch.setattr(remote, "MAX_TOTAL_BYTES", 1000)
    with pytest.raises(UserError, match="at most"):
        remote.folders_of([hosted.url("results/index.json")], Reporter(quiet=True))
    assert len(hosted.requests) == 1


def test_an_address_is_read_again_after_a_passing_failure(server: Server) -> None:
    server.add("a", b"content", statuses=[503, 429])
    assert read_address(server.url("a"), QUICK) == b"content"
    server.add("b", b"content" * 10, cuts=[3])
    assert read_address(server.url("b"), QUICK) == b"content" * 10


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_a_body_that_never_ends_is_left(server: Server, framing: str) -> None:
    server.add("a", b"x" * 1001, framing=framing)
    with pytest.raises(UserError, match="sends more than 1,000 bytes"):
        read_address(server.url("a"), QUICK)
    server.add("b", b"x" * 1000, framing=framing)
    assert len(read_address(server.url("b"), QUICK)) == 1000


def test_a_body_that_drips_is_left(server: Server) -> None:
    server.add("a", b"x" * 1000, block=1, pause_s=0.05)
    begun = time.monotonic()
    with pytest.raises(UserError, match="did not send all of it within 1 s"):
        read_address(server.url("a"), SmallFile(1000, total_s=1.0))
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    "address",
    ["file:///etc/passwd", "ftp://example.org/a", "http://", "https://jane:secret@example.org/a", "index.json"],
)
def test_an_address_of_another_kind_is_refused(address: str) -> None:
    with pytest.raises(UserError, match="expected http"):
        read_address(address, QUICK)


def test_a_server_that_is_not_there_is_told() -> None:
    with serving() as gone:
        address = gone.url("index.json")
    with pytest.raises(UserError, match="could not be read"):
        read_address(address, QUICK)


def test_the_index_says_what_lies_there(bench: Run, tmp_path: Path) -> None:
    for folder in CHOSEN:
        shutil.copytree(folder, tmp_path / "results" / folder.name)
    assert printed_json(bench("publish", "--index", "results", "--json"))["index"] == str(Path("results/index.json"))
    first = (tmp_path / "results" / "index.json").read_bytes()
    index = json.loads(first)
    assert [run["run_id"] for run in index["runs"]] == [folder.name for folder in CHOSEN]
    for run in index["runs"]:
        for name, file in run["files"].items():
            content = (tmp_path / "results" / run["folder"] / name).read_bytes()
            assert file == {"size": len(content), "sha256": sha256(content)}
    assert bench("publish", "--index", "results").returncode == 0
    assert (tmp_path / "results" / "index.json").read_bytes() == first


def test_a_folder_that_an_address_cannot_name_is_not_listed(bench: Run, tmp_path: Path) -> None:
    shutil.copytree(CHOSEN[0], tmp_path / "results" / "my run")
    done = bench("publish", "--index", "results")
    assert done.returncode == 2
    assert "my run" in done.stderr
    assert not (tmp_path / "results" / "index.json").exists()


def test_a_run_that_lies_there_twice_is_told(bench: Run, tmp_path: Path) -> None:
    for place in ("a", "b"):
        shutil.copytree(CHOSEN[0], tmp_path / "results" / place / CHOSEN[0].name)
    done = bench("publish", "--index", "results")
    assert done.returncode == 2
    assert "remove one of them" in done.stderr
