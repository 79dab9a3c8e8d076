"""One network in two files is named on its board; and so is what five samples are worth."""

from __future__ import annotations

import pytest

from places import ROOT
from segbench.boards.board import boards
from segbench.boards.copies import copies
from segbench.runs.record import Record, read_record

RECORDS = ROOT / "leaderboards" / "records"
ONNX = "camvid-onnx-espnetv2_s_2.0_city_512x256.onnx-b0887151"
TORCH = "camvid-torch-espnetv2_s_2.0_city_512x256.pt-77166cb4"


@pytest.fixture(scope="module")
def pair() -> tuple[Record, Record]:
    return read_record(RECORDS / ONNX), read_record(RECORDS / TORCH)


def test_an_onnx_file_of_the_same_weights_is_named(pair: tuple[Record, Record]) -> None:
    other = read_record(RECORDS / "camvid-fcn-faa777cd")
    assert copies([pair[0], other, pair[1]]) == [pair]
    page = boards([*pair, other])["camvid.md"]
    assert "**Copies**: judging by their cards and scores, onnx:" in page
    assert "are one network in two files; each has a rank of its own. Ranks below theirs count both." in page
    assert "in two files" not in boards([pair[0], other])["camvid.md"]


def test_other_scores_or_another_card_are_no_copies(pair: tuple[Record, Record]) -> None:
    one, other = pair
    score = other.scores["miou"]
    off = score.model_copy(update={"value": (score.value or 0.0) + 0.001})
    assert not copies([one, other.model_copy(update={"scores": {**other.scores, "miou": off}})])
    block = other.method.model_copy(update={"config": {**other.method.config, "card": {"classes": {}}}})
    assert not copies([one, other.model_copy(update={"method": block})])
    assert not copies([one, one])


def test_a_board_of_five_slices_says_what_its_intervals_hold() -> None:
    page = boards([read_record(RECORDS / "isbi2012-unet-0b805e1a")])["isbi2012.md"]
    assert "hold the score of all 30 in 55 to 96 % of draws" in page
    assert "30 in 55" not in boards([read_record(RECORDS / "camvid-fcn-faa777cd")])["camvid.md"]
