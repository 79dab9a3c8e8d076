"""How work grows with what a file or a folder holds.

    python tests/speed/growth_objects.py [--only WORD …] [--times 1 2 4]

Objects in an image and in all (COCO results, panoptic segments, Cityscapes' lists of objects), annotations of other
tools, frames to predict, samples of a run and cells of a suite. Each case is measured at its own number times 1, 2 and
4, every command in a process of its own, as `growth.py` does, beside which it stands: that one is about images, pages
and runs. All inputs are SYNTHETIC.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from growth import measure, write_images, write_runs
from PIL import Image
from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from growth_figure import Measured
from made_up_suites import finish_by_hand, write_suite

from segbench.datasets.cocostuff import COCOStuff
from segbench.io.images.rle import encode_rle
from segbench.io.images.segment_ids import write_segment_ids
from segbench.runs.request import SuiteRequest
from segbench.types import Array
from videos import encode

BLOCK = 6
"""Side of an object in pixels; they lie in rows, 8 pixels apart."""
STEP = 8
THINGS = [c.id for c in COCOStuff.info.classes if c.kind == "thing"]
Words = list[str | Path]


@dataclass(frozen=True)
class Case:
    """What is measured: the number that is multiplied, what of, and the words of `bench` once inputs are written."""

    command: str
    of: str
    n: int
    write: Callable[[Path, int], Words]


def side_for(objects: int) -> int:
    """Side of the square image that holds as many objects."""
    return STEP * max(4, int(np.ceil(np.sqrt(objects))))


def corners(objects: int) -> list[tuple[int, int]]:
    """Upper left corners (row, column) of objects in an image of `side_for`."""
    across = side_for(objects) // STEP
    return [(k // across * STEP, k % across * STEP) for k in range(objects)]


def block(side: int, corner: tuple[int, int], shift: int = 0) -> Array:
    """The mask (side, side) uint8 of one object."""
    mask = np.zeros((side, side), np.uint8)
    row, column = corner
    mask[row : row + BLOCK, column + shift : column + shift + BLOCK] = 1
    return mask


def write_coco(root: Path, images: int, objects: int) -> Words:
    """A root of COCO-Stuff whose images are alike, every object found with one pixel's error; and its results."""
    side, maps = side_for(objects), root / "stuffthingmaps" / "val2017"
    maps.mkdir(parents=True)
    true = [encode_rle(block(side, corner)) for corner in corners(objects)]
    found = [encode_rle(block(side, corner, 1)) for corner in corners(objects)]
    Image.fromarray(np.zeros((side, side), np.uint8)).save(maps / f"{1:012d}.png")
    annotations: list[dict[str, object]] = []
    results: list[dict[str, object]] = []
    for image in range(1, images + 1):
        if image > 1:
            (maps / f"{image:012d}.png").hardlink_to(maps / f"{1:012d}.png")
        for k, (mask, predicted) in enumerate(zip(true, found, strict=True)):
            of = {"image_id": image, "category_id": THINGS[k % len(THINGS)] + 1}
            annotation = {"id": len(annotations) + 1, "segmentation": mask, "iscrowd": 0, "area": BLOCK * BLOCK}
            annotations.append(of | annotation | {"bbox": [0, 0, BLOCK, BLOCK]})
            results.append(of | {"segmentation": predicted, "score": (k * 7919 % 10_007) / 10_007})
    pictures = [{"id": k, "height": side, "width": side, "file_name": f"{k:012d}.jpg"} for k in range(1, images + 1)]
    categories = [{"id": label + 1, "name": f"thing {label}"} for label in THINGS]
    content = {"info": {}, "images": pictures, "annotations": annotations, "categories": categories}
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_val2017.json").write_text(json.dumps(content))
    (root / "results.json").write_text(json.dumps(results))
    return ["evaluate", "-d", "cocostuff", "--root", root, "-p", root / "results.json", "--out", root / "run"]


def write_panoptic(root: Path, segments: int) -> Words:
    """One image of a dataset of your own whose segments lie side by side; in the prediction a column further."""
    side, classes = side_for(segments), 8
    ids = np.zeros((side, side), np.int32)
    for k, (row, column) in enumerate(corners(segments), 1):
        ids[row : row + STEP, column : column + STEP] = k
    for name, values in (("panoptic", ids), ("predictions", np.roll(ids, 1, axis=1))):
        (root / name).mkdir(parents=True)
        write_segment_ids(root / name / f"{1:012d}.png", values)
        entries = [
            {"id": k, "category_id": 1 + k % classes}
            | ({"iscrowd": 0, "area": STEP * STEP} if name == "panoptic" else {})
            for k in range(1, segments + 1)
        ]
        image = {"image_id": 1, "file_name": f"{1:012d}.png", "segments_info": entries}
        categories = [{"id": k, "name": f"class {k}", "isthing": int(k < 6)} for k in range(1, classes + 1)]
        of_truth = {"images": [{"id": 1, "file_name": f"{1:012d}.jpg"}], "categories": categories}
        content = {"annotations": [image]} | (of_truth if name == "panoptic" else {})
        (root / f"{name}.json").write_text(json.dumps(content))
    words: Words = ["evaluate", "-d", "folder", "--root", root, "-p", root / "predictions.json", "--split", "all"]
    return [*words, "--out", root / "run"]


