"""`bench evaluate --save-predictions`: what is kept measures the same, is verified, exported, and evaluated again."""

from __future__ import annotations

import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from pycocotools import mask as mask_api
from stored_cases import (
    CASES,
    FORMS,
    QUIET,
    Case,
    coco_objects,
    contents,
    isbi_files,
    isbi_stack,
    probabilities,
    store,
    verified,
)

from coco_roots import write_coco
from commands import Run, printed_json
from official_cityscapes import official_averages
from places import GOLDEN
from random_coco import as_coco, official, random_pairs
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.commands.export import ExportRequest, export
from segbench.datasets.cityscapes import Cityscapes
from segbench.errors import UserError
from segbench.predictions.cityscapes_instances import find_objects
from segbench.predictions.official_formats import write_cityscapes_objects
from segbench.runs.folder import PREDICTIONS, STATISTICS
from synthetic_roots import write_hearts, write_stacks

# pycocotools.mask.decode under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    return CASES[request.param](tmp_path)


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    return CASES[request.param](tmp_path)


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


@pytest.mark.slow
def test_kept_verified_exported_and_evaluated_again_it_is_the_same(case: Case, tmp_path: Path) -> None:
    record = store(case, tmp_path / "run")
    assert record.complete
    assert "--save-predictions" in record.command
    assert verified(tmp_path / "run", case.root) == f"{record.dataset.n} predictions give the stored statistics"
    for out, root in (("with", case.root), ("without", None)):
        request = ExportRequest(tmp_path / "run", case.dataset, tmp_path / out / case.out, root)
        assert export(request, QUIET).n == record.dataset.n
    exported = tmp_path / "without" / case.out
    assert contents(exported) == contents(tmp_path / "with" / case.out)
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
    kept = store(form, tmp_path / "kept")
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
    stack = isbi_stack(tmp_path)
    store(stack, tmp_path / "stack")
    assert [p.name for p in (tmp_path / "stack" / PREDICTIONS).iterdir()] == ["test.tif"]
    pages = tifffile.imread(tmp_path / "stack" / PREDICTIONS / "test.tif")
    assert pages.dtype == np.float32
    assert np.array_equal(pages, probabilities(stack.root))
    store(CASES["voc2012"](tmp_path), tmp_path / "voc")
    for path in (GOLDEN / "voc2012" / "predictions").iterdir():
        with Image.open(path) as mine, Image.open(tmp_path / "voc" / PREDICTIONS / path.name) as kept:
            assert kept.mode == "L"
            assert np.array_equal(np.asarray(mine), np.asarray(kept))


@pytest.mark.slow
def test_the_official_evaluator_reads_exported_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES["cityscapes objects"](tmp_path)
    store(case, tmp_path / "run")
    export(ExportRequest(tmp_path / "run", "cityscapes", tmp_path / "mine"), QUIET)
    averages = official_averages(case.root, tmp_path / "mine", tmp_path / "truth.json", monkeypatch)
    golden = json.loads((case.root / "instance_results.json").read_text())["averages"]
    assert averages["allAp"] == pytest.approx(golden["allAp"], abs=1e-12)
    assert averages["allAp50%"] == pytest.approx(golden["allAp50%"], abs=1e-12)


def test_pycocotools_reads_exported_results(tmp_path: Path) -> None:
    pairs = random_pairs(4, 8, classes=4, most=8, size=(60, 80))
    case = Case("cocostuff", tmp_path / "coco", write_coco(tmp_path / "coco", pairs), "mine.json")
    record = store(case, tmp_path / "run")
    export(ExportRequest(tmp_path / "run", "cocostuff", tmp_path / "mine.json"), QUIET)
    truth, _ = as_coco(pairs)
    evaluation = official(truth, json.loads((tmp_path / "mine.json").read_text()))
    assert record.scores["ap"].value == evaluation.stats[0]
    assert record.scores["ap50"].value == evaluation.stats[1]


