"""`bench data download`: a user's own data set on a local server, and a Cityscapes site that is a local server."""

from __future__ import annotations

import hashlib
import io
import json
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import requests

from commands import Run, printed_json
from file_server import Server, serving, sha256
from places import ROOT
from segbench.commands.data import describe
from segbench.commands.download import DownloadRequest, download
from segbench.data.download.cityscapes_login import SITE, log_in
from segbench.data.download.fetch import RetryPolicy
from segbench.io.reporter import Reporter
from segbench.registry import datasets
from segbench.types import UserError
from synthetic_roots import write_stacks

QUICK = RetryPolicy(attempts=3, timeout_s=5, first_wait_s=0.0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    with serving() as running:
        yield running


def test_the_addresses_that_ship_are_well_formed() -> None:
    for cls in datasets().values():
        names = [d.filename for d in cls.info.downloads]
        assert len(set(names)) == len(names)
        for d in cls.info.downloads:
            assert d.url.startswith(("http://", "https://"))
            assert Path(d.filename).name == d.filename
            assert d.sha256 is None or (len(d.sha256) == 64 and int(d.sha256, 16))
            assert d.md5 is None or (len(d.md5) == 32 and int(d.md5, 16))
            assert not Path(d.into).is_absolute()


PLUGIN = """
from dataclasses import replace
from functools import cache
from segbench.datasets.isbi2012 import ISBI2012
from segbench.types import Download

class Mini(ISBI2012):
    info = replace(ISBI2012.info, name="mini", aliases=(), downloads=({downloads}))
"""


def _stacks_zip(folder: Path, top: str = "ISBI-2012-challenge/") -> bytes:
    write_stacks(folder)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as zipped:
        for path in sorted(folder.iterdir()):
            zipped.write(path, top + path.name)
        zipped.writestr("__MACOSX/._train-volume.tif", b"junk")
    return buffer.getvalue()


@pytest.fixture
def mini(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A user's own data set whose archive lies on the local server, with a notes file that is no archive."""
    content = _stacks_zip(tmp_path / "made")
    server.add("mini.zip", content)
    server.add("notes.txt", b"read me", headers={"Content-Type": "text/plain"})
    holds = '("train-volume.tif", "train-labels.tif", "test-volume.tif")'
    plugin = tmp_path / "plugins" / "datasets" / "mini.py"
    plugin.parent.mkdir(parents=True)
    downloads = (
        f'Download({server.url("mini.zip")!r}, "mini.zip", "stacks", holds={holds}), '
        f'Download({server.url("notes.txt")!r}, "notes.txt", extract=False, into="docs"),'
    )
    plugin.write_text(PLUGIN.format(downloads=downloads))
    monkeypatch.setenv("SEGBENCH_PLUGINS", str(tmp_path / "plugins"))
    return content


def _tree(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and not p.name.endswith(".lock"))


INSTALLED = ["docs/notes.txt", "segbench-downloads.json", "test-volume.tif", "train-labels.tif", "train-volume.tif"]


def _mini(root: Path, *only: str, keep: bool = False) -> dict[str, Any]:
    """The command without its command line."""
    return download(DownloadRequest("mini", root, only, keep), Reporter(quiet=True), QUICK)


def _states(made: dict[str, Any]) -> list[str]:
    return [file["state"] for file in made["files"]]


def test_download_through_the_command_line(bench: Run, server: Server, mini: bytes, tmp_path: Path) -> None:
    root = tmp_path / "data" / "mini"
    done = bench("data", "download", "mini", "--json")
    made = printed_json(done)
    assert "licence: research use" in done.stderr
    assert [(f["filename"], f["state"], f["n_files"]) for f in made["files"]] == [
        ("mini.zip", "fetched", 3),
        ("notes.txt", "fetched", 0),
    ]
    assert made["files"][0]["sha256"] == sha256(mini)
    assert (made["complete"], made["n"], made["root"]) == (True, 30, str(root))
    assert _tree(root) == INSTALLED
    asked = len(server.requests)
    again = bench("data", "download", "mini")
    assert again.stdout.count("already there") == 2
    assert again.stderr == ""
    assert len(server.requests) == asked
    done = bench("data", "download", "mini", "--only", "mimi.zip")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean 'mini.zip'?" in done.stderr


@pytest.mark.usefixtures("mini")
def test_describe_names_the_addresses(bench: Run, server: Server) -> None:
    about = describe("mini")
    assert [(d["filename"], d["url"]) for d in about.downloads] == [
        ("mini.zip", server.url("mini.zip")),
        ("notes.txt", server.url("notes.txt")),
    ]
    assert server.url("mini.zip") in bench("data", "describe", "mini").stdout


def test_one_file_only_and_kept_archives(mini: bytes, tmp_path: Path) -> None:
    part = _mini(tmp_path / "r", "notes.txt")
    assert (part["complete"], part["n"], _states(part)) == (False, None, ["fetched"])
    whole = _mini(tmp_path / "r", "mini", keep=True)
    assert (whole["complete"], whole["n"]) == (True, 30)
    assert (tmp_path / "r" / "downloads" / "mini.zip").read_bytes() == mini


@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_the_next_call_goes_on(server: Server, mini: bytes, tmp_path: Path) -> None:
    server.files["/mini.zip"].pause_s, server.files["/mini.zip"].block = 0.3, 20_000
    command = [sys.executable, "-c", "from segbench.cli import main; main()", "data", "download", "mini", "--root", "r"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    part = tmp_path / "r" / "downloads" / "mini.zip.part"
    while not (part.is_file() and part.stat().st_size > 20_000):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted; what was fetched is kept" in said
    held = part.stat().st_size
    assert part.read_bytes() == mini[:held]
    server.files["/mini.zip"].pause_s = 0
    server.requests.clear()
    assert _mini(tmp_path / "r")["complete"]
    assert server.ranges()[0] == f"bytes={held}-"
    assert _tree(tmp_path / "r") == INSTALLED


def test_a_killed_process_leaves_nothing_that_stops_the_next(server: Server, mini: bytes, tmp_path: Path) -> None:
    """Killed after fetching: the archive and half a folder lie there."""
    downloads = tmp_path / "r" / "downloads"
    (downloads / "mini.zip.unpacking").mkdir(parents=True)
    (downloads / "mini.zip.unpacking" / "train-labels.tif").write_bytes(b"half")
    (downloads / "mini.zip").write_bytes(mini)
    assert _mini(tmp_path / "r")["n"] == 30
    assert [path for path, _ in server.requests] == ["/notes.txt"]
    assert _tree(tmp_path / "r") == INSTALLED


@pytest.mark.slow
def test_two_at_once_fetch_once(server: Server, mini: bytes, tmp_path: Path) -> None:
    server.files["/mini.zip"].pause_s = 0.02
    command = [sys.executable, "-c", "from segbench.cli import main; main()"]
    command += ["data", "download", "mini", "--root", "r", "--json"]
    both = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    states = [json.loads(p.communicate(timeout=60)[0])["files"][0]["state"] for p in both]
    assert sorted(states) == ["already there", "fetched"]
    assert [path for path, _ in server.requests] == ["/mini.zip", "/notes.txt"]
    assert _tree(tmp_path / "r") == INSTALLED
    del mini


@pytest.mark.usefixtures("mini")
def test_lost_files_are_noticed_and_fetched_again(tmp_path: Path) -> None:
    root = tmp_path / "r"
    _mini(root)
    (root / "train-labels.tif").unlink()
    assert _states(_mini(root)) == ["fetched", "already there"]
    assert _tree(root) == INSTALLED
    (root / "train-labels.tif").write_bytes(b"mine")
    with pytest.raises(UserError, match="segbench overwrites nothing"):
        _mini(root)
    assert (root / "train-labels.tif").read_bytes() == b"mine"
    lost = (root / "test-volume.tif").stat().st_size
    (root / "test-volume.tif").unlink()
    (root / "train-labels.tif").write_bytes(bytes(2 * lost))  # as many bytes as before, in fewer files
    with pytest.raises(UserError, match=r"train-labels\.tif' differs"):
        _mini(root)
    (root / "docs" / "notes.txt").write_bytes(b"my own notes")
    with pytest.raises(UserError, match=r"notes\.txt' differs from the official"):
        _mini(root, "notes.txt")
    assert (root / "docs" / "notes.txt").read_bytes() == b"my own notes"


def test_what_was_fetched_first_holds_from_then_on(server: Server, mini: bytes, tmp_path: Path) -> None:
    root = tmp_path / "r"
    _mini(root)
    (root / "train-labels.tif").unlink()
    served = server.files["/mini.zip"]
    served.content, served.etag = _stacks_zip(tmp_path / "other", top="other/"), '"two"'
    with pytest.raises(UserError, match=f"has changed.*{sha256(mini)}"):
        _mini(root)
    assert not (root / "train-labels.tif").exists()
    assert not (root / "downloads").exists()


@pytest.mark.parametrize(
    ("whims", "words"),
    [
        ({"content": b"PK\x03\x04 no zip at all" * 100}, "mini.zip: is broken or cut short"),
        ({"content": b"\x7fELF and so on" * 100}, "is neither a zip nor a tar"),
        ({"statuses": [404]}, "answers 404"),
        ({"redirect": "file:///etc/passwd"}, "not allowed"),
    ],
    ids=["broken", "no archive", "gone", "file"],
)
@pytest.mark.usefixtures("mini")
def test_what_goes_wrong_leaves_nothing_half_done(
    server: Server, tmp_path: Path, whims: dict[str, Any], words: str
) -> None:
    server.add("mini.zip", whims.get("content", b""), **{k: v for k, v in whims.items() if k != "content"})
    with pytest.raises(UserError, match=words):
        _mini(tmp_path / "r", "mini.zip")
    assert not (tmp_path / "r" / "segbench-downloads.json").exists()
    assert not list((tmp_path / "r").rglob("*.tif"))
    assert (tmp_path / "r").exists() == ("content" in whims)


@pytest.mark.usefixtures("mini")
@pytest.mark.parametrize("content", ["", "[" * 10_000, '{"files": {"mini.zip": {"sha256": 1}}}', '{"files": [1]}'])
def test_a_record_of_odd_content_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "segbench-downloads.json").write_text(content)
    with pytest.raises(UserError, match=r"segbench-downloads\.json.*Move it away"):
        _mini(tmp_path)


def test_what_has_no_checksum_and_what_has_no_room_is_said_first(
    server: Server, mini: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    download(DownloadRequest("mini", tmp_path / "r"), Reporter())
    said = " ".join(capsys.readouterr().err.split())
    assert "fetching 2 files (of unknown size)" in said
    assert "no checksum is published for mini.zip, notes.txt" in said
    assert json.loads((tmp_path / "r" / "segbench-downloads.json").read_text())["files"]["mini.zip"][
        "sha256"
    ] == sha256(mini)
    plugin = tmp_path / "huge" / "datasets" / "mini.py"
    plugin.parent.mkdir(parents=True)
    plugin.write_text(PLUGIN.format(downloads=f'Download({server.url("mini.zip")!r}, "mini.zip", size=5 * 10**17),'))
    monkeypatch.setenv("SEGBENCH_PLUGINS", str(tmp_path / "huge"))
    server.requests.clear()
    with pytest.raises(UserError, match=r"mini needs 1000000000\.0 GB"):
        _mini(tmp_path / "other")
    assert server.requests == []
    assert not (tmp_path / "other").exists()


@pytest.mark.usefixtures("mini")
def test_a_root_that_cannot_take_it(hearts: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (hearts / "segbench-synthetic.json").write_text("{}")
    before = _tree(hearts)
    for root, words in ((tmp_path / "file", "is a file"), (tmp_path / "file" / "below", "file"), (hearts, "SYNTHETIC")):
        with pytest.raises(UserError, match=words):
            _mini(root)
    assert _tree(hearts) == before


def test_without_an_account_or_an_address_it_says_what_to_do(
    bench: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = {
        "CITYSCAPES_USERNAME": "",
        "CITYSCAPES_PASSWORD": "",
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
    }
    done = bench("data", "download", "cityscapes", "--root", tmp_path / "cs", **clean)
    assert done.returncode == 2
    assert f"register at {SITE}/register/" in done.stderr
    assert "gtFine_trainvaltest.zip and leftImg8bit_trainvaltest.zip" in done.stderr
    assert not (tmp_path / "cs").exists()
    shipped = (ROOT / "datasets" / "isbi2012.py").read_text()
    mine = shipped.replace('name="isbi2012"', 'name="mine"').replace('aliases=("isbi",)', "aliases=()")
    (tmp_path / "own" / "datasets").mkdir(parents=True)
    (tmp_path / "own" / "datasets" / "mine.py").write_text(
        mine.replace("        downloads=(", "        downloads=0 * (")
    )
    monkeypatch.setenv("SEGBENCH_PLUGINS", str(tmp_path / "own"))
    with pytest.raises(UserError, match=r"no public address.*imagej\.net"):
        download(DownloadRequest("mine"), Reporter(quiet=True))


@pytest.fixture
def cityscapes(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The official downloader's own code and a session of `requests`, but all of the site's addresses lead here."""
    from cityscapesscripts.download import downloader

    class Here(requests.adapters.HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
            assert request.url is not None
            request.url = request.url.replace(SITE, server.address)
            return super().send(request, *args, **options)

    class Session(requests.Session):
        def __init__(self) -> None:
            super().__init__()
            self.mount(SITE, Here())

    monkeypatch.setattr(downloader.requests, "Session", Session)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("CITYSCAPES_USERNAME", "me")
    monkeypatch.setenv("CITYSCAPES_PASSWORD", "secret")
    return server


def _offer(server: Server, archives: dict[str, bytes]) -> None:
    """The site's pages: log-in, list of packages, MD5 sums and the packages themselves."""
    listed = [{"name": name, "packageID": str(n), "size": "1MB"} for n, name in enumerate(archives)]
    server.add("login", b"", headers={"Set-Cookie": "PHPSESSID=abc; path=/"})
    server.add("downloads/?list", json.dumps(listed).encode())
    for n, content in enumerate(archives.values()):
        server.add(f"md5-sum/?packageID={n}", f"{hashlib.md5(content).hexdigest()}  x.zip".encode())
        server.add(f"file-handling/?packageID={n}", content, cuts=[100])


@cache
def _cityscapes_archives() -> dict[str, bytes]:
    archives = {}
    for top, kind in (("gtFine", "gtFine_labelIds"), ("leftImg8bit", "leftImg8bit")):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as zipped:
            zipped.writestr("README", f"about {top}")
            zipped.writestr(f"{top}/val/ulm/ulm_000000_000019_{kind}.png", random.Random(1).randbytes(500))
        archives[f"{top}_trainvaltest.zip"] = buffer.getvalue()
    return archives


def test_cityscapes_with_an_account(cityscapes: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _offer(cityscapes, _cityscapes_archives())
    account = log_in(["gtFine_trainvaltest.zip"], tmp_path)
    assert account.headers == {"Cookie": "PHPSESSID=abc"}
    form = cityscapes.bodies[-1]
    assert b"username=me" in form
    assert b"password=secret" in form
    packages = account.packages(["leftImg8bit_trainvaltest.zip"])
    url, md5 = packages["leftImg8bit_trainvaltest.zip"]
    assert url == f"{SITE}/file-handling/?packageID=1"
    assert md5 == hashlib.md5(_cityscapes_archives()["leftImg8bit_trainvaltest.zip"]).hexdigest()
    with pytest.raises(UserError, match=r"not offered gtCoarse\.zip"):
        account.packages(["gtCoarse.zip"])
    monkeypatch.setattr("segbench.data.download.cityscapes_login.SITE", cityscapes.address)
    made = download(DownloadRequest("cityscapes", tmp_path / "cs"), Reporter(quiet=True), QUICK)
    assert [f["state"] for f in made["files"]] == ["fetched", "fetched"]
    assert made["n"] == 1
    assert not (tmp_path / "cs" / "README").exists()
    transfers = [headers for path, headers in cityscapes.requests if path.startswith("/file-handling")]
    assert {headers["Cookie"] for headers in transfers} == {"PHPSESSID=abc"}
    assert [headers.get("Range") for headers in transfers] == [None, "bytes=100-"] * 2
    assert not list(tmp_path.rglob("credentials.json"))


def test_cityscapes_refuses_a_wrong_password(cityscapes: Server, tmp_path: Path) -> None:
    _offer(cityscapes, {})
    cityscapes.files["/login"].statuses = []
    cityscapes.post_status = 200
    with pytest.raises(UserError, match=r"log-in .* failed: Bad credentials"):
        log_in(["gtFine_trainvaltest.zip"], tmp_path)


def test_cityscapes_archives_fetched_by_hand_need_no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cs" / "downloads"
    folder.mkdir(parents=True)
    for name, content in _cityscapes_archives().items():
        (folder / name).write_bytes(content)
    monkeypatch.delenv("CITYSCAPES_USERNAME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    made = download(DownloadRequest("cityscapes", tmp_path / "cs"), Reporter(quiet=True), QUICK)
    assert (made["complete"], made["n"]) == (True, 1)
    assert not folder.exists()
