"""Sentences and tables of the pages that rest on several committed records say what the records give today."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import pytest
from board_tests import RECORDS, Pair, board_of
from coverage_of_intervals import coverage, neighbours_hold
from populations import CROSS_VALIDATED, recorded

import segbench
from places import ROOT
from segbench.runs.record import read_record

pytestmark = pytest.mark.slow
FINE_TUNED, FINE_TUNED_BOTH_WAYS = "camvid-espnetv2-191ad89a", "camvid-espnetv2-4cc53fce"
UNET, UNET_40, UNET_32 = "camvid-unet-6d65375f", "camvid-unet-91b33617", "camvid-unet-591a1efd"
FCN, FCN_500 = "camvid-fcn-faa777cd", "camvid-fcn-85543f97"
MASK_RCNN, MEAN_SHAPE = "camvid-maskrcnn-a8609fbb", "camvid-mean-shape-27d5ff21"
FELZENSZWALB, SLIC, WATERSHED = "camvid-felzenszwalb-5a556794", "camvid-slic-ff931fd1", "camvid-watershed-ef059138"
FOLDS = "isbi2012-unet-9a4e8a9c"
SEEDS = (
    ("deconvnet-16dbc5b9", "deconvnet-f78e977c"),
    ("deeplabv3-8a283178", "deeplabv3-f5bd3de9"),
    ("fcn-85543f97", "fcn-aadcaf9a"),
    ("fpn-1da54489", "fpn-58874915"),
    ("maskrcnn-a8609fbb", "maskrcnn-de38c680"),
    ("parsenet-0b419f66", "parsenet-4f2a22cf"),
    ("smp-Segformer-mit_b0-047b198b", "smp-Segformer-mit_b0-72903d94"),
    ("unet-037ba92a", "unet-5c41501a"),
    ("unet-6d65375f", "unet-90c3e8d9"),
)
"""Two seeds of each network that has them on CamVid, fitted on all labels."""
STREETS = {
    5: (("2042c2fe", "24a7b306", "6661a144"), ("0cc0633d", "7851c174", "825ebc4c")),
    20: (("261a692f", "33a1f0fb", "5c2d1b60"), ("c3614125", "cbfeab44", "dbb93f4a")),
}
"""CamVid's runs of ESPNetv2 by their number of labels: from Cityscapes' weights, from random ones."""
CELLS = {
    1: (("dc7716b3", "4c1a0c9d"), ("3f94baf9", "fdc73897")),
    5: (("02806696", "48a7d713"), ("4bdd3883", "678eb52b")),
    20: (("9424379d", "4bd202be"), ("617e94b8", "abcd2052")),
}
"""ISBI 2012's: from VOC's weights, from random ones."""


def says(page: str, sentence: str) -> bool:
    """Whether a page holds a sentence, wherever its lines end."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return " ".join(sentence.split()) in re.sub(r"\s+", " ", text)


def spaced(number: int) -> str:
    """A number with a space between thousands."""
    return f"{number:,}".replace(",", " ")


def test_two_networks_of_unequal_training_differ_by_what_the_board_says() -> None:
    pair = board_of(UNET).pair(UNET, FCN)
    assert (pair.p < 0.05, pair.p_adjusted < 0.05) == (True, False)
    said = f"{100 * pair.value:.1f} points {pair.points}"
    assert says("results.md", f"{said} behind that U-Net.")
    assert says("results.md", f"significant unadjusted (p = {pair.p:.3f})")
    assert says("results.md", f"all pairs of the board (p = {pair.p_adjusted:.2f}): it was trained once")
    assert says("learned.md", f"{said} ahead of an `fcn` of 2 760 steps")
    assert all(board_of(UNET).pair(FCN, other).p_adjusted < 0.05 for other in (UNET_40, UNET_32))


def test_how_a_network_was_mirrored_may_be_chance() -> None:
    pair = board_of(UNET).pair(FINE_TUNED, FINE_TUNED_BOTH_WAYS)
    assert pair.p > 0.05
    assert says("results.md", f"makes {100 * pair.value:.1f} points {pair.points}, which may be chance")


def test_five_hundred_steps_leave_the_best_network_level_with_regions() -> None:
    board = board_of(UNET)
    assert says("results.md", f"(two points, p = {board.pair(FCN_500, FELZENSZWALB).p_adjusted:.2f} after")
    assert says("results.md", f"(0.203; p = {board.pair(MASK_RCNN, MEAN_SHAPE).p_adjusted:.2f})")


