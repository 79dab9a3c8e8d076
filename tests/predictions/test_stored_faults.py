"""`bench evaluate --save-predictions`: what is interrupted or damaged is no whole run, and is not exported."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from stored_cases import CASES, FORMS, QUIET, Case, coco_objects, contents, store, verified

from places import GOLDEN
from segbench.commands.export import ExportRequest, export
from segbench.datasets.cityscapes import Cityscapes
from segbench.datasets.isbi2012 import ISBI2012
from segbench.errors import UserError
from segbench.io.images.rle import encode_rle
from segbench.io.reporter import Reporter
from segbench.predictions.matching import Found
from segbench.predictions.stored import store_found
from segbench.runs.folder import PREDICTIONS
from segbench.runs.record import read_record
from segbench.types import Dataset, Object, Prediction, Progress
from synthetic_roots import write_stacks

# pycocotools.mask.decode under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


class Interrupting(Reporter):
    """Ctrl-C after two predictions were kept."""

    @contextmanager
    def progress(self, what: str) -> Iterator[Progress]:
        def update(done: int, *_: object) -> None:
            if what == "keeping predictions" and done == 2:
                raise KeyboardInterrupt

        yield update


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMS)
def test_interrupted_it_leaves_nothing_that_looks_complete(name: str, tmp_path: Path) -> None:
    form, run = CASES[name](tmp_path), tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        store(form, run, Interrupting(quiet=True))
    assert [path.name for path in run.iterdir()] == [".lock"]
    with pytest.raises(UserError, match=r"no run folder: it has no record.json"):
        read_record(run)
    # What a killed process leaves is removed, and the same command makes the run.
    (run / ".predictions.abc.tmp" / "new").mkdir(parents=True)
    store(form, run)
    whole = contents(run / PREDICTIONS)
    with pytest.raises(KeyboardInterrupt):
        store(form, run, Interrupting(quiet=True), overwrite=True)
    assert contents(run / PREDICTIONS) == whole
    assert verified(run, form.root)
    assert not list(run.glob(".predictions*"))


def test_labels_that_no_png_can_keep_leave_no_record(tmp_path: Path) -> None:
    root = shutil.copytree(GOLDEN / "voc2012", tmp_path / "voc")
    predictions = tmp_path / "mine"
    predictions.mkdir()
    for path in (root / "predictions").iterdir():
        with Image.open(path) as image, Image.open(next(root.rglob(f"SegmentationClass/{path.name}"))) as truth:
            values = np.where(np.asarray(truth) == 255, -1, np.asarray(image).astype(np.int64))
        np.save(predictions / f"{path.stem}.npy", values)
    case = Case("voc2012", root, predictions, "")
    with pytest.raises(UserError, match=r"prediction of sample '\w+' holds labels from -1 to"):
        store(case, tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]


@dataclass(frozen=True)
class Made:
    """A prediction that exists only while it is looked at."""

    number: int
    objects: bool

    @property
    def paths(self) -> tuple[Path, ...]:
        return ()

    def read(self, dataset: Dataset) -> Prediction:
        del dataset
        values = np.random.default_rng(self.number).random((256, 256), np.float32)
        if not self.objects:
            return Prediction(probabilities=values)
        return Prediction(objects=tuple(Object(26, encode_rle(values < edge)) for edge in np.linspace(0.1, 0.9, 6)))


@pytest.mark.slow
@pytest.mark.parametrize("objects", [False, True])
def test_memory_does_not_grow_with_the_split(tmp_path: Path, objects: bool) -> None:
    dataset: Dataset = (
        Cityscapes(GOLDEN / "cityscapes") if objects else ISBI2012(write_stacks(tmp_path / "isbi", slices=2, size=16))
    )

    def peak(count: int) -> int:
        found = Found({f"slice-{n:02d}": Made(n, objects) for n in range(count)}, kind="objects" if objects else "maps")
        tracemalloc.start()
        store_found(tmp_path / "predictions", dataset, found, "all", whole=True, soft=False)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(2)  # what is imported and cached on the way counts once
    few, many = peak(3), peak(30)
    assert many - few < 256 * 256 * 4  # less than one page, of 27 more


@pytest.mark.slow
def test_damaged_kept_objects_are_not_exported(tmp_path: Path) -> None:
    case = CASES["cityscapes objects"](tmp_path)
    store(case, tmp_path / "run")
    place = tmp_path / "run" / PREDICTIONS
    first = sorted(place.glob("*_pred.txt"))[0]
    text = first.read_text()
    mask = place / text.split()[0]

    def refused(words: str, root: Path | None = None) -> None:
        with pytest.raises(UserError, match=words):
            export(ExportRequest(tmp_path / "run", "cityscapes", tmp_path / "mine.zip", root), QUIET)
        assert not (tmp_path / "mine.zip").exists()

    Image.fromarray(np.zeros((7, 9), np.uint8)).save(mask)
    refused("is 7 x 9, the ground truth of", case.root)
    mask.unlink()
    refused(r"the mask '.*' does not exist")
    first.write_text("../../secret.png 26 0.5\n")
    refused("lies outside of")
    first.unlink()
    refused("holds 5 predictions, not those of the run's 6 samples")
    shutil.rmtree(place)
    refused("keeps no predictions. Make them: bench evaluate .* --save-predictions$")


def test_damaged_kept_results_are_not_exported(tmp_path: Path) -> None:
    case = coco_objects(tmp_path)
    store(case, tmp_path / "run")
    kept = tmp_path / "run" / PREDICTIONS / "results.json"
    entries = json.loads(kept.read_text())

    def refused(words: str, content: Any) -> None:
        kept.write_text(json.dumps(content))
        with pytest.raises(UserError, match=words):
            export(ExportRequest(tmp_path / "run", "cocostuff", tmp_path / "mine.json"), QUIET)
        assert not (tmp_path / "mine.json").exists()

    refused("'category_id' 183 is no thing", [{**entries[0], "category_id": 183}])
    refused("holds label maps, not objects", [{k: v for k, v in entries[0].items() if k != "score"}])
    refused("no sound run-length", [{**entries[0], "segmentation": {"size": [60, 80], "counts": "0"}}])
    refused("holds 9 predictions", [{**entries[0], "image_id": number} for number in range(9)])


def test_a_map_of_void_alone_has_no_stuff_results(tmp_path: Path) -> None:
    truth = np.zeros((6, 8), np.uint8)
    truth[:3] = 255
    for name, labels in (("a", truth), ("b", np.full_like(truth, 255))):
        for folder in ("coco/stuffthingmaps/val2017", "mine"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(labels).save(tmp_path / folder / f"{name}.png")
    case = Case("cocostuff", tmp_path / "coco", tmp_path / "mine", "")
    store(case, tmp_path / "run")
    assert verified(tmp_path / "run", case.root)
    with pytest.raises(UserError, match=r"b.png: holds label value 255"):
        export(ExportRequest(tmp_path / "run", "cocostuff", tmp_path / "mine.json"), QUIET)
