"""Commands that are killed, ended and stopped at random moments: nothing is lost, and the end is as if undisturbed.

By hand, for as long as one likes: PYTHONPATH=tests/helpers python tests/chaos/disturbed.py --rounds 50
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segbench.data.locations import MARKER
from segbench.runs.folder import RECORD, STATISTICS
from segbench.runs.record import read_record
from segbench.runs.stored import open_run, refuse_foreign_statistics
from small_stack import write_stack
from warm_processes import BENCH, WarmProcess

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSTOP)
TOLD = {signal.SIGTERM: 130, signal.SIGINT: 130}
"""What a command that is asked to end says, where it had not ended by itself."""

LATEST = 0.9
"""The last disturbance comes within this part of the time that the undisturbed command takes."""

WORK = {"max_images": 3, "fit_images": 3}
SETTINGS = ["--set", *(f"{key}={value}" for key, value in WORK.items())]
NETWORK = [
    "epochs=4",
    "iterations_per_epoch=2",
    "batch_size=2",
    "base_channels=4",
    "depth=2",
    "size=null",
    "precision=fp32",
    "tta=none",
]
FEW_IMAGES = """
from segbench.synthetic import voc2012
voc2012.SMALL = voc2012.Plan(train=30, val=10, side=256)
"""
SUITE = "datasets: [isbi2012]\nmethods: [{{name: threshold, settings: {settings}}}, constant]\n"


@dataclass(frozen=True)
class Deed:
    """A command, what it makes in its folder, and what has to hold there at any moment."""

    words: list[str]
    again: tuple[str, ...] = ()
    """Added where an earlier attempt has left something."""
    sound: Callable[[Path], None] = lambda _: None


def _runs_are_sound(folder: Path) -> None:
    """A record that says complete has its evidence beside it."""
    for path in folder.rglob(RECORD):
        record = read_record(path.parent)
        if record.complete:
            assert (path.parent / STATISTICS).is_file(), f"{path.parent} is complete without statistics"
            refuse_foreign_statistics(open_run(path.parent))


def _data_are_marked(folder: Path) -> None:
    """What lies at the data's place was finished, and says that it is synthetic."""
    if (folder / "data").exists():
        assert json.loads((folder / "data" / MARKER).read_text())["origin"] == "synthetic"


def _baseline_is_whole(folder: Path) -> None:
    """The old baseline or the new one, never a part."""
    found = {path.parent.name for path in (folder / "baseline").rglob(RECORD)}
    assert found in ({"old"}, {"threshold", "constant"}), found
    _runs_are_sound(folder / "baseline")


ROOT = ["--dataset", "isbi2012", "--root", "stack"]
RUN = ["run", *ROOT, "--out", "made"]
FOLDS = [*RUN, "--method", "threshold", "--folds", "3", "--save-predictions", *SETTINGS]
EVALUATE = ["evaluate", *ROOT, "--predictions", "predictions", "--out", "made"]
GRID = ["suite", "suite.yaml", "--out", "made", "--root", "isbi2012=stack"]
DEEDS = {
    "run": Deed([*RUN, "--method", "unet", "--set", *NETWORK], ("--resume",), _runs_are_sound),
    "run-folds": Deed(FOLDS, ("--resume",), _runs_are_sound),
    "evaluate": Deed(EVALUATE, (), _runs_are_sound),
    "suite": Deed(GRID, ("--resume",), _runs_are_sound),
    "synthesize": Deed(["data", "synthesize", "voc2012", "--root", "data"], (), _data_are_marked),
    "check": Deed(["check", "--baseline", "baseline", "--runs", "runs", "--update"], (), _baseline_is_whole),
    "leaderboard": Deed(["leaderboard", "runs", "--out", "made"]),
    "report": Deed(["report", "runs", "--out", "made", "--root", "stack"]),
}


def code_of(words: list[str]) -> str:
    """What a process runs that is started with these words: `bench`, or one that makes fewer images than others do."""
    return FEW_IMAGES + BENCH if "synthesize" in words else BENCH


def prepared(folder: Path) -> Path:
    """A folder with all that the commands read: a small stack, runs on it, predictions, a suite, a baseline."""
    (folder / "stack").mkdir(parents=True)
    write_stack(folder / "stack")
    for method in ("threshold", "constant"):
        done(["run", *ROOT, "--method", method, "--out", f"runs/{method}", "--save-predictions", "--no-plots"], folder)
    shutil.copytree(folder / "runs" / "threshold" / "predictions", folder / "predictions")
    shutil.copytree(folder / "runs" / "threshold", folder / "baseline" / "old")
    (folder / "suite.yaml").write_text(SUITE.format(settings=json.dumps(WORK)))
    return folder


