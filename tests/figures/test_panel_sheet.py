"""The sheet of a figure's panels: to the pixel, text that is large enough, and the same bytes twice."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segbench.figures.lengths import inches
from segbench.figures.panel_sheet import (
    MIN_POINTS,
    LegendEntry,
    PageWidth,
    Pane,
    PanelGrid,
    folded,
    striped,
    write_panels,
)
from segbench.types import Uint8, UserError

pytestmark = pytest.mark.slow

PAGE = PageWidth(inches("8cm"), 100, 3)
LONG = "deeplabv3-with-a-very-long-name (standard, epochs=15, init=imagenet-and-more, seed 1)"


def grid(head: str = "unet") -> PanelGrid:
    """Random pictures in a row of two sizes, with a legend."""
    random = np.random.default_rng(0)
    rows = []
    for shape in ((30, 40), (60, 30)):
        width, height = PAGE.size(shape)
        pictures = [random.integers(0, 256, (height, width, 3), np.uint8) for _ in range(3)]
        rows.append(tuple(Pane(picture, "Dice 0.912") for picture in pictures))
    legend = (LegendEntry((1, 2, 3), "cell <1> & more"), LegendEntry(None, "not scored"))
    return PanelGrid(("image", "truth", head), tuple(rows), legend, "SYNTHETIC data")


def test_pictures_of_a_png_file_are_those_that_were_given(tmp_path: Path) -> None:
    made = grid()
    size = write_panels(tmp_path / "a.png", made, PAGE, "what it shows")
    with Image.open(tmp_path / "a.png") as file:
        assert file.size == size == (round(8 / 2.54 * 100), file.size[1])
        assert file.info["dpi"] == pytest.approx((100, 100), abs=0.1)
        assert file.info["Description"] == "what it shows"
        found = np.asarray(file.convert("RGB"))
    for row in made.rows:
        for pane in row:
            assert _holds(found, pane.picture)


def _holds(sheet: Uint8, picture: Uint8) -> bool:
    """Whether a picture stands somewhere in a sheet, pixel by pixel."""
    height, width = picture.shape[:2]
    starts = np.argwhere((sheet == picture[0, 0]).all(axis=2))
    return any(np.array_equal(sheet[y : y + height, x : x + width], picture) for y, x in starts)


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_equal_sheets_are_equal_bytes(tmp_path: Path, kind: str) -> None:
    for name in ("one", "other"):
        write_panels(tmp_path / f"{name}.{kind}", grid(), PAGE, "text with ö and <>&")
    assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / f"other.{kind}").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_pdf_file_has_the_width_of_the_page_and_fonts_that_publishers_take(tmp_path: Path) -> None:
    _, height = write_panels(tmp_path / "a.pdf", grid(), PAGE, "x")
    data = (tmp_path / "a.pdf").read_bytes()
    box = re.search(rb"/MediaBox \[([^\]]*)\]", data)
    assert box is not None
    assert [float(each) for each in box[1].split()] == pytest.approx([0, 0, 8 / 2.54 * 72, height * 0.72], abs=0.4)
    assert b"/Type3" not in data
    assert b"CreationDate" not in data


def test_text_of_an_svg_file_is_text_and_never_too_small(tmp_path: Path) -> None:
    write_panels(tmp_path / "a.svg", grid(LONG), PAGE, "x")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert re.search(r'<svg [^>]*width="226\.\d+pt"', text)
    assert "cell &lt;1&gt; &amp; more</text>" in text
    sizes = [float(each) for each in re.findall(r"font-size: ([\d.]+)px", text)]
    assert sizes
    assert min(sizes) >= MIN_POINTS
    shown = "".join(re.findall(r">([^<>]+)</text>", text))
    for word in LONG.split():
        assert word in shown.replace(" ", "") or word in shown
    assert text.count("data:image/png;base64") == 6 + 2


def test_long_text_is_folded_and_nothing_is_lost() -> None:
    for text in (LONG, "x" * 70, "one two", "", "a" * 5 + " " + "b" * 50):
        lines = folded(text, 80, 7, 100)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert folded("one two", 500, 7, 100) == ["one two"]
    assert len(folded(LONG, 80, 7, 100)) > 3


def test_a_tall_picture_is_narrower_than_its_column() -> None:
    assert PAGE.size((30, 40)) == (PAGE.pane, round(PAGE.pane * 0.75))
    width, height = PAGE.size((90, 30))
    assert width == round(PAGE.pane / 3)
    assert height == PAGE.pane
    assert 3 * PAGE.pane + 2 * PAGE.gap <= PAGE.pixels


def test_stripes_are_of_two_greys() -> None:
    assert {tuple(each) for each in striped(40, 30, PAGE).reshape(-1, 3).tolist()} == {(255,) * 3, (120,) * 3}


@pytest.mark.parametrize("wrong", ["", "wide", "12km", "-3cm", "0", "nan", "1e3", "cm"])
def test_what_is_no_length_is_refused(wrong: str) -> None:
    with pytest.raises(UserError, match="is no length; expected a number with cm, mm, in or pt"):
        inches(wrong)
