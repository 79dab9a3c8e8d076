"""Average precision in your own folder: `objects.json`, and what detectors write for the data it was imported from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from commands import Run, printed_json
from places import ROOT
from random_coco import as_coco, official, random_pairs
from segbench.api import evaluate
from segbench.commands.import_data import ImportRequest, import_data
from segbench.datasets.folder import Folder
from segbench.errors import UserError
from segbench.io.images.rle import decode_rle, encode_rle
from segbench.io.reporter import Reporter
from segbench.predictions.coco_results import find_results
from segbench.predictions.find import find_predictions
from segbench.types import Object

# pycocotools.mask.decode under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

QUIET = Reporter(quiet=True)
STATS = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar_1", "ar_10", "ar_100")


def coco_source(root: Path, splits: dict[str, int]) -> dict[str, tuple[Any, list[Any]]]:
    """COCO files of one split each, whose images have the same numbers and other names; their truth and results."""
    made = {}
    (root / "annotations").mkdir(parents=True)
    for split, seed in splits.items():
        truth, results = as_coco(random_pairs(seed, 8, classes=3, most=6))
        (root / split).mkdir()
        for image in truth["images"]:
            image["file_name"] = f"{split}_{image['file_name']}".replace(".jpg", ".png")
            Image.fromarray(np.zeros((image["height"], image["width"]), np.uint8)).save(
                root / split / image["file_name"]
            )
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(truth))
        made[split] = truth, results
    return made


def imported(source: Path, out: Path) -> Folder:
    import_data(ImportRequest(source, out), QUIET)
    return Folder(out)


def pixels(found: Object) -> Any:
    return decode_rle(found.mask, "") if not isinstance(found.mask, np.ndarray) else found.mask


@pytest.mark.slow
def test_results_for_imported_coco_files_give_the_scores_of_pycocotools(bench: Run, tmp_path: Path) -> None:
    """Objects that cover one another, crowds and given areas included; category ids have gaps, and images clash."""
    made = coco_source(tmp_path / "source", {"train": 3, "val": 5})
    imported(tmp_path / "source", tmp_path / "mine")
    for split, (truth, results) in made.items():
        file = tmp_path / "coco_instances_results.json"
        file.write_text(json.dumps(results))
        run = ("evaluate", "-d", "folder", "--root", "mine", "--split", split, "-p", file, "--out", f"run-{split}")
        record = printed_json(bench(*run, "--save-predictions", "--json"))
        values = official(truth, results).stats[:9].tolist()
        assert len(set(values)) > 5
        for name, value in zip(STATS, values, strict=True):
            assert record["scores"][name]["value"] == (None if value == -1 else value)
        assert record["main_score"] == "ap"
        done = bench("verify", tmp_path / f"run-{split}", "--root", tmp_path / "mine")
        assert done.returncode == 0, done.stdout
        again = tmp_path / f"run-{split}" / "predictions"
        stored = printed_json(
            bench("evaluate", "-d", "folder", "--root", "mine", "--split", split, "-p", again, "--json")
        )
        assert {n: s["value"] for n, s in stored["scores"].items()} == {
            n: s["value"] for n, s in record["scores"].items()
        }


def test_objects_stay_whole_where_others_cover_them(tmp_path: Path) -> None:
    made = coco_source(tmp_path / "source", {"train": 3, "val": 5})
    folder = imported(tmp_path / "source", tmp_path / "mine")
    names = {c.id: c.name for c in folder.info.classes}
    covered = 0
    for split, (truth, _) in made.items():
        categories = {each["id"]: each["name"] for each in truth["categories"]}
        for image in truth["images"]:
            sample = folder.load(Path(image["file_name"]).stem, ("objects", "labels"))
            own = [each for each in truth["annotations"] if each["image_id"] == image["id"]]
            assert sample.objects is not None
            assert sample.labels is not None
            for true, found in zip(own, sample.objects, strict=True):
                assert names[found.label] == categories[true["category_id"]], split
                assert (found.crowd, found.area) == (bool(true["iscrowd"]), true["area"])
                mask = pixels(found)
                assert (mask == decode_rle(true["segmentation"], "")).all()
                covered += bool((sample.labels[mask > 0] != found.label).any())
    assert covered > 5


def test_an_image_number_of_two_splits_is_of_the_split_that_is_scored(tmp_path: Path) -> None:
    made = coco_source(tmp_path / "source", {"train": 3, "val": 5})
    folder = imported(tmp_path / "source", tmp_path / "mine")
    file = tmp_path / "results.json"
    file.write_text(json.dumps([each for each in made["val"][1] if each["image_id"] == 2]))
    found = find_results(folder, folder.ids("val"), file, partial=True)
    assert list(found.files) == ["val_000000000002"]
    with pytest.raises(UserError, match="names no image of the split, only others: 2"):
        find_results(folder, folder.ids("all"), file, partial=True)


def yolo_source(root: Path, names: tuple[str, ...] = ("cell", "rod")) -> None:
    """Two pictures of 40 x 60 with squares: classes 0 and 1 on the first, one of class 0 on the second."""
    for split, picture, lines in (("train", "a", "0 0.1 0.1 0.3 0.1 0.3 0.5 0.1 0.5"), ("val", "17", "")):
        for folder in ("images", "labels"):
            (root / folder / split).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((40, 60), np.uint8)).save(root / "images" / split / f"{picture}.png")
        (root / "labels" / split / f"{picture}.txt").write_text(lines)
    Image.fromarray(np.zeros((40, 60), np.uint8)).save(root / "images" / "val" / "b.png")
    (root / "labels" / "val" / "b.txt").write_text(
        "0 0.1 0.1 0.3 0.1 0.3 0.5 0.1 0.5\n1 0.5 0.5 0.9 0.5 0.9 0.9 0.5 0.9"
    )
    (root / "data.yaml").write_text(
        yaml.safe_dump({"train": "images/train", "val": "images/val", "names": list(names)})
    )


def yolo_folder(tmp_path: Path) -> Folder:
    yolo_source(tmp_path / "source")
    return imported(tmp_path / "source", tmp_path / "mine")


def scored(folder: Folder, predictions: Path, out: Path) -> dict[str, float | None]:
    """Scores of predictions for the images of `val`."""
    run = evaluate("folder", predictions, root=folder.root, split="val", out=out, progress=False)
    return {name: each.value for name, each in run.scores.items()}


@pytest.mark.slow
def test_text_files_of_yolo_are_objects(tmp_path: Path) -> None:
    """As Ultralytics writes them: no file where nothing is found, and numbers of classes from 0."""
    folder = yolo_folder(tmp_path)
    texts = tmp_path / "predict" / "labels"
    texts.mkdir(parents=True)
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "predict" / "b.jpg")  # drawn, to be looked at
    (texts / "b.txt").write_text(
        "0 0.1 0.1 0.3 0.1 0.3 0.5 0.1 0.5 0.9\n1 0.5 0.5 0.9 0.5 0.9 0.9 0.5 0.9 0.8\n1 0 0 0.1 0 0.1 0.1 0 0.1 0.7\n"
    )
    found = find_predictions(folder, folder.ids("val"), tmp_path / "predict")
    assert found.kind == "objects"
    assert found.warnings == ("1 of 2 images have no text file: no objects were found",)
    objects = found.files["b"].read(folder).objects
    truth = folder.load("b", ("objects",)).objects
    assert objects is not None
    assert truth is not None
    assert [(each.label, each.score) for each in objects] == [(1, 0.9), (2, 0.8), (2, 0.7)]
    for one, other in zip(objects, truth, strict=False):
        assert (pixels(one) == pixels(other)).all()
    assert found.files["17"].read(folder).objects == ()
    assert list(find_predictions(folder, folder.ids("val"), tmp_path / "predict", partial=True).files) == ["b"]
    scores = scored(folder, tmp_path / "predict", tmp_path / "run")
    assert scores["ap"] == pytest.approx(1, abs=1e-12)  # pycocotools adds an epsilon


@pytest.mark.slow
def test_json_of_ultralytics_beside_its_plots_is_found_and_its_names_are_known(tmp_path: Path) -> None:
    """It calls an image by its name, or by the number that its name is, and classes from 1."""
    folder = yolo_folder(tmp_path)
    mask = np.zeros((40, 60), np.uint8)
    mask[20:36, 30:54] = 1
    wrong = {"image_id": 17, "file_name": "17.png", "category_id": 1, "segmentation": encode_rle(mask), "score": 0.99}
    right = {"image_id": "b", "file_name": "b.png", "category_id": 2, "segmentation": encode_rle(mask), "score": 0.5}
    val = tmp_path / "val"
    val.mkdir()
    (val / "predictions.json").write_text(json.dumps([wrong, right]))
    Image.fromarray(mask).save(val / "MaskPR_curve.png")
    found = find_predictions(folder, folder.ids("val"), val)
    assert {i: len(each.read(folder).objects or ()) for i, each in found.files.items()} == {"17": 1, "b": 1}
    assert scored(folder, val, tmp_path / "run")["ap"] == pytest.approx(
        0.5, abs=1e-12
    )  # of both classes: the rod is found, the cell is not


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "0 0.1 0.1 0.3 0.1 0.3 0.5",
            "line 1: holds 7 numbers; expected .* confidence. Predict again with save_conf=True",
        ),
        ("0 0.5 0.5 0.2 0.2 0.9", "line 1: is a box, which is no mask"),
        ("2 0.1 0.1 0.3 0.1 0.3 0.5 0.9", "line 1: the class is 2; expected 0 to 1"),
        ("0.5 0.1 0.1 0.3 0.1 0.3 0.5 0.9", "line 1: the class is 0.5; expected 0 to 1"),
        ("0 0.1 0.1 30 0.1 0.3 0.5 0.9", "line 1: points are from 0.1 to 30"),
        ("0 0.1 0.1 0.3 0.1 0.3 0.5 90", "the confidence is 90"),
        ("0 0.1 0.1 0.3 0.1 nan 0.5 0.9", "points are from nan"),
        ("\ncell 0.1 0.1", "line 2: is 'cell 0.1 0.1'"),
    ],
)
def test_a_line_that_is_no_object_is_named(line: str, words: str, tmp_path: Path) -> None:
    folder = yolo_folder(tmp_path)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "b.txt").write_text(line)
    found = find_predictions(folder, folder.ids("val"), tmp_path / "labels")
    with pytest.raises(UserError, match=words):
        found.files["b"].read(folder)


def test_text_files_of_other_images_are_refused(tmp_path: Path) -> None:
    folder = yolo_folder(tmp_path)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "other.txt").write_text("")
    with pytest.raises(UserError, match=r"holds 1 text files, and none is called as a sample of the split: other.txt"):
        find_predictions(folder, folder.ids("val"), tmp_path / "labels")


def test_a_category_that_the_folder_lacks_is_named_with_those_it_has(tmp_path: Path) -> None:
    folder = yolo_folder(tmp_path)
    file = tmp_path / "results.json"
    mask = encode_rle(np.ones((40, 60), np.uint8))
    file.write_text(json.dumps([{"image_id": "b", "category_id": 0, "segmentation": mask, "score": 0.5}]))
    with pytest.raises(
        UserError, match=r"'category_id' 0 is no thing of folder\. Expected one of 1 \(cell\), 2 \(rod\)"
    ):
        find_results(folder, folder.ids("val"), file)


def _nameless(content: dict[str, Any]) -> None:
    for each in content["images"]:
        del each["file_name"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_nameless, "image 1: 'file_name' is None"),
        (lambda c: c["images"][0].update(source_id="7"), "'source_id' is '7'"),
        (lambda c: c["images"][1].update(file_name=c["images"][0]["file_name"]), "is that of an earlier image"),
        (lambda c: c["images"].pop(), "expected the id of one of 'images'|no image of the sample"),
        (lambda c: c["annotations"][0].update(category_id=9), "'category_id' is 9; expected the id of a thing: 1, 2"),
    ],
)
def test_a_broken_file_of_objects_is_named(
    change: Callable[[dict[str, Any]], None], words: str, tmp_path: Path
) -> None:
    folder = yolo_folder(tmp_path)
    path = folder.root / "objects.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=words):
        _read_all(folder)


def _read_all(folder: Folder) -> None:
    for sample_id in folder.ids("all"):
        folder.load(sample_id, ("objects",))


def test_a_plain_file_of_coco_beside_masks_will_do(tmp_path: Path) -> None:
    """Made by hand: the file of another tool as it is, and one line of `classes.yaml`; images keep their numbers."""
    folder = yolo_folder(tmp_path)
    outline = [[6.0, 4.0, 18.0, 4.0, 18.0, 20.0, 6.0, 20.0]]
    images = [{"id": 7, "file_name": "b.png", "height": 40, "width": 60}]
    annotations = [{"id": 1, "image_id": 7, "category_id": 33, "segmentation": outline, "iscrowd": 0, "area": 1.0}]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 33, "name": "cell"}]}
    (folder.root / "objects.json").write_text(json.dumps(content))
    classes = folder.root / "classes.yaml"
    lines = [line for line in classes.read_text().splitlines() if not line.startswith("objects:")]
    classes.write_text("\n".join([*lines, "objects: {cell: 33}"]))
    changed = Folder(folder.root)
    (found,) = changed.load("b", ("objects",)).objects or ()
    assert (found.label, int(pixels(found).sum()), found.area) == (1, 12 * 16, 1.0)
    assert changed.image_ids(["b"]) == {7: "b", "b": "b", "b.png": "b"}
    assert changed.info.version == folder.info.version  # no score of label maps depends on it


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("objects: {cell: 1, rod: 1}", "objects.rod is 1; expected the id of the class"),
        ("objects: {cell: -1}", "objects.cell is -1"),
        ("objects: {background: 1}", "Unknown key in objects 'background'. Available: cell, rod"),
        ("objects: 3", "objects is 3; expected keys with values"),
    ],
)
def test_the_key_is_checked(text: str, words: str, tmp_path: Path) -> None:
    folder = yolo_folder(tmp_path)
    classes = folder.root / "classes.yaml"
    lines = [line for line in classes.read_text().splitlines() if not line.startswith("objects:")]
    classes.write_text("\n".join([*lines, text]))
    with pytest.raises(UserError, match=words):
        Folder(folder.root)


def test_shapes_that_belong_together_are_one_object(tmp_path: Path) -> None:
    """labelme's `group_id`; turned pictures have turned objects."""
    folder = imported(ROOT / "tests" / "golden" / "imports" / "labelme", tmp_path / "mine")
    for sample_id in folder.ids("all"):
        sample = folder.load(sample_id, ("objects", "instances", "labels"))
        assert sample.labels is not None
        numbers = set() if sample.instances is None else set(np.unique(sample.instances).tolist()) - {0}
        assert len(sample.objects or ()) >= len(numbers)
        for found in sample.objects or ():
            assert pixels(found).shape == sample.labels.shape
    assert folder.info.object_metrics == ("coco-ap",)


@pytest.mark.parametrize("name", ["predictions.json", "labels/b.txt"])
def test_results_for_a_folder_without_objects_say_what_is_missing(name: str, tmp_path: Path) -> None:
    folder = yolo_folder(tmp_path)
    classes = folder.root / "classes.yaml"
    classes.write_text("\n".join(line for line in classes.read_text().splitlines() if not line.startswith("objects:")))
    results = tmp_path / name
    results.parent.mkdir(exist_ok=True)
    results.write_text("[]")
    plain = Folder(folder.root)
    given = results if results.suffix == ".json" else results.parent
    with pytest.raises(UserError, match=r"results of a detector need annotated objects, .* 'bench data import'"):
        find_predictions(plain, plain.ids("val"), given)
