"""`bench evaluate --save-predictions`: what is kept measures the same, is verified, exported, and evaluated again."""

from __future__ import annotations

import json
import shutil
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from pycocotools import mask as mask_api

from coco_roots import write_coco
from commands import Run, printed_json
from official_cityscapes import official_averages
from places import GOLDEN
from random_coco import as_coco, official, random_pairs
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.commands.export import ExportRequest, export
from segbench.commands.verify import verify
from segbench.datasets.cityscapes import Cityscapes
from segbench.datasets.cocostuff import COCOStuff
from segbench.datasets.isbi2012 import ISBI2012
from segbench.errors import UserError
from segbench.io.images.rle import encode_rle
from segbench.io.reporter import Reporter
from segbench.predictions.cityscapes_instances import find_objects
from segbench.predictions.coco_results_writer import write_stuff_results
from segbench.predictions.matching import Found
from segbench.predictions.official_formats import write_cityscapes_objects
from segbench.predictions.stored import store_found
from segbench.runs.folder import PREDICTIONS, STATISTICS
from segbench.runs.record import Record, read_record
from segbench.types import Dataset, Object, Prediction, Progress
from synthetic_roots import write_hearts, write_stacks

# pycocotools.mask.decode under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

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


def _probabilities(root: Path) -> Any:
    """The images of the test slices as probabilities (5, H, W) that no 8-bit image can hold."""
    return (tifffile.imread(root / "train-volume.tif")[25:] / 255.1).astype(np.float32)


def _isbi_stack(place: Path) -> Case:
    root = write_stacks(place / "isbi", size=40)
    tifffile.imwrite(place / "mine.tif", _probabilities(root), photometric="minisblack")
    return Case("isbi2012", root, place / "mine.tif", "mine.tif")


def _isbi_files(place: Path) -> Case:
    root = write_stacks(place / "isbi", size=40)
    (place / "mine").mkdir()
    for number, page in enumerate(_probabilities(root), 25):
        Image.fromarray((page * 255).astype(np.uint8)).save(place / "mine" / f"p_{number}.png")
    return Case("isbi2012", root, place / "mine", "mine.tif")


def _coco_objects(place: Path) -> Case:
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
    "cocostuff objects": _coco_objects,
    "cityscapes": _golden("cityscapes", "predictions", "mine.zip"),
    "cityscapes objects": _golden("cityscapes", "predictions_instance", "mine.zip"),
    "isbi2012": _isbi_stack,
    "isbi2012 files": _isbi_files,
}


FORMS = ("voc2012", "cocostuff objects", "cityscapes objects", "isbi2012")
"""One case of each form that predictions are kept in."""


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    return CASES[request.param](tmp_path)


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    return CASES[request.param](tmp_path)


def _kept(case: Case, out: Path, reporter: Reporter = QUIET, **more: Any) -> Record:
    request = EvaluateRequest(
        case.dataset, case.predictions, root=case.root, out=out, workers=0, save_predictions=True, plots=False, **more
    )
    return evaluate_files(request, reporter)[1]


def _verified(run: Path, root: Path) -> str:
    """That every check passes; returns what was found of the predictions."""
    found = verify(run, root, QUIET)
    assert all(check.ok for check in found.checks), found
    return next(check.detail for check in found.checks if check.name == "predictions")


def _unpacked(path: Path) -> Path:
    folder = path.parent / f"{path.name}-unpacked"
    if path.name.endswith(".zip"):
        with zipfile.ZipFile(path) as packed:
            packed.extractall(folder)
    elif path.name.endswith(".tar.gz"):
        with tarfile.open(path) as packed:
            packed.extractall(folder, filter="data")
    else:
        return path
    return folder


def _contents(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in files}


