"""`bench table`: where the table goes, what is printed, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from evaluated_runs import evaluated, truth

from commands import Run, printed_json
from documented_commands import blocks, commands_of
from places import ROOT
from segbench import __version__
from segbench.runs.folder import STATISTICS

RECORDS = ROOT / "leaderboards" / "records"
PAGE = ROOT / "docs" / "paper.md"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods on one folder of masks."""
    base = tmp_path_factory.mktemp("table")
    root = truth(base / "mine", 8)
    for name, wrong in (("good", 0.02), ("bad", 0.4)):
        evaluated(root, base / "runs" / name, [wrong] * 8, name=name)
    return base / "runs"


@pytest.mark.parametrize(
    ("name", "start"), [("t.tex", "% Made by bench table"), ("t.md", "folder ("), ("t.csv", "dataset,origin,")]
)
def test_a_files_ending_says_the_format(bench: Run, runs: Path, tmp_path: Path, name: str, start: str) -> None:
    out = tmp_path / "paper" / name
    done = bench("table", runs, "--metric", "dice", "--out", out)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert f"wrote {out}" in done.stderr
    text = out.read_text(encoding="utf-8")
    assert start in text[:400]
    printed = bench(
        "table", runs, "--metric", "dice", "--format", {"tex": "latex", "md": "markdown"}.get(name[2:], "csv")
    )
    assert printed.stdout == text
    assert [path.name for path in out.parent.iterdir()] == [name]


def test_a_table_that_cannot_be_made_leaves_the_old_one(bench: Run, runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.tex"
    out.write_text("old", encoding="utf-8")
    assert bench("table", runs, "--metric", "dcie", "--out", out).returncode == 2
    assert out.read_text(encoding="utf-8") == "old"
    assert bench("table", runs, "--out", out, "--format", "csv").returncode == 0
    assert out.read_text(encoding="utf-8").startswith("dataset,")
    assert list(tmp_path.glob(".*")) == []


def test_json_has_values_in_their_own_unit(bench: Run, runs: Path) -> None:
    found = printed_json(bench("table", runs, "--json"))
    assert [row["label"] for row in found["rows"]] == ["good", "bad"]
    record = json.loads((runs / "good" / "record.json").read_text(encoding="utf-8"))
    for column, cell in zip(found["columns"], found["rows"][0]["cells"], strict=True):
        assert cell["value"] == record["scores"][column["score"]]["value"]
    assert found["segbench"] == __version__


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--metric", "dcie"), "Did you mean 'dice'"),
        (("--by-class", "--metric", "dcie"), "Did you mean 'dice'"),
        (("--by-class", "--metric", "iou", "--metric", "dice"), "Give --metric once"),
        (("--out", "table.txt"), "expected .md (markdown), .tex (latex), .csv (csv)"),
        (("--split", "val"), "There are: folder all"),
        (("--format", "word"), "word"),
        (("--dataset", "camvit"), "Did you mean 'camvid'"),
    ],
)
def test_what_is_wrong_is_said(bench: Run, runs: Path, words: tuple[str, ...], said: str) -> None:
    done = bench("table", runs, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_folder_is_no_file(bench: Run, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "t.md").mkdir()
    done = bench("table", runs, "--out", tmp_path / "t.md")
    assert done.returncode == 2
    assert "is a folder" in done.stderr


def test_no_runs_are_a_users_error(bench: Run, tmp_path: Path) -> None:
    assert bench("table").returncode == 2
    (tmp_path / "runs").mkdir()
    done = bench("table")
    assert done.returncode == 2
    assert "No run was found" in done.stderr


def test_a_run_without_its_evidence_is_in_no_table(bench: Run, runs: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(runs, tmp_path / "copy"))
    (copy / "bad" / STATISTICS).unlink()
    done = bench("table", copy, "--metric", "dice")
    assert done.returncode == 0
    assert "| good" in done.stdout
    assert "| bad" not in done.stdout
    assert "not in the table" in done.stderr
    assert f"no {STATISTICS}" in done.stderr


def said_by_records(runs: Path, folder: Path, name: str) -> Path:
    """Copies of runs whose records hold a score of this name, 0.999, that nothing was computed for."""
    shutil.copytree(runs, folder)
    for file in folder.glob("*/record.json"):
        record = json.loads(file.read_text(encoding="utf-8"))
        one = {**record["scores"]["dice"], "value": 0.999, "low": 0.99, "high": 1.0}
        file.write_text(json.dumps({**record, "scores": {**record["scores"], name: one}}), encoding="utf-8")
    return folder


def test_scores_of_classes_are_computed_whatever_records_say(bench: Run, runs: Path, tmp_path: Path) -> None:
    table = json.loads((runs / "good" / "record.json").read_text(encoding="utf-8"))["per_class"]
    name, row = next(iter(table.items()))
    folder = said_by_records(runs, tmp_path / "runs", f"iou@{name}")
    found = printed_json(bench("table", folder, "--metric", f"iou@{name}", "--json"))
    good = next(each for each in found["rows"] if "good" in each["label"])
    assert good["cells"][0]["value"] == row["iou"]
    compared = printed_json(bench("compare", folder, "--metric", f"iou@{name}", "--json"))
    assert max(run["value"] for run in compared["runs"]) == row["iou"]


@pytest.mark.parametrize("name", ["zzz", "iou@nothing"])
def test_a_score_that_nothing_proves_is_refused(bench: Run, runs: Path, tmp_path: Path, name: str) -> None:
    done = bench("table", said_by_records(runs, tmp_path / "runs", name), "--metric", name)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    said = "says 'zzz', which is a score of none of its metrics" if name == "zzz" else "Unknown class 'nothing'"
    assert said in done.stderr


def test_the_page_shows_what_is_printed(bench: Run) -> None:
    """The two tables of docs/paper.md are those of the commands above them, but for where lines end."""
    text = PAGE.read_text(encoding="utf-8")
    (markdown,) = re.findall(r"<!-- printed -->\n(.*?)<!-- end -->", text, re.DOTALL)
    (latex,) = (block.text for block in blocks(PAGE) if block.language == "latex")
    commands = [words for block in blocks(PAGE) for words in commands_of(block.text) if RECORDS.name in words[1]]
    for words, shown in zip(commands, (markdown, latex), strict=True):
        done = bench(*words, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == shown.replace("0.2.0.dev0", __version__).split()
