"""`bench export`: the official tools read what is written, and scored again it gives the run's own numbers."""

from __future__ import annotations

import json
import os
import re
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official_pixels  # noqa: N813
from PIL import Image
from pycocotools import mask as mask_api

from commands import Run, printed_json
from official_cityscapes import official_averages
from places import GOLDEN
from scenes import label_map
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.commands.export import ExportRequest, export
from segbench.commands.run import RunRequest, run
from segbench.datasets.cityscapes import CLASSES, Cityscapes
from segbench.datasets.cocostuff import COCOStuff
from segbench.datasets.medaka import Medaka
from segbench.datasets.voc2012 import VOC2012
from segbench.errors import UserError
from segbench.io.images.rle import encode_rle
from segbench.io.reporter import Reporter
from segbench.predictions.cityscapes_instances import find_objects
from segbench.predictions.find import find_predictions, write_prediction
from segbench.predictions.official_formats import write_cityscapes_objects
from segbench.registry import make_dataset
from segbench.runs.folder import PREDICTIONS, STATISTICS
from segbench.runs.record import Record
from segbench.types import Object, Prediction
from synthetic_roots import write_stacks

# A user's own method: the red (or only) channel of an image says the class, so that some of it is right and some wrong.
PLUGIN = """
import json
import numpy as np
from segbench.methods import BaseMethod
from segbench.types import MethodInfo, Prediction

class Paint(BaseMethod):
    info = MethodInfo("paint", "classical", "class by colour", "a test", {"soft": False}, ("binary", "multiclass"))

    def __init__(self, config):
        self.config, self.chosen, self.ids = config, {}, []

    def fit(self, train, val, context):
        self.ids = [c.id for c in context.dataset.classes]

    def predict(self, images):
        return [self._one(image if image.ndim == 2 else image[:, :, 0]) for image in images]

    def _one(self, red):
        position = red.astype(np.int64) * len(self.ids) // 256
        if len(self.ids) == 2:
            return Prediction(probabilities=((red - 40.0) / 251.7).clip(0, 1))  # in doubles, of which 32 bits are kept
        if self.config["soft"]:
            return Prediction(probabilities=np.eye(len(self.ids), dtype=np.float32)[position].transpose(2, 0, 1))
        return Prediction(labels=np.take(self.ids, position))

    def save(self, folder):
        (folder / "paint.json").write_text(json.dumps(self.ids))

    def load(self, folder, dataset, device):
        self.ids = json.loads((folder / "paint.json").read_text())

    def parameters(self):
        return 0
"""


@dataclass(frozen=True)
class Made:
    """A dataset and a run on it that kept its predictions."""

    name: str
    root: Path
    folder: Path
    record: Record


