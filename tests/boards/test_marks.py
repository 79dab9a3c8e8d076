"""What a board says of its own numbers: intervals that miss, few groups, unlike machines and unlike trainings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from places import ROOT
from segbench.boards import rank_spans
from segbench.boards.board import boards
from segbench.boards.findings import findings, learned_from
from segbench.boards.markdown import with_interval
from segbench.boards.seed_groups import SeedGroup
from segbench.evaluation.scores import Score
from segbench.runs.record import Record, read_record

TESTED = rank_spans.Tested(2, 1, 1, 5, "samples", 1 / 32, False)


@pytest.fixture(scope="module")
def record() -> Record:
    return read_record(ROOT / "leaderboards" / "records" / "isbi2012-unet-0b805e1a")


def _scored(record: Record, name: str, value: float, **method: Any) -> Record:
    score = record.scores["v_rand"].model_copy(update={"value": value, "low": value - 0.01, "high": value + 0.01})
    return record.model_copy(
        update={
            "run_id": f"isbi2012-{name}",
            "method": record.method.model_copy(update={"name": name, **method}),
            "scores": {**record.scores, "v_rand": score},
        }
    )


def _on(record: Record, **hardware: Any) -> Record:
    environment = record.environment.model_copy(update={"hardware": hardware})
    return record.model_copy(update={"environment": environment})


def test_an_interval_that_does_not_hold_its_score_is_marked(record: Record) -> None:
    score = record.scores["v_rand"]
    missed = score.model_copy(update={"value": 0.07, "low": 0.071, "high": 0.09})
    assert with_interval(missed) == "0.0700 [0.0710, 0.0900]†"
    assert with_interval(missed.model_copy(update={"low": 0.07 * (1 + 1e-12)})) == "0.0700 [0.0700, 0.0900]"
    assert with_interval(Score.model_validate({**score.model_dump(), "low": None, "high": None})) == "0.9812"
    sound = boards([_scored(record, "a", 0.9)])["isbi2012.md"]
    assert "†" not in sound
    odd = _scored(record, "a", 0.9).model_copy(update={"scores": {**record.scores, "v_rand": missed}})
    page = boards([odd])["isbi2012.md"]
    assert page.count("**†**: the interval does not hold its score") == 1
    assert page.count("†") > 1


def test_times_of_unlike_machines_are_said_to_be_so(record: Record) -> None:
    one, other = _scored(record, "a", 0.9), _scored(record, "b", 0.8)
    old, new = {"processor": "Old", "cores": 1}, {"processor": "New <b>", "cores": 16}
    assert "kinds of machine" not in boards([_on(one, **old), _on(other, **old)])["isbi2012.md"]
    page = boards([_on(one, **old), _on(other, **new)])["isbi2012.md"]
    assert r"- **Times** are of 2 kinds of machine (New \<b\>, 16 cores; Old, 1 core): compare them roughly." in page
    page = boards([_on(one, **old), _on(other, **new, accelerator="GPU 9")])["isbi2012.md"]
    assert "2 kinds of machine (GPU 9; Old, 1 core)" in page
    assert "kinds of machine" not in boards([_on(one), _on(other)])["isbi2012.md"], "older records name none"


def test_a_label_curve_has_what_every_seed_reached(record: Record) -> None:
    few = [_scored(record, "a", value, n_train=1.0, seed=seed) for seed, value in enumerate((0.2532, 0.9534))]
    most = _scored(record, "a", 0.98, n_train=20.0)
    assert learned_from([SeedGroup(tuple(few)), SeedGroup((most,))], "a") == (
        "**a** reaches v_rand 0.6033 with 1 labelled sample (2 seeds: 0.2532, 0.9534), "
        "and 0.9800 [0.9700, 0.9900] with 20."
    )


@pytest.mark.parametrize("few", [True, False])
def test_a_leader_of_few_groups_is_said_to_be_one(record: Record, few: bool) -> None:
    rows = [_scored(record, "a", 0.9), _scored(record, "b", 0.8)]
    span = rank_spans.RankSpan(1, 1, replace(TESTED, few_groups=few), {"isbi2012-b": 0.001})
    lead = findings(rows, {"isbi2012-a": span})[0]
    assert ("Tests count samples as independent here, although they are of fewer than 5 groups." in lead) == few


def test_trainings_that_are_unlike_are_said_to_be_so() -> None:
    assert not any("guess" in point for point in TESTED.points)
    said = replace(TESTED, unlike=(0.0006, 0.0762)).points[-1]
    assert said.endswith("are unlike (± 0.0006 to ± 0.0762), so what is said of a network with one seed is a guess.")


@pytest.mark.parametrize(("drawn", "one"), [("samples", "1 sample"), ("groups", "1 group")])
def test_a_single_sample_is_not_said_to_be_tested(drawn: str, one: str) -> None:
    """It was said that what differs leans on a t test, of which there is none."""
    said = replace(TESTED, drawn=drawn, units=1, smallest_p=1.0, leans_on_t=True, different=0).points
    assert said == [f"**Rank**: by the score alone, as nothing can be tested on {one}."]


def test_what_is_no_fraction_is_ahead_in_its_own_unit(record: Record) -> None:
    """A distance of 3 px less was told as 300 points."""
    for unit, said in (("fraction", "is 300.0 points ahead of"), ("px", "is 3 px ahead of")):
        rows = [_scored(record, "a", 2.0, family="learned"), _scored(record, "b", 5.0, family="classical")]
        lower = {"unit": unit, "higher_is_better": False}
        rows = [
            each.model_copy(update={"scores": {"v_rand": each.scores["v_rand"].model_copy(update=lower)}})
            for each in rows
        ]
        assert said in findings(rows, {})[1]