@pytest.mark.slow
def test_kept_verified_exported_and_evaluated_again_it_is_the_same(case: Case, tmp_path: Path) -> None:
    record = _kept(case, tmp_path / "run")
    assert record.complete
    assert "--save-predictions" in record.command
    assert _verified(tmp_path / "run", case.root) == f"{record.dataset.n} predictions give the stored statistics"
    for out, root in (("with", case.root), ("without", None)):
        request = ExportRequest(tmp_path / "run", case.dataset, tmp_path / out / case.out, root)
        assert export(request, QUIET).n == record.dataset.n
    exported = tmp_path / "without" / case.out
    assert _contents(exported) == _contents(tmp_path / "with" / case.out)
    unpacked, place = _unpacked(exported), tmp_path / "again"
    again = EvaluateRequest(case.dataset, unpacked, root=case.root, out=place, workers=0, plots=False)
    folder, second = evaluate_files(again, QUIET)
    assert second.statistics_sha256 == record.statistics_sha256
    assert second.scores == record.scores
    assert second.per_class == record.per_class
    assert (folder / STATISTICS).read_bytes() == (tmp_path / "run" / STATISTICS).read_bytes()
    assert not (folder / PREDICTIONS).exists()  # only where it is asked for


@pytest.mark.slow
def test_keeping_changes_nothing_else(form: Case, tmp_path: Path) -> None:
    kept = _kept(form, tmp_path / "kept")
    out = tmp_path / "bare"
    request = EvaluateRequest(form.dataset, form.predictions, root=form.root, out=out, workers=0, plots=False)
    bare = evaluate_files(request, QUIET)[1]
    changed = {key: getattr(kept, key) for key in ("created", "command", "evidence", "content_sha256")}
    assert bare.model_copy(update=changed) == kept
    assert (kept.evidence or {}).keys() == (bare.evidence or {}).keys() | {PREDICTIONS}
    assert bare.evidence == {name: (kept.evidence or {})[name] for name in bare.evidence or {}}
    names = {path.name for path in (tmp_path / "kept").iterdir()}
    assert names == {path.name for path in (tmp_path / "bare").iterdir()} | {PREDICTIONS}


def test_the_kept_form_is_that_of_a_run(tmp_path: Path) -> None:
    stack = _isbi_stack(tmp_path)
    _kept(stack, tmp_path / "stack")
    assert [p.name for p in (tmp_path / "stack" / PREDICTIONS).iterdir()] == ["test.tif"]
    pages = tifffile.imread(tmp_path / "stack" / PREDICTIONS / "test.tif")
    assert pages.dtype == np.float32
    assert np.array_equal(pages, _probabilities(stack.root))
    _kept(CASES["voc2012"](tmp_path), tmp_path / "voc")
    for path in (GOLDEN / "voc2012" / "predictions").iterdir():
        with Image.open(path) as mine, Image.open(tmp_path / "voc" / PREDICTIONS / path.name) as kept:
            assert kept.mode == "L"
            assert np.array_equal(np.asarray(mine), np.asarray(kept))


@pytest.mark.slow
def test_the_official_evaluator_reads_exported_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES["cityscapes objects"](tmp_path)
    _kept(case, tmp_path / "run")
    export(ExportRequest(tmp_path / "run", "cityscapes", tmp_path / "mine"), QUIET)
    averages = official_averages(case.root, tmp_path / "mine", tmp_path / "truth.json", monkeypatch)
    golden = json.loads((case.root / "instance_results.json").read_text())["averages"]
    assert averages["allAp"] == pytest.approx(golden["allAp"], abs=1e-12)
    assert averages["allAp50%"] == pytest.approx(golden["allAp50%"], abs=1e-12)


def test_pycocotools_reads_exported_results(tmp_path: Path) -> None:
    pairs = random_pairs(4, 8, classes=4, most=8, size=(60, 80))
    case = Case("cocostuff", tmp_path / "coco", write_coco(tmp_path / "coco", pairs), "mine.json")
    record = _kept(case, tmp_path / "run")
    export(ExportRequest(tmp_path / "run", "cocostuff", tmp_path / "mine.json"), QUIET)
    truth, _ = as_coco(pairs)
    evaluation = official(truth, json.loads((tmp_path / "mine.json").read_text()))
    assert record.scores["ap"].value == evaluation.stats[0]
    assert record.scores["ap50"].value == evaluation.stats[1]