def _image(labels: Any, info: Any, random: np.random.Generator) -> Any:
    """A picture (H, W, 3) whose red channel says the class, with some noise; void is dark."""
    classes = [c.id for c in info.classes]
    place = {c: (position + 0.5) * 256 / len(classes) for position, c in enumerate(classes)}
    red = np.vectorize(lambda value: place.get(value, 3.0))(labels) + random.normal(0, 100 / len(classes), labels.shape)
    return np.repeat(np.clip(red, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def _save(path: Path, values: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path, quality=95)


def _cityscapes(root: Path, random: np.random.Generator) -> Path:
    things = [c.id for c in CLASSES if c.kind == "thing"]
    for split, cities in (("train", ["ulm"]), ("val", ["bonn", "jena"])):
        for n, city in enumerate(2 * cities):
            name = f"{city}_{n:06d}_000019"
            labels = label_map(Cityscapes.info, random)
            block = np.kron(np.arange(16).reshape(4, 4), np.ones((6, 8), np.int64)) + 1
            instances = np.where(np.isin(labels, things), labels.astype(np.int64) * 1000 + block, labels)
            base = root / "gtFine" / split / city / f"{name}_gtFine"
            _save(base.with_name(f"{name}_gtFine_labelIds.png"), labels)
            _save(base.with_name(f"{name}_gtFine_instanceIds.png"), instances.astype(np.uint16))
            image = _image(labels, Cityscapes.info, random)
            _save(root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", image)
    return root


def _voc(root: Path, random: np.random.Generator) -> Path:
    base = root / "VOCdevkit" / "VOC2012"
    (base / "ImageSets" / "Segmentation").mkdir(parents=True)
    for split, first in (("train", 0), ("val", 10), ("test", 20)):
        names = [f"2007_{n:06d}" for n in (first + 2, first, first + 1)]  # lists need not be sorted
        (base / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(names) + "\n")
        for name in names:
            labels = label_map(VOC2012.info, random)
            _save(base / "JPEGImages" / f"{name}.jpg", _image(labels, VOC2012.info, random))
            if split != "test":
                _save(base / "SegmentationClass" / f"{name}.png", labels)
    return root


def _cocostuff(root: Path, random: np.random.Generator) -> Path:
    for split, first in (("train2017", 30), ("val2017", 139)):
        for n in range(first, first + 3):
            labels = label_map(COCOStuff.info, random)
            _save(root / "stuffthingmaps" / split / f"{n:012d}.png", labels)
            _save(root / "images" / split / f"{n:012d}.jpg", _image(labels, COCOStuff.info, random))
    return root


def _isbi(root: Path, random: np.random.Generator) -> Path:
    write_stacks(root, size=32)
    for name in ("train-volume.tif", "test-volume.tif"):
        noisy = tifffile.imread(root / name) + random.normal(0, 40, (30, 32, 32))
        tifffile.imwrite(root / name, np.clip(noisy, 0, 255).astype(np.uint8), photometric="minisblack")
    return root


MAKERS = {"cityscapes": _cityscapes, "voc2012": _voc, "cocostuff": _cocostuff, "isbi2012": _isbi}
SUFFIX = {"cityscapes": ".zip", "voc2012": ".tar.gz", "cocostuff": ".json", "isbi2012": ".tif"}


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "baselines").mkdir()
    (folder / "baselines" / "paint.py").write_text(PLUGIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGBENCH_PLUGINS", str(folder))
        yield folder


@pytest.fixture(scope="module", params=sorted(MAKERS))
def made(request: pytest.FixtureRequest, plugins: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A run on a SYNTHETIC dataset of each official layout."""
    del plugins
    return _make(request.param, tmp_path_factory.mktemp(request.param))


def _make(name: str, place: Path, split: str | None = None, soft: bool = False) -> Made:
    root = MAKERS[name](place / "data", np.random.default_rng(7))
    settings, out = {"soft": soft}, place / "run"
    asked = RunRequest(name, "paint", split, root=root, settings=settings, out=out, save_predictions=True, plots=False)
    folder, record = run(asked, Reporter(quiet=True))
    return Made(name, root, folder, record)


def _export(made: Made, out: Path, **more: Any) -> Path:
    assert export(ExportRequest(made.folder, made.name, out, **more), Reporter(quiet=True)).n == made.record.dataset.n
    return out


def _unpacked(archive: Path, folder: Path) -> Path:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
    elif archive.suffix in (".gz", ".tgz", ".tar"):
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
    else:
        return archive
    return folder


def _assert_scored_the_same(made: Made, predictions: Path, out: Path) -> None:
    request = EvaluateRequest(made.name, predictions, root=made.root, out=out, plots=False)
    folder, record = evaluate_files(request, Reporter(quiet=True))
    assert record.scores == made.record.scores
    assert list(record.scores) == list(made.record.scores)
    assert record.per_class == made.record.per_class
    assert record.per_category == made.record.per_category
    # A run also says what its method was trained on.
    trained_on = {"inputs_sha256", "image_shape"}
    assert record.dataset.model_dump(exclude=trained_on) == made.record.dataset.model_dump(exclude=trained_on)
    assert (folder / STATISTICS).read_bytes() == (made.folder / STATISTICS).read_bytes()


@pytest.mark.slow
def test_scored_again_it_is_the_identical_record(made: Made, tmp_path: Path) -> None:
    main = made.record.scores[made.record.main_score].value
    assert main is not None
    assert 0.1 < main < 0.99  # neither all right nor all wrong
    exported = _export(made, tmp_path / f"mine{SUFFIX[made.name]}", root=made.root)
    _assert_scored_the_same(made, _unpacked(exported, tmp_path / "unpacked"), tmp_path / "again")


def test_the_same_run_gives_the_same_bytes(made: Made, tmp_path: Path) -> None:
    first = _export(made, tmp_path / f"first{SUFFIX[made.name]}")
    for path in (made.folder / PREDICTIONS).iterdir():
        os.utime(path, (10, 10))
    second = _export(made, tmp_path / "deep" / f"second{SUFFIX[made.name]}")
    assert first.read_bytes() == second.read_bytes()
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {first.name, second.name}


def test_probabilities_of_classes_are_kept_as_their_labels(plugins: Path, tmp_path: Path) -> None:
    del plugins
    soft, hard = _make("voc2012", tmp_path, soft=True), _make("voc2012", tmp_path / "hard")
    assert soft.record.scores == hard.record.scores
    assert 0.1 < (soft.record.main_value or 0) < 0.99  # neither all right nor all wrong
    exported = _export(soft, tmp_path / "mine.tar")
    _assert_scored_the_same(soft, _unpacked(exported, tmp_path / "unpacked"), tmp_path / "again")


@pytest.fixture(scope="module")
def cityscapes(plugins: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    del plugins
    return _make("cityscapes", tmp_path_factory.mktemp("cityscapes-run"))


@pytest.mark.parametrize("form", ["mine.zip", "mine"])
def test_cityscapes_is_read_by_the_official_evaluator(
    cityscapes: Made, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(np, "in1d", np.isin, raising=False)  # removed from NumPy, still used there
    folder = _unpacked(_export(cityscapes, tmp_path / form), tmp_path / "unpacked")
    args = official_pixels.args
    for key, value in {
        "predictionPath": str(folder),
        "predictionWalk": None,
        "quiet": True,
        "JSONOutput": False,
    }.items():
        monkeypatch.setattr(args, key, value)
    truths = [str(path) for path in sorted(cityscapes.root.glob("gtFine/val/*/*_labelIds.png"))]
    found = [official_pixels.getPrediction(args, truth) for truth in truths]
    assert {Path(path).name for path in found} == {path.name for path in folder.iterdir()}
    assert all(re.fullmatch(r"[a-z]+_\d{6}_\d{6}_pred_labelIds.png", Path(path).name) for path in found)
    result = official_pixels.evaluateImgLists(found, truths, args)
    scores = {name: score.value for name, score in cityscapes.record.scores.items()}
    assert scores["iou_class"] == pytest.approx(result["averageScoreClasses"], abs=1e-9)
    assert scores["iou_category"] == pytest.approx(result["averageScoreCategories"], abs=1e-9)
    assert scores["iiou_class"] == pytest.approx(result["averageScoreInstClasses"], abs=1e-9)
    with Image.open(found[0]) as image:
        assert image.mode == "L"


def test_golden_objects_written_again_are_scored_the_same_by_the_official_evaluator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = GOLDEN / "cityscapes"
    dataset = make_dataset("cityscapes", root)
    ids = dataset.ids("val")
    found = find_predictions(dataset, ids, root / "predictions_instance")
    pairs = [(i, found.files[i].read(dataset).objects or ()) for i in ids]
    write_cityscapes_objects(tmp_path / "mine", pairs)
    averages = official_averages(root, tmp_path / "mine", tmp_path / "truth.json", monkeypatch)
    golden = json.loads((root / "instance_results.json").read_text())["averages"]
    assert averages["allAp"] == pytest.approx(golden["allAp"], abs=1e-12)
    assert averages["allAp50%"] == pytest.approx(golden["allAp50%"], abs=1e-12)


def test_written_objects_are_read_back_exactly(cityscapes: Made, tmp_path: Path) -> None:
    dataset = make_dataset("cityscapes", cityscapes.root)
    random = np.random.default_rng(2)
    ids = dataset.ids("val")
    pairs = []
    for count, sample_id in enumerate(ids):
        masks = [random.random((24, 32)) < 0.3 for _ in range(count)]  # the first image has no object
        scores = [1 / 3, 0.0, 1e-17, 0.1 + 0.2][:count]
        objects = [Object(26 + n % 2, masks[n] if n % 2 else encode_rle(masks[n]), scores[n]) for n in range(count)]
        pairs.append((sample_id, objects, masks))
    write_cityscapes_objects(tmp_path / "mine", [(i, objects) for i, objects, _ in pairs])
    found = find_objects(dataset, ids, tmp_path / "mine")
    assert found is not None
    assert found.warnings == ()
    for sample_id, objects, masks in pairs:
        again = found.files[sample_id].read(dataset).objects
        assert again is not None
        assert [(o.label, o.score) for o in again] == [(o.label, o.score) for o in objects]
        assert [o.mask for o in again] == [encode_rle(mask) for mask in masks]


def test_voc2012_is_a_tarball_of_palette_images_with_the_official_palette(plugins: Path, tmp_path: Path) -> None:
    del plugins
    made = _make("voc2012", tmp_path, split="test")
    assert made.record.scores == {}  # no public labels
    for out, comp in (("mine.tgz", 5), ("mine.tar", 6)):
        with tarfile.open(_export(made, tmp_path / out, comp=comp)) as archive:
            names = archive.getnames()
            entry = archive.getmembers()[0]
            assert (entry.mtime, entry.uid, entry.gid, entry.uname, entry.mode) == (0, 0, 0, "", 0o644)
        place = f"results/VOC2012/Segmentation/comp{comp}_test_cls"
        assert names == [f"{place}/2007_{n:06d}.png" for n in (20, 21, 22)]
    folder = _unpacked(tmp_path / "mine.tgz", tmp_path / "unpacked") / place.replace("comp6", "comp5")
    with Image.open(GOLDEN / "voc2012/VOCdevkit/VOC2012/SegmentationClass/setA_000.png") as official:
        for name in ("2007_000020", "2007_000021"):
            with (
                Image.open(folder / f"{name}.png") as image,
                Image.open(made.folder / f"predictions/{name}.png") as own,
            ):
                assert image.mode == "P"
                assert image.getpalette() == official.getpalette()
                assert np.array_equal(np.asarray(image), np.asarray(own))


def test_cocostuff_results_are_decoded_by_pycocotools(plugins: Path, tmp_path: Path) -> None:
    del plugins
    made = _make("cocostuff", tmp_path)
    entries = json.loads(_export(made, tmp_path / "mine.json").read_text())
    maps: dict[int, Any] = {}
    for entry in entries:
        mask = mask_api.decode(entry["segmentation"])
        labels = maps.setdefault(entry["image_id"], np.zeros(mask.shape, np.int64))
        labels += mask * entry["category_id"]
    stored = sorted((made.folder / PREDICTIONS).glob("*.png"))
    assert sorted(maps) == [int(path.stem) for path in stored] == [139, 140, 141]
    for path in stored:
        with Image.open(path) as image:
            assert np.array_equal(maps[int(path.stem)], np.asarray(image).astype(np.int64) + 1)  # ids count from 1


@pytest.mark.slow
def test_isbi2012_is_one_stack_of_floats_in_the_order_of_slices(plugins: Path, tmp_path: Path) -> None:
    del plugins
    made = _make("isbi2012", tmp_path, split="challenge")
    stack = tifffile.imread(_export(made, tmp_path / "mine.tif"))
    images = tifffile.imread(made.root / "test-volume.tif")
    assert stack.dtype == np.float32
    assert np.array_equal(stack, ((images - 40.0) / 251.7).clip(0, 1).astype(np.float32))


@pytest.mark.slow
def test_on_the_command_line(cityscapes: Made, bench: Run, tmp_path: Path) -> None:
    command = ["export", cityscapes.folder, "--format", "cityscapes", "--out", "mine"]
    assert bench(*command, "--quiet").stdout.strip() == "mine: 4 predictions of cityscapes, split val"
    assert len(list((tmp_path / "mine").iterdir())) == 4
    told = printed_json(bench(*command[:-1], "other.zip", "--json"))
    assert (told["n"], told["out"], told["run_id"]) == (4, "other.zip", cityscapes.record.run_id)
    done = bench("export", cityscapes.folder, "--format", "voc2012", "--out", "x.tar")
    assert done.returncode == 2
    assert "Use --format cityscapes" in done.stderr
    assert not (tmp_path / "x.tar").exists()


def test_runs_without_predictions_say_how_to_get_them(cityscapes: Made, tmp_path: Path) -> None:
    predictions = cityscapes.folder / PREDICTIONS
    request = EvaluateRequest("cityscapes", predictions, root=cityscapes.root, out=tmp_path / "evaluated")
    evaluate_files(request, Reporter(quiet=True))
    bare = RunRequest("cityscapes", "paint", root=cityscapes.root, out=tmp_path / "bare")
    run(bare, Reporter(quiet=True))
    for folder, command in (("evaluated", "bench evaluate"), ("bare", "bench run")):
        with pytest.raises(UserError, match=f"Make them: {command} .* --save-predictions$"):
            _export(Made("cityscapes", cityscapes.root, tmp_path / folder, cityscapes.record), tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("unfinished", "has not finished.*--resume"),
        ("missing", "holds 3 predictions, not those of the run's 4 samples"),
        ("foreign label", "label value 200"),
        ("cut", "cannot be decoded"),
        ("size", "is 20 x 32, sample 'bonn_000000_000019' is 24 x 32"),
        ("other root", "holds other samples than the run"),
        ("inside", "lies in the run folder"),
        ("a file", "is a file; name a new folder"),
        ("a full folder", "is not empty"),
        ("format", "Did you mean 'cityscapes'"),
        ("no run", "is no run folder"),
    ],
)
def test_faults_are_named_and_nothing_is_written(cityscapes: Made, tmp_path: Path, fault: str, words: str) -> None:
    folder = tmp_path / "run"
    shutil.copytree(cityscapes.folder, folder)
    first = folder / PREDICTIONS / "bonn_000000_000019.png"
    out, root, name = tmp_path / "mine", cityscapes.root, "cityscapes"
    if fault == "unfinished":
        record = json.loads((folder / "record.json").read_text())
        (folder / "record.json").write_text(json.dumps({**record, "complete": False}))
    elif fault == "missing":
        first.unlink()
    elif fault == "foreign label":
        _save(first, np.full((24, 32), 200, np.uint8))
    elif fault == "cut":
        first.write_bytes(first.read_bytes()[:60])
    elif fault == "size":
        _save(first, np.full((20, 32), 7, np.uint8))
    elif fault == "other root":
        root = tmp_path / "other"
        shutil.copytree(cityscapes.root, root)
        for path in root.glob("*/val/jena/jena_000001_*"):
            path.unlink()
    elif fault == "inside":
        out = folder / "mine"
    elif fault == "a file":
        out.write_text("mine")
    elif fault == "a full folder":
        out.mkdir()
        (out / "letter.txt").touch()
    elif fault == "format":
        name = "cityscape"
    else:
        (folder / "record.json").unlink()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=words):
        export(ExportRequest(folder, name, out, root), Reporter(quiet=True))
    assert sorted(tmp_path.rglob("*")) == before


def test_labels_that_no_png_can_keep_are_refused(tmp_path: Path) -> None:
    for info, values in ((VOC2012.info, 300), (VOC2012.info, -1), (Medaka.info, 2)):
        with pytest.raises(UserError, match=rf"'a' holds labels from .*{values}"):
            write_prediction(tmp_path, "a", Prediction(labels=np.full((2, 2), values)), info)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "out"), [("voc2012", "x.zip"), ("cocostuff", "x.tar"), ("isbi2012", "x.png")])
def test_the_name_of_the_file_must_fit_the_form(plugins: Path, tmp_path: Path, name: str, out: str) -> None:
    del plugins
    made = _make(name, tmp_path)
    with pytest.raises(UserError, match=r"end (its|the) name with \.(tar|json|tif)"):
        _export(made, tmp_path / out)
    assert not (tmp_path / out).exists()
