"""Workers and cells end by themselves when the process that started them is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")]

WITHIN_S = 5.0

POOL = """
import sys, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from segbench.io.processes import end_with_parent
import workers_of_a_test as work

if __name__ == "__main__":
    pool = ProcessPoolExecutor(2, get_context("spawn"), end_with_parent)
    list(pool.map(work.write_pid, [sys.argv[1]] * 2))
    pool.submit(work.sleep, 600), pool.submit(work.sleep, 600)
    Path(sys.argv[1], "ready").touch()
    time.sleep(600)
"""
WORK = """
import os, time
from pathlib import Path

def write_pid(folder):
    Path(folder, f"{os.getpid()}.pid").touch()
    while len([*Path(folder).glob("*.pid")]) < 2:  # so that each worker takes one
        time.sleep(0.01)

def sleep(seconds):
    time.sleep(seconds)
"""
CELL = """
import subprocess, sys, time
child = "from segbench.io.processes import end_with_stdin; end_with_stdin(); import time, pathlib; {}"
process = subprocess.Popen(
    [sys.executable, "-c", child.format(sys.argv[2]), sys.argv[1]], stdin=subprocess.PIPE, start_new_session=True
)
open(f"{sys.argv[1]}/{process.pid}.pid", "w").close()
open(f"{sys.argv[1]}/ready", "w").close()
time.sleep(600)
"""


def _killed_once_ready(script: str, folder: Path, *arguments: str) -> list[int]:
    """Start a script, kill it when it says that it is ready; the processes that it had started."""
    (folder / "script.py").write_text(script)
    (folder / "workers_of_a_test.py").write_text(WORK)
    process = subprocess.Popen([sys.executable, str(folder / "script.py"), str(folder), *arguments], cwd=folder)
    end = time.monotonic() + 120
    while not (folder / "ready").exists():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return [int(path.stem) for path in folder.glob("*.pid")]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def _end(pids: list[int]) -> bool:
    """Whether all of these end in time."""
    end = time.monotonic() + WITHIN_S
    while any(map(_alive, pids)):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    pids = _killed_once_ready(POOL, tmp_path)
    assert len(pids) == 2
    assert _end(pids)


DEAF = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(600)"


@pytest.mark.parametrize("work", ["time.sleep(600)", DEAF])
def test_a_cell_ends_with_its_suite(tmp_path: Path, work: str) -> None:
    """Also one that does not listen to Ctrl-C."""
    pids = _killed_once_ready(CELL, tmp_path, work)
    assert len(pids) == 1
    assert _end(pids)
