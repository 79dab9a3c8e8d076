"""`bench doctor`: correct predictions, however bad, are left alone; what is found is shown, and nothing is changed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from commands import Run
from diagnosed_cases import (
    MAKERS,
    Case,
    Map,
    write,
    write_each,
)
from places import shared
from segbench.commands.doctor import DoctorRequest, diagnose
from segbench.diagnosis.checked_predictions import described_by
from segbench.diagnosis.known_codings import codings
from segbench.io.reporter import Reporter
from segbench.predictions.coco_results_writer import write_stuff_results
from segbench.registry import dataset_class
from segbench.types import UserError

RECOGNISED = {
    *("train_ids", "off_by_one", "palette", "luma", "jpeg", "interpolated", "stems", "inverted", "probabilities"),
    *("orientation", "scaled", "merged"),
}
"""Kinds that name a mistake of the format: none of them may ever be told of predictions that are merely bad."""


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKERS)
def test_correct_predictions_give_no_finding(name: str, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]
    folder = write(tmp_path / "p", case.predictions)
    found = case.diagnose(folder)
    assert found.findings == []
    assert found.reason is None
    assert found.score == case.score(folder)
    assert (found.n_samples, found.n_files, found.n_scored) == (len(case.predictions),) * 3


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [0.6, 1.0])
@pytest.mark.parametrize("name", MAKERS)
def test_bad_predictions_give_no_false_alarm(name: str, wrong: float, tmp_path: Path) -> None:
    case = MAKERS[name](tmp_path / "data", wrong=wrong)
    found = case.diagnose(write(tmp_path / "p", case.predictions))
    assert not {f.kind for f in found.findings} & RECOGNISED, found.findings


@pytest.mark.parametrize("name", MAKERS)
def test_random_predictions_give_no_false_alarm(name: str, cases: dict[str, Case], tmp_path: Path) -> None:
    case, random = cases[name], np.random.default_rng(6)
    values = np.unique(np.concatenate([p.ravel() for p in case.predictions.values()]))

    def noise(prediction: Map) -> Map:
        coarse = random.choice(values, (9, 11))
        blocks = cv2.resize(coarse, prediction.shape[::-1], interpolation=cv2.INTER_NEAREST)
        spots = random.random(prediction.shape) < 0.2
        return np.where(spots, random.choice(values, prediction.shape), blocks).astype(np.uint8)

    assert (
        not {f.kind for f in case.diagnose(write_each(tmp_path / "p", case.predictions, noise)).findings} & RECOGNISED
    )


@pytest.mark.parametrize("name", ["voc2012", "cityscapes", "cocostuff"])
def test_golden_predictions_give_no_finding(name: str) -> None:
    folder = shared(f"golden/{name}")
    found = Case(name, folder, {}).diagnose(folder / "predictions")
    assert found.findings == []
    assert found.score is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["identical", "membrane_dilated_d1", "otsu_gauss2", "prob_blur_noise"])
def test_golden_stacks_give_no_finding(name: str, golden_isbi: Path) -> None:
    found = Case("isbi2012", golden_isbi, {}, "all").diagnose(golden_isbi / "predictions" / f"{name}.tif")
    assert found.findings == []
    assert found.score is not None


def test_constant_predictions(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["cityscapes"]
    found = case.diagnose(write_each(tmp_path / "p", case.predictions, lambda values: np.full_like(values, 7)))
    assert [f.kind for f in found.findings] == ["constant"]
    assert found.findings[0].summary.startswith("12 of 12")


@pytest.mark.slow
def test_coco_results(bench: Run, cases: dict[str, Case], tmp_path: Path) -> None:
    case, info = cases["cocostuff"], dataset_class("cocostuff").info
    names = list(case.predictions)
    stuff = tmp_path / "stuff.json"
    write_stuff_results(stuff, case.predictions.items(), info)
    found = case.diagnose(stuff)
    assert (found.findings, found.n_scored, found.score) == ([], 12, case.score(stuff))
    shifted = zip(names, [*list(case.predictions.values())[1:], case.predictions[names[0]]], strict=True)
    write_stuff_results(stuff, shifted, info)
    finding = case.diagnose(stuff).findings[0]
    assert finding.kind == "stems"
    assert finding.score_after == case.score(write(tmp_path / "right", case.predictions))
    write_stuff_results(stuff, list(case.predictions.items())[1:], info)
    assert [f.kind for f in case.diagnose(stuff).findings] == ["missing"]

    entries = [{**entry, "category_id": 1, "score": 0.5} for entry in json.loads(stuff.read_text())]
    (tmp_path / "results.json").write_text(json.dumps(entries))
    done = bench("doctor", "-d", "cocostuff", "--root", case.root, "-p", tmp_path / "results.json")
    assert done.returncode == 2
    assert "are not diagnosed" in done.stderr
    assert "Traceback" not in done.stderr


def test_lists_of_objects_are_not_diagnosed(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["cityscapes"]
    for name in case.predictions:
        (tmp_path / f"{name}_pred.txt").write_text("")
    with pytest.raises(UserError, match="are not diagnosed"):
        case.diagnose(tmp_path)


def test_the_report_does_not_send_to_itself(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["voc"]
    for name, change in {
        "ids": lambda values: np.where(values > 0, 200 + values % 7, 0).astype(np.uint8),
        "colours": lambda values: np.stack([values, values // 2, values], axis=2),
    }.items():
        page = case.diagnose(write_each(tmp_path / name, case.predictions, change)).to_json()
        assert "cannot be scored" in page or "unscorable" in page
        assert "bench doctor" not in page


def test_numbers_of_a_folder_of_ones_own() -> None:
    """The remedy names a command that shows the label values of any dataset."""
    for cls in (dataset_class("cocostuff"), dataset_class("folder")):
        info = replace(dataset_class("cocostuff").info, name=cls.info.name)
        remedies = [c.remedy for c in codings(info, described_by(cls)) if c.kind == "train_ids"]
        assert len(remedies) == 2
        assert all(f"'bench data describe {info.name}'" in remedy for remedy in remedies)
        assert all(("--root" in remedy) == (info.name == "folder") for remedy in remedies)


def test_what_nothing_explains_is_told(cases: dict[str, Case], tmp_path: Path) -> None:
    case, random = cases["voc"], np.random.default_rng(0)
    folder = write_each(
        tmp_path / "p", case.predictions, lambda values: random.integers(0, 256, values.shape).astype(np.uint8)
    )
    found = case.diagnose(folder)
    assert [f.kind for f in found.findings] == ["unscorable"]
    assert "holds label values" in found.findings[0].evidence[0]


def test_wrong_input_ends_with_2(bench: Run, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["voc"]
    (tmp_path / "empty").mkdir()
    write(tmp_path / "foreign", {"cat": case.predictions["2007_000000"]})
    for dataset, folder, words in [
        ("voc2012", "nowhere", "does not exist"),
        ("voc2012", "empty", "no predictions below"),
        ("voc2012", "foreign", "belongs to a sample of the split"),
        ("vok", "foreign", "Unknown dataset 'vok'"),
    ]:
        with pytest.raises(UserError, match=words):
            diagnose(DoctorRequest(dataset, tmp_path / folder, None, case.root), Reporter(quiet=True))
    with pytest.raises(UserError, match="no public labels"):
        diagnose(DoctorRequest("voc2012", tmp_path / "empty", "test", case.root), Reporter(quiet=True))
    done = bench("doctor", "-d", "voc2012", "--root", case.root, "-p", "empty", "--json")
    assert done.returncode == 2
    assert "no predictions below" in done.stderr
    assert done.stdout == ""


def test_nothing_wrong_ends_with_0(bench: Run, cases: dict[str, Case], tmp_path: Path) -> None:
    folder = write(tmp_path / "p", cases["voc"].predictions)
    done = bench("doctor", "-d", "voc2012", "--root", cases["voc"].root, "-p", folder)
    assert done.returncode == 0
    assert "nothing wrong was found" in done.stdout


@pytest.mark.slow
def test_the_printed_page_and_the_document(bench: Run, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["medaka"]
    folder = write_each(tmp_path / "[red]p", case.predictions, lambda values: (255 - values).astype(np.uint8))
    done = bench("doctor", "-d", "medaka", "--root", case.root, "-p", folder)
    assert done.returncode == 1
    assert "1. inverted: masks are inverted" in done.stdout
    assert "   - correlation" in done.stdout
    assert "remedy: Invert" in done.stdout
    page = done.stdout
    done = bench("doctor", "-d", "medaka", "--root", case.root, "-p", folder, "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert {"dataset", "split", "n_samples", "n_files", "score_name", "score", "findings"} <= set(found)
    keys = {"kind", "summary", "evidence", "remedy", "score_before", "score_after", "estimate", "n_samples"}
    assert set(found["findings"][0]) == keys
    assert f"dice {found['score']:.4f} → {found['findings'][0]['score_after']:.4f}" in page
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_the_page_is_folded_between_words(bench: Run, cases: dict[str, Case], tmp_path: Path) -> None:
    folder = write_each(tmp_path / "p", cases["medaka"].predictions, lambda values: values // 255 * 128)
    arguments = ("doctor", "-q", "-d", "medaka", "--root", cases["medaka"].root, "-p", "p")
    wide, narrow = (bench(*arguments, COLUMNS=columns, cwd=folder.parent).stdout for columns in ("400", "60"))
    assert wide.split() == narrow.split()
    assert max(map(len, wide.splitlines())) > 60 >= max(map(len, narrow.splitlines()))
