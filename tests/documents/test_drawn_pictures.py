"""Pictures of the pages: each is what committed records or measurements give, and can be read on a dark page."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from growth_figure import Measured, read, table, write_plot
from PIL import Image

from places import ROOT

DRAWINGS = sorted([*(ROOT / "docs" / "images").glob("*.svg"), *(ROOT / "leaderboards").glob("*.svg")])
MEASURED = ROOT / "tests" / "speed" / "growth.json"
SVG = "{http://www.w3.org/2000/svg}"


def corners(shape: ElementTree.Element) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a rectangle or of a path of straight lines."""
    if shape.tag == f"{SVG}rect":
        left, top = float(shape.get("x", 0)), float(shape.get("y", 0))
        return left, top, left + float(shape.attrib["width"]), top + float(shape.attrib["height"])
    numbers = [float(each) for each in re.findall(r"-?[\d.]+", shape.attrib["d"])]
    return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])


@pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.name)
def test_a_drawing_has_a_ground_of_its_own(path: Path) -> None:
    """Its lines and words are dark, and GitHub shows it on a dark page to whoever chose that."""
    root = ElementTree.parse(path).getroot()
    ground = next(each for each in root.iter() if each.tag in (f"{SVG}rect", f"{SVG}path") and each.get("d", "M") != "")
    fill = re.search(r"fill: *(#\w{6})", ground.get("style", "")) or re.match(r"(#\w{6})", ground.get("fill", ""))
    assert fill is not None
    assert fill[1].lower() == "#ffffff"
    assert "opacity" not in ground.get("style", "") + " ".join(ground.attrib)
    left, top, right, bottom = map(float, root.attrib["viewBox"].split())
    found = corners(ground)
    assert found[0] <= left
    assert found[1] <= top
    assert found[2] >= right
    assert found[3] >= bottom


def test_the_first_picture_shows_its_masks_and_their_dice() -> None:
    """`docs/site/picture.py` writes it again from the masks of a run, which are stored beside it."""
    sys.path.insert(0, str(ROOT / "docs" / "site"))
    try:
        import picture
    finally:
        sys.path.pop(0)
    text = picture.PICTURE.read_text(encoding="utf-8")
    shown, panes = picture.stored_samples(), picture.stored_panes(text)
    assert [each.word for each in shown] == list(picture.PLACES)
    assert text == picture.compose(shown, panes)
    best, median, hard = (each.dice for each in shown)
    overall = json.loads((picture.MASKS / "shown.json").read_text(encoding="utf-8"))["dice"]
    assert 1 > best > median > hard > 0.5
    assert abs(median - overall) < 0.03
    images = [np.asarray(Image.open(io.BytesIO(base64.b64decode(pane.partition(",")[2])))) for pane in panes]
    assert {image.shape for image in images} == {(252, 252, 3)}
    for each, truth, predicted in zip(shown, images[::2], images[1::2], strict=True):
        cut = picture.around(each.truth)
        for mask, image in ((each.truth, truth), (each.predicted & each.truth, predicted)):
            inside = np.asarray(Image.fromarray(mask[cut] == 1).resize((252, 252), Image.Resampling.NEAREST))
            blueness = image[:, :, 2].astype(int) - image[:, :, 0]
            assert blueness[inside].mean() > 50, each.word
            assert abs(blueness[~inside].mean()) < 10, each.word


def test_how_commands_grow_is_shown_as_it_was_measured(tmp_path: Path) -> None:
    growth = read(MEASURED)
    page = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    assert "\n".join(table(growth)) in page
    write_plot(tmp_path / "growth.svg", growth)
    assert (tmp_path / "growth.svg").read_bytes() == (ROOT / "docs" / "images" / "growth.svg").read_bytes()


@pytest.mark.slow
def test_the_command_that_draws_growth_measures_nothing(tmp_path: Path) -> None:
    words = [ROOT / "tests" / "speed" / "growth.py", "--from", MEASURED, "--plot", tmp_path / "growth.svg"]
    done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == table(read(MEASURED))
    assert (tmp_path / "growth.svg").is_file()


def test_an_exponent_is_that_of_the_time_above_the_start() -> None:
    growth = read(MEASURED)
    points = [Measured("square", "runs", n, growth.start_s + 0.01 * n**2, 1.0) for n in (10, 20, 40)]
    assert type(growth)(growth.start_s, tuple(points)).exponent("square") == pytest.approx(2.0)
