"""A wall clock that is set forward or back by days changes nothing but time stamps."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from disturbed import DEEDS, NETWORK, RUN, code_of, content, left_over, prepared
from jumping_clock import DAYS, JumpingClock

from segbench.runs.record import read_record

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")]

JUMPS = pytest.mark.parametrize("seconds", [DAYS, -DAYS], ids=["forward", "back"])
LIMITED = [*RUN, "--method", "unet", "--set", *NETWORK, "time_limit_minutes=30"]
"""Training that a clock which counted the jump would end at once, or never."""
COMMANDS = {
    "run": LIMITED,
    **{name: DEEDS[name].words for name in ("run-folds", "evaluate", "suite", "synthesize", "check")},
}


ONE_WAY = {"run-folds": -DAYS, "suite": -DAYS, "synthesize": DAYS}
"""Which way the clock jumps in commands that take long; in the others it jumps both ways."""


class Calm(NamedTuple):
    """What a command makes undisturbed, and how often its busiest process looks at the clock."""

    folder: Path
    looks: int


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> JumpingClock:
    return JumpingClock.compiled(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def source(clock: JumpingClock, tmp_path_factory: pytest.TempPathFactory) -> Path:
    del clock  # without a compiler there is nothing to prepare
    folder = prepared(tmp_path_factory.mktemp("chaos") / "source")
    # Code that has been parsed is known by its content: each command would parse all of it again.
    (folder / "cache").mkdir()
    shutil.copy(Path(os.environ["SEGBENCH_CACHE"]) / "code.json", folder / "cache")
    return folder


@pytest.fixture(scope="module")
def calm(clock: JumpingClock, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Calm]:
    """Runs a command while no clock jumps, each of them once."""

    @cache
    def made(name: str) -> Calm:
        folder = tmp_path_factory.mktemp("calm") / name
        shutil.copytree(source, folder)
        clock.forget_looks(0)
        done = bench(COMMANDS[name], folder, clock.environment(0))
        assert done.returncode == 0, done.stderr
        return Calm(folder, clock.looks(0))

    return made


def bench(words: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    started = begun(words, folder, environment)
    out, err = started.communicate(timeout=600)
    return subprocess.CompletedProcess(words, started.returncode, out, err)


def begun(words: list[str], folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    more = {"OMP_NUM_THREADS": "1", "SEGBENCH_CACHE": str(folder / "cache")}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", code_of(words), *words]
    return subprocess.Popen(command, cwd=folder, env={**environment, **more}, stdout=pipe, stderr=pipe, text=True)


def same_but_for_time(folder: Path, calm: Path) -> None:
    """All that a command made is what it makes undisturbed, and what it cost is no matter of days."""
    assert content(folder) == content(calm)
    assert left_over(folder) == []
    for path in sorted((folder / "made").rglob("record.json")):
        record, before = read_record(path.parent), read_record((calm / path.relative_to(folder)).parent)
        assert record.run_id == before.run_id
        for seconds in (record.cost.train_s, (record.cost.predict_ms_per_image or 0) / 1000):
            assert seconds is None or 0 <= seconds < 600
    for path in folder.rglob("suite.json"):
        assert all(0 < cell["seconds"] < 600 for cell in json.loads(path.read_text())["cells"].values())


def test_the_clock_of_these_tests_jumps_and_no_other_does(clock: JumpingClock) -> None:
    look = "import datetime, time; print(time.time(), datetime.datetime.now().timestamp(), time.monotonic())"
    for seconds in (0, DAYS, -DAYS):
        done = subprocess.run([sys.executable, "-c", look], env=clock.environment(seconds, 1), capture_output=True)
        wall, date, monotonic = map(float, done.stdout.split())
        assert abs(wall - time.time() - seconds) < 60
        assert abs(date - time.time() - seconds) < 60
        assert 0 <= time.monotonic() - monotonic < 60
        clock.back(seconds)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_jump_in_the_middle_changes_no_result(
    name: str, clock: JumpingClock, source: Path, calm: Callable[[str], Calm], tmp_path: Path
) -> None:
    undisturbed, looked = calm(name)
    for seconds in [ONE_WAY[name]] if name in ONE_WAY else [DAYS, -DAYS]:
        folder = tmp_path / f"jumped-{seconds}"
        # How often a command looks at the clock depends on how long it waits: the jump comes in the middle, or sooner.
        for looks in (looked // 2, looked // 8, 1):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(source, folder)
            done = bench(COMMANDS[name], folder, clock.environment(seconds, looks))
            assert done.returncode == 0, done.stderr
            if clock.jumped(seconds):
                break
        assert clock.jumped(seconds)
        clock.back(seconds)
        assert not re.search(r"[0-9]{3} h|-[0-9]+ (s|min|h)", done.stdout + done.stderr)
        same_but_for_time(folder, undisturbed)


@JUMPS
def test_a_training_is_resumed_on_another_day(
    seconds: int, clock: JumpingClock, source: Path, calm: Callable[[str], Calm], tmp_path: Path
) -> None:
    folder, environment = tmp_path / "resumed", clock.environment(seconds)
    shutil.copytree(source, folder)
    started = begun(LIMITED, folder, environment)
    while started.poll() is None and not any((folder / "made").glob("checkpoint/*")):
        time.sleep(0.01)
    started.send_signal(signal.SIGTERM)
    started.communicate(timeout=600)
    clock.jump(seconds)
    done = bench([*LIMITED, "--resume"], folder, environment)
    clock.back(seconds)
    assert done.returncode == 0, done.stderr
    same_but_for_time(folder, calm("run").folder)
    again = bench(LIMITED, folder, clock.environment(seconds))
    assert "complete and current" in again.stderr


HOLD = """
import sys
from pathlib import Path
from segbench.io.atomic import atomic_path
from segbench.io.locks import exclusive

