"""`bench panels --crop`: which detail is shown, what the caption says of it, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segbench
from commands import Run, printed_json
from own_folders import BINARY, QUIET, write_folder
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.figures.lengths import inches
from segbench.figures.panel_sheet import PageWidth
from segbench.report.panel_crops import around_largest

pytestmark = pytest.mark.slow

WRONG = {"a": (30, 12, 8, 6), "b": (2, 20, 5, 4)}
"""Of each sample x, y, width and height of the region that the run has wrong."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on three binary masks of 60 x 40 pixels: a region of `a` and of `b` is wrong, and nothing of `c`."""
    base = tmp_path_factory.mktemp("crops")
    root = write_folder(base / "mine", ["a", "b", "c"], BINARY, (0, 1))
    random = np.random.default_rng(0)
    (base / "predicted").mkdir()
    for name in "abc":
        mask = np.zeros((40, 60), np.uint8)
        mask[8:30, 10:50] = 1
        Image.fromarray(random.integers(0, 255, (40, 60, 3)).astype(np.uint8)).save(root / f"images/{name}.png")
        Image.fromarray(mask).save(root / f"masks/{name}.png")
        if name in WRONG:
            x, y, width, height = WRONG[name]
            mask[y : y + height, x : x + width] = 1 - mask[y : y + height, x : x + width]
            mask[39, 59] = 1
        Image.fromarray(mask).save(base / f"predicted/{name}.png")
    evaluate_files(
        EvaluateRequest(
            *("folder", base / "predicted", "mine", "all", root),
            out=base / "run",
            save_predictions=True,
            plots=False,
        ),
        QUIET,
    )
    return base


def test_a_named_detail_is_shown_to_the_pixel(bench: Run, base: Path, tmp_path: Path) -> None:
    found = printed_json(
        bench(
            "panels", base / "run", "--out", "a.png", "--dpi", "60", "--width", "9cm", "--json", "--crop", "b:4,6,12,9"
        )
    )
    (sample,) = found["samples"]
    crop = {"x": 4, "y": 6, "width": 12, "height": 9, "of_width": 60, "of_height": 40, "by": "named"}
    assert (sample["id"], sample["crop"], found["rule"]) == ("b", crop, "samples")
    caption = " ".join(found["caption"])
    assert "of b 12 x 9 of 60 x 40 pixels from x = 4, y = 6 (upper left corner)." in caption
    assert "Scores are of the whole samples." in caption
    assert sample["scores"] == [segbench.load_run(base / "run").per_sample()["b"]]
    page = PageWidth(inches("9cm"), 60, 3)
    image = np.asarray(Image.open(base / "mine/images/b.png"))[6:15, 4:16]
    import cv2

    expected = cv2.resize(image, page.size((9, 12)), interpolation=cv2.INTER_CUBIC)
    with Image.open(tmp_path / "a.png") as file:
        sheet = np.asarray(file.convert("RGB"))
    tops = range(len(sheet) - len(expected))
    assert any(np.array_equal(sheet[y : y + expected.shape[0], : expected.shape[1]], expected) for y in tops)


def test_a_size_lies_around_the_largest_region_that_is_wrong(bench: Run, base: Path) -> None:
    found = printed_json(
        bench("panels", base / "run", "--out", "a.png", "--dpi", "60", "--width", "9cm", "--json", "--crop", "20,16")
    )
    crops = {each["id"]: (each["crop"]["x"], each["crop"]["y"], each["crop"]["by"]) for each in found["samples"]}
    assert crops == {"a": (24, 7, "errors"), "b": (0, 14, "errors"), "c": (20, 12, "middle")}
    caption = " ".join(found["caption"])
    assert "around the largest connected region that any run has wrong" in caption
    assert "Nothing is wrong in c: shown is the middle." in caption


def test_a_place_of_one_sample_stands_beside_a_size_of_the_others(bench: Run, base: Path, tmp_path: Path) -> None:
    words = ("--samples", "a,b", "--crop", "a:0,0,10,10", "--crop", "20,16")
    found = printed_json(bench("panels", base / "run", "--out", "a.png", "--dpi", "60", "--json", *words))
    assert [each["crop"]["by"] for each in found["samples"]] == ["named", "errors"]
    found = printed_json(
        bench(
            "panels", base / "run", "--out", "a.png", "--dpi", "60", "--json", "--samples", "a,b", "--crop", "b:0,0,9,9"
        )
    )
    assert found["samples"][0]["crop"] is None
    found = printed_json(
        bench("panels", base / "run", "--out", "a.png", "--dpi", "60", "--json", "--crop", "1,2,30,20")
    )
    assert {(each["crop"]["x"], each["crop"]["y"]) for each in found["samples"]} == {(1, 2)}
    made = segbench.panels(base / "run", out=tmp_path / "b.png", dpi=60, crop="a:0,0,10,10", progress=False)
    assert made.samples[0].crop is not None
    assert made.samples[0].crop.width == 10


def test_the_window_holds_most_of_a_region_that_is_larger() -> None:
    wrong = np.zeros((30, 40), bool)
    wrong[:, 3] = wrong[20:30, 3:30] = True
    x, y = around_largest(wrong, (10, 8))
    assert wrong[y : y + 8, x : x + 10].all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--crop", "a:50,30,20,15"), "reaches to x = 70 and y = 45, and the image of a has 60 x 40 pixels"),
        (("--crop", "100,10"), "100 x 10 pixels are more than the image of a has, 60 x 40"),
        (("--crop", "a:1,2,3"), "is no place in an image; expected ID:x,y,width,height"),
        (("--crop", "a:20,16"), "is no place in an image"),
        (("--crop", "0,16"), "is no place in an image"),
        (("--crop", "big"), "is no place in an image"),
        (("--crop", "d:0,0,9,9"), "there is no such sample"),
        (("--crop", "a:0,0,9,9", "--samples", "b"), "this sample is not shown, but b."),
        (("--crop", "a:0,0,9,9", "--crop", "a:0,0,8,8"), "another detail of a was named before"),
        (("--crop", "9,9", "--crop", "0,0,8,8"), "another detail of all samples was named before"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(
    bench: Run, base: Path, tmp_path: Path, words: Sequence[str], said: str
) -> None:
    done = bench("panels", base / "run", "--out", "a.png", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.split())
    assert not list(tmp_path.glob("a*"))


def test_without_public_labels_a_place_is_asked_for(bench: Run, stacks: Path) -> None:
    run = ("run", "-d", "isbi2012", "-m", "constant", "--root", stacks, "--no-plots", "--split", "challenge")
    assert bench(*run, "--out", "hidden").returncode == 0
    words = ("panels", "hidden", "--out", "b.png", "--dpi", "60", "--count", "2", "--json")
    done = bench(*words, "--crop", "20,16")
    assert done.returncode == 2
    assert "labels of this split are not public" in " ".join(done.stderr.split())
    found = printed_json(bench(*words, "--crop", "3,4,20,16"))
    assert found["samples"][0]["crop"]["by"] == "named"
    assert "Scores are of" not in " ".join(found["caption"])
