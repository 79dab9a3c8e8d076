"""Pictures of the pages: each is what committed records or measurements give, and can be read on a dark page."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from growth_figure import Measured, read, table, write_plot
from PIL import Image

from places import ROOT
from segbench.figures.style import write_svg

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


@contextmanager
def scripts(folder: str) -> Iterator[None]:
    """Scripts of a folder can be imported meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / folder)
        yield


def table_of(page: str, start: str) -> list[list[str]]:
    """Cells of the rows of a page's table whose head begins so."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    lines = text[text.index(start) :].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_first_picture_shows_its_masks_and_their_dice() -> None:
    """`docs/site/picture.py` writes it again from the masks of a run, which are stored beside it."""
    with scripts("docs/site"):
        import picture
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


def test_many_workers_are_shown_as_they_are_simulated(tmp_path: Path) -> None:
    with scripts("tests/simulation"):
        import workers
    done = workers.Simulated.of(json.loads(workers.TIMES.read_text(encoding="utf-8")))
    shown = table_of("cluster.md", "| workers | h, in the order of the file |")
    assert [row[0] for row in shown] == ["1", "2", "8", "32", "64", "128", "256", "512"]
    assert all(row in done.table() for row in shown)
    page = " ".join((ROOT / "docs" / "cluster.md").read_text(encoding="utf-8").split())
    assert f"gives out {done.cells:,}".replace(",", " ") + " cells" in page
    assert f"{done.total / 3600:.0f} hours one after another, the longest {done.longest / 60:.0f} minutes" in page
    write_svg(tmp_path / "workers.svg", lambda: workers.drawn(done.found, done.bound))
    assert (tmp_path / "workers.svg").read_bytes() == (ROOT / "docs" / "images" / "workers.svg").read_bytes()


def test_the_ablation_is_drawn_as_its_table_says() -> None:
    """Its runs are not stored: points and ends of lines are read off the axis."""
    root = ElementTree.parse(ROOT / "docs" / "images" / "ablation.svg").getroot()
    groups = {each.get("id", ""): each for each in root.iter(f"{SVG}g")}
    ticks = {name: each for name, each in groups.items() if re.match("[xy]tick_", name)}
    names = ["".join(next(each.iter(f"{SVG}text")).itertext()).replace("\u2212", "-") for each in ticks.values()]
    places = [next(each.iter(f"{SVG}use")).attrib for each in ticks.values()]
    scale = {
        float(name): float(at["x"])
        for name, at in zip(names, places, strict=True)
        if name[-1].isdigit() and "." in name
    }
    heights = {name: float(at["y"]) for name, at, key in zip(names, places, ticks, strict=True) if key.startswith("y")}

    def value(x: str) -> str:
        """What the axis says at a place, rounded as in the table."""
        return f"{(float(x) - scale[0.0]) / (scale[0.0] - scale[-1.0]):+.3f}"

    drawn = {}
    for line in (each for each in groups["axes_1"] if each.get("id", "").startswith("line")):
        path = line.find(f"{SVG}path")
        ends = re.findall(r"[ML] (\S+) (\S+)", "" if path is None else path.get("d", ""))
        if len(ends) == 2 and ends[0][1] == ends[1][1]:
            drawn[float(ends[0][1])] = [value(ends[0][0]), value(ends[1][0])]
        elif len(ends) == 1:
            drawn[float(ends[0][1])].insert(0, value(ends[0][0]))
    table = table_of("ablation.md", "| switched |")
    assert [f"{middle} [{low}, {high}]" for middle, low, high in drawn.values()] == [row[1] for row in table]
    assert list(drawn) == list(heights.values())
    assert all(row[0].replace("`", "").startswith(name) for row, name in zip(table, heights, strict=True))
