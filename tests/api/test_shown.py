"""What functions return is readable in a Python prompt, and a table in a notebook."""

from __future__ import annotations

import pytest
from committed_records import RECORDS

import segbench

ONE, OTHER = RECORDS / "camvid-fcn-85543f97", RECORDS / "camvid-unet-338ebb1f"

pytestmark = pytest.mark.slow


def test_a_plan_is_shown_as_the_terminal_shows_it() -> None:
    found = segbench.plan(ONE, OTHER, progress=False)
    title, first, second, *rest = str(found).splitlines()
    assert title == "miou on camvid, split test, 233 samples"
    assert first.startswith("fcn: 0.3789 [")
    assert second.startswith("unet: 0.3500 [")
    assert rest[0].startswith("an interval of full width ")
    assert rest[1].startswith("to see a difference of 0.0289 in 4 of 5 test sets: about ")
    assert rest[2].split() == ["samples", "width", "between", "visible", "between"]
    assert repr(found) == str(found)
    assert title in found._repr_html_()


def test_slices_are_shown_with_their_answer() -> None:
    found = segbench.slice_runs(ONE, OTHER, by="group", progress=False)
    text = str(found)
    assert text.splitlines()[:2] == ["miou on camvid, split test, 233 samples", found.answer]
    assert repr(found) == text
    assert all(f"<td>{row.slice}" in found._repr_html_() and row.slice in text for row in found.slices)


def test_a_table_is_shown_as_its_text() -> None:
    found = segbench.table(ONE, OTHER, by_class=True, progress=False)
    assert str(found) == found.text.rstrip()
    assert repr(found) == str(found)
    assert "Every other value of miou is told from the best by paired tests" in str(found)
    assert "Single classes were not tested" in str(found)


def test_scores_of_a_class_are_readable_in_a_terminal() -> None:
    assert "samples: iou@car, miou." in str(segbench.table(ONE, OTHER, scores=["iou@car", "miou"], progress=False))
