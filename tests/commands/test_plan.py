"""`bench plan`: how many images a test set takes, from what stored runs hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluated_runs import evaluated, truth

from commands import Run, printed_json
from places import ROOT
from tiny_roots import save

RECORDS = ROOT / "leaderboards" / "records"
CURVE = [RECORDS / f"isbi2012-unet-{name}" for name in ("26db9c61", "d260ff75", "04cc3de8", "4ff25430")]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of unlike methods on 30 SYNTHETIC masks."""
    folder = tmp_path_factory.mktemp("plan")
    root = truth(folder / "mine", 30)
    evaluated(root, folder / "runs" / "good", [0.02 + 0.002 * k for k in range(30)], "good")
    evaluated(root, folder / "runs" / "bad", [0.05 + 0.003 * k for k in range(30)], "bad", seed=1)
    return folder / "runs"


def test_now_is_the_interval_of_the_run_and_more_images_make_it_narrower(bench: Run, runs: Path) -> None:
    found = printed_json(bench("plan", runs / "good", "--json"))
    (run,) = found["runs"]
    sizes = {size["units"]: size for size in found["sizes"]}
    assert sizes[30]["width"]["value"] == pytest.approx(run["high"] - run["low"])
    widths = [size["width"]["value"] for size in found["sizes"]]
    assert widths == sorted(widths, reverse=True)
    assert found["difference"] is None
    assert all(size["visible"] is None for size in found["sizes"])
    (needed,) = found["needed"]
    assert needed["target"] == pytest.approx((run["high"] - run["low"]) / 2)
    assert 60 < needed["units"] < 150
    assert needed["units_low"] < needed["units"] < needed["units_high"]


def test_two_runs_give_the_difference_that_can_be_seen(bench: Run, runs: Path) -> None:
    found = printed_json(bench("plan", runs, "--difference", "0.001", "--seconds-per-label", "25", "--json"))
    assert [run["label"] for run in found["runs"]] == ["good", "bad"]
    assert found["difference"]["significant"]
    now = next(size for size in found["sizes"] if size["units"] == 30)
    assert 0 < now["visible"]["value"] < abs(found["difference"]["value"])
    assert now["label_hours"] == pytest.approx(30 * 25 / 3600)
    width, difference = found["needed"]
    assert (width["what"], difference["what"], difference["target"]) == ("width", "difference", 0.001)
    assert difference["units"] > 30


def test_the_terminal_says_it_in_words(bench: Run, runs: Path) -> None:
    done = bench("plan", runs, "--width", "0.002", COLUMNS="80")
    assert done.returncode == 0, done.stderr
    assert "an interval of full width 0.0020: about " in done.stdout
    assert "in 4 of 5 test sets: 5 samples are enough, and fewer are not planned" in done.stdout
    assert max(map(len, done.stdout.split("bold:")[0].splitlines()[-12:])) <= 80


def test_what_never_differs_plans_nothing(bench: Run, tmp_path: Path) -> None:
    root = truth(tmp_path / "mine", 12)
    for name in ("one", "other"):
        evaluated(root, tmp_path / "runs" / name, [0.0] * 12, name)
    done = bench("plan", tmp_path / "runs", "--out", tmp_path / "drawn")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "drawn" / "plan.svg").read_text(encoding="utf-8").count("these samples do not differ") == 2
    assert "these samples show no spread: nothing can be planned from them" in done.stdout
    assert "the two runs have equal scores: nothing can be planned from them" in done.stdout
    assert "known to be enough" not in done.stdout
    # Nor does the table promise an interval of width 0, or that a difference of 0 is seen.
    assert "0.0000" not in done.stdout.split("images")[-1].split("bold:")[0]
    asked = bench("plan", tmp_path / "runs", "--difference", "0.01")
    assert "to see a difference of 0.0100 in 4 of 5 test sets: no number of samples is known to be enough" in (
        asked.stdout
    )


def test_a_width_that_the_fewest_samples_reach_is_no_range(bench: Run, runs: Path) -> None:
    done = bench("plan", runs / "good", "--width", "2")
    assert "an interval of full width 2.0000: 5 samples are enough, and fewer are not planned" in done.stdout


def test_it_is_drawn(bench: Run, runs: Path, tmp_path: Path) -> None:
    for place in ("one", "other"):
        assert bench("plan", runs, "--out", tmp_path / place, "--seconds-per-label", "25").returncode == 0
    text = (tmp_path / "one" / "plan.svg").read_text(encoding="utf-8")
    assert "smallest visible difference, dice" in text
    assert "labelling time at 25 s an image" in text
    assert text == (tmp_path / "other" / "plan.svg").read_text(encoding="utf-8")
    assert (tmp_path / "one" / "plan.png").is_file()


