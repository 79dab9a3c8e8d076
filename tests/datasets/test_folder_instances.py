"""An own folder whose masks hold numbers of objects, or which has these beside its masks."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image

from commands import Run, printed_json
from segbench.data.own_folder.classes_file import parse_classes
from segbench.datasets.folder import Folder
from segbench.errors import UserError
from segbench.predictions.find import find_predictions
from segbench.registry import make_dataset

pytestmark = pytest.mark.slow


def cells(seed: int, count: int = 9) -> NDArray[np.uint16]:
    """SYNTHETIC round cells that touch nothing, numbered from 1."""
    random = np.random.default_rng(seed)
    places = [(row, column) for row in range(3) for column in range(4)]
    chosen = random.permutation(len(places))[: count - seed % 4]
    y, x = np.indices((60, 80))
    found = np.zeros((60, 80), np.uint16)
    for number, place in enumerate(sorted(chosen.tolist()), 1):
        row, column = places[place]
        found[(y - 20 * row - 10) ** 2 + (x - 20 * column - 10) ** 2 < random.integers(20, 60)] = number
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Eight images with masks of numbers."""
    place = tmp_path / "own"
    for name in ("images", "masks"):
        (place / name).mkdir(parents=True)
    for n in range(8):
        numbers = cells(n)
        noise = np.random.default_rng(n + 50).normal(0, 10, numbers.shape)
        Image.fromarray((60 + 120 * (numbers > 0) + noise).astype(np.uint8)).save(place / "images" / f"c{n}.png")
        Image.fromarray(numbers).save(place / "masks" / f"c{n}.png")
    return place


def predictions(folder: Path) -> Path:
    """Of every image the cells but for the first; the last two are one."""
    folder.mkdir()
    for n in range(8):
        numbers = cells(n).astype(np.int32)
        numbers[numbers == 1] = 0
        numbers[numbers == numbers.max()] -= 1
        np.save(folder / f"c{n}.npy", numbers * 10_000)
    return folder


def test_numbers_are_recognised_and_scored(bench: Run, root: Path, tmp_path: Path) -> None:
    told = bench("data", "describe", "folder", "--root", root, "--write")
    assert told.returncode == 0, told.stderr
    assert yaml.safe_load((root / "classes.yaml").read_text())["masks"] == "instances"
    assert bench("data", "verify", "folder", "--root", root).returncode == 0
    where = ("-d", "folder", "--root", root, "--split", "all", "--json")
    made = printed_json(bench("evaluate", *where, "-p", predictions(tmp_path / "found"), "--save-predictions"))
    assert made["main_score"] == "f1_50"
    true = [int(cells(n).max()) for n in range(8)]
    # One is not found, and of two that are one none has an IoU of more than 0.5 or the larger of them has.
    assert made["scores"]["count_error"]["value"] == 2
    assert (sum(true) - 24) / sum(true) <= made["scores"]["recall_50"]["value"] <= (sum(true) - 16) / sum(true)
    folder = tmp_path / "runs" / made["run_id"]
    assert bench("verify", folder, "--root", root).returncode == 0
    again = printed_json(bench("evaluate", *where, "-p", folder / "predictions", "--name", "again"))
    assert again["scores"] == made["scores"]
    method = printed_json(bench("run", *where[:4], "-m", "threshold", "--folds", "4", "--json"))
    assert method["scores"]["f1_50"]["value"] > 0.9
    runs = tmp_path / "runs"
    compared = [bench("compare", folder, runs / other["run_id"]).stdout for other in (method, again)]
    # What no run knows has no column: predictions from elsewhere have no cost.
    assert [name in text for text in compared for name in ("fit s", "ms/image", "front")] == 3 * [True] + 3 * [False]
    by_class = bench("compare", folder, runs / method["run_id"], "--by-class")
    assert by_class.returncode == 0
    assert "no score of single classes belongs to f1_50, so classes are not compared" in by_class.stderr


def test_files_of_cellpose_are_known_by_their_names_and_its_python_objects_are_not_read(
    root: Path, tmp_path: Path
) -> None:
    (root / "classes.yaml").write_text("masks: instances\nclasses: {0: background, 1: cell}\n")
    folder = Folder(root)
    (tmp_path / "masks").mkdir()
    (tmp_path / "seg").mkdir()
    for n in range(8):
        Image.fromarray(cells(n)).save(tmp_path / "masks" / f"c{n}_cp_masks.png")
        np.save(tmp_path / "seg" / f"c{n}_seg.npy", np.array({"masks": cells(n)}, object), allow_pickle=True)
    found = find_predictions(folder, folder.ids("all"), tmp_path / "masks").files
    for n in range(8):
        assert (np.asarray(found[f"c{n}"].read(folder).instances) == cells(n)).all()
    with pytest.raises(UserError, match=r"holds Python objects, which are not read, .* masks as PNG or TIFF"):
        find_predictions(folder, folder.ids("all"), tmp_path / "seg").files["c0"].read(folder)


