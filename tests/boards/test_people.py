"""People beside methods: their runs are never ranked, and give the range that every method is compared with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from evaluated_runs import evaluated, predictions, truth

from commands import Run, printed_json
from segbench.boards.board_plots import write_plots
from segbench.boards.people import HumanRange, is_person
from segbench.cardiac.agreement import verdict_in_words
from segbench.evaluation.scores import Score
from segbench.runs.find import find_runs
from segbench.runs.record import Cost, read_record

N = 12
SKILLS = {"best": 0.01, "like-people": 0.055, "poor": 0.3}
RATERS = {"Ann": 0.05, "Ben": 0.06, "Cem": 0.07}


def score(value: float, half: float = 0.01, *, higher: bool = True) -> Score:
    return Score(value=value, low=value - half, high=value + half, unit="", higher_is_better=higher, n=9)


@pytest.mark.parametrize(
    ("value", "half", "said"),
    [
        (0.97, 0.01, "better than human"),
        (0.92, 0.01, "within the human range"),
        (0.80, 0.05, "worse than human"),
        (0.95, 0.02, "undecided (better or within)"),
        (0.90, 0.02, "undecided (within or worse)"),
        (0.92, 0.10, "undecided (better, within or worse)"),
    ],
)
def test_a_verdict_is_the_same_for_errors_turned_about(value: float, half: float, said: str) -> None:
    raters = [score(0.90), score(0.95), score(0.93)]
    human = HumanRange.of(raters)
    assert human == HumanRange(0.90, 0.95, higher_is_better=True)
    assert human.verdict(score(value, half)) == said
    errors = HumanRange.of([score(1 - value, higher=False) for value in (0.90, 0.95, 0.93)])
    assert errors is not None
    assert errors.verdict(score(1 - value, half, higher=False)) == said


def test_words_are_those_of_the_cardiac_scores() -> None:
    """The published range of 5 to 12 points, as two raters at its ends."""
    human = HumanRange.of([score(5.0, higher=False), score(12.0, higher=False)])
    assert human is not None
    for value, half in ((3.0, 1.0), (8.0, 2.0), (20.0, 4.0), (5.0, 2.0), (11.0, 3.0), (8.0, 7.0)):
        one = score(value, half, higher=False)
        assert human.verdict(one) == verdict_in_words(one.low, one.high, 1.0)


def test_a_single_rater_stands_with_their_interval() -> None:
    one = HumanRange.of([score(0.9, 0.02)])
    assert one is not None
    assert (one.low, one.high) == pytest.approx((0.88, 0.92))
    alone = Score(value=0.9, low=None, high=None, unit="", higher_is_better=True, n=1)
    assert HumanRange.of([alone]) == HumanRange(0.9, 0.9, higher_is_better=True)
    nothing = Score(value=None, low=None, high=None, unit="", higher_is_better=True, n=1)
    assert HumanRange.of([nothing, None]) is None
    assert HumanRange(0.8, 0.9, higher_is_better=True).verdict(nothing) == "undecided (no interval)"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three methods and three raters of the same SYNTHETIC masks."""
    folder = tmp_path_factory.mktemp("people")
    root = truth(folder / "mine", N)
    for number, (name, part) in enumerate(SKILLS.items()):
        evaluated(root, folder / "runs" / name, [part] * N, name, seed=number)
    for number, (name, part) in enumerate(RATERS.items(), 10):
        evaluated(root, folder / "runs" / name, [part] * N, name, seed=number, family="human")
    return folder / "runs"


def test_the_command_line_makes_a_persons_run(bench: Run, tmp_path: Path) -> None:
    root = truth(tmp_path / "mine", 3)
    found = predictions(root, tmp_path / "ann", [0.05] * 3)
    words = ["evaluate", "-d", "folder", "--root", root, "-p", found, "--split", "all", "--no-plots"]
    one = printed_json(bench(*words, "--family", "human", "--out", tmp_path / "one", "--json"))
    other = printed_json(bench(*words, "--out", tmp_path / "other", "--json"))
    assert one["method"]["family"] == "human"
    assert one["scores"] == other["scores"]
    # The same masks as a person's and as anybody's are two runs.
    assert one["run_id"] != other["run_id"]
    assert "--family human" in one["command"]
    assert bench("verify", tmp_path / "one", tmp_path / "other").returncode == 0
    validated = json.loads(bench("leaderboard", "--validate", tmp_path / "one", "--json").stdout)
    verdicts = {check["name"]: check["ok"] for check in validated["checks"]}
    assert all(verdicts[name] for name in ("command", "method", "settings", "run_id", "content"))
    again = bench(*words, "--family", "human", "--out", tmp_path / "one")
    assert "complete and current" in again.stderr
    refused = bench("predict", tmp_path / "one", root / "images", "--out", tmp_path / "masks")
    assert refused.returncode == 2
    assert "made elsewhere" in refused.stderr


