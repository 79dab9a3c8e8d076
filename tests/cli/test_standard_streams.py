"""Output that nobody reads, or that has no room, changes neither what a command does nor its exit status."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from evaluated_runs import evaluated, predictions, truth

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="file descriptors are those of POSIX systems")

BENCH = [sys.executable, "-c", "from segbench.cli import main; main()"]
EVALUATE = ("evaluate", "-d", "folder", "-p", "mine", "--root", "own", "--split", "all", "--out", "run")
Ended = Callable[..., int]


@contextmanager
def unread() -> Iterator[int]:
    """The writing end of a pipe that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    yield write
    os.close(write)


@contextmanager
def full() -> Iterator[int]:
    """A device without room."""
    number = os.open("/dev/full", os.O_WRONLY)
    yield number
    os.close(number)


@pytest.fixture
def ended(tmp_path: Path) -> Ended:
    """The exit status of `bench`, whose output goes where it is told and is else thrown away."""
    predictions(truth(tmp_path / "own", 6), tmp_path / "mine", [0.1] * 6)
    evaluated(tmp_path / "own", tmp_path / "runs" / "good", [0.1] * 6)

    def run(*words: str, stdout: int = subprocess.DEVNULL, stderr: int = subprocess.DEVNULL) -> int:
        kept = {"SEGBENCH_DATA": str(tmp_path / "data"), "SEGBENCH_CACHE": str(tmp_path / "cache")}
        environment = {**os.environ, **kept}
        return subprocess.run(
            [*BENCH, *words], cwd=tmp_path, env=environment, stdout=stdout, stderr=stderr, check=False, timeout=300
        ).returncode

    return run


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (EVALUATE, 0),
        (("verify", "runs/good", "--root", "own"), 0),
        (("evaluate", "--no-such-option"), 2),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_a_reader_that_has_gone_changes_no_exit_status(
    ended: Ended, tmp_path: Path, words: tuple[str, ...], status: int
) -> None:
    for stream in ("stdout", "stderr"):
        with unread() as nobody:
            assert ended(*words, **{stream: nobody}) == status, stream
    assert (tmp_path / "run" / "record.json").exists() == (words == EVALUATE)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device without room")
def test_messages_without_room_are_lost_and_nothing_else(ended: Ended, tmp_path: Path) -> None:
    with full() as nowhere:
        assert ended(*EVALUATE, stderr=nowhere) == 0
        assert (tmp_path / "run" / "record.json").exists()
        assert ended("check", "--baseline", "runs", "--runs", "nowhere", stderr=nowhere) == 2
        assert ended("evaluate", "--no-such-option", stderr=nowhere) == 2
        assert ended("list", "methods", stdout=nowhere) == 2


PRINTED_BY_A_LIBRARY = """
import os
for number in {closed}:
    os.close(number)
from segbench.cli import standard_streams
standard_streams.prepare()
with open("file", "w") as file:
    os.write(1, b"printed by a library")
    os.write(2, b"printed by a library")
    file.write("content")
"""


@pytest.mark.parametrize("closed", ["(1,)", "(2,)", "(0, 1, 2)"])
def test_what_is_printed_on_a_closed_stream_gets_into_no_file(tmp_path: Path, closed: str) -> None:
    script = [sys.executable, "-c", PRINTED_BY_A_LIBRARY.format(closed=closed)]
    subprocess.run(script, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "file").read_text() == "content"


def test_a_message_does_not_become_a_result_where_stderr_is_closed(ended: Ended, tmp_path: Path) -> None:
    del ended
    closed = ["sh", "-c", 'exec "$0" "$@" 2>&-', *BENCH, "compare", "runs/good", "--json"]
    done = subprocess.run(closed, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("number", [0, 1, 2])
def test_programs_that_are_started_have_the_stream_too(tmp_path: Path, number: int) -> None:
    """A closed one would be the next file that they open."""
    code = (
        "import subprocess, sys; from segbench.cli.standard_streams import prepare; prepare(); "
        f"subprocess.run([sys.executable, '-c', 'import os; os.fstat({number}); open(\"fine\", \"w\")'], "
        "close_fds=True)"
    )
    command = f'exec "$0" -c "$1" {number}>&-'
    subprocess.run(["sh", "-c", command, sys.executable, code], cwd=tmp_path, timeout=60, check=True)
    assert (tmp_path / "fine").exists()
