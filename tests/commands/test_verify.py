"""`bench verify`: a run that is whole passes, and every damage to it is found and named."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
from PIL import Image

from commands import Run, printed_json
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.commands.explain import explain
from segbench.commands.run import RunRequest
from segbench.commands.run import run as run_method
from segbench.commands.verify import verify
from segbench.errors import UserError
from segbench.io.reporter import Reporter
from synthetic_roots import write_hearts, write_stacks

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of isbi2012 by the classical method, its data, and its predictions."""
    folder = tmp_path_factory.mktemp("made")
    labels = write_stacks(folder / "data" / "isbi2012") / "train-labels.tif"
    # Shifted by one pixel against the images, the truth is not reached by the method: no score is exactly 1.
    tifffile.imwrite(labels, np.roll(tifffile.imread(labels), 1, axis=2), photometric="minisblack")
    request = RunRequest(
        "isbi2012", "threshold", root=folder / "data" / "isbi2012", out=folder / "run", save_predictions=True
    )
    run_method(request, Reporter(quiet=True))
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that run, with its data in the default place."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("SEGBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "run"


def _checks(run: Path, root: Path | None = None) -> dict[str, tuple[bool | None, str]]:
    """What was found, by the name of the check."""
    found = verify(run, root, Reporter(quiet=True))
    checks = {check.name: (check.ok, check.detail) for check in found.checks}
    assert len(checks) == len(found.checks)
    assert found.ok is not any(ok is False for ok, _ in checks.values())
    return checks


def _failed(run: Path, root: Path | None = None) -> dict[str, str]:
    """Names and details of the checks that failed."""
    return {name: detail for name, (ok, detail) in _checks(run, root).items() if ok is False}


def _edit_record(run: Path, edit: Edit) -> None:
    record = json.loads((run / "record.json").read_text())
    edit(record)
    (run / "record.json").write_text(json.dumps(record))


def _edit_pixels(run: Path, metric: str) -> None:
    """One right pixel of the foreground more in the first sample, as a careful forger would write it."""
    table = pq.read_table(run / "statistics.parquet")
    pixels = table.column("pixels").to_pylist()
    keys = zip(*(table.column(name).to_pylist() for name in ("metric", "truth", "prediction")), strict=True)
    pixels[list(keys).index((metric, 1, 1))] += 1
    place = table.column_names.index("pixels")
    changed = table.set_column(place, "pixels", pa.array(pixels, pa.int64()))
    pq.write_table(changed, run / "statistics.parquet")


@pytest.mark.slow
def test_a_whole_run_passes(bench: Run, run: Path) -> None:
    found = printed_json(bench("verify", run, "--json"))
    record = json.loads((run / "record.json").read_text())
    assert (found["run_id"], found["ok"]) == (record["run_id"], True)
    names = [check["name"] for check in found["checks"]]
    assert all(check["ok"] is True for check in found["checks"])
    assert {f"score {name}" for name in record["scores"]} < set(names)
    assert {"samples", "ids_sha256", "per_class", "data_sha256", "predictions", "split"} <= set(names)
    text = bench("verify", run)
    assert text.returncode == 0
    assert f"ok      score v_rand: {record['scores']['v_rand']['value']!r}" in text.stdout
    assert "fine" in text.stdout


