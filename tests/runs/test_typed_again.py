"""A command that is typed again: its finished result is printed while it is current, and never lost."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluated_runs import predictions, truth
from PIL import Image

import segbench
from commands import Run, printed_json
from segbench.runs.current import same_command
from segbench.runs.find import find_runs
from segbench.runs.folder import beside
from segbench.runs.record import read_record

pytestmark = pytest.mark.slow

OWN = """
import time
from pathlib import Path

import numpy as np
from segbench.methods import BaseMethod
from segbench.types import MethodInfo, Prediction

class Mine(BaseMethod):
    info = MethodInfo("mine", "classical", "bright pixels", "nobody")

    def fit(self, train, val, context):
        Path({log!r}).open("a").write("fitted\\n")
        time.sleep({seconds})

    def predict(self, images):
        return [Prediction(labels=(image > {level}).astype(np.uint8)) for image in images]

    def save(self, folder):
        pass

    def load(self, folder, dataset, device):
        pass
"""


class Place:
    """A folder of images with masks, and a method of one's own that writes down when it is fitted."""

    def __init__(self, folder: Path, bench: Run) -> None:
        self.folder, self.bench = folder, bench
        self.root = truth(folder / "root", 12)
        self.method = folder / "plugins" / "baselines" / "mine.py"
        self.method.parent.mkdir(parents=True)
        self.code()
        self.words = ["run", "-d", "folder", "--root", "root", "-m", "mine", "--folds", "2", "--out", "out/mine"]

    def code(self, level: int = 120, seconds: float = 0.0) -> None:
        """Write the method, as an editor would."""
        log = str(self.folder / "fits.txt")
        self.method.write_text(OWN.format(log=log, level=level, seconds=seconds), encoding="utf-8")
        sys.modules.pop("segbench_user_baselines_mine", None)

    @property
    def fits(self) -> int:
        path = self.folder / "fits.txt"
        return len(path.read_text().splitlines()) if path.exists() else 0

    @property
    def out(self) -> Path:
        return self.folder / "out" / "mine"

    def again(self, *more: str) -> Any:
        return self.bench(*self.words, *more, SEGBENCH_PLUGINS=str(self.folder / "plugins"))

    def start(self, *more: str) -> subprocess.Popen[str]:
        """The same in a process of its own."""
        command = [sys.executable, "-c", "from segbench.cli import main; main()", *self.words, *more]
        places = {"SEGBENCH_PLUGINS": str(self.folder / "plugins"), "SEGBENCH_CACHE": str(self.folder / "cache")}
        return subprocess.Popen(
            command, cwd=self.folder, env={**os.environ, **places}, stderr=subprocess.PIPE, text=True
        )


@pytest.fixture
def place(tmp_path: Path, bench: Run) -> Place:
    return Place(tmp_path, bench)


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_finished_run_is_printed_again(place: Place) -> None:
    first = printed_json(place.again("--json"))
    before = contents(place.out)
    said = {(): "complete and current", ("--resume",): "complete: nothing to resume", ("--workers", "1"): "current"}
    for more, words in said.items():
        done = place.again("--json", *more)
        assert json.loads(done.stdout) == first
        assert words in done.stderr
    assert (place.fits, contents(place.out)) == (2, before)
    assert sorted(path.name for path in place.out.parent.iterdir()) == ["mine"]


def test_the_record_says_where_it_lies_and_of_what_code(place: Place) -> None:
    record = printed_json(place.again("--json"))
    assert "--out out/mine" in record["command"]
    assert len(record["environment"]["code_sha256"]) == 64
    assert same_command(record["command"], record["command"].replace("--out out/mine", "--workers 3 --overwrite"))
    assert not same_command(record["command"], record["command"] + " --seed 1")


def test_other_code_of_a_plugin_is_another_result(place: Place) -> None:
    first = printed_json(place.again("--json"))
    place.code(level=255)
    done = place.again("--json")
    assert "the code has changed" in done.stderr
    second = json.loads(done.stdout)
    assert second["run_id"] == first["run_id"]
    assert second["scores"] != first["scores"]
    assert place.fits == 4
    assert json.loads((place.out / "record.json").read_text()) == second
    assert sorted(path.name for path in place.out.parent.iterdir()) == ["mine"]