def write_cityscapes(root: Path, objects: int) -> Words:
    """One image of Cityscapes with as many cars, each in a mask of its own with its line in the list."""
    side, name, car = side_for(objects), "bonn_000000_000019", 26
    truth, predictions = root / "gtFine" / "val" / "bonn", root / "predictions"
    numbered = np.full((side, side), 7, np.uint16)
    for k, (row, column) in enumerate(corners(objects)):
        numbered[row : row + BLOCK, column : column + BLOCK] = car * 1000 + k % 1000
    truth.mkdir(parents=True)
    labels = np.where(numbered >= 1000, car, numbered).astype(np.uint8)
    Image.fromarray(labels).save(truth / f"{name}_gtFine_labelIds.png")
    Image.fromarray(numbered).save(truth / f"{name}_gtFine_instanceIds.png")
    (predictions / "masks").mkdir(parents=True)
    lines = []
    for k, corner in enumerate(corners(objects)):
        Image.fromarray(255 * block(side, corner, 1)).save(predictions / "masks" / f"{k}.png", compress_level=1)
        lines.append(f"masks/{k}.png {car} {k / objects}")
    (predictions / f"{name}_pred.txt").write_text("\n".join(lines) + "\n")
    return ["evaluate", "-d", "cityscapes", "--root", root, "-p", predictions, "--partial", "--out", root / "run"]


def write_pictures(folder: Path, number: int, side: int) -> list[str]:
    """Links to one grey picture; returns their names."""
    folder.mkdir(parents=True)
    names = [f"{k:06d}.png" for k in range(number)]
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (side, side), np.uint8)).save(folder / names[0])
    for name in names[1:]:
        (folder / name).hardlink_to(folder / names[0])
    return names


def outline(corner: tuple[int, int]) -> list[tuple[int, int]]:
    """Corners (x, y) of the polygon of an object."""
    row, column = corner
    return [(column, row), (column + BLOCK, row), (column + BLOCK, row + BLOCK), (column, row + BLOCK)]


def imported(root: Path) -> Words:
    """The words that import a source."""
    return ["data", "import", root / "source", "--out", root / "mine"]


def write_yolo(root: Path, images: int, objects: int) -> Words:
    """Pictures with a text file each."""
    source, side = root / "source", side_for(objects)
    names = write_pictures(source / "images" / "train", images, side)
    (source / "labels" / "train").mkdir(parents=True)
    lines = []
    for k, corner in enumerate(corners(objects)):
        points = " ".join(f"{value / side}" for point in outline(corner) for value in point)
        lines.append(f"{k % 3} {points}")
    for name in names:
        (source / "labels" / "train" / name).with_suffix(".txt").write_text("\n".join(lines) + "\n")
    (source / "data.yaml").write_text("path: .\ntrain: images/train\nnames: [a, b, c]\n")
    return imported(root)


def coco_document(names: Sequence[str], objects: int) -> dict[str, object]:
    """COCO's annotations of pictures that are alike."""
    side = side_for(objects)
    pictures = [{"id": k, "height": side, "width": side, "file_name": name} for k, name in enumerate(names)]
    annotations = [
        {"id": image * objects + k, "image_id": image, "category_id": k % 3 + 1, "iscrowd": 0, "area": BLOCK * BLOCK}
        | {"segmentation": [[value for point in outline(corner) for value in point]]}
        for image in range(len(names))
        for k, corner in enumerate(corners(objects))
    ]
    categories = [{"id": k, "name": f"class {k}"} for k in (1, 2, 3)]
    return {"images": pictures, "annotations": annotations, "categories": categories}


def write_coco_import(root: Path, images: int, objects: int) -> Words:
    """Pictures and one JSON file."""
    names = write_pictures(root / "source" / "images", images, side_for(objects))
    (root / "source" / "instances.json").write_text(json.dumps(coco_document(names, objects)))
    return imported(root)


def write_coco_files(root: Path, files: int) -> Words:
    """A JSON file for each picture."""
    names = write_pictures(root / "source" / "images", files, side_for(4))
    for name in names:
        (root / "source" / f"{name}.json").write_text(json.dumps(coco_document([name], 4)))
    return imported(root)


