"""`bench compare` of a whole folder: groups of what is comparable, and why the rest stands alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluated_runs import evaluated, predictions, truth
from forged_records import change
from PIL import Image

import segbench
from commands import Run, printed_json
from own_folders import QUIET
from places import ROOT
from segbench.boards.board import boards
from segbench.boards.board_plots import write_plots
from segbench.boards.comparable import comparable_groups, differing
from segbench.boards.findings import findings
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.commands.run import RunRequest, run
from segbench.runs.record import Record, read_record
from small_stack import write_stack

RECORDS = ROOT / "leaderboards" / "records"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of masks: three methods on the one, two on the other, one of them on a part too."""
    folder = tmp_path_factory.mktemp("groups")
    first, second = truth(folder / "first", 8), truth(folder / "second", 6, first=50)
    for name, wrong in (("good", 0.02), ("fair", 0.2), ("bad", 0.4)):
        evaluated(first, folder / "runs" / f"first-{name}", [wrong] * 8, name=name)
    for name, wrong in (("good", 0.02), ("bad", 0.4)):
        evaluated(second, folder / "runs" / f"second-{name}", [wrong] * 6, name=name)
    part = predictions(second, folder / "part", [0.1] * 6)
    for path in sorted(part.iterdir())[:2]:
        path.unlink()
    options = {"split": "all", "partial": True, "plots": False, "out": folder / "runs" / "second-part"}
    evaluate_files(EvaluateRequest("folder", part, name="part", root=second, **options), QUIET)  # type: ignore[arg-type]
    return folder


@pytest.mark.slow
def test_a_folder_is_compared_in_groups(bench: Run, made: Path) -> None:
    found = printed_json(bench("compare", made / "runs", "--json"))
    assert [[run["label"] for run in group["runs"]] for group in found["groups"]] == [
        ["good", "fair", "bad"],
        ["good", "bad"],
    ]
    assert {key: found[key] for key in found["groups"][0]} == found["groups"][0], "the largest one stands above"
    (alone,) = found["alone"]
    assert (alone["split"], Path(alone["folder"]).name) == ("all", "second-part")
    assert "the set of samples ('4 of 6 samples' and '6 samples')" in alone["why"]
    done = bench("compare", made / "runs")
    assert done.returncode == 0
    assert done.stdout.count("good is better than every other, beyond") == 1
    assert done.stdout.count("good is better than bad, beyond") == 1
    versions = [group["version"] for group in found["groups"]]
    assert [version.split()[0] for version in versions] == ["first", "second"]
    for version in versions:
        assert f"(higher is better) on folder ({version}), split all" in done.stdout
    assert "was compared with no other: it differs from" in done.stdout


@pytest.mark.slow
def test_one_group_is_printed_as_ever(bench: Run, made: Path) -> None:
    found = printed_json(bench("compare", *(made / "runs" / f"first-{name}" for name in ("good", "bad")), "--json"))
    assert "groups" not in found
    assert found["alone"] == []
    assert [run["label"] for run in found["runs"]] == ["good", "bad"]


@pytest.mark.slow
def test_python_has_the_groups_too(made: Path) -> None:
    found = segbench.compare(made / "runs")
    assert [len(group.runs) for group in found.every_group] == [3, 2]
    assert [each.split for each in found.alone] == ["all"]
    assert str(found).count("good is better than every other, beyond") == 1
    assert str(found).count("good is better than bad, beyond") == 1
    assert " on folder (first " in str(found)
    assert " on folder (second " in found._repr_html_()
    assert found._repr_html_().count("<td>good") >= 2
    assert len(segbench.compare(made / "runs", dataset="folder", split="all").every_group) == 2


@pytest.mark.slow
def test_an_unknown_score_is_answered_with_those_that_all_runs_have(bench: Run, tmp_path: Path) -> None:
    root = truth(tmp_path / "mine", 6)
    evaluated(root, tmp_path / "runs/more", [0.02] * 6, name="more", metrics=("instance-matching",))
    evaluated(root, tmp_path / "runs/less", [0.2] * 6, name="less")
    for folders in ([tmp_path / "runs"], [tmp_path / "runs/more", tmp_path / "runs/less"]):
        done = bench("compare", *folders, "--metric", "v_rand")
        assert done.returncode == 2
        assert "'v_rand' is no score of these runs. Available: dice, " in done.stderr
        assert "matched_iou" not in done.stderr
    done = bench("compare", tmp_path / "runs/less", tmp_path / "runs/more", "--metric", "matched_iou")
    assert done.returncode == 2
    assert "has no score 'matched_iou'" in done.stderr


