"""Where the interval of a difference and its test disagree, a comparison says both: on records, and by hand."""

from __future__ import annotations

import pytest
from committed_records import RECORDS

import segbench
from segbench.boards.close_calls import close_calls
from segbench.boards.paired_difference import PairedDifference


def pair(a: str, b: str, low: float, high: float, p: float, adjusted: float) -> PairedDifference:
    return PairedDifference(
        a=a,
        b=b,
        value=(low + high) / 2,
        low=low,
        high=high,
        p=p,
        p_adjusted=adjusted,
        effect=0.1,
        wins=3,
        ties=0,
        losses=1,
        significant=adjusted < 0.05,
    )


def compared(*names: str) -> str:
    folders = [RECORDS / name for name in names]
    return segbench.compare(*folders, resamples=200, progress=False).answer


@pytest.mark.slow
def test_an_interval_that_holds_zero_is_told_beside_the_verdict() -> None:
    answer = compared("medaka-fcn-33bafa89", "medaka-unet-77d0ac2f")
    assert "beyond chance (p < 0.05). The interval of its difference from" in answer
    assert "holds 0, although p = " in answer


@pytest.mark.slow
def test_an_interval_without_zero_is_told_beside_a_tie() -> None:
    answer = compared("isbi2012-canny-e3c52ecd", "isbi2012-espnetv2-9424379d")
    assert "cannot be told from it. The interval of its difference from" in answer
    assert "leaves out 0, although p = 0.1" in answer


@pytest.mark.slow
def test_nothing_is_added_where_both_agree() -> None:
    answer = compared("camvid-fcn-85543f97", "camvid-constant-ebd26f38")
    assert answer.endswith("beyond chance (p < 0.05).")


def test_the_interval_is_that_of_the_best_less_the_other() -> None:
    told = close_calls([pair("b", "a", -0.02, 0.01, 0.03, 0.03)], "a")
    assert (
        told == "The interval of its difference from b, -0.0100 to +0.0200, holds 0, although p = 0.030: a close call."
    )


def test_a_small_p_value_is_no_close_call() -> None:
    told = close_calls([pair("a", "b", -0.01, 0.14, 0.002, 0.002)], "a")
    assert told.endswith("holds 0, although p = 0.002: they are not equal, but on other samples either may be ahead.")


def test_the_smallest_p_values_are_no_equation() -> None:
    told = close_calls([pair("a", "b", -0.01, 0.14, 0.0002, 0.0002)], "a")
    assert "holds 0, although p < 0.001: they are not equal" in told


def test_intervals_are_not_adjusted_for_several_pairs() -> None:
    pairs = [pair("a", name, 0.01, 0.02, 0.03, 0.2) for name in "bcdef"] + [pair("b", "c", 0.01, 0.02, 0.03, 0.2)]
    assert close_calls(pairs, "a") == (
        "By its interval alone it would differ from b, c, d and 2 more, but intervals are not adjusted for 6 pairs, as "
        "p is."
    )


def test_many_close_calls_are_counted() -> None:
    pairs = [pair("a", name, -0.01, 0.02, 0.03, 0.03) for name in "bcd"]
    assert close_calls(pairs, "a").endswith("1 more of its differences is a close call.")
    pairs += [pair("e", "a", 0.01, 0.02, 0.06, 0.2)]
    assert close_calls(pairs, "a").endswith("2 more of its differences are close calls.")
