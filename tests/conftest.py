"""Where the real data and the official scores lie, and how the command line is run."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

# Tests run side by side, and so do the commands they start: one thread each is quickest. Before NumPy is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest

from commands import Run
from engines import COMPILED, using
from places import shared
from synthetic_roots import write_hearts, write_stacks

if TYPE_CHECKING:
    from diagnosed_cases import Case
    from segbench.report.build import ReportSummary

# No example has to be quick: a machine may be busy. What CI's profile sets besides stays.
hypothesis.settings.register_profile("patient", parent=hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("patient")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in a shell's background job. Processes that tests start would not hear their Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
for _name in ("SIGHUP", "SIGTERM"):
    # Nor, under nohup, that their terminal is closed.
    if signal.getsignal(getattr(signal, _name, signal.SIGINT)) is signal.SIG_IGN:
        signal.signal(getattr(signal, _name), signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def _as_in_a_new_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing that a test reads is remembered in the user's own cache folder, and no plugin of theirs takes part.

    Every run measures how long its method takes: here for a tenth of a second instead of two seconds.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("share")))
        patch.delenv("SEGBENCH_PLUGINS", raising=False)
        patch.setattr("segbench.runs.latency._BUDGET_S", 0.05)
        yield


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m quick`, a file of nothing but slow tests is not even imported: most of them need torch."""
    if config.getoption("markexpr") != "quick" or not collection_path.match("test_*.py"):
        return None
    return True if "\npytestmark = pytest.mark.slow\n" in collection_path.read_text(encoding="utf-8") else None


_LONG = {
    *("test_architecture.py", "test_chaos.py", "test_claims.py", "test_clock_jumps.py", "test_networks.py"),
    *("test_on_ray.py", "test_runnable.py", "test_short_of_everything.py", "test_suite_on_slurm.py"),
    *("test_suite_resources.py", "test_suite_status.py", "test_suites.py", "test_tracking.py"),
}
"""Files with tests that take five seconds and more."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is not marked slow is quick, so that `pytest -m quick` takes in a new test by itself.

    What takes long comes first: no core waits at the end while another one is at a long test.
    """
    for item in items:
        if item.get_closest_marker("slow") is None:
            item.add_marker("quick")
    items.sort(key=lambda item: item.path.name not in _LONG)


@pytest.fixture(params=["native", "numpy"] if COMPILED else ["numpy"])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """What counts and decodes label maps in a test: every law and official score holds with each."""
    with using(request.param):
        yield request.param


@pytest.fixture(scope="session")
def real_isbi() -> Path:
    """The real ISBI 2012 stacks."""
    return shared("data/isbi2012")


@pytest.fixture(scope="session")
def golden_isbi() -> Path:
    """Inputs and scores of the official ISBI 2012 evaluation."""
    return shared("golden/isbi2012")


@pytest.fixture(scope="session")
def real_masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """503 real ventricle masks, unpacked into the official layout."""
    import zipfile

    archive = shared("data/heartseg") / "lateral_mask.zip"
    folder = tmp_path_factory.mktemp("heartseg") / "train_images" / "lateral_mask"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(archive) as zipped:
        for name in zipped.namelist():
            if name.endswith(".tif"):
                (folder / Path(name).name).write_bytes(zipped.read(name))
    return folder.parents[1]


_PARSES = frozenset({"run", "evaluate", "suite"})
"""Commands that parse all code that a result depends on."""


@pytest.fixture
def known_code(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What other tests have made of Python files: parsing them takes a second each time.

    It is known by content, so that nothing of it can be out of date.
    """
    known, own = tmp_path_factory.getbasetemp() / "code.json", tmp_path / "cache" / "code.json"
    yield known
    if own.is_file() and (not known.exists() or own.stat().st_size > known.stat().st_size):
        shutil.copyfile(own, known)


@pytest.fixture
def bench(tmp_path: Path, known_code: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `bench` in an empty folder with no data of its own, in this process: starting another takes a second."""

    def run(*arguments: str | Path, cwd: Path = tmp_path, **environment: str) -> subprocess.CompletedProcess[str]:
        from segbench.cli import main

        command = ["bench", *map(str, arguments)]
        written = io.BytesIO(), io.BytesIO()
        out, err = (io.TextIOWrapper(stream, "utf-8", write_through=True) for stream in written)
        code: object = 0
        with monkeypatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name, value in (_places(tmp_path, known_code, arguments) | environment).items():
                patch.setenv(name, value)
            patch.chdir(cwd)
            patch.setattr(sys, "argv", command)
            try:
                main()
            except SystemExit as end:
                code = end.code
            except Exception:
                # As Python itself ends: a traceback on stderr, and 1.
                traceback.print_exc()
                code = 1
        shown = [stream.getvalue().decode("utf-8", "replace") for stream in written]
        return subprocess.CompletedProcess(command, code if isinstance(code, int) else 0 if code is None else 1, *shown)

    return run


@pytest.fixture
def bench_process(tmp_path: Path, known_code: Path) -> Run:
    """Run `bench` as a user does, in a process of its own."""

    def run(*arguments: str | Path, cwd: Path = tmp_path, **environment: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, **_places(tmp_path, known_code, arguments), **environment}
        command = [sys.executable, "-c", "from segbench.cli import main; main()", *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=600, check=False)

    return run


def _places(folder: Path, known_code: Path, arguments: Sequence[object]) -> dict[str, str]:
    cache = folder / "cache"
    if known_code.exists() and not cache.exists() and _PARSES & set(arguments[:1]):
        cache.mkdir()
        shutil.copyfile(known_code, cache / "code.json")
    return {"SEGBENCH_DATA": str(folder / "data"), "SEGBENCH_CACHE": str(cache), "COLUMNS": "200"}


@pytest.fixture
def stacks(tmp_path: Path) -> Path:
    """SYNTHETIC stacks of 30 small slices in the official layout."""
    return write_stacks(tmp_path / "isbi")


@pytest.fixture
def hearts(tmp_path: Path) -> Path:
    """SYNTHETIC lateral frames in the HeartSeg layout."""
    return write_hearts(tmp_path / "hearts")


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    """One case of every dataset for `bench doctor`, with correct predictions."""
    from diagnosed_cases import MAKERS

    return {name: make(tmp_path_factory.mktemp(name)) for name, make in MAKERS.items()}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the documentation, built once; no test changes it."""
    from built_site import build_site

    return build_site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two datasets that `bench report` has made a page of; no test changes them."""
    from reported_runs import write_runs

    return write_runs(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def report_page(reported: Path) -> ReportSummary:
    """The page of `reported`."""
    from reported_runs import page_of

    return page_of(reported)


@pytest.fixture(scope="session")
def long_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of more runs than are laid out at once."""
    from reported_runs import long_page

    return long_page(tmp_path_factory.mktemp("many"))