def test_a_board_ranks_methods_and_shows_people_beside_them(bench: Run, runs: Path, tmp_path: Path) -> None:
    assert bench("leaderboard", runs, "--out", tmp_path / "boards").returncode == 0
    text = (tmp_path / "boards" / "folder.md").read_text(encoding="utf-8")
    shown = text.partition("<details>")[0]
    rows = [line.split("|") for line in shown.splitlines() if line.startswith("|")][2:]
    by_name = {row[2].strip("●■◆✚ "): row for row in rows}
    assert [row[1].strip() for row in rows[:3]] == ["1", "2", "3"]
    assert {name: by_name[name][1].strip() for name in RATERS} == dict.fromkeys(RATERS, "–")
    verdicts = {name: by_name[name][4].strip() for name in SKILLS}
    assert verdicts["best"] == "better than human"
    assert verdicts["poor"] == "worse than human"
    assert verdicts["like-people"].startswith(("within the human range", "undecided"))
    assert "**Against people**: the human range is 0.9" in text
    assert "(lowest to highest score of 3 annotators); people are never ranked." in text
    assert "## Not ranked" not in text
    assert not list((tmp_path / "boards").glob("*.svg")), "what these predictions cost is not known"
    front = (tmp_path / "boards" / "README.md").read_text(encoding="utf-8")
    assert "**best**: better than human." in front


def test_a_plot_of_cost_has_the_range_of_people(runs: Path, tmp_path: Path) -> None:
    """As of methods that were run here: predictions from elsewhere have no cost."""
    records = [
        record.model_copy(update={"cost": Cost(train_s=1.0 + place, predict_ms_per_image=5.0, device="cpu")})
        for place, (_, record) in enumerate(find_runs([runs]))
    ]
    (plot,) = write_plots(records, tmp_path)
    assert "human range" in plot.read_text(encoding="utf-8")


def test_boards_for_machines(bench: Run, runs: Path) -> None:
    (group,) = printed_json(bench("leaderboard", runs, "--json"))
    assert [row["method"]["name"] for row in group["rows"]] == list(SKILLS)
    values = [rater["value"] for rater in group["people"]["raters"]]
    assert (group["people"]["low"], group["people"]["high"]) == (min(values), max(values))
    assert group["people"]["verdicts"][group["rows"][0]["run_id"]] == "better than human"


def test_a_comparison_ranks_methods_and_says_how_far_the_best_is_from_each_person(bench: Run, runs: Path) -> None:
    found = printed_json(bench("compare", runs, "--json"))
    assert [row["label"] for row in found["runs"]] == list(SKILLS)
    assert len(found["differences"]) == 3
    people = found["people"]
    assert {rater["name"] for rater in people["raters"]} == set(RATERS)
    assert people["verdicts"]["poor"] == "worse than human"
    assert {(each["a"], each["b"]) for each in people["differences"]} == {("best", name) for name in RATERS}
    assert all(each["significant"] and each["value"] > 0 for each in people["differences"])
    told = bench("compare", runs)
    assert "Human range of dice (3 raters): 0.9" in told.stdout
    assert "best: better than human" in told.stdout


def test_one_method_beside_people_needs_no_other_method(bench: Run, runs: Path) -> None:
    found = printed_json(bench("compare", runs / "like-people", runs / "Ann", runs / "Ben", "--json"))
    assert [row["label"] for row in found["runs"]] == ["like-people"]
    assert found["differences"] == []
    assert len(found["people"]["differences"]) == 2
    assert (
        "like-people is the only method on these images as they are."
        in bench("compare", runs / "like-people", runs / "Ann").stdout
    )


def test_people_alone_are_compared_with_each_other(bench: Run, runs: Path) -> None:
    found = printed_json(bench("compare", runs / "Ann", runs / "Cem", "--json"))
    assert {row["label"] for row in found["runs"]} == {"Ann", "Cem"}
    assert "people" not in found


@pytest.mark.slow
def test_a_report_has_rows_and_a_band_for_people(bench: Run, runs: Path, tmp_path: Path) -> None:
    found = printed_json(bench("report", runs, "--out", tmp_path / "page", "--json"))
    assert found["not_ranked"] == []
    (section,) = found["sections"]
    assert section["runs"] == 3
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "Human range of dice (3 raters): 0.9" in page
    assert "Ann (human)" in page
    assert "better than human: best" in page


def test_people_without_methods_are_told_not_to_be_ranked(bench: Run, runs: Path) -> None:
    done = bench("leaderboard", runs / "Ann", runs / "Ben")
    assert done.returncode == 0, done.stderr
    assert "a person, who is never ranked among methods" in done.stdout
    assert is_person(read_record(runs / "Ann"))
