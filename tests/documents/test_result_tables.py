"""Tables of docs/results.md and docs/existing-models.md have the scores of the committed records, rounded once."""

from __future__ import annotations

import math

import pytest
from board_tests import RECORDS

from places import ROOT
from segbench.boards.seed_groups import SeedGroup
from segbench.runs.record import Record, read_record

TABLES = {
    ("v_rand", "isbi2012", "Held-out slices 25-29"): """
        unet-c3c9d2fc ensemble-5fd6b2df unet-6951b668 unet-78f10d38 unet-0b805e1a unet-49690bd5 fpn-31b96c03
        parsenet-283e41f2 deeplabv3-1394f66a smp-Segformer-mit_b0-a324ef3f fcn-9770c3aa ilastik-like-3c1b0a9f
        threshold-146d703e watershed-6c0b7b48 chan-vese-1d50498e deconvnet-177eed3c mean-shape-a5050c9e
        constant-14779940""",
    ("v_rand", "isbi2012", "By 5-fold cross-validation"): """
        unet-9a4e8a9c ilastik-like-19bcc2fd chan-vese-8211786d kmeans-252be2e5 threshold-56a3ec8a watershed-896a01af""",
    ("dice", "drive", "The 20 test images of DRIVE"): """
        second-observer-e9d2f7e1 unet-1406be40+unet-33462f81+unet-ae093e28
        unet-fe46d630+unet-b696d1f3 ilastik-like-4fccd595 fpn-f022f59a
        smp-Segformer-mit_b0-c50c6cc0 fcn-61e544b9 parsenet-908eb5d3 deeplabv3-b3516321 threshold-82be98ce
        canny-b1b18483 felzenszwalb-3c0252bc deconvnet-b179dd3d slic-e7571dc9 watershed-ce7a52c1 kmeans-82b61ee8
        random-walker-d572aa56 chan-vese-2d0531b2 mean-shape-a9bce504 maskrcnn-3aeaf2c1 constant-58d9edc3""",
    ("miou", "camvid", "The 233 test images"): """
        espnetv2-191ad89a espnetv2-4cc53fce unet-6d65375f+unet-90c3e8d9 onnx-espnetv2_s_2.0_city_512x256.onnx-b0887151
        fcn-faa777cd unet-91b33617 unet-591a1efd felzenszwalb-5a556794 unet-338ebb1f slic-ff931fd1 kmeans-68482788
        watershed-ef059138 canny-a9c54b26 threshold-f4f028bd mean-shape-27d5ff21 constant-ebd26f38""",
    ("miou", "camvid", "### Every network alike"): """
        fcn-85543f97+fcn-aadcaf9a smp-Segformer-mit_b0-047b198b+smp-Segformer-mit_b0-72903d94
        parsenet-0b419f66+parsenet-4f2a22cf deeplabv3-8a283178+deeplabv3-f5bd3de9 fpn-1da54489+fpn-58874915
        unet-037ba92a+unet-5c41501a deconvnet-16dbc5b9+deconvnet-f78e977c maskrcnn-a8609fbb+maskrcnn-de38c680""",
    ("miou_defined", "voc2012", "The classical methods are fitted"): """
        kmeans-34e65535 slic-d27c5f0f felzenszwalb-c947a83b watershed-587f034d threshold-a6c4aa01 mean-shape-825f8477
        canny-d8e902b3 constant-4d1793f9""",
}
"""Records of the first table after a heading or sentence, row by row; seeds of one row are joined by a plus sign."""


def table_after(page: str, start: str) -> list[list[str]]:
    """Rows of the first table below a place of a page."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8").partition(start)[2]
    table = text[text.index("\n|") + 1 :].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def shown(record: Record, score: str, digits: int) -> str:
    """A score with its interval, as a table shows it."""
    found = record.scores[score]
    value, low, high = (math.nan if each is None else each for each in (found.value, found.low, found.high))
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


@pytest.mark.parametrize("place", TABLES, ids=lambda place: place[2])
def test_a_table_of_results_has_the_scores_of_its_records(place: tuple[str, str, str]) -> None:
    score, dataset, start = place
    rows = table_after("results.md", start)
    runs = TABLES[place].split()
    assert len(rows) == len(runs)
    digits = 4 if dataset == "isbi2012" else 3
    for row, ids in zip(rows, runs, strict=True):
        group = SeedGroup(tuple(read_record(RECORDS / f"{dataset}-{each}") for each in ids.split("+")))
        said = next(cell for cell in row if cell.startswith("0.")).partition(" ±")[0]
        assert said == shown(group.record, score, digits), row[0]


def test_the_table_of_slices_has_the_second_score_too() -> None:
    (runs,) = (ids.split() for (_, _, start), ids in TABLES.items() if start.startswith("Held-out"))
    said = [row[3] for row in table_after("results.md", "Held-out slices 25-29")]
    assert said == [shown(read_record(RECORDS / f"isbi2012-{run}"), "v_info", 4) for run in runs]


def test_the_table_of_vessels_has_three_more_scores() -> None:
    (runs,) = (ids.split() for (_, dataset, _), ids in TABLES.items() if dataset == "drive")
    for row, run in zip(table_after("results.md", "The 20 test images of DRIVE"), runs, strict=True):
        record = SeedGroup(tuple(read_record(RECORDS / f"drive-{each}") for each in run.split("+"))).record
        assert row[3:5] == [shown(record, score, 3) for score in ("cldice", "sensitivity")]
        pieces = record.scores["betti0_error"].value
        assert pieces is not None
        assert row[5] == f"{pieces:.1f}"


def test_the_fine_tuned_network_has_the_same_score_on_both_pages() -> None:
    score = shown(read_record(RECORDS / "camvid-espnetv2-4cc53fce"), "miou", 3)
    page = (ROOT / "docs" / "existing-models.md").read_text(encoding="utf-8")
    assert f"**{score}**" in page