def test_pairs_of_films_are_fewer_by_blocks() -> None:
    frames, twenty, thirty = (board_of(UNET, blocks) for blocks in (None, 20, 30))
    assert says(
        "results.md",
        f"Of the board's {len(frames.pairs) // 2} pairs {frames.told_apart} are told apart so, {twenty.told_apart} by "
        f"[blocks](statistics.md#few-films) of 20 neighbouring frames and {thirty.told_apart} by blocks of 30.",
    )
    assert {board.told_from(FINE_TUNED) for board in (frames, twenty, thirty)} == {23}
    lost = [(FCN, UNET_40), (MASK_RCNN, MEAN_SHAPE), (FELZENSZWALB, WATERSHED), (SLIC, WATERSHED)]
    assert all(frames.pair(*pair).p_adjusted < 0.05 for pair in lost)
    fcn, mask_rcnn, *regions = (f"{twenty.pair(*pair).p_adjusted:.2f}" for pair in lost)
    assert says("results.md", f"the U-Net with 40 (p = {fcn}), Mask R-CNN and `mean-shape` ({mask_rcnn})")
    assert says("results.md", f"`felzenszwalb` or `slic` and `watershed` ({', '.join(regions)})")
    assert says("learned.md", f"fine-tuned ESPNetv2 over the U-Net {twenty.pair(FINE_TUNED_BOTH_WAYS, UNET).interval}")
    assert says("learned.md", f"`felzenszwalb` over `slic` {twenty.pair(FELZENSZWALB, SLIC).interval}")
    kmeans = twenty.pair("camvid-kmeans-68482788", WATERSHED)
    assert says("learned.md", f"`kmeans` and `watershed` have p = {kmeans.p:.2f} {kmeans.interval}")


def test_pairs_of_one_stack_are_fewer_by_blocks() -> None:
    def of_unet(blocks: int | None) -> dict[str, Pair]:
        pairs = board_of(FOLDS, blocks).pairs
        return {other: pair for (one, other), pair in pairs.items() if one == "unet"}

    for blocks in (None, 3):
        unlike = {name for name, pair in of_unet(blocks).items() if pair.p_adjusted < 0.05}
        assert unlike == {"chan-vese", "kmeans", "threshold", "watershed"}
    assert board_of(FOLDS, 5).told_apart == 0
    slices, three, five = (of_unet(blocks) for blocks in (None, 3, 5))
    forest = slices["ilastik-like"]
    assert says("results.md", f"(p = {forest.p:.2f}, {forest.p_adjusted:.2f} after correction for all fifteen pairs)")
    assert says("results.md", f"(`ilastik-like`: {three['ilastik-like'].p_adjusted:.2f})")
    by_five = [pair.p_adjusted for pair in five.values()]
    assert says("results.md", f"(the U-Net's five pairs: {min(by_five):.2f} to {max(by_five):.2f})")
    assert says("learned.md", f"the U-Net over `ilastik-like` has {three['ilastik-like'].interval}")


def test_networks_that_ended_by_the_clock_had_unequal_steps() -> None:
    def steps(run: str) -> list[int]:
        found = [re.search(r"\((\d+) of 2500 iterations\)", each) for each in read_record(RECORDS / run).warnings]
        return [int(each[1]) for each in found if each]

    runs = {
        "`deeplabv3` with {} steps": "deeplabv3-1394f66a",
        "Segformer {}": "smp-Segformer-mit_b0-a324ef3f",
        "`fcn` {}": "fcn-9770c3aa",
        "`unet` {}": "unet-0b805e1a",
        "`deconvnet` {}": "deconvnet-177eed3c",
    }
    each = [said.format(spaced(steps(f"isbi2012-{run}")[0])) for said, run in runs.items()]
    assert says("results.md", ", ".join([*each, "`fpn` and `parsenet` all 2 500."]))
    (warned,) = read_record(RECORDS / "isbi2012-unet-78f10d38").warnings
    assert "(4375 of 5000 iterations)" in warned
    assert says("results.md", "The U-Net of an hour made 4 375 of 5 000.")
    assert not steps("isbi2012-fpn-31b96c03") + steps("isbi2012-parsenet-283e41f2")
    fewest, most = spaced(min(steps(FOLDS))), spaced(max(steps(FOLDS)))
    assert says("results.md", f"each fold was trained once, with {fewest} to {most} steps of 2 500")
    few = ["26db9c61", "11d038cd", "d260ff75", "08d883fb", "04cc3de8", "6495cfb0", "4ff25430", "b468e9a6"]
    by_labels = [step for run in few for step in steps(f"isbi2012-unet-{run}")]
    assert len(by_labels) == len(few)
    for page in ("results.md", "learned.md"):
        assert says(page, f"({min(by_labels)} to {max(by_labels)} steps)")