def test_numbers_are_found_in_folders_of_splits(bench: Run, tmp_path: Path) -> None:
    """As StarDist's part of the Data Science Bowl 2018 lies, with more objects than a label map has classes."""
    root = tmp_path / "dsb"
    for n in range(8):
        place = root / ("train" if n < 5 else "test")
        numbers = np.zeros((96, 96), np.uint16)
        for number in range(80 + n):
            row, column = divmod(number, 10)
            numbers[9 * row + 1 : 9 * row + 8, 9 * column + 1 : 9 * column + 8] = 2 * number + 1
        noise = np.random.default_rng(n).normal(0, 10, numbers.shape)
        for name, values in (("images", (60 + 120 * (numbers > 0) + noise).astype(np.uint8)), ("masks", numbers)):
            (place / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(place / name / f"{n}.tif")
    assert bench("data", "describe", "folder", "--root", root, "--write").returncode == 0
    content = yaml.safe_load((root / "classes.yaml").read_text())
    assert content["coding"] == "instances"
    assert content["masks"] == {"train": "train/masks/{stem}.tif", "test": "test/masks/{stem}.tif"}
    method = printed_json(bench("run", "-d", "folder", "--root", root, "-m", "threshold", "--json"))
    assert (method["dataset"]["n"], method["main_score"]) == (3, "f1_50")
    assert method["scores"]["count_error"]["value"] == 0


def test_images_and_masks_of_one_folder_are_told_by_the_ends_of_their_names(bench: Run, root: Path) -> None:
    """As Cellpose's data lies: `000_img.png` and `000_masks.png`."""
    for split, numbers in (("train", range(5)), ("test", range(5, 8))):
        (root / split).mkdir()
        for n in numbers:
            for part, called in (("images", "img"), ("masks", "masks")):
                (root / part / f"c{n}.png").rename(root / split / f"{n:03d}_{called}.png")
    (root / "images").rmdir()
    (root / "masks").rmdir()
    assert bench("data", "describe", "folder", "--root", root, "--write").returncode == 0
    content = yaml.safe_load((root / "classes.yaml").read_text())
    assert content["images"] == {split: f"{split}/{{name}}_img.png" for split in ("train", "test")}
    assert content["masks"] == {split: f"{split}/{{name}}_masks.png" for split in ("train", "test")}
    assert content["coding"] == "instances"
    assert bench("data", "verify", "folder", "--root", root).returncode == 0


def test_numbers_beside_masks_take_part_where_they_are_asked_for(bench: Run, root: Path, tmp_path: Path) -> None:
    shutil.move(root / "masks", root / "instances")
    (root / "masks").mkdir()
    for path in (root / "instances").iterdir():
        inside = np.asarray(Image.open(path)) > 0
        Image.fromarray(inside.astype(np.uint8) * 255).save(root / "masks" / path.name)
    assert bench("data", "describe", "folder", "--root", root, "--write").returncode == 0
    assert yaml.safe_load((root / "classes.yaml").read_text())["masks"] == "values"
    where = ("-d", "folder", "--root", root, "--split", "all", "--json", "-p", predictions(tmp_path / "found"))
    usual = printed_json(bench("evaluate", *where))
    assert usual["main_score"] == "dice"
    assert "f1_50" not in usual["scores"]
    asked = printed_json(bench("evaluate", *where, "--metric", "instance-matching", "--metric", "partition-instances"))
    assert asked["scores"]["count_error"]["value"] == 2
    assert asked["scores"]["dice"] == usual["scores"]["dice"]
    assert asked["scores"]["adapted_rand_precision"]["value"] < 1


def test_one_object_and_masks_are_read_as_masks(root: Path) -> None:
    (root / "classes.yaml").write_text("masks: instances\nclasses: {0: background, 1: cell}\n")
    dataset = make_dataset("folder", root)
    sample = dataset.load("c0", ("labels", "instances"))
    assert sample.labels is not None
    assert sample.instances is not None
    np.testing.assert_array_equal(sample.instances, cells(0))
    np.testing.assert_array_equal(sample.labels, cells(0) > 0)
    for high in (1, 255, 65_535):
        found = dataset.decode_prediction((cells(0) > 0).astype(np.uint16) * high, "x")
        assert found.instances is None
        np.testing.assert_array_equal(np.asarray(found.labels), cells(0) > 0)
    seven = dataset.decode_prediction((cells(0) > 0).astype(np.uint8) * 7, "x")
    assert set(np.unique(np.asarray(seven.instances))) == {0, 7}


def objects_of_two_pieces(tmp_path: Path, numbers: Mapping[str, int], others: NDArray[np.uint16]) -> tuple[Path, Path]:
    """A folder, and predictions: the truth but for the numbers of objects in two pieces; the last is of `others`."""
    root, found = tmp_path / "pieces", tmp_path / "found"
    for place in (root / "masks", found):
        place.mkdir(parents=True)
    (root / "classes.yaml").write_text("masks: instances\nclasses: {0: background, 1: cell}\n")
    pieces = np.zeros((60, 80), np.uint16)
    pieces[10:20, 10:30] = pieces[40:50, 10:30] = 1
    for name, number in numbers.items():
        Image.fromarray(pieces).save(root / "masks" / f"{name}.png")
        Image.fromarray((pieces * np.uint16(number)).astype(np.uint8)).save(found / f"{name}.png")
    for place in (root / "masks", found):
        Image.fromarray(others).save(place / "z.png")
    return root, found


@pytest.mark.parametrize("number", [1, 2, 255])
def test_one_object_of_two_pieces_is_numbered_where_other_files_are(bench: Run, tmp_path: Path, number: int) -> None:
    root, found = objects_of_two_pieces(tmp_path, {"a": number, "b": 1, "c": 1}, cells(0))
    where = ("-d", "folder", "--root", root, "--split", "all", "--json")
    made = bench("evaluate", *where, "-p", found, "--save-predictions")
    scores = printed_json(made)["scores"]
    assert (scores["f1_50"]["value"], scores["count_error"]["value"]) == (1, 0)
    assert ("so all are read as numbers" in made.stderr) == (number == 255)
    folder = tmp_path / "runs" / printed_json(made)["run_id"]
    assert bench("verify", folder, "--root", root).returncode == 0
    stored = folder / "predictions"
    assert printed_json(bench("evaluate", *where, "-p", stored, "--name", "again"))["scores"] == scores
    assert "f1_50 1.0000" in bench("doctor", *where[:-1], "-p", found).stdout


def test_where_all_files_are_of_two_tones_they_are_masks_and_that_is_said(bench: Run, tmp_path: Path) -> None:
    root, found = objects_of_two_pieces(tmp_path, {"a": 1, "b": 255}, np.zeros((60, 80), np.uint16))
    evaluated = bench("evaluate", "-d", "folder", "--root", root, "--split", "all", "--json", "-p", found)
    scores = printed_json(evaluated)["scores"]
    assert (scores["f1_50"]["value"], scores["count_error"]["value"]) == (2 / 3, 2 / 3)
    assert "read as masks, whose pieces are objects" in evaluated.stderr
    Image.fromarray(np.asarray(Image.open(found / "a.png")) * np.uint8(255)).save(found / "a.png")
    told = bench("evaluate", "-d", "folder", "--root", root, "--split", "all", "--json", "-p", found, "--name", "b")
    assert printed_json(told)["scores"] == scores
    assert "pieces" not in told.stderr


@pytest.mark.parametrize("form", ["rgb", "rgba", "bool", "stack"])
def test_one_object_is_numbered_in_whatever_file(tmp_path: Path, form: str) -> None:
    root, found = objects_of_two_pieces(tmp_path, {"a": 1}, cells(0))
    dataset = make_dataset("folder", root)
    mask = np.asarray(Image.open(found / "a.png"))
    (found / "a.png").unlink()
    if form == "stack":
        (found / "z.png").unlink()
        np.save(found / "all.npy", np.stack([mask, cells(0).astype(np.uint8)]))
    elif form == "bool":
        np.save(found / "a.npy", mask > 0)
    else:
        Image.fromarray(mask).convert(form.upper()).save(found / "a.png")
    read = find_predictions(dataset, ("a", "z"), found).files["a"].read(dataset)
    assert np.array_equal(np.asarray(read.instances), 2 * mask)
    assert np.array_equal(np.asarray(read.labels), mask)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"masks": "instances", "classes": {0: "a", 1: "b", 2: "c"}}, "of several classes the masks hold these"),
        ({"masks": "instances", "classes": {0: "a", 1: "b"}, "ignore": 255}, "leave out 'ignore'"),
        ({"masks": "numbers", "classes": {0: "a", 1: "b"}}, "instances"),
    ],
)
def test_what_numbers_leave_no_place_for_is_refused(content: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_classes(content, "classes.yaml", "own")


def test_classes_are_not_taken_for_numbers(root: Path) -> None:
    """The same five classes in every mask, each of many pieces, and organs, of which some masks lack some."""
    for n, path in enumerate(sorted((root / "masks").iterdir())):
        random = np.random.default_rng(n)
        Image.fromarray(np.kron(random.integers(0, 6, (6, 8)), np.ones((10, 10))).astype(np.uint8)).save(path)
    assert "masks: values" in Folder.propose(root).text
    for n, path in enumerate(sorted((root / "masks").iterdir())):
        organs = cells(4, count=9).astype(np.uint8)
        Image.fromarray(np.where(organs == 1 + n, 0, organs)).save(path)
    assert "masks: values" in Folder.propose(root).text
