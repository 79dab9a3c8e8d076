"""`bench` on your own folder, from the first command on."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import Run, printed_json
from own_folders import (
    THREE,
    write_255,
    write_folder,
    write_rgb,
)
from segbench.cli import main
from segbench.datasets.folder import Folder
from segbench.runs.record import read_record, recorded_info

Here = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Run `bench` in this process, which saves the start of another."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setenv("SEGBENCH_DATA", str(tmp_path / "data"))
        monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        return subprocess.CompletedProcess(arguments, int(end.value.code or 0), *capsys.readouterr())

    return run


@pytest.mark.slow
def test_a_newcomers_folder_works_in_two_commands(bench: Run, tmp_path: Path) -> None:
    names = [f"Zelle {n}" for n in range(14)]
    write_folder(tmp_path / "mine", names, "", (0, 1), write_255, "{}_mask.png")
    written = bench("data", "describe", "folder", "--root", "mine", "--write")
    assert written.returncode == 0, written.stderr
    assert "Wrote: mine/classes.yaml" in written.stdout
    assert re.search(r"^root +mine *$", written.stdout, re.MULTILINE)
    assert "expected root" not in written.stdout
    record = printed_json(bench("run", "-d", "folder", "--root", "mine", "-m", "threshold", "--json"))
    assert record["main_score"] == "dice"
    assert record["scores"]["dice"]["value"] > 0.95
    # Micrometres are undefined, and nobody asked for them: no pixel size is stated.
    told = bench("run", "-d", "folder", "--root", "mine", "-m", "threshold").stdout
    assert "hausdorff95 " in told
    assert "µm" not in told
    assert record["scores"]["hausdorff95_um"]["value"] is None
    assert not any("undefined" in warning for warning in record["warnings"])


@pytest.mark.slow
def test_the_commands_on_a_binary_folder(here: Here, tmp_path: Path) -> None:
    root = write_folder(tmp_path / "mine", [f"im {n}" for n in range(14)], "", (0, 1), write_255, "{}_mask.png")
    for command in (
        *(["run", "-m", "threshold", "-d"], ["evaluate", "-p", "mine/masks", "-d"], ["data", "verify"]),
        *(["doctor", "-p", "mine/masks", "-d"],),
    ):
        none = here(*command, "folder", "--root", "mine")
        assert none.returncode == 2
        assert "bench data describe folder --root mine --write" in none.stderr
    seen = here("data", "describe", "folder", "--root", "mine")
    assert seen.returncode == 0
    assert "not written" in seen.stdout
    assert not (root / "classes.yaml").exists()
    about = printed_json(here("data", "describe", "folder", "--root", "mine", "--write", "--json"))
    assert (about["written"], about["task"], about["found"]["all"]) == (True, "binary", 14)
    text = (root / "classes.yaml").read_text()
    again = here("data", "describe", "folder", "--root", "mine", "--write")
    assert again.returncode == 2
    assert "not written over" in again.stderr
    assert (root / "classes.yaml").read_text() == text
    arguments = ("--root", "mine", "--out", "run", "--save-predictions", "--json")
    record = printed_json(here("run", "-d", "folder", "-m", "threshold", *arguments))
    scored = printed_json(here("evaluate", "-d", "folder", "--root", root, "-p", "run/predictions", "--json"))
    assert scored["scores"] == record["scores"]
    assert scored["dataset"]["version"] == record["dataset"]["version"]
    assert here("verify", "run", "--root", "mine").returncode == 0
    assert here("data", "verify", "folder", "--root", "mine").returncode == 0
    assert here("doctor", "-d", "folder", "--root", "mine", "-p", "run/predictions").returncode == 0
    (root / "classes.yaml").write_text(text.replace("foreground", "nucleus"))
    changed = here("verify", "run", "--root", "mine")
    assert changed.returncode == 1
    assert "classes" in changed.stdout


def test_a_multi_class_folder_is_evaluated_and_refused_by_binary_methods(here: Here, tmp_path: Path) -> None:
    root = write_folder(tmp_path / "mine", [f"im{n}" for n in range(12)], values=(0, 1, 2, 255), write=write_rgb)
    arguments = ("-d", "folder", "--root", root)
    record = printed_json(here("evaluate", *arguments, "-p", root / "masks", "--out", "run", "--json"))
    assert record["scores"]["miou"]["value"] == record["scores"]["dice"]["value"] == 1.0
    assert list(record["per_class"]) == ["background", "cell", "nucleus"]
    assert here("verify", "run", "--root", root).returncode == 0
    assert printed_json(here("explain", "run", "--json"))["official"] == 1.0
    info = recorded_info(read_record(tmp_path / "run").dataset)
    assert info.classes == Folder(root).info.classes
    assert f"## {info.version}, split test" in here("leaderboard", "run").stdout
    refused = here("run", *arguments, "-m", "chan-vese")
    assert refused.returncode == 2
    assert "folder asks for multiclass segmentation (3 classes)" in refused.stderr


def test_folders_of_equal_masks_and_other_classes_are_not_ranked_together(here: Here, tmp_path: Path) -> None:
    root = write_folder(tmp_path / "mine", [f"im{n}" for n in range(8)])
    for number, text in enumerate((THREE, THREE.replace("nucleus", "core"))):
        (root / "classes.yaml").write_text(text)
        done = here("evaluate", "-d", "folder", "--root", root, "-p", root / "masks", "--out", f"runs/{number}")
        assert done.returncode == 0
    groups = printed_json(here("leaderboard", "runs", "--json"))
    assert [len(group["rows"]) for group in groups] == [1, 1]


def test_write_is_for_folders_of_ones_own(here: Here, stacks: Path) -> None:
    for arguments in (["isbi2012", "--root", stacks], ["folder"]):
        done = here("data", "describe", *arguments, "--write")
        assert done.returncode == 2
        assert "--write guesses" in done.stderr
    about = printed_json(here("data", "describe", "isbi2012", "--root", stacks, "--json"))
    assert about["found"] == {"train": 20, "val": 5, "test": 5, "challenge": 30, "all": 30}