def done(words: list[str], folder: Path) -> float:
    """Run a command to its end; its seconds."""
    begun = time.monotonic()
    process = _started(words, folder)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, f"bench {' '.join(words)} ended with {process.returncode}: {said}"
    return time.monotonic() - begun


def _started(words: list[str], folder: Path) -> WarmProcess:
    environment = {"OMP_NUM_THREADS": "1", "SEGBENCH_PROGRESS": "0"}
    return WarmProcess.start(code_of(words), [*words, "--quiet"], folder, environment)


def disturbed(name: str, source: Path, folder: Path, seconds: float, times: int, chance: random.Random) -> Counter[str]:
    """Run a command in a copy of what was prepared, disturb it `times` times, and let it end; which signals were sent.

    Raises AssertionError where something is lost in between, or a command ends otherwise than it was told to.
    """
    deed, sent = DEEDS[name], Counter[str]()
    shutil.copytree(source, folder)
    for attempt in range(times):
        words = [*deed.words, *(deed.again if attempt else ())]
        process = _started(words, folder)
        time.sleep(chance.uniform(0, LATEST * seconds))
        number = chance.choice(SIGNALS)
        process.send_signal(number)
        if number == signal.SIGSTOP:
            time.sleep(0.3)
            process.send_signal(signal.SIGCONT)
        _, said = process.communicate(timeout=600)
        if not _before_it_began(said, process.returncode):
            assert "Traceback" not in said, said
            assert process.returncode in (0, -number, TOLD.get(number, 0), -signal.SIGINT, -signal.SIGTERM), said
        sent[signal.Signals(number).name] += 1
        deed.sound(folder)
    done([*deed.words, *deed.again], folder)
    deed.sound(folder)
    return sent


UNREPEATABLE = (
    "created",
    "started",
    "driver",
    "resume",
    "revision",
    "expected_s",
    "updated",
    "seconds",
    "cost",
    "environment",
    "command",
    "warnings",
    "pid",
    "fit_seconds",
    "search_seconds",
    "content_sha256",
    "checkpoint",
)


def content(folder: Path, only: tuple[str, ...] = ("made", "data", "baseline")) -> dict[str, Any]:
    """Every file that a command made, without what tells the time, its cost or its way there, and digests of that."""
    found: dict[str, Any] = {}
    for path in sorted(path for name in only for path in (folder / name).rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".json":
            found[name] = _without(json.loads(path.read_text(encoding="utf-8")))
        elif path.suffix not in (".log", ".txt", ".html", ".png", ".svg", ".md", ".mp4") and path.name != ".lock":
            found[name] = path.read_bytes()
        elif path.name != ".lock":
            found[name] = path.stat().st_size > 0
    return {name: value for name, value in found.items() if "checkpoint/" not in name}


def _without(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _without(value) for key, value in content.items() if key not in UNREPEATABLE}
    return [_without(each) for each in content] if isinstance(content, list) else content


def left_over(folder: Path) -> list[str]:
    """Half-made files of killed commands that are still there once one has ended well."""
    kinds = ("*.tmp", "*.partial", "*.part")
    return sorted(path.relative_to(folder).as_posix() for kind in kinds for path in folder.rglob(kind))


def _before_it_began(said: str, status: int | None) -> bool:
    """Whether Ctrl-C came while Python still imported what the command begins with: then Python itself says so.

    Or says so elsewhere, in the moment before the output of the process goes to its files.
    """
    began = re.search(r'cli/\S+", line \d+, in main\n', said)
    return (not said and status == 1) or (said.rstrip().endswith("KeyboardInterrupt") and not began)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=8)
    asked.add_argument("--seed", type=int, default=0)
    given = asked.parse_args()
    chance = random.Random(given.seed)
    sent: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        source = prepared(top / "source")
        expected, seconds = {}, {}
        for deed in DEEDS:
            shutil.copytree(source, top / f"calm-{deed}")
            seconds[deed] = done(DEEDS[deed].words, top / f"calm-{deed}")
            expected[deed] = content(top / f"calm-{deed}")
        for number in range(given.rounds):
            deed = list(DEEDS)[number % len(DEEDS)]
            folder = top / f"{deed}-{number}"
            sent += disturbed(deed, source, folder, seconds[deed], chance.randint(1, 3), chance)
            assert content(folder) == expected[deed], f"round {number}: {deed} ended otherwise"
            print(f"round {number}: {deed} as if undisturbed; left over: {left_over(folder)}", flush=True)
            shutil.rmtree(folder)
    print(f"{sum(sent.values())} disturbances: {dict(sent)}; nothing lost, nothing doubled")


if __name__ == "__main__":
    main()