@pytest.mark.slow
def test_dataset_and_split_choose(bench: Run, made: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(made / "runs", runs)
    for name in ("constant", "threshold"):
        (path,) = RECORDS.glob(f"medaka-{name}-*")
        shutil.copytree(path, runs / path.name)
    options = ("--metric", "dice", "--json")
    assert len(printed_json(bench("compare", runs, *options))["groups"]) == 3
    found = printed_json(bench("compare", runs, "--dataset", "medaka", *options))
    assert (found["dataset"], "groups" in found, found["alone"]) == ("medaka", False, [])
    assert printed_json(bench("compare", runs, "--split", "test", *options))["dataset"] == "medaka"
    done = bench("compare", runs, "--split", "val")
    assert done.returncode == 2
    assert "There are: folder all, medaka test" in done.stderr
    done = bench("compare", runs, "--dataset", "medka")
    assert done.returncode == 2
    assert "Did you mean 'medaka'?" in done.stderr


@pytest.mark.slow
def test_what_cannot_be_read_or_opened_stands_alone(bench: Run, made: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(made / "runs", runs)
    (runs / "first-fair" / "record.json").write_text("{", encoding="utf-8")
    (runs / "second-bad" / "statistics.parquet").unlink()
    other = json.loads((runs / "second-good" / "record.json").read_text())
    other["dataset"]["name"], other["run_id"] = "nowhere", "nowhere-x"
    (runs / "second-part" / "record.json").write_text(json.dumps(other))
    found = printed_json(bench("compare", runs, "--json"))
    assert [run["label"] for run in found["runs"]] == ["good", "bad"]
    whys = {Path(each["folder"]).name: each["why"] for each in found["alone"]}
    assert "cannot be read as the record of a run" in whys["first-fair"]
    assert "has no statistics.parquet" in whys["second-bad"]
    assert "nowhere" in whys["second-part"]
    assert whys["second-good"].startswith("it differs from")
    assert bench("compare", runs / "first-fair", runs / "first-good").returncode == 2


@pytest.mark.slow
def test_nothing_to_compare_is_refused_with_every_reason(bench: Run, made: Path) -> None:
    names = ("first-good", "second-good", "second-part")
    done = bench("compare", *(made / "runs" / name for name in names))
    assert done.returncode == 2
    assert "no two of these runs can be compared" in done.stderr
    assert done.stderr.count("it differs from") == 3


@pytest.mark.slow
def test_predictions_from_elsewhere_stand_beside_folds(bench: Run, tmp_path: Path) -> None:
    """As the tutorial says: the same samples, the same truth."""
    root = truth(tmp_path / "root", 8)
    settings: Any = {"kind": ["otsu"], "sigma": [1.0]}
    for folds in (2, 4):
        out = tmp_path / "runs" / f"threshold-{folds}"
        request = RunRequest("folder", "threshold", folds=folds, root=root, out=out, settings=settings, plots=False)
        run(request, QUIET)
    run(RunRequest("folder", "constant", folds=2, root=root, out=tmp_path / "runs" / "constant", plots=False), QUIET)
    evaluated(root, tmp_path / "runs" / "mine", [0.02] * 8, name="mine")
    found = printed_json(bench("compare", tmp_path / "runs", "--json"))
    assert sorted(run["label"] for run in found["runs"]) == ["constant", "mine", "threshold"]
    (alone,) = found["alone"]
    assert Path(alone["folder"]).name == "threshold-4"
    assert "the number of folds" in alone["why"]
    pair = printed_json(bench("compare", tmp_path / "runs" / "threshold-4", tmp_path / "runs" / "mine", "--json"))
    assert sorted(run["label"] for run in pair["runs"]) == ["mine", "threshold"]
    done = bench("leaderboard", tmp_path / "runs")
    board = done.stdout.split("2-fold cross-validation")[1].split("\n## ")[0]
    assert "| mine " in board
    assert "| threshold " in board


def other(record: Record, **changes: Any) -> Record:
    """The record with other fields of its data or method."""
    data: dict[str, Any] = {key: changes.pop(key) for key in ("folds", "split", "ids_sha256") if key in changes}
    method = record.method.model_copy(
        update={"name": changes.get("name", "x"), "family": changes.get("family", "learned")}
    )
    block = record.dataset.model_copy(update=data)
    run_id = f"{record.dataset.name}-{method.name}-{json.dumps(data)}"
    return record.model_copy(update={"run_id": run_id, "dataset": block, "method": method})


@pytest.fixture(scope="module")
def record() -> Record:
    return read_record(RECORDS / "isbi2012-unet-0b805e1a")


def test_who_may_stand_beside_whom(record: Record) -> None:
    five, ten, plain = (other(record, folds=folds, split="all", name=f"f{folds}") for folds in (5, 10, None))
    mine = other(record, folds=None, split="all", family="external", name="mine")
    elsewhere = other(record, folds=None, split="test", family="external", name="mine")
    assert differing(mine, five) == differing(ten, mine) == differing(mine, plain) == {}
    assert differing(five, ten) == {"the number of folds": ("5", "10")}
    assert differing(plain, five) == {"the number of folds": ("none", "5")}
    assert list(differing(elsewhere, five)) == ["split"]
    groups = comparable_groups([five, ten, mine, plain, other(record, folds=10, split="all", name="b")], lambda r: r)
    names = {key.folds: sorted(each.method.name for each in members) for key, members in groups.items()}
    assert names == {5: ["f5"], 10: ["b", "f10", "mine"], None: ["fNone"]}


@pytest.mark.slow
def test_one_sample_has_no_interval(bench: Run, tmp_path: Path) -> None:
    root = truth(tmp_path / "root", 1)
    for name, wrong in (("good", 0.02), ("bad", 0.4)):
        evaluated(root, tmp_path / "runs" / name, [wrong], name=name)
    found = printed_json(bench("compare", tmp_path / "runs", "--json"))
    assert [(run["low"], run["high"]) for run in found["runs"]] == [(None, None)] * 2
    assert [(each["low"], each["high"]) for each in found["differences"]] == [(None, None)]
    (group,) = printed_json(bench("leaderboard", tmp_path / "runs", "--json"))
    assert all(score["low"] is score["high"] is None for row in group["rows"] for score in row["scores"].values())
    assert " to " not in bench("compare", tmp_path / "runs").stdout.split("front:")[0]


@pytest.mark.slow
def test_who_cannot_be_told_from_the_best_is_what_the_pairs_say(bench: Run, tmp_path: Path) -> None:
    """A low, noisy run cannot be told from the best, and lends its span of ranks to a middle one that is told."""
    root = truth(tmp_path / "root", 8)
    errors = {"best": [0.02] * 8, "middle": [0.15] * 8, "noisy": [0.02] * 5 + [0.9] * 3}
    for name, wrong in errors.items():
        evaluated(root, tmp_path / "runs" / name, wrong, name=name)
    found = printed_json(bench("compare", tmp_path / "runs", "--json"))
    assert [(run["label"], run["rank"]) for run in found["runs"]] == [("best", 1), ("middle", 1), ("noisy", 1)]
    told = {(each["a"], each["b"]): each["significant"] for each in found["differences"]}
    assert (told["best", "middle"], told["best", "noisy"]) == (True, False)
    assert "best leads, but noisy cannot be told from it." in bench("compare", tmp_path / "runs").stdout
    assert bench("report", tmp_path / "runs", "--out", "page", "--root", root).returncode == 0
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "but cannot be told from noisy." in page
    assert bench("leaderboard", tmp_path / "runs", "--out", "boards").returncode == 0
    front = (tmp_path / "boards" / "README.md").read_text(encoding="utf-8")
    assert "It is ahead of 1 of the 2 others by more than chance" in front


@pytest.mark.slow
def test_outlines_that_a_distance_leaves_out_are_told(bench: Run, tmp_path: Path) -> None:
    root = truth(tmp_path / "root", 4)
    for name, wrong in (("whole", 0.1), ("lazy", 0.0)):
        made = predictions(root, tmp_path / name, [wrong] * 4)
        if name == "lazy":
            first = min(made.iterdir())
            Image.fromarray(np.zeros_like(np.asarray(Image.open(first)))).save(first)
        words = ("--root", root, "-p", made, "--split", "all", "--metric", "boundary", "--no-plots", "--name", name)
        assert bench("evaluate", "-d", "folder", *words, "--out", tmp_path / "runs" / name).returncode == 0
    by = {
        score: printed_json(bench("compare", tmp_path / "runs", "--metric", score, "--json"))
        for score in ("hausdorff95", "nsd")
    }
    assert {run["label"]: run["left_out"] for run in by["hausdorff95"]["runs"]} == {"lazy": 1, "whole": 0}
    assert all(run["left_out"] == 0 for run in by["nsd"]["runs"])
    said = bench("compare", tmp_path / "runs", "--metric", "hausdorff95").stdout
    assert "hausdorff95 leaves out outlines that were missed or invented whole (1 of lazy)" in said
    assert "leaves out" not in bench("compare", tmp_path / "runs", "--metric", "nsd").stdout
    # The table of classes is of what was asked for, and the smaller distance wins.
    (row,) = by["hausdorff95"]["per_class"]
    assert (row["by"], row["winners"]) == ("hausdorff95", ["lazy"])
    assert row["lazy"] < row["whole"]


@pytest.mark.slow
def test_a_run_that_was_made_again_is_compared_with_itself(bench: Run, tmp_path: Path) -> None:
    root = truth(tmp_path / "root", 4)
    moments = ["2026-11-27T10:00:00+00:00", "2026-11-28T10:00:00+00:00"]
    for place, moment in zip(("mine", "theirs"), moments, strict=True):
        evaluated(root, tmp_path / place / "run", [0.1] * 4, name="one")
        command = json.loads((tmp_path / "mine" / "run" / "record.json").read_text())["command"]
        change(tmp_path / place / "run", created=moment, command=command)
    found = printed_json(bench("compare", tmp_path / "mine" / "run", tmp_path / "theirs" / "run", "--json"))
    assert found["differences"][0]["value"] == 0
    assert len({run["run_id"] for run in found["runs"]}) == 1
    for moment, row in zip(moments, found["runs"], strict=True):
        assert moment[:19] in row["label"]
    shutil.copytree(tmp_path / "mine", tmp_path / "copy")
    done = bench("compare", tmp_path / "mine" / "run", tmp_path / "copy" / "run")
    assert done.returncode == 2
    assert "a comparison takes two runs or more, found only" in done.stderr


@pytest.mark.slow
def test_equal_scores_do_not_lead(bench: Run, tmp_path: Path) -> None:
    root = truth(tmp_path / "root", 8)
    for name in ("one", "two"):
        evaluated(root, tmp_path / "runs" / name, [0.1] * 8, name=name)
    done = bench("compare", tmp_path / "runs")
    assert "one, two have the same dice: none leads" in done.stdout
    assert " leads, but" not in done.stdout
    assert bench("leaderboard", tmp_path / "runs", "--out", "boards").returncode == 0
    front = (tmp_path / "boards" / "README.md").read_text(encoding="utf-8")
    assert "**one**, **two** have the same dice" in front
    assert bench("report", tmp_path / "runs", "--out", "page", "--root", root).returncode == 0
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "one, two have the same dice" in page
    assert "none leads" in page


def test_level_families_are_not_ahead(record: Record) -> None:
    rows = [other(record, name="a", family="learned"), other(record, name="c", family="classical")]
    assert findings(rows, {}) == [
        f"**a**, **c** have the same v_rand {front_value(record)}: none leads.",
        "The best learned method, **a**, and the best classical one, **c**, are level.",
    ]


def front_value(record: Record) -> str:
    score = record.scores["v_rand"]
    return f"{score.value:.4f} [{score.low:.4f}, {score.high:.4f}]"


@pytest.mark.slow
def test_undefined_main_scores_crash_nothing(bench: Run, tmp_path: Path) -> None:
    """V_Rand of a slice without a cell is undefined, for every method and both seeds."""
    (tmp_path / "stack").mkdir()
    write_stack(tmp_path / "stack")
    for name, method, seed in (("a", "threshold", 0), ("b", "mean-shape", 0), ("c", "mean-shape", 1)):
        settings: Any = {"kind": ["otsu"], "sigma": [1.0]} if method == "threshold" else {}
        how: Any = {"folds": 2, "root": tmp_path / "stack", "seed": seed, "plots": False, "settings": settings}
        run(RunRequest("isbi2012", method, out=tmp_path / "runs" / name, **how), QUIET)
    done = bench("leaderboard", tmp_path / "runs", "--out", "boards")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert sorted(path.name for path in (tmp_path / "boards").iterdir()) == ["README.md", "isbi2012.md"]
    for words in (("compare", tmp_path / "runs"), ("report", tmp_path / "runs", "--out", "page")):
        done = bench(*words)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert "v_rand is undefined for every run" in bench("compare", tmp_path / "runs").stdout


def test_a_board_of_one_defined_score_has_no_plot(record: Record, tmp_path: Path) -> None:
    nothing = record.scores["v_rand"].model_copy(update={"value": None, "low": None, "high": None})
    rows = [
        other(record, name="a"),
        *(
            other(record, name=name, family="classical").model_copy(
                update={"scores": {**record.scores, "v_rand": nothing}}
            )
            for name in ("b", "c")
        ),
    ]
    assert write_plots(rows, tmp_path) == []
    assert "isbi2012.svg" not in boards(rows)["README.md"]
