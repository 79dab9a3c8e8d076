"""docs/learned.md says of pairs of committed records what `bench compare` says of them today."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

import segbench
from segbench.boards.rank_spans import RankSpan, rank_spans
from segbench.boards.seed_groups import seed_groups
from segbench.runs.find import find_runs

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "leaderboards" / "records"
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


@pytest.fixture(scope="module")
def spans() -> Mapping[str, RankSpan]:
    """How the boards test these records, all methods of one together."""
    found = find_runs([RECORDS])
    used = {name.partition("-")[0] for pair in PAIRS for name in pair}
    return rank_spans([run for run in found if run.record.dataset.name in used])


@pytest.fixture(scope="module")
def rows() -> Mapping[str, str]:
    """By the id of a record that of the run which stands for its row of a board: the middle one of its seeds."""
    groups = seed_groups(run.record for run in find_runs([RECORDS]))
    return {record.run_id: group.middle.run_id for group in groups for record in group.records}


def test_the_page_has_a_row_for_each_pair() -> None:
    assert len(_rows()) == len(PAIRS)


@pytest.mark.parametrize("place", range(len(PAIRS)))
def test_a_row_is_what_the_records_say(place: int, spans: Mapping[str, RankSpan], rows: Mapping[str, str]) -> None:
    row = _rows()[place]
    found = segbench.compare(*(RECORDS / name for name in PAIRS[place]), progress=False)
    (pair,) = found.differences
    assert int(row[2]) == found.n
    said = [float(number) for number in re.findall(r"[-+]?\d\.\d+", row[3])]
    assert said == [pytest.approx(value, abs=0.0005000001) for value in (pair.value, pair.low, pair.high)]
    one, other = (rows[name] for name in PAIRS[place])
    among_all = spans[one].differs(other)
    verdicts = {
        (True, True): "yes",
        (True, False): "yes unadjusted, no after correction for all pairs",
        (False, False): "no",
    }
    assert row[4] == verdicts[pair.significant, among_all]