def test_results_without_an_entry_are_kept(tmp_path: Path) -> None:
    case = _coco_objects(tmp_path)
    case.predictions.write_text("[]")
    record = _kept(case, tmp_path / "run")
    assert record.dataset.n == 8
    assert _verified(tmp_path / "run", case.root)
    export(ExportRequest(tmp_path / "run", "cocostuff", tmp_path / "mine.json"), QUIET)
    assert json.loads((tmp_path / "mine.json").read_text()) == []


@pytest.mark.parametrize("pages", [1, 3])
def test_a_part_of_a_stack_is_kept_as_files_and_not_exported(tmp_path: Path, pages: int) -> None:
    case = _isbi_files(tmp_path)
    for number in range(25, 30 - pages):
        (case.predictions / f"p_{number}.png").unlink()
    record = _kept(case, tmp_path / "run", partial=True)
    assert not record.complete
    names = sorted(path.name for path in (tmp_path / "run" / PREDICTIONS).iterdir())
    assert names == [f"slice-{number}.tif" for number in range(30 - pages, 30)]
    assert _verified(tmp_path / "run", case.root) == f"{pages} predictions give the stored statistics"
    kept = EvaluateRequest("isbi2012", tmp_path / "run" / PREDICTIONS, root=case.root, partial=True, out=tmp_path / "b")
    assert evaluate_files(kept, QUIET)[1].statistics_sha256 == record.statistics_sha256
    with pytest.raises(UserError, match=rf"holds {pages} predictions, a part of split 'test' \(--partial\)"):
        export(ExportRequest(tmp_path / "run", "isbi2012", tmp_path / "mine.tif"), QUIET)


def test_a_stack_of_one_page_is_kept_and_exported(tmp_path: Path) -> None:
    case = _isbi_stack(tmp_path)
    for name in ("train-volume", "train-labels"):
        tifffile.imwrite(case.root / f"{name}.tif", tifffile.imread(case.root / f"{name}.tif")[:1])
    tifffile.imwrite(case.predictions, _probabilities(write_stacks(tmp_path / "other", size=40))[0])
    record = _kept(case, tmp_path / "run", split="all")
    assert _verified(tmp_path / "run", case.root)
    export(ExportRequest(tmp_path / "run", "isbi2012", tmp_path / "out.tif", case.root), QUIET)
    again = EvaluateRequest("isbi2012", tmp_path / "out.tif", split="all", root=case.root, out=tmp_path / "again")
    assert evaluate_files(again, QUIET)[1].statistics_sha256 == record.statistics_sha256


@pytest.mark.slow
@pytest.mark.parametrize(("metrics", "suffix"), [((), ".png"), (("partition",), ".tif")])
def test_binary_probabilities_are_kept_where_a_family_asks_for_them(
    tmp_path: Path, metrics: tuple[str, ...], suffix: str
) -> None:
    root = write_hearts(tmp_path / "hearts", sequences=2, frames=3)
    random = np.random.default_rng(1)
    (tmp_path / "mine").mkdir()
    for path in (root / "test_images" / "lateral_mask").iterdir():
        with Image.open(path) as image:
            mask = np.asarray(image)[:, :, 0] > 0
        soft = (0.25 + 0.5 * mask + random.uniform(-0.25, 0.25, mask.shape)).astype(np.float32)
        np.save(tmp_path / "mine" / f"{path.stem}.npy", soft)
    case = Case("medaka", root, tmp_path / "mine", "")
    _kept(case, tmp_path / "run", metrics=metrics)
    kept = sorted((tmp_path / "run" / PREDICTIONS).iterdir())
    assert len(kept) == 6
    assert {path.suffix for path in kept} == {suffix}
    if suffix == ".png":
        with Image.open(kept[0]) as image:
            assert set(np.unique(np.asarray(image)).tolist()) == {0, 255}
    assert _verified(tmp_path / "run", root)