def test_seeds_of_a_network_differ_less_often_by_blocks() -> None:
    def differ(blocks: int | None) -> list[bool]:
        found = (segbench.compare(*_runs("camvid", pair), blocks=blocks, progress=False) for pair in SEEDS)
        return [(each.differences[0].p or 0.0) < 0.05 for each in found]

    frames, blocks = differ(None), differ(20)
    assert (frames[-1], blocks[-1]) == (False, False)
    words = {2: "two", 8: "eight", 9: "nine"}
    assert says(
        "learned.md",
        f"Of the {words[len(SEEDS)]} networks with two seeds there, {words[sum(frames)]} differ by frames and "
        f"{words[sum(blocks)]} by blocks of 20 frames",
    )


def test_gains_of_weights_from_streets_have_their_intervals() -> None:
    cells = ((5, STREETS[5][1]), (20, STREETS[20][1]), (5, STREETS[20][1]))
    for labels, other in cells:
        runs = _runs("camvid-espnetv2", (*STREETS[labels][0], *other))
        (pair,) = segbench.compare(*runs, progress=False).method_differences or []
        said = f"{pair.value:+.3f} [{pair.low:.3f}, {pair.high:.3f}]"
        assert all(says(page, said) for page in ("existing-models.md", "learned.md")), said


@pytest.mark.parametrize("score", ["dice", "v_info"])
def test_gains_of_weights_from_photographs_have_their_intervals(score: str) -> None:
    for labels in (5, 20):
        weights, random = (_runs("isbi2012-espnetv2", runs) for runs in CELLS[labels])
        (pair,) = segbench.compare(*weights, *random, score=score, progress=False).method_differences or []
        assert says("existing-models.md", f"{pair.value:+.3f} [{pair.low:.3f}, {pair.high:.3f}]"), (score, labels)


@pytest.mark.parametrize("labels", CELLS)
def test_scores_of_weights_from_photographs_are_means_of_two_seeds(labels: int) -> None:
    cells = [
        f"{fmean(read_record(run).scores[score].value or 0.0 for run in _runs('isbi2012-espnetv2', runs)):.3f}"
        for score in ("dice", "v_info")
        for runs in CELLS[labels]
    ]
    assert says("existing-models.md", f"| {labels} | {' | '.join(cells)} |")


def coverage_table() -> list[list[str]]:
    """Heads, shares of drawn sets and counts of neighbours, a column for each method."""
    page = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    table = page.partition("| five slices | ")[2].splitlines()
    heads, _, drawn, neighbours = (line.strip("| ").split(" | ") for line in table[:4])
    return [heads, drawn[1:], neighbours[1:]]


@pytest.mark.parametrize("name", CROSS_VALIDATED)
def test_intervals_of_five_slices_hold_as_often_as_the_page_says(name: str) -> None:
    heads, drawn, neighbours = coverage_table()
    place = heads.index(f"`{name}`")
    population = recorded(RECORDS / CROSS_VALIDATED[name])
    found = coverage(population, 1000, 5)
    assert drawn[place] == f"{100 * found.held:.1f} % ({100 * found.percentile:.1f})"
    assert neighbours[place] == "{} of {}".format(*neighbours_hold(population, 5))


def test_results_sum_up_how_often_intervals_of_five_slices_hold() -> None:
    heads, drawn, _ = coverage_table()
    shares = dict(zip(heads, (float(cell.partition(" %")[0]) for cell in drawn), strict=True))
    lowest, highest = min(shares.values()), max(shares.values())
    assert says("results.md", f"in {lowest:.0f} to {highest:.0f} % of cases, depending on the method, and in")
    assert says("results.md", f"depending on the method, and in {shares['`unet`']:.0f} % for a U-Net")


def _runs(stem: str, ids: Sequence[str]) -> list[Path]:
    return [RECORDS / f"{stem}-{each}" for each in ids]