def write_labelme(root: Path, images: int, objects: int) -> Words:
    """Pictures with a JSON file each."""
    side, names = side_for(objects), write_pictures(root / "source", images, side_for(objects))
    shapes: list[dict[str, object]] = [
        {"label": f"class {k % 3}", "points": outline(corner), "shape_type": "polygon", "group_id": None, "flags": {}}
        for k, corner in enumerate(corners(objects))
    ]
    for name in names:
        content = {"shapes": shapes, "imagePath": name, "imageHeight": side, "imageWidth": side, "imageData": None}
        (root / "source" / name).with_suffix(".json").write_text(json.dumps(content))
    return imported(root)


def write_cvat(root: Path, images: int, objects: int) -> Words:
    """Pictures and one XML file."""
    side, names = side_for(objects), write_pictures(root / "source" / "images", images, side_for(objects))
    shapes: list[str] = []
    for k, corner in enumerate(corners(objects)):
        points = ";".join(f"{x},{y}" for x, y in outline(corner))
        shapes.append(f"<polygon label='class {k % 3}' points='{points}' z_order='0'/>")
    held = [f"<image name='{name}' width='{side}' height='{side}'>{''.join(shapes)}</image>" for name in names]
    (root / "source" / "annotations.xml").write_text("\n".join(["<annotations>", *held, "</annotations>"]))
    return imported(root)


def write_voc(root: Path, images: int, objects: int) -> Words:
    """VOC's folders: maps of classes and of objects."""
    source, side = root / "source", side_for(objects)
    names = write_pictures(source / "JPEGImages", images, side)
    numbers = np.zeros((side, side, 3), np.uint8)
    for k, (row, column) in enumerate(corners(objects), 1):
        numbers[row : row + BLOCK, column : column + BLOCK] = (k >> 16, k >> 8 & 255, k & 255)
    for folder, values in (
        ("SegmentationClass", numbers.any(axis=2).astype(np.uint8)),
        ("SegmentationObject", numbers),
    ):
        (source / folder).mkdir()
        Image.fromarray(values).save(source / folder / names[0])
        for name in names[1:]:
            (source / folder / name).hardlink_to(source / folder / names[0])
    return imported(root)


def trained(root: Path) -> Path:
    """A run of a method without a network on SYNTHETIC micrographs."""
    suite = write_suite(root / "one.yaml", 1)
    bench(["suite", suite, "--out", root / "one", "--quiet"], root)
    (run,) = (path.parent for path in (root / "one").rglob("record.json"))
    return run


def bench(words: Words, root: Path) -> None:
    """Run a command that is not measured."""
    measure(words, root)


def write_frames(root: Path, number: int) -> Words:
    """A folder of pictures."""
    write_pictures(root / "frames", number, 64)
    return ["predict", trained(root), root / "frames", "--out", root / "masks"]


def write_video(root: Path, number: int) -> Words:
    """A video (MJPEG) of noise."""
    random = np.random.default_rng(0)
    frames = [random.integers(0, 255, (64, 64), np.uint8) for _ in range(20)]
    path = encode(root / "film.avi", [frames[k % 20] for k in range(number)], "mjpeg")
    return ["predict", trained(root), path, "--out", root / "masks"]


def write_stack(root: Path, number: int) -> Words:
    """A TIFF of many directories."""
    pages = np.random.default_rng(0).integers(0, 255, (number, 64, 64), np.uint8)
    with tifffile.TiffWriter(root / "stack.tif") as writer:
        for page in pages:
            writer.write(page, contiguous=False, compression="zlib", metadata=None)
    return ["predict", trained(root), root / "stack.tif", "--out", root / "masks"]


def write_doctored(root: Path, number: int) -> Words:
    """Samples of VOC and predictions of them."""
    write_images(root / "voc", number)
    return ["doctor", "-d", "voc2012", "--root", root / "voc", "-p", root / "voc" / "predictions"]


def of_runs(command: str, runs: int) -> Callable[[Path, int], Words]:
    """Writes as many runs of n samples each, for a command that reads them."""

    def write(root: Path, samples: int) -> Words:
        write_runs(root / "runs", runs, samples)
        folders = sorted((root / "runs").iterdir())
        words: dict[str, Words] = {
            "compare": ["compare", root / "runs", "--json"],
            "leaderboard": ["leaderboard", root / "runs", "--out", root / "boards"],
            "plan": ["plan", *folders, "--json"],
            "report": ["report", root / "runs", "--out", root / "page"],
            "slice": ["slice", *folders, "--by", "class", "--json"],
            "verify": ["verify", *folders, "--quiet"],
        }
        return words[command]

    return write


def of_suite(*more: str) -> Callable[[Path, int], Words]:
    """Writes a suite of n cells that have run."""

    def write(root: Path, cells: int) -> Words:
        trained(root)
        file = write_suite(root / "many.yaml", cells)
        finish_by_hand(SuiteRequest(file=str(file), out=root / "many"), root / "one")
        return ["suite", file, "--out", root / "many", *more]

    return write