def test_wide_labels_are_kept_in_16_bits(tmp_path: Path) -> None:
    root, predictions = tmp_path / "mine", tmp_path / "predictions"
    (root / "masks").mkdir(parents=True)
    predictions.mkdir()
    (root / "classes.yaml").write_text("classes: {0: background, 700: a, 65535: b}\n")
    random = np.random.default_rng(3)
    for name in ("a", "b"):
        for folder in (root / "masks", predictions):
            Image.fromarray(random.choice(np.array([0, 700, 65535], np.uint16), (8, 9))).save(folder / f"{name}.png")
    _kept(Case("folder", root, predictions, ""), tmp_path / "run", split="all")
    for name in ("a.png", "b.png"):
        with Image.open(predictions / name) as mine, Image.open(tmp_path / "run" / PREDICTIONS / name) as kept:
            assert np.array_equal(np.asarray(mine), np.asarray(kept))
    assert _verified(tmp_path / "run", root)


class Interrupting(Reporter):
    """Ctrl-C after two predictions were kept."""

    @contextmanager
    def progress(self, what: str) -> Iterator[Progress]:
        def update(done: int, *_: object) -> None:
            if what == "keeping predictions" and done == 2:
                raise KeyboardInterrupt

        yield update


@pytest.mark.slow
def test_interrupted_it_leaves_nothing_that_looks_complete(form: Case, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        _kept(form, run, Interrupting(quiet=True))
    assert [path.name for path in run.iterdir()] == [".lock"]
    with pytest.raises(UserError, match=r"no run folder: it has no record.json"):
        read_record(run)
    # What a killed process leaves is removed, and the same command makes the run.
    (run / ".predictions.abc.tmp" / "new").mkdir(parents=True)
    _kept(form, run)
    whole = _contents(run / PREDICTIONS)
    with pytest.raises(KeyboardInterrupt):
        _kept(form, run, Interrupting(quiet=True), overwrite=True)
    assert _contents(run / PREDICTIONS) == whole
    assert _verified(run, form.root)
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
        _kept(case, tmp_path / "run")
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
    _kept(case, tmp_path / "run")
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
    case = _coco_objects(tmp_path)
    _kept(case, tmp_path / "run")
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
    _kept(case, tmp_path / "run")
    assert _verified(tmp_path / "run", case.root)
    with pytest.raises(UserError, match=r"b.png: holds label value 255"):
        export(ExportRequest(tmp_path / "run", "cocostuff", tmp_path / "mine.json"), QUIET)


@pytest.mark.slow
def test_objects_in_an_archive_are_those_in_a_folder(tmp_path: Path) -> None:
    dataset = Cityscapes(GOLDEN / "cityscapes")
    found = find_objects(dataset, dataset.ids("val"), GOLDEN / "cityscapes" / "predictions_instance")
    assert found is not None
    pairs = [(i, source.read(dataset).objects or ()) for i, source in found.files.items()]
    for name in ("mine", "mine.zip", "again.zip"):
        write_cityscapes_objects(tmp_path / name, pairs)
    assert _contents(tmp_path / "mine") == _contents(_unpacked(tmp_path / "mine.zip"))
    assert (tmp_path / "mine.zip").read_bytes() == (tmp_path / "again.zip").read_bytes()
    first = pairs[0][1][0].mask
    with Image.open(next((tmp_path / "mine" / "masks").glob(f"{pairs[0][0]}_000.png"))) as image:
        assert np.array_equal(np.asarray(image) == 255, mask_api.decode(first).astype(bool))


@pytest.mark.slow
def test_on_the_command_line(bench: Run, tmp_path: Path) -> None:
    words = ["evaluate", "-d", "cityscapes", "--root", GOLDEN / "cityscapes"]
    words += ["-p", GOLDEN / "cityscapes" / "predictions_instance", "--save-predictions", "--out", "run", "--json"]
    record = printed_json(bench(*words))
    assert record["command"].endswith("--save-predictions --out run")
    assert printed_json(bench("verify", "run", "--root", GOLDEN / "cityscapes", "--json"))["ok"]
    told = printed_json(bench("export", "run", "--format", "cityscapes", "--out", "mine.zip", "--json"))
    assert told["n"] == 6
    assert len(zipfile.ZipFile(tmp_path / "mine.zip").namelist()) > 6