def test_without_data_the_scores_are_still_checked(
    made: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGBENCH_DATA", str(tmp_path / "nowhere"))
    with_data = _checks(run)  # where the run's command found it
    assert with_data["predictions"][0] is True
    (made / "data").rename(made / "moved")
    try:
        checks = _checks(run)
    finally:
        (made / "moved").rename(made / "data")
    assert {name: ok for name, (ok, _) in checks.items() if not ok} == {"truth and predictions": None}
    assert "No data of isbi2012 found" in checks["truth and predictions"][1]
    with pytest.raises(UserError, match="--root 'nowhere' does not exist"):
        verify(run, Path("nowhere"), Reporter(quiet=True))


@pytest.mark.parametrize(
    ("edit", "name", "words"),
    [
        (lambda r: r["scores"]["dice"].update(value=0.75), "score dice", "value stored 0.75, recomputed 0."),
        (lambda r: r["scores"]["dice"].update(high=0.99), "score dice", "high stored 0.99"),
        (lambda r: r["scores"]["dice"].update(higher_is_better=False), "score dice", "higher_is_better"),
        (lambda r: r["scores"].pop("v_info"), "score v_info", "is not in the record"),
        (lambda r: r["scores"].update(best=r["scores"]["dice"]), "score best", "does not follow"),
        (lambda r: r["per_class"]["cell"].update(iou=None), "per_class", "iou of cell stored undefined"),
        (lambda r: r["per_class"].pop("cell"), "per_class", "only in one: cell"),
        (lambda r: r.update(per_category={"a": {"iou": 1.0}}), "per_category", "only in one: a"),
        (lambda r: r.update(main_score="dice"), "main_score", "stored dice, recomputed v_rand"),
        (lambda r: r["dataset"].update(n=6), "samples", "stored 6, recomputed 5"),
        (lambda r: r["dataset"].update(ids_sha256="0" * 64), "ids_sha256", "stored 0000"),
        (lambda r: r["dataset"].update(data_sha256="0" * 64), "data_sha256", "stored 0000"),
        (lambda r: r["dataset"].update(split="train"), "split", "5 scored samples are not in split 'train'"),
    ],
)
def test_an_edited_record_is_found(run: Path, edit: Edit, name: str, words: str) -> None:
    _edit_record(run, edit)
    failed = _failed(run)
    of_identity = name in ("data_sha256", "split")
    assert sorted(failed) == sorted([name, "content", *(["run_id"] if of_identity else [])])
    assert words in failed[name]
    assert "was edited" in failed["content"]


def test_the_last_bit_of_a_score_counts(run: Path) -> None:
    def edit(record: dict[str, Any]) -> None:
        score = record["scores"]["dice"]
        score["value"] = float(np.nextafter(score["value"], 1.0))

    _edit_record(run, edit)
    failed = _failed(run)
    assert list(failed) == ["score dice", "content"]
    assert "the last bits only" in failed["score dice"]


def test_one_pixel_in_the_statistics_is_found(bench: Run, run: Path) -> None:
    _edit_pixels(run, "binary-overlap")
    done = bench("verify", run, "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["ok"] is False
    failed = {check["name"]: check["detail"] for check in found["checks"] if not check["ok"]}
    assert {"score dice", "score dice_per_image", "per_class"} <= failed.keys()
    assert failed["predictions"] == "1 of 5 give other statistics than stored, first: slice-25"
    text = bench("verify", run)
    assert text.returncode == 1
    assert "differs score dice: value stored 0." in text.stdout
    assert "checks failed" in text.stdout


def test_a_removed_sample_is_found(run: Path) -> None:
    table = pq.read_table(run / "statistics.parquet")
    kept = [sample != "slice-27" for sample in table.column("sample").to_pylist()]
    pq.write_table(table.filter(pa.array(kept)), run / "statistics.parquet")
    failed = _failed(run)
    assert {"samples", "ids_sha256", "score v_rand", "score dice"} <= failed.keys()
    assert failed["predictions"] == "1 of 5 give other statistics than stored, first: slice-27"


def test_other_predictions_and_other_truth_are_found(run: Path, tmp_path: Path) -> None:
    path = run / "predictions" / "test.tif"
    pages = tifffile.imread(path)
    pages[2, :5] = 1 - pages[2, :5]
    tifffile.imwrite(path, pages, photometric="minisblack")
    assert _failed(run) == {
        "evidence": "predictions is not that of this record",
        "predictions": "1 of 5 give other statistics than stored, first: slice-27",
    }
    labels = tifffile.imread(tmp_path / "data" / "isbi2012" / "train-labels.tif")
    labels[26, 0, 0] = 255 - labels[26, 0, 0]
    tifffile.imwrite(tmp_path / "data" / "isbi2012" / "train-labels.tif", labels, photometric="minisblack")
    assert list(_failed(run)) == ["evidence", "data_sha256", "predictions"]


def test_what_cannot_be_verified_ends_with_2(bench: Run, run: Path, tmp_path: Path) -> None:
    whole = (run / "statistics.parquet").read_bytes()
    record = (run / "record.json").read_text()

    def refused(words: str, folder: Path = run) -> None:
        with pytest.raises(UserError, match=re.escape(words)):
            verify(folder, None, Reporter(quiet=True))

    (run / "statistics.parquet").write_bytes(whole[: len(whole) // 2])
    refused("statistics.parquet: cannot be read")
    done = bench("verify", run, "--json")
    assert done.returncode == 2
    assert "statistics.parquet: cannot be read" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    (run / "statistics.parquet").unlink()
    refused("has no statistics.parquet")
    (run / "statistics.parquet").write_bytes(whole)
    _edit_record(run, lambda r: r["metrics"].update({"binary-overlap": "999"}))
    refused("version 999 of metric binary-overlap")
    (run / "record.json").write_text(record)
    _edit_record(run, lambda r: r["metrics"].update({"no-such-metric": "1"}))
    refused("'no-such-metric'")
    (run / "record.json").write_text(record)
    _edit_record(run, lambda r: r["metrics"].pop("partition"))
    refused("partition")
    (run / "record.json").write_text(record)
    _edit_record(run, lambda r: r["dataset"].update(version="999"))
    refused("version 999 of dataset isbi2012")
    (run / "record.json").write_text("{")
    refused("cannot be read")
    refused("no run folder", tmp_path)


@pytest.mark.slow
def test_binary_files_measure_alike(hearts: Path) -> None:
    """Kept as images of 0 and 255 in place of probabilities, the predictions give the same statistics."""
    out = hearts.parent / "run"
    request = RunRequest("medaka", "threshold", root=hearts, out=out, save_predictions=True, plots=False)
    run_method(request, Reporter(quiet=True))
    assert _checks(out, hearts)["predictions"][0] is True
    other = write_hearts(hearts.parent / "other", sequences=5)
    failed = _failed(out, other)
    assert list(failed) == ["split"]


def test_evaluated_files_with_added_families_and_void(tmp_path: Path) -> None:
    """`bench evaluate` keeps no predictions; its statistics and data are checked all the same."""
    random = np.random.default_rng(0)
    root, predictions = tmp_path / "voc", tmp_path / "predictions"
    for folder in (root / "SegmentationClass", root / "ImageSets" / "Segmentation", predictions):
        folder.mkdir(parents=True)
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("a\nb\nc\n")
    for name in "abc":
        truth = random.choice([0, 1, 2, 255], (20, 20)).astype(np.uint8)
        Image.fromarray(truth).save(root / "SegmentationClass" / f"{name}.png")
        Image.fromarray(random.integers(0, 3, (20, 20)).astype(np.uint8)).save(predictions / f"{name}.png")
    request = EvaluateRequest("voc2012", predictions, root=root, out=tmp_path / "run", metrics=("boundary",))
    folder, _ = evaluate_files(request, Reporter(quiet=True))
    checks = _checks(folder, root)
    assert _checks(folder) == checks  # where the command found it
    assert all(ok for name, (ok, _) in checks.items() if name != "predictions")
    assert {"score miou_defined", "score boundary_iou", "data_sha256"} <= checks.keys()
    assert checks["predictions"] == (None, "not checked: the run did not keep them (--save-predictions)")
    assert checks["score miou"] == (True, "undefined")


def test_synthetic_data_is_not_taken_for_real(run: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "isbi2012" / "segbench-synthetic.json").write_text("{}")
    failed = _failed(run, tmp_path / "data" / "isbi2012")
    assert failed == {"origin": "stored real, recomputed synthetic"}


@pytest.mark.slow
def test_an_unlabelled_split_has_nothing_to_recompute(run: Path) -> None:
    challenge = run.parent / "challenge"
    run_method(RunRequest("isbi2012", "threshold", "challenge", out=challenge), Reporter(quiet=True))
    checks = _checks(challenge)
    assert checks.pop("scores") == (True, "the split has no public labels, so nothing is scored")
    assert {name: ok for name, (ok, _) in checks.items()} == {"run_id": True, "content": True, "evidence": True}
    with pytest.raises(UserError, match="holds no scored sample"):
        explain(challenge)


def test_a_partial_run_that_claims_to_be_complete_is_found(tmp_path: Path, made: Path) -> None:
    root = made / "data" / "isbi2012"
    pages = tifffile.imread(root / "train-labels.tif")
    predictions = tmp_path / "predictions"
    predictions.mkdir()
    for page in range(25, 29):
        Image.fromarray(pages[page]).save(predictions / f"slice-{page:02d}.png")
    request = EvaluateRequest("isbi2012", predictions, root=root, partial=True, out=tmp_path / "partial")
    folder, record = evaluate_files(request, Reporter(quiet=True))
    assert not record.complete
    assert _failed(folder, root) == {}
    assert _checks(folder, root)["predictions"][0] is None
    _edit_record(folder, lambda content: content.update(complete=True))
    assert "complete" in _failed(folder, root)