def test_runs_on_parts_of_the_labels_give_a_learning_curve(bench: Run, tmp_path: Path) -> None:
    done = bench("plan", *CURVE, "--seconds-per-label", "25", "--out", tmp_path / "drawn", "--json")
    found = printed_json(done)
    (curve,) = found["learning_curves"]
    assert [point["n_train"] for point in curve["points"]] == [1, 2, 6, 20]
    assert [point["label_hours"] for point in curve["points"]] == pytest.approx([n * 25 / 3600 for n in (1, 2, 6, 20)])
    assert all(point["low"] < point["value"] < point["high"] for point in curve["points"])
    # What learned from the most labels is what the test set is planned for.
    assert [run["run_id"] for run in found["runs"]] == [CURVE[-1].name]
    assert "labelled images trained on" in (tmp_path / "drawn" / "plan.svg").read_text(encoding="utf-8")
    assert any("5 samples" in note for note in found["notes"])


def test_whole_films_are_planned(bench: Run) -> None:
    found = printed_json(bench("plan", next(RECORDS.glob("medaka-fpn-*")), "--json"))
    assert (found["drawn"], found["units"], found["n"]) == ("groups", 12, 550)
    assert found["sizes"][0]["images"] == pytest.approx(5 * 550 / 12)
    (note,) = [note for note in found["notes"] if "unlike sizes" in note]
    # By frames 12 films are worth 5.9, by their part of the foreground fewer.
    assert note.startswith("these groups are of unlike sizes: 12 say as much of an error as ")
    assert 2 < float(note.split(" as ")[-1].removesuffix(" of equal size")) < 5.9


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["runs/good", "--width", "0"], "--width 0: expected a number above 0"),
        (["runs/good", "--seconds-per-label", "-3"], "--seconds-per-label -3: expected a number above 0"),
        (["runs/good", "--difference", "0.01"], "--difference is between two runs, found one"),
        (["runs/good", "--metric", "v_rand"], "'v_rand' is no score of these runs"),
        (["runs/good", str(CURVE[-1])], "are not comparable"),
        (["nowhere"], "'nowhere' does not exist"),
    ],
)
def test_wrong_input_is_told_in_one_message(bench: Run, runs: Path, arguments: list[str], words: str) -> None:
    done = bench("plan", *arguments, cwd=runs.parent)
    assert done.returncode == 2
    *before, last = done.stderr.splitlines()
    assert words in last
    assert before in ([], ["planning …"])


def test_too_few_samples_plan_nothing(bench: Run, tmp_path: Path) -> None:
    root = truth(tmp_path / "mine", 3)
    evaluated(root, tmp_path / "runs" / "few", [0.1, 0.2, 0.3], "few")
    done = bench("plan", tmp_path / "runs" / "few")
    assert done.returncode == 2
    assert "scored on 3 samples: nothing can be planned from fewer than 5" in done.stderr


def test_samples_none_of_which_can_be_missed_plan_nothing(bench: Run, tmp_path: Path) -> None:
    """Of VOC's mIoU no class may be absent, and each of these seven images holds three classes alone."""
    root = tmp_path / "VOCdevkit" / "VOC2012"
    names = [f"2008_00000{number}" for number in range(7)]
    for place, name in enumerate(names):
        labels = np.arange(64, dtype=np.uint8).reshape(8, 8) % 4
        labels = np.where(labels > 0, labels + 3 * place, 0).astype(np.uint8)
        save(root / "SegmentationClass" / f"{name}.png", np.minimum(labels, 20))
        save(tmp_path / "found" / f"{name}.png", np.where(np.eye(8, dtype=bool), 0, np.minimum(labels, 20)))
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    for split in ("train", "trainval", "val"):
        (root / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(names) + "\n")
    data = ("-d", "voc2012", "--root", str(tmp_path), "--split", "val")
    made = bench("evaluate", *data, "--predictions", str(tmp_path / "found"), "--name", "mine", "--out", "run")
    assert made.returncode == 0, made.stderr
    done = bench("plan", "run", "--metric", "miou")
    assert done.returncode == 2
    assert "miou is undefined without any one of these samples" in " ".join(done.stderr.split())


def test_runs_that_can_be_planned_from_are_named_among_others(bench: Run, runs: Path) -> None:
    done = bench("plan", runs, CURVE[-1])
    assert done.returncode == 2
    assert "are not comparable" in done.stderr
    assert f"bench plan {runs / 'bad'} {runs / 'good'}" in done.stderr
