"""Run folders copied elsewhere: another folder, and a bucket of a real S3 server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from commands import Run
from segbench.errors import UserError
from segbench.runs.suite.storage import Storage

ONE = "datasets: [isbi2012]\nmethods: [constant]\nseeds: [0, 1]\n"


def _run(folder: Path, text: str = "{}") -> Path:
    (folder / "checkpoint").mkdir(parents=True, exist_ok=True)
    (folder / "checkpoint" / "weights.bin").write_bytes(os.urandom(300_000))
    (folder / "record.json").write_text(text)
    (folder / "zzz.txt").write_text("comes after the record in any listing")
    (folder / ".lock").touch()
    with suppress(FileExistsError):
        (folder / "link").symlink_to("/etc/passwd")
    return folder


def test_a_run_is_copied_once_with_its_record_last(tmp_path: Path) -> None:
    run = _run(tmp_path / "suite" / "cells" / "a")
    storage = Storage.of(f"file://{tmp_path}/there/deep", tmp_path / "suite")
    storage.copy_run(run, "cells/a")
    target = tmp_path / "there" / "deep" / "suite" / "cells" / "a"
    names = ["checkpoint", "checkpoint/weights.bin", "record.json", "zzz.txt"]
    assert sorted(path.relative_to(target).as_posix() for path in target.rglob("*")) == names
    for name in names[1:]:
        assert (target / name).read_bytes() == (run / name).read_bytes()
    times = [(target / name).stat().st_mtime_ns for name in names[1:]]
    assert max(times) == (target / "record.json").stat().st_mtime_ns
    storage.copy_run(run, "cells/a")
    assert [(target / name).stat().st_mtime_ns for name in names[1:]] == times
    _run(run, '{"other": 1}')
    storage.copy_run(run, "cells/a")
    assert (target / "record.json").read_text() == '{"other": 1}'
    assert (target / "checkpoint" / "weights.bin").read_bytes() == (run / "checkpoint" / "weights.bin").read_bytes()
    # One that was cut off has no record, and is copied again.
    (target / "record.json").unlink()
    (target / "zzz.txt").write_text("half")
    storage.copy_run(run, "cells/a")
    assert (target / "zzz.txt").read_text() == (run / "zzz.txt").read_text()


@pytest.mark.parametrize("address", ["nothing://there", "file:///proc/nothing/there", "file:///dev/null/there"])
def test_what_cannot_be_written_is_refused_before_a_cell_runs(
    address: str, bench: Run, stacks: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="--storage"):
        Storage.of(address, tmp_path)
    (tmp_path / "one.yaml").write_text(ONE)
    done = bench("suite", "one.yaml", "--root", f"isbi2012={stacks}", "--storage", address)
    assert done.returncode == 2
    assert "started" not in done.stderr


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket `runs` of a server of S3 on this machine; its file system of fsspec."""
    pytest.importorskip("moto.server", reason="needs a server of S3: pip install 'moto[server]' s3fs")
    s3fs: Any = pytest.importorskip("s3fs", reason="needs s3fs: pip install s3fs")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with suppress(urllib.error.URLError, ConnectionError):
                urllib.request.urlopen(endpoint, timeout=1).close()
                break
            time.sleep(0.1)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        files = s3fs.S3FileSystem()
        files.mkdir("runs")
        yield files
    finally:
        server.kill()
        server.wait()


@pytest.mark.slow
def test_a_suite_is_copied_to_a_bucket(s3: Any, bench: Run, stacks: Path, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(ONE)
    words = ["suite", "one.yaml", "--root", f"isbi2012={stacks}", "--out", "out", "--storage", "s3://runs/mine"]
    done = bench(*words)
    assert done.returncode == 0, done.stderr
    cells = [path.name for path in sorted((tmp_path / "out" / "cells").iterdir())]
    assert len(cells) == 2
    for name in cells:
        for kept in ("record.json", "statistics.parquet"):
            there = s3.cat_file(f"runs/mine/out/cells/{name}/{kept}")
            assert there == (tmp_path / "out" / "cells" / name / kept).read_bytes()
    assert json.loads(s3.cat_file("runs/mine/out/results.json"))["done"] == 2

    # What was not copied when its cell ended is copied by the next suite, which runs nothing.
    s3.rm(f"runs/mine/out/cells/{cells[0]}", recursive=True)
    assert "started" not in bench(*words, "--resume").stderr
    s3.invalidate_cache()
    assert s3.exists(f"runs/mine/out/cells/{cells[0]}/record.json")
    missing = bench(*words[:-1], "s3://no-such-bucket/mine", "--resume")
    assert missing.returncode == 2
    assert "--storage s3://no-such-bucket/mine: cannot be written" in missing.stderr