def test_results_without_an_entry_are_kept(tmp_path: Path) -> None:
    case = coco_objects(tmp_path)
    case.predictions.write_text("[]")
    record = store(case, tmp_path / "run")
    assert record.dataset.n == 8
    assert verified(tmp_path / "run", case.root)
    export(ExportRequest(tmp_path / "run", "cocostuff", tmp_path / "mine.json"), QUIET)
    assert json.loads((tmp_path / "mine.json").read_text()) == []


@pytest.mark.parametrize("pages", [1, 3])
def test_a_part_of_a_stack_is_kept_as_files_and_not_exported(tmp_path: Path, pages: int) -> None:
    case = isbi_files(tmp_path)
    for number in range(25, 30 - pages):
        (case.predictions / f"p_{number}.png").unlink()
    record = store(case, tmp_path / "run", partial=True)
    assert not record.complete
    names = sorted(path.name for path in (tmp_path / "run" / PREDICTIONS).iterdir())
    assert names == [f"slice-{number}.tif" for number in range(30 - pages, 30)]
    assert verified(tmp_path / "run", case.root) == f"{pages} predictions give the stored statistics"
    kept = EvaluateRequest("isbi2012", tmp_path / "run" / PREDICTIONS, root=case.root, partial=True, out=tmp_path / "b")
    assert evaluate_files(kept, QUIET)[1].statistics_sha256 == record.statistics_sha256
    with pytest.raises(UserError, match=rf"holds {pages} predictions, a part of split 'test' \(--partial\)"):
        export(ExportRequest(tmp_path / "run", "isbi2012", tmp_path / "mine.tif"), QUIET)


def test_a_stack_of_one_page_is_kept_and_exported(tmp_path: Path) -> None:
    case = isbi_stack(tmp_path)
    for name in ("train-volume", "train-labels"):
        tifffile.imwrite(case.root / f"{name}.tif", tifffile.imread(case.root / f"{name}.tif")[:1])
    tifffile.imwrite(case.predictions, probabilities(write_stacks(tmp_path / "other", size=40))[0])
    record = store(case, tmp_path / "run", split="all")
    assert verified(tmp_path / "run", case.root)
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
    store(case, tmp_path / "run", metrics=metrics)
    kept = sorted((tmp_path / "run" / PREDICTIONS).iterdir())
    assert len(kept) == 6
    assert {path.suffix for path in kept} == {suffix}
    if suffix == ".png":
        with Image.open(kept[0]) as image:
            assert set(np.unique(np.asarray(image)).tolist()) == {0, 255}
    assert verified(tmp_path / "run", root)


def test_wide_labels_are_kept_in_16_bits(tmp_path: Path) -> None:
    root, predictions = tmp_path / "mine", tmp_path / "predictions"
    (root / "masks").mkdir(parents=True)
    predictions.mkdir()
    (root / "classes.yaml").write_text("classes: {0: background, 700: a, 65535: b}\n")
    random = np.random.default_rng(3)
    for name in ("a", "b"):
        for folder in (root / "masks", predictions):
            Image.fromarray(random.choice(np.array([0, 700, 65535], np.uint16), (8, 9))).save(folder / f"{name}.png")
    store(Case("folder", root, predictions, ""), tmp_path / "run", split="all")
    for name in ("a.png", "b.png"):
        with Image.open(predictions / name) as mine, Image.open(tmp_path / "run" / PREDICTIONS / name) as kept:
            assert np.array_equal(np.asarray(mine), np.asarray(kept))
    assert verified(tmp_path / "run", root)


@pytest.mark.slow
def test_objects_in_an_archive_are_those_in_a_folder(tmp_path: Path) -> None:
    dataset = Cityscapes(GOLDEN / "cityscapes")
    found = find_objects(dataset, dataset.ids("val"), GOLDEN / "cityscapes" / "predictions_instance")
    assert found is not None
    pairs = [(i, source.read(dataset).objects or ()) for i, source in found.files.items()]
    for name in ("mine", "mine.zip", "again.zip"):
        write_cityscapes_objects(tmp_path / name, pairs)
    assert contents(tmp_path / "mine") == contents(_unpacked(tmp_path / "mine.zip"))
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
