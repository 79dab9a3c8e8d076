"""docs/learned.md says of pairs of committed records what the boards' tests and `bench plan` say of them today."""

from __future__ import annotations

import re

import pytest
from board_tests import RECORDS, board_of

import segbench
from places import ROOT

PAIRS = (
    ("camvid-espnetv2-4cc53fce", "camvid-unet-6d65375f"),
    ("camvid-unet-6d65375f", "camvid-felzenszwalb-5a556794"),
    ("camvid-unet-6d65375f", "camvid-onnx-espnetv2_s_2.0_city_512x256.onnx-b0887151"),
    ("camvid-felzenszwalb-5a556794", "camvid-slic-ff931fd1"),
    ("camvid-kmeans-68482788", "camvid-watershed-ef059138"),
    ("voc2012-dinov3-pspnet-abbb70f2", "voc2012-onnx-espnetv2_s_2.0_pascal_384x384.onnx-8265cdae"),
    ("voc2012-kmeans-34e65535", "voc2012-felzenszwalb-c947a83b"),
    ("isbi2012-unet-9a4e8a9c", "isbi2012-ilastik-like-19bcc2fd"),
    ("isbi2012-unet-9a4e8a9c", "isbi2012-chan-vese-8211786d"),
    ("isbi2012-unet-0b805e1a", "isbi2012-threshold-146d703e"),
    ("isbi2012-unet-0b805e1a", "isbi2012-fcn-9770c3aa"),
    ("isbi2012-fpn-31b96c03", "isbi2012-parsenet-283e41f2"),
)
"""Records of the rows of its first table, in their order."""


def _rows() -> list[list[str]]:
    page = (ROOT / "docs" / "learned.md").read_text(encoding="utf-8")
    table = page.partition("| A | B |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_the_page_has_a_row_for_each_pair() -> None:
    assert len(_rows()) == len(PAIRS)


@pytest.mark.slow
@pytest.mark.parametrize("place", range(len(PAIRS)))
def test_a_row_is_what_the_records_say(place: int) -> None:
    row = _rows()[place]
    board = board_of(PAIRS[place][0])
    pair = board.pair(*PAIRS[place])
    assert int(row[2]) == board.found.n
    said = [float(number) for number in re.findall(r"[-+]?\d\.\d+", row[3])]
    assert said == [pytest.approx(value, abs=0.0005000001) for value in (pair.value, pair.low, pair.high)]
    verdicts = {
        (True, True): "yes",
        (True, False): "yes unadjusted, no after correction for all pairs",
        (False, False): "no",
    }
    assert row[4] == verdicts[pair.p < 0.05, pair.p_adjusted < 0.05]


@pytest.mark.slow
@pytest.mark.parametrize("place", range(len(PAIRS)))
def test_a_number_of_images_is_what_is_planned(place: int) -> None:
    plan = segbench.plan(*(RECORDS / name for name in PAIRS[place]), progress=False)
    (needed,) = (each for each in plan.needed if each.what == "difference")
    numbers = [f"{n:,}".replace(",", " ") for n in (needed.units, needed.units_low, needed.units_high) if n is not None]
    assert len(numbers) == 3
    middle, low, high = numbers
    assert _rows()[place][5] == (middle if low == high else f"{middle} ({low} to {high})")
