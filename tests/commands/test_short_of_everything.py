"""No rights, no space, no shared memory, few files, little memory: one message with the path, or it works without."""

from __future__ import annotations

import os
import py_compile
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from evaluated_runs import predictions, truth
from PIL import Image

from segbench.cli import _command, main
from segbench.cli.system_errors import sentence_of
from segbench.runs.folder import RECORD
from segbench.runs.record import read_record

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="limits of processes are asked of POSIX systems"),
]

BENCH = "from segbench.cli import main; main()"
FEW_SLICES = "from segbench.synthetic import isbi2012; isbi2012.SMALL = isbi2012.Plan(4)\n" + BENCH
LIMITED = (
    [] if os.name != "posix" or os.getuid() else ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]
)
"""The superuser may write everywhere; as others it is only what it owns and has a bit for."""
Bench = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def place(tmp_path: Path, known_code: Path) -> Path:
    """A folder of masks, `own`, and predictions of it, `predicted`; code that other tests have parsed is known."""
    (tmp_path / "cache").mkdir()
    if known_code.exists():
        shutil.copy(known_code, tmp_path / "cache")
    predictions(truth(tmp_path / "own", 6), tmp_path / "predicted", [0.1] * 6)
    return tmp_path


@pytest.fixture
def limited(place: Path) -> Bench:
    """`bench` in a process of its own, with limits (kind and number), before which `first` words may stand."""

    def run(
        *words: str,
        limits: tuple[tuple[int, int], ...] = (),
        first: tuple[str, ...] = (),
        code: str = BENCH,
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        def limit() -> None:
            for kind, allowed in limits:
                resource.setrlimit(kind, (allowed, allowed))

        kept = {"SEGBENCH_DATA": str(place / "data"), "SEGBENCH_CACHE": str(place / "cache"), "COLUMNS": "200"}
        return subprocess.run(
            [*first, sys.executable, "-c", code, *words],
            cwd=place,
            env={**os.environ, **kept, **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            preexec_fn=limit,
        )

    return run


EVALUATE = ("evaluate", "-d", "folder", "-p", "predicted", "--root", "own", "--split", "all", "-q")


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """One message with these words, and no traceback."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("bench: ")
    for word in words:
        assert word in last


def needs_rights() -> None:
    if LIMITED and shutil.which("setpriv") is None:
        pytest.skip("the superuser may write everywhere, and there is no setpriv to take that away")


def test_a_folder_that_may_not_be_written_to(limited: Bench, place: Path) -> None:
    needs_rights()
    (place / "closed").mkdir(mode=0o555)
    refused(limited(*EVALUATE, "--out", "closed/run", first=tuple(LIMITED)), "Permission denied: closed/run")
    for cache in ("closed/cache", "own/classes.yaml"):
        done = limited(*EVALUATE, "--out", f"run-{len(cache)}", first=tuple(LIMITED), SEGBENCH_CACHE=str(place / cache))
        assert done.returncode == 0, done.stderr


def test_a_finished_run_that_may_only_be_read(limited: Bench, place: Path) -> None:
    needs_rights()
    run = ("run", "-d", "folder", "-m", "constant", "--root", "own", "--folds", "3", "--no-plots", "--out", "runs/a")
    assert limited(*run).returncode == 0
    for folder in (place / "runs" / "a", place / "runs"):
        folder.chmod(0o555)
    try:
        again = limited(*run, first=tuple(LIMITED))
        assert again.returncode == 0, again.stderr
        assert "complete and current" in again.stderr
        refused(limited(*run, "--overwrite", first=tuple(LIMITED)), "Permission denied: runs/a")
        for command in (
            ("verify", "runs/a", "--root", "own"),
            ("leaderboard", "runs"),
            ("report", "runs", "--out", "p"),
        ):
            done = limited(*command, "-q", first=tuple(LIMITED))
            assert done.returncode == 0, done.stderr
    finally:
        for folder in (place / "runs", place / "runs" / "a"):
            folder.chmod(0o755)


@pytest.mark.parametrize("size", [0, 1000, 3000])
def test_a_disk_that_is_full_is_named_by_path(limited: Bench, size: int) -> None:
    """Files of at most this many bytes stand for a disk with so much room: the same error, of another number."""
    done = limited(*EVALUATE, "--out", "run", limits=((resource.RLIMIT_FSIZE, size),))
    refused(done, "File too large: ", "run")


def test_few_open_files_are_enough_or_said_to_be_too_few(limited: Bench) -> None:
    few = ((resource.RLIMIT_NOFILE, 64),)
    done = limited(*EVALUATE, "--out", "run", limits=few)
    assert done.returncode == 0, done.stderr
    done = limited(*EVALUATE, "--out", "other", "--workers", "2", limits=few)
    assert done.returncode == 0, done.stderr


def test_too_little_address_space_is_said_at_once(limited: Bench) -> None:
    refused(limited(*EVALUATE, limits=((resource.RLIMIT_AS, 500 << 20),)), "500 MB", "ulimit -v")


def told_or_done(done: subprocess.CompletedProcess[str], run: Path) -> None:
    """It says that memory ran out, or has made a whole run; which of them is a matter of the machine."""
    if done.returncode:
        refused(done, "memory")
        assert not (run / RECORD).exists() or not read_record(run).complete
    else:
        record = read_record(run)
        assert record.complete
        assert record.main_value is not None


CLASSICAL = (
    "run",
    "-d",
    "folder",
    "-m",
    "threshold",
    "--root",
    "own",
    "--folds",
    "2",
    "--no-plots",
    "--out",
    "run",
    "-q",
)
LEARNED = (
    *(
        "run",
        "-d",
        "folder",
        "-m",
        "unet",
        "--root",
        "own",
        "--folds",
        "2",
        "--no-plots",
        "--out",
        "run",
        "-q",
        "--set",
    ),
    *("epochs=1", "iterations_per_epoch=1", "batch_size=1", "base_channels=4", "depth=2", "size=null"),
)


@pytest.mark.parametrize("megabytes", [1024, 1500, 2000, 2300])
def test_linear_algebra_that_is_loaded_late_finds_its_room(limited: Bench, place: Path, megabytes: int) -> None:
    """OpenBLAS, of which NumPy, SciPy and OpenCV each bring a copy, asks without end for what it does not get."""
    told_or_done(limited(*CLASSICAL, limits=((resource.RLIMIT_AS, megabytes << 20),)), place / "run")


@pytest.mark.parametrize("megabytes", [1500, 3800, 4200])
def test_a_network_that_has_too_little_address_space(limited: Bench, place: Path, megabytes: int) -> None:
    told_or_done(limited(*LEARNED, limits=((resource.RLIMIT_AS, megabytes << 20),)), place / "run")


@pytest.mark.parametrize("workers", ["0", "2"])
def test_masks_that_are_too_large_for_the_address_space(limited: Bench, place: Path, workers: str) -> None:
    """They are within the budget of a file, but not of this process."""
    large = np.zeros((14000, 14000), np.uint8)
    Image.fromarray(large).save(place / "predicted" / "s000.png", compress_level=1)
    for folder in ("masks", "images"):
        shutil.copy(place / "predicted" / "s000.png", place / "own" / folder)
    little = ((resource.RLIMIT_AS, 1024 << 20),)
    done = limited(*EVALUATE, "--out", "run", "--workers", workers, limits=little)
    refused(done, "s000", "needs more memory")
    if workers == "0":
        done = limited(*EVALUATE, "--out", "run", "--save-predictions", "--no-plots")
        assert done.returncode == 0, done.stderr
        refused(limited("verify", "run", "--root", "own", limits=little), "s000", "needs more memory")


NO_THREAD = """
import resource, threading, time
from segbench.cli.system_errors import sentence_of

size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + (4 << 20)
resource.setrlimit(resource.RLIMIT_AS, (size, size))
try:
    for _ in range(100):
        threading.Thread(target=time.sleep, args=(1,), daemon=True).start()
except (RuntimeError, MemoryError) as error:
    print(sentence_of(error))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="asks /proc for its size")
def test_a_thread_that_cannot_be_started_is_said_to_be_a_matter_of_memory() -> None:
    done = subprocess.run([sys.executable, "-c", NO_THREAD], capture_output=True, text=True, check=True)
    assert "there is not enough memory (can't start new thread)" in done.stdout


def test_processes_are_done_without_where_there_is_no_shared_memory(limited: Bench) -> None:
    closed = ("unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o ro,size=4k none /dev/shm && exec "$0" "$@"')
    if (
        shutil.which("unshare") is None
        or subprocess.run([*closed, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("this system does not let a process have mounts of its own")
    done = limited("data", "synthesize", "isbi2012", "--root", "made", "-q", first=closed, code=FEW_SLICES)
    assert done.returncode == 0, done.stderr
    done = limited(*EVALUATE, "--workers", "2", "--out", "run", first=closed)
    assert done.returncode == 0, done.stderr


def test_a_compiled_file_that_a_full_disk_cut_short_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python writes as much of it as there is room for, and reads it ever after; typer would say "Aborted!"."""
    (tmp_path / "cut_short.py").write_text("value = [1, 2, 3]")
    compiled = Path(str(py_compile.compile(str(tmp_path / "cut_short.py"), doraise=True)))
    compiled.write_bytes(compiled.read_bytes()[:20])
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EOFError) as raised:
        import_module("cut_short")
    told = sentence_of(raised.value)
    assert told is not None
    assert f"'{compiled}' was cut short" in told


@pytest.mark.parametrize("error", [EOFError("no more"), BrokenPipeError(32, "Broken pipe"), BrokenProcessPool("died")])
def test_what_ends_too_early_is_no_failed_check(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 1 is that of a gate that found a loss."""

    def fail() -> None:
        raise error

    monkeypatch.setattr("segbench.cli.data_commands.list_", fail)
    monkeypatch.setattr(sys, "argv", ["bench", "list"])
    _command.cache_clear()
    with pytest.raises(SystemExit) as ended:
        main()
    _command.cache_clear()
    assert ended.value.code == 2