def test_a_helper_file_of_a_plugin_counts(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = place.method.with_name("_level_of_mine.py")
    helper.write_text("LEVEL = 120\n", encoding="utf-8")
    monkeypatch.syspath_prepend(helper.parent)
    own = place.method.read_text().replace("> 120", "> LEVEL")
    own = own.replace("import time", "import time\nfrom _level_of_mine import LEVEL")
    place.method.write_text(own, encoding="utf-8")
    place.again()
    assert "complete and current" in place.again().stderr
    helper.write_text("LEVEL = 255\n", encoding="utf-8")
    for name in ("segbench_user_baselines_mine", "_level_of_mine"):
        sys.modules.pop(name, None)
    assert "the code has changed" in place.again().stderr


def test_a_comment_changes_nothing(place: Place) -> None:
    place.again()
    place.method.write_text(place.method.read_text() + "\n# more to come\n")
    sys.modules.pop("segbench_user_baselines_mine", None)
    assert "complete and current" in place.again().stderr
    assert place.fits == 2


def test_other_data_is_another_result(place: Place) -> None:
    first = printed_json(place.again("--json"))
    mask = place.root / "masks" / "s003.png"
    Image.fromarray(1 - np.asarray(Image.open(mask))).save(mask)
    done = place.again("--json")
    assert done.returncode == 0, done.stderr
    assert "the data has changed" in done.stderr
    second = json.loads(done.stdout)
    assert second["run_id"] != first["run_id"]
    assert read_record(place.out).run_id == second["run_id"]
    assert "complete and current" in place.again().stderr


def test_another_command_does_not_take_its_place(place: Place) -> None:
    place.again()
    before = contents(place.out)
    done = place.again("--seed", "1")
    assert done.returncode == 2
    assert "holds another run" in done.stderr
    assert contents(place.out) == before
    assert place.again("--seed", "1", "--overwrite").returncode == 0
    assert read_record(place.out).method.seed == 1


def test_overwrite_makes_it_anew(place: Place) -> None:
    first = printed_json(place.again("--json"))
    time.sleep(1.1)
    second = printed_json(place.again("--overwrite", "--json"))
    assert second["created"] > first["created"]
    assert second["scores"] == first["scores"]
    assert place.fits == 4


@pytest.mark.parametrize("gone", ["statistics.parquet", "checkpoint/fold-1", "predictions", "predictions/s004.png"])
def test_files_that_are_gone_are_told_and_made_anew(place: Place, gone: str) -> None:
    place.words.append("--save-predictions")
    first = printed_json(place.again("--json"))
    path = place.out / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    done = place.again("--resume", "--json")
    assert done.returncode == 0, done.stderr
    assert Path(gone).parts[0] in done.stderr
    assert "nothing to resume" not in done.stderr
    assert json.loads(done.stdout)["scores"] == first["scores"]
    assert path.exists()


def test_statistics_of_another_run_are_told(place: Place) -> None:
    place.code(level=255)
    place.again()
    other = shutil.copy(place.out / "statistics.parquet", place.folder / "other.parquet")
    place.code()
    place.again()
    shutil.copy(other, place.out / "statistics.parquet")
    done = place.again()
    assert done.returncode == 0
    assert "its statistics.parquet is not that of its record.json" in done.stderr
    assert "complete and current" in place.again().stderr


def test_what_else_is_asked_for_is_made(place: Place) -> None:
    place.again("--no-plots")
    assert "it has no predictions" in place.again("--no-plots", "--save-predictions").stderr
    assert (place.out / "predictions").is_dir()
    assert "made without plots" in place.again("--save-predictions").stderr
    assert "complete and current" in place.again("--save-predictions").stderr


def wait_for(path: Path, process: subprocess.Popen[str], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_killed_second_run_leaves_the_first_one(place: Place) -> None:
    first = printed_json(place.again("--json"))
    before = contents(place.out)
    place.code(level=255, seconds=30)
    process = place.start()
    wait_for(beside(place.out) / "record.json", process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert contents(place.out) == before
    assert [each.record.run_id for each in find_runs([place.folder / "out"])] == [first["run_id"]]
    # Nor is it shown as the result of the code that it was not made by.
    place.code(level=255)
    done = place.again("--json")
    assert "the code has changed" in done.stderr
    assert json.loads(done.stdout)["scores"] != first["scores"]
    assert sorted(path.name for path in place.out.parent.iterdir()) == ["mine"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_in_a_second_run_leaves_the_first_one_and_says_how_to_go_on(place: Place) -> None:
    place.again()
    before = contents(place.out)
    place.code(seconds=2)
    process = place.start("--overwrite")
    wait_for(beside(place.out) / "record.json", process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--out out/mine --overwrite --resume" in said
    assert contents(place.out) == before
    assert place.again("--overwrite", "--resume").returncode == 0
    assert sorted(path.name for path in place.out.parent.iterdir()) == ["mine"]


def test_python_returns_what_is_there(tmp_path: Path) -> None:
    root = truth(tmp_path / "root", 8)
    how: Any = {"root": root, "folds": 2, "out": tmp_path / "out", "plots": False, "progress": False}
    first = segbench.run("folder", "constant", **how)
    again = segbench.run("folder", "constant", **how)
    assert (again.record, again.folder) == (first.record, first.folder)


class Scored:
    """Predictions from elsewhere, scored by `bench evaluate`."""

    def __init__(self, folder: Path, bench: Run) -> None:
        self.folder, self.bench = folder, bench
        self.root = truth(folder / "root", 6)
        self.made = predictions(self.root, folder / "made", [0.1] * 6)
        self.out = folder / "runs" / "mine"
        self.words = ["evaluate", "-d", "folder", "--root", "root", "-p", "made", "--split", "all", "--no-plots"]
        self.words += ["--out", "runs/mine"]

    def again(self, *more: str) -> Any:
        return self.bench(*self.words, *more)


@pytest.fixture
def scored(tmp_path: Path, bench: Run) -> Scored:
    return Scored(tmp_path, bench)


def test_a_finished_evaluation_is_printed_again(scored: Scored) -> None:
    first = printed_json(scored.again("--json"))
    before = contents(scored.out)
    done = scored.again("--json")
    assert json.loads(done.stdout) == first
    assert "complete and current" in done.stderr
    assert contents(scored.out) == before
    assert "--out runs/mine" in first["command"]
    assert len(first["environment"]["code_sha256"]) == 64


def test_other_predictions_are_another_evaluation(scored: Scored) -> None:
    first = printed_json(scored.again("--json"))
    predictions(scored.root, scored.made, [0.3] * 6)
    done = scored.again("--json")
    assert "the predictions have changed" in done.stderr
    second = json.loads(done.stdout)
    assert second["run_id"] != first["run_id"]
    assert read_record(scored.out).run_id == second["run_id"]
    assert scored.again("--overwrite").returncode == 0
    assert sorted(path.name for path in scored.out.parent.iterdir()) == ["mine"]


def test_a_second_evaluation_that_fails_leaves_the_first_one(scored: Scored) -> None:
    scored.again()
    before = contents(scored.out)
    (scored.made / "s003.png").write_bytes(b"nothing")
    assert scored.again().returncode == 2
    assert contents(scored.out) == before


def test_a_partial_evaluation_is_printed_again_too(scored: Scored) -> None:
    (scored.made / "s003.png").unlink()
    first = printed_json(scored.again("--partial", "--json"))
    assert not first["complete"]
    done = scored.again("--partial", "--json")
    assert json.loads(done.stdout) == first
    assert "current" in done.stderr


def test_another_evaluation_does_not_take_its_place(scored: Scored) -> None:
    scored.again()
    done = scored.again("--name", "yours")
    assert done.returncode == 2
    assert "holds another run" in done.stderr
    (scored.out / "statistics.parquet").unlink()
    assert "has no statistics.parquet" in scored.again().stderr
