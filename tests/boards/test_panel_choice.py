"""Which samples a figure shows: every rule on a case that was worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.boards.panel_choice import Rule, choose, defined_places, evenly, sentence_of
from segbench.types import UserError

NAN = float("nan")
SCORES = np.array(
    [
        [0.90, 0.10, 0.50, 0.80, NAN, 0.60, 0.30],
        [0.70, 0.30, 0.50, 0.20, 0.40, 0.80, 0.30],
    ]
)
"""Means: 0.80, 0.20, 0.50, 0.50, undefined, 0.70, 0.30, of which the median is 0.50. Ranges: .2 .2 0 .6 - .2 0."""


@pytest.mark.parametrize(
    ("rule", "count", "expected"),
    [
        ("worst", 3, [1, 6, 2]),
        ("best", 3, [0, 5, 2]),
        ("typical", 3, [2, 3, 5]),
        ("spread", 3, [1, 3, 0]),
        ("spread", 1, [2]),
        ("disagree", 2, [3, 0]),
        ("worst", 20, [1, 6, 2, 3, 5, 0]),
        ("spread", 6, [1, 6, 2, 3, 5, 0]),
    ],
)
def test_rules_by_hand(rule: Rule, count: int, expected: list[int]) -> None:
    assert choose(SCORES, rule, count, higher_is_better=True) == expected


def test_where_lower_is_better_worst_is_the_highest() -> None:
    assert choose(SCORES, "worst", 2, higher_is_better=False) == [0, 5]
    assert choose(SCORES, "best", 2, higher_is_better=False) == [1, 6]
    assert choose(SCORES, "spread", 2, higher_is_better=False) == [0, 1]


@given(st.integers(1, 300), st.integers(1, 300))
def test_even_places_are_apart_and_reach_both_ends(total: int, count: int) -> None:
    places = evenly(total, count)
    assert len(set(places)) == len(places) == min(total, count)
    assert places == sorted(places)
    if count > 1:
        assert (places[0], places[-1]) == (0, total - 1)
    steps = np.diff(places)
    assert steps.size == 0 or np.ptp(steps) <= 1


def test_what_cannot_be_chosen_is_said() -> None:
    with pytest.raises(UserError, match="compares runs, and there is one"):
        choose(SCORES[:1], "disagree", 2, higher_is_better=True)
    with pytest.raises(UserError, match="no sample has a defined score"):
        choose(np.full((2, 3), NAN), "best", 2, higher_is_better=True)
    assert defined_places(SCORES).tolist() == [0, 1, 2, 3, 5, 6]


def test_a_choice_by_the_scores_is_said_to_be_one() -> None:
    for rule in ("worst", "best", "disagree"):
        assert "chosen by the runs' own scores" in sentence_of(rule, 3, "Dice")
    assert "evenly from the worst to the best" in sentence_of("spread", 3, "Dice")
    assert "nearest to the median" in sentence_of("typical", 1, "Dice")