CASES = (
    Case("evaluate COCO results", "objects of 1 image", 8000, lambda root, n: write_coco(root, 1, n)),
    Case("evaluate COCO results", "images of 20 objects", 100, lambda root, n: write_coco(root, n, 20)),
    Case("evaluate panoptic", "segments of 1 image", 30_000, write_panoptic),
    Case("evaluate Cityscapes' lists", "objects of 1 image", 1000, write_cityscapes),
    Case("data import YOLO", "pictures", 500, lambda root, n: write_yolo(root, n, 4)),
    Case("data import YOLO", "objects of 1 picture", 4000, lambda root, n: write_yolo(root, 1, n)),
    Case("data import COCO", "pictures", 500, lambda root, n: write_coco_import(root, n, 4)),
    Case("data import COCO", "objects of 1 picture", 4000, lambda root, n: write_coco_import(root, 1, n)),
    Case("data import COCO", "files", 500, write_coco_files),
    Case("data import labelme", "files", 500, lambda root, n: write_labelme(root, n, 4)),
    Case("data import labelme", "objects of 1 file", 4000, lambda root, n: write_labelme(root, 1, n)),
    Case("data import CVAT", "pictures", 500, lambda root, n: write_cvat(root, n, 4)),
    Case("data import CVAT", "objects of 1 picture", 4000, lambda root, n: write_cvat(root, 1, n)),
    Case("data import VOC", "pictures", 500, lambda root, n: write_voc(root, n, 4)),
    Case("data import VOC", "objects of 1 picture", 4000, lambda root, n: write_voc(root, 1, n)),
    Case("predict folder", "images", 500, write_frames),
    Case("predict video", "frames", 500, write_video),
    Case("predict TIFF stack", "pages", 500, write_stack),
    Case("doctor", "samples", 300, write_doctored),
    Case("compare 3 runs", "samples", 1000, of_runs("compare", 3)),
    Case("leaderboard 3 runs", "samples", 1000, of_runs("leaderboard", 3)),
    Case("plan 2 runs", "samples", 1000, of_runs("plan", 2)),
    Case("report 3 runs", "samples", 1000, of_runs("report", 3)),
    Case("slice 2 runs", "samples", 1000, of_runs("slice", 2)),
    Case("verify 3 runs", "samples", 1000, of_runs("verify", 3)),
    Case("slice", "runs of 100 samples", 50, lambda root, n: of_runs("slice", n)(root, 100)),
    Case("verify", "runs of 100 samples", 50, lambda root, n: of_runs("verify", n)(root, 100)),
    Case("report", "runs of 100 samples", 25, lambda root, n: of_runs("report", n)(root, 100)),
    Case("compare", "runs of 100 samples", 25, lambda root, n: of_runs("compare", n)(root, 100)),
    Case("leaderboard", "runs of 100 samples", 50, lambda root, n: of_runs("leaderboard", n)(root, 100)),
    Case("suite --status", "cells", 1000, of_suite("--status")),
    Case("suite --dry-run", "cells", 1000, of_suite("--dry-run")),
)


def power_of(found: Sequence[Measured]) -> float:
    """The power of n by which time grows, of the last three numbers, each twice the one before.

    What does not depend on n is in no difference of two of them.
    """
    first, second, last = (each.seconds for each in found[-3:])
    return float(np.log2((last - second) / max(second - first, 0.01)))


def main() -> None:
    """Measure what is asked for, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[""], metavar="WORD", help="cases whose names hold one of these")
    parser.add_argument("--times", type=int, nargs="*", default=[1, 2, 4])
    arguments = parser.parse_args()
    chosen = [c for c in CASES if any(word in f"{c.command}, {c.of}" for word in arguments.only)]
    rows = []
    with tempfile.TemporaryDirectory() as name:
        os.environ["SEGBENCH_DATA"] = str(Path(name) / "data")  # where nothing is of the data that runs were made up of
        for case in chosen:
            found = []
            for number in (case.n * times for times in arguments.times):
                root = Path(name) / f"{number}"
                root.mkdir()
                words = case.write(root, number)
                found.append(Measured(case.command, case.of, number, *measure(words, Path(name))))
                print(found[-1], file=sys.stderr)
                shutil.rmtree(root)
            powers = f"{power_of(found):.2f}" if len(found) > 2 else ""
            rows += [[each.command, f"{each.n} {each.of}", each.seconds, each.memory_mb, ""] for each in found]
            rows[-1][-1] = powers
    print(tabulate(rows, ["command", "of", "processor, s", "memory, MB", "grows as n^"], floatfmt=".1f"))


if __name__ == "__main__":
    main()
