"""`bench compare` and `bench report` of methods that were trained with several seeds, on committed records."""

from __future__ import annotations

import re
import statistics

import pytest
from committed_records import RECORDS

import segbench
from commands import Run, printed_json

SEEDS = {
    "fcn": ("camvid-fcn-85543f97", "camvid-fcn-aadcaf9a"),
    "parsenet": ("camvid-parsenet-0b419f66", "camvid-parsenet-4f2a22cf"),
    "deeplabv3": ("camvid-deeplabv3-f5bd3de9", "camvid-deeplabv3-8a283178"),
    "felzenszwalb": ("camvid-felzenszwalb-5a556794",),
}
FOLDERS = [RECORDS / name for names in SEEDS.values() for name in names]

pytestmark = pytest.mark.slow


def test_seeds_of_one_method_alone_have_no_pairs_of_methods(bench: Run) -> None:
    found = printed_json(bench("compare", *(RECORDS / name for name in SEEDS["fcn"]), "--resamples", "200", "--json"))
    assert len(found["differences"]) == 1
    assert [row["seeds"] for row in found["methods"]] == [[0, 1]]
    assert not found["method_differences"]


def test_methods_are_judged_over_their_seeds(bench: Run) -> None:
    found = printed_json(bench("compare", *FOLDERS, "--resamples", "200", "--json"))
    methods = {row["label"]: row for row in found["methods"]}
    assert list(methods) == ["fcn", "felzenszwalb", "parsenet", "deeplabv3"]
    by_run = {row["run_id"]: row for row in found["runs"]}
    for label, names in SEEDS.items():
        scores = [by_run[name]["value"] for name in names]
        assert methods[label]["values"] == scores
        assert methods[label]["value"] == pytest.approx(statistics.fmean(scores))
        assert methods[label]["seeds"] == list(range(len(names)))
        assert methods[label]["std"] == (pytest.approx(statistics.stdev(scores)) if len(names) > 1 else None)
    # Of these trainings of fcn each is better than every other method's; of fcn itself that is not said.
    runs = {frozenset((each["a"], each["b"])): each for each in found["differences"]}
    assert all(runs[frozenset((f"fcn (seed {seed})", "felzenszwalb"))]["significant"] for seed in (0, 1))
    assert len(found["method_differences"]) == 6
    pair = next(each for each in found["method_differences"] if {each["a"], each["b"]} == {"fcn", "felzenszwalb"})
    assert pair["holds_training"]
    assert not pair["significant"]
    assert pair["low"] < 0 < pair["high"]
    assert found["families"]["best_methods"]["a"] == "fcn"
    assert found["families"]["best_methods"]["b"] == "felzenszwalb"
    assert sum(row["wins"] for row in methods.values()) >= found["n"]


def test_a_person_reads_of_methods(bench: Run) -> None:
    found = bench("compare", *FOLDERS, "--resamples", "200", COLUMNS="80")
    assert "fcn leads, but felzenszwalb" in found.stdout
    assert re.search(r"\d+ seeds of each would tell it from", found.stdout)
    assert "fcn: seed 0 0.3789, seed 1 0.3623; standard deviation 0.0117" in found.stdout
    assert "for other samples and other trainings" in found.stdout
    assert "(seed 0) " not in found.stdout
    assert "…" not in found.stdout


def test_a_spread_that_is_borrowed_of_two_trainings_is_warned_of(bench: Run) -> None:
    few = [RECORDS / name for name in (*SEEDS["fcn"], SEEDS["parsenet"][0], *SEEDS["felzenszwalb"])]
    done = bench("compare", *few, "--resamples", "200")
    assert "one seed of parsenet: how much another one would change is taken from 2 trainings of other" in done.stderr
    enough = [*FOLDERS, RECORDS / "camvid-fpn-1da54489"]
    assert "how much another one" not in bench("compare", *enough, "--resamples", "200").stderr
    classical = [RECORDS / name for name in (*SEEDS["fcn"], *SEEDS["felzenszwalb"])]
    assert "how much another one" not in bench("compare", *classical, "--resamples", "200").stderr


def test_single_runs_are_compared_as_before(bench: Run) -> None:
    one_each = [RECORDS / names[0] for names in SEEDS.values()]
    found = printed_json(bench("compare", *one_each, "--resamples", "200", "--json"))
    assert "methods" not in found
    assert "best_methods" not in found["families"]
    assert found["runs"][0]["label"] == "fcn"


def test_what_has_no_score_is_not_said_to_be_level_with_the_best() -> None:
    found = segbench.compare(*(RECORDS / names[0] for names in SEEDS.values()), resamples=100, progress=False)
    best, second, third, last = found.runs
    assert found.answer == f"{best.label} is better than every other, beyond chance (p < 0.05)."
    unscored = last.model_copy(update={"value": None})
    other = found.model_copy(update={"differences": [], "runs": [best, second, third, unscored]})
    assert other.not_told_from_best == [second.label, third.label]
    told = found.model_copy(update={"runs": [best, second, third, unscored]})
    assert told.answer == f"{best.label} is better than every other with a score, beyond chance (p < 0.05)."
    two = found.model_copy(update={"runs": [best, second]})
    assert two.answer == f"{best.label} is better than {second.label}, beyond chance (p < 0.05)."
    beside = found.model_copy(update={"runs": [best, second, unscored]})
    assert beside.answer == two.answer
    alone = found.model_copy(update={"runs": [best, unscored]})
    assert alone.answer == f"miou is defined for {best.label} alone."


def test_a_report_says_the_same(bench: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    out = tmp_path_factory.mktemp("page") / "report"
    names = ["isbi2012-unet-6951b668", "isbi2012-unet-cbe66748", "isbi2012-threshold-146d703e"]
    bench("report", *(RECORDS / name for name in names), "--out", out)
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "Methods over their seeds" in page
    assert "(mean over seeds)" in page
    assert "How far unet is ahead of each method" in page