with exclusive(Path("place/.lock"), "busy"), atomic_path(Path("place/half-made")) as part:
    part.write_text("half")
    print("held", flush=True)
    sys.stdin.read()
"""
COME = """
from pathlib import Path
from segbench.errors import UserError
from segbench.io.atomic import write_text
from segbench.io.locks import exclusive

write_text(Path("place/other"), "whole")
try:
    with exclusive(Path("place/.lock"), "busy"):
        print("free")
except UserError as error:
    print(error)
"""


@JUMPS
@pytest.mark.parametrize("ahead", ["holder", "comer"])
def test_locks_and_half_made_files_of_a_living_process_stay(
    seconds: int, ahead: str, clock: JumpingClock, tmp_path: Path
) -> None:
    jumping = {"holder": clock.environment(seconds if ahead == "holder" else 0)}
    jumping["comer"] = clock.environment(seconds if ahead == "comer" else 0)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=tmp_path, env=jumping["holder"], stdin=pipe, stdout=pipe, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        clock.jump(seconds)
        come = [sys.executable, "-c", COME]
        done = subprocess.run(come, cwd=tmp_path, env=jumping["comer"], capture_output=True, text=True)
        clock.back(seconds)
        assert done.stdout == "busy\n", done.stderr
        holder.communicate("")
    assert holder.returncode == 0
    assert (tmp_path / "place" / "half-made").read_text() == "half"
    assert left_over(tmp_path) == []


CACHED = """
import sys
from pathlib import Path
import numpy as np
from segbench.methods.targets import Pair
from segbench.methods.training.cache import DecodedCache

def pair(number):
    return Pair(np.full((40, 50, 1), number, np.uint8), np.full((40, 50), number, np.uint8))

def key(number):
    return f"{number:064x}"[::-1]

cache = DecodedCache(Path("cache"), 3 * (2 * 40 * 50 + 1024))
for number in (0, 1, 2):
    cache.put(key(number), pair(number))
print("written", flush=True)
sys.stdin.readline()
for number in (3, 4):
    cache.put(key(number), pair(number))
print([number for number in range(5) if cache.get(key(number)) is not None], cache.notes, flush=True)
"""


def test_a_cache_keeps_what_its_process_uses_and_no_more(clock: JumpingClock, tmp_path: Path) -> None:
    for seconds in (DAYS, -DAYS):
        folder = tmp_path / str(seconds)
        folder.mkdir()
        for _ in range(2):  # the second time it finds files of a clock that was ahead, or behind
            with subprocess.Popen(
                [sys.executable, "-c", CACHED],
                cwd=folder,
                env=clock.environment(seconds),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as process:
                assert process.stdout is not None
                assert process.stdout.readline() == "written\n"
                clock.jump(seconds)
                out, _ = process.communicate("\n")
            clock.back(seconds)
            assert out == "[0, 1, 2] []\n"
