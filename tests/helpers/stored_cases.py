"""Anybody's predictions in every form that is kept, and runs that keep them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from coco_roots import write_coco
from places import GOLDEN
from random_coco import random_pairs
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.commands.verify import verify
from segbench.datasets.cocostuff import COCOStuff
from segbench.io.reporter import Reporter
from segbench.predictions.coco_results_writer import write_stuff_results
from segbench.runs.record import Record
from synthetic_roots import write_stacks

QUIET = Reporter(quiet=True)


@dataclass(frozen=True)
class Case:
    """Anybody's predictions of a dataset, and the name of the file that they are exported to."""

    dataset: str
    root: Path
    predictions: Path
    out: str


def _golden(dataset: str, predictions: str, out: str) -> Callable[[Path], Case]:
    return lambda _: Case(dataset, GOLDEN / dataset, GOLDEN / dataset / predictions, out)


def probabilities(root: Path) -> Any:
    """The images of the test slices as probabilities (5, H, W) that no 8-bit image can hold."""
    return (tifffile.imread(root / "train-volume.tif")[25:] / 255.1).astype(np.float32)


def isbi_stack(place: Path) -> Case:
    """Probabilities of the test slices in one stack."""
    root = write_stacks(place / "isbi", size=40)
    tifffile.imwrite(place / "mine.tif", probabilities(root), photometric="minisblack")
    return Case("isbi2012", root, place / "mine.tif", "mine.tif")


def isbi_files(place: Path) -> Case:
    """The same in 8 bits, one file for each slice."""
    root = write_stacks(place / "isbi", size=40)
    (place / "mine").mkdir()
    for number, page in enumerate(probabilities(root), 25):
        Image.fromarray((page * 255).astype(np.uint8)).save(place / "mine" / f"p_{number}.png")
    return Case("isbi2012", root, place / "mine", "mine.tif")


def coco_objects(place: Path) -> Case:
    """Objects in the form of COCO's results."""
    results = write_coco(place / "coco", random_pairs(3, 8, classes=4, most=8, size=(60, 80)))
    return Case("cocostuff", place / "coco", results, "mine.json")


def _stuff_with_gaps(place: Path) -> Case:
    """Stuff results that leave pixels without a mask, where the truth is void and where it is not."""
    dataset = COCOStuff(GOLDEN / "cocostuff")
    random = np.random.default_rng(5)
    pairs = []
    for sample_id in dataset.ids("val"):
        labels = np.asarray(Image.open(GOLDEN / "cocostuff" / "predictions" / f"{sample_id}.png")).copy()
        truth = dataset.load(sample_id, ("labels",)).labels
        assert truth is not None
        labels[(truth == 255) & (random.random(labels.shape) < 0.5)] = 255
        pairs.append((sample_id, labels))
    assert any((labels == 255).any() for _, labels in pairs)
    write_stuff_results(place / "stuff.json", pairs, dataset.info)
    return Case("cocostuff", dataset.root, place / "stuff.json", "mine.json")


CASES = {
    "voc2012": _golden("voc2012", "predictions", "mine.tar.gz"),
    "cocostuff": _golden("cocostuff", "predictions", "mine.json"),
    "cocostuff results with gaps": _stuff_with_gaps,
    "cocostuff objects": coco_objects,
    "cityscapes": _golden("cityscapes", "predictions", "mine.zip"),
    "cityscapes objects": _golden("cityscapes", "predictions_instance", "mine.zip"),
    "isbi2012": isbi_stack,
    "isbi2012 files": isbi_files,
}


FORMS = ("voc2012", "cocostuff objects", "cityscapes objects", "isbi2012")
"""One case of each form that predictions are kept in."""


def store(case: Case, out: Path, reporter: Reporter = QUIET, **more: Any) -> Record:
    """Evaluate predictions in a run that keeps them."""
    request = EvaluateRequest(
        case.dataset, case.predictions, root=case.root, out=out, workers=0, save_predictions=True, plots=False, **more
    )
    return evaluate_files(request, reporter)[1]


def verified(run: Path, root: Path) -> str:
    """That every check passes; returns what was found of the predictions."""
    found = verify(run, root, QUIET)
    assert all(check.ok for check in found.checks), found
    return next(check.detail for check in found.checks if check.name == "predictions")


def contents(path: Path) -> dict[str, bytes]:
    """The bytes of a file, or of every file of a folder by its place there."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in files}
