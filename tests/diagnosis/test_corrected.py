"""`bench doctor --out`: corrected predictions score what the diagnosis promised, and say how they were made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from commands import Run
from diagnosed_cases import Case, Map, fingerprint, write, write_each
from segbench.commands.doctor import Diagnosis, DoctorRequest, diagnose
from segbench.io.reporter import Reporter
from segbench.predictions.find import REMEDIES
from segbench.registry import dataset_class
from segbench.types import UserError

pytestmark = pytest.mark.slow


def _corrected(case: Case, folder: Path, out: Path) -> Diagnosis:
    """The diagnosis of a folder whose corrected predictions were asked for; what was given is left alone."""
    before = {tree: fingerprint(tree) for tree in (case.root, folder)}
    request = DoctorRequest(case.dataset, folder, case.split, case.root, out=out)
    found = diagnose(request, Reporter(quiet=True))
    assert before == {tree: fingerprint(tree) for tree in before}
    return found


def _one_too_high(case: Case) -> Callable[[Map], Map]:
    del case
    return lambda values: values + 1


def _train_ids(case: Case) -> Callable[[Map], Map]:
    table = np.full(256, 255, np.uint8)
    for place, each in enumerate(dataset_class(case.dataset).info.classes):
        table[each.id] = place
    return lambda values: table[values]


def _colours(case: Case) -> Callable[[Map], Map]:
    table = np.zeros((256, 3), np.uint8)
    for each in dataset_class(case.dataset).info.classes:
        table[each.id] = each.color
    return lambda values: table[values]


def _always(change: Callable[[Map], NDArray[Any]]) -> Callable[[Case], Callable[[Map], NDArray[Any]]]:
    return lambda _: change


EXACT = {
    "one too high": ("cocostuff", "off_by_one", _one_too_high, ".png"),
    "train ids": ("cityscapes", "train_ids", _train_ids, ".png"),
    "colours": ("voc", "palette", _colours, ".png"),
    "mirrored": ("voc", "orientation", _always(np.fliplr), ".png"),
    "complement": ("medaka", "inverted", _always(lambda values: 255 - values), ".png"),
    "complement of levels": ("isbi", "inverted", _always(lambda values: 255 - values), ".png"),
    "2 and 1": ("medaka", "renumbered", _always(lambda values: np.where(values > 0, 2, 1).astype(np.uint8)), ".png"),
    "padded": ("voc", "size", _always(lambda values: np.pad(values, 12)), ".png"),
    "axes": ("voc", "axes", _always(lambda values: values[None, :, :, None]), ".npy"),
}


@pytest.mark.parametrize("mistake", EXACT)
def test_corrected_files_score_what_was_promised(mistake: str, cases: dict[str, Case], tmp_path: Path) -> None:
    name, kind, make, suffix = EXACT[mistake]
    case = cases[name]
    folder = write_each(tmp_path / "wrong", case.predictions, make(case), suffix)
    found = _corrected(case, folder, tmp_path / "right")
    assert [finding.kind for finding in found.findings] == [kind]
    assert found.written == str(tmp_path / "right")
    assert case.score(tmp_path / "right") == found.findings[0].score_after == case.undamaged
    told = (tmp_path / "right" / REMEDIES).read_text()
    assert found.findings[0].remedy in told
    assert str(folder) in told
    again = case.diagnose(tmp_path / "right")
    assert (again.findings, again.score) == ([], case.undamaged)


def test_resized_predictions(cases: dict[str, Case], tmp_path: Path) -> None:
    """Half the size cannot be undone, but the files score what the diagnosis says."""
    case = cases["voc"]

    def half(values: Map) -> Map:
        return cv2.resize(values, (84, 60), interpolation=cv2.INTER_NEAREST).astype(np.uint8)

    found = _corrected(case, write_each(tmp_path / "small", case.predictions, half), tmp_path / "full")
    assert found.score is None
    assert found.findings[0].kind == "size"
    assert case.score(tmp_path / "full") == found.findings[0].score_after


def test_files_go_to_the_samples_that_they_show(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["isbi"]
    names = list(case.predictions)
    moved = dict(zip([*names[1:], names[0]], case.predictions.values(), strict=True))
    found = _corrected(case, write(tmp_path / "moved", moved), tmp_path / "back")
    assert [finding.kind for finding in found.findings] == ["stems"]
    assert case.score(tmp_path / "back") == case.undamaged


def test_what_is_missing_stays_missing(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["voc"]
    folder = write_each(tmp_path / "wrong", case.predictions, np.flipud)
    names = sorted(case.predictions)
    (folder / f"{names[0]}.png").unlink()
    (folder / f"{names[1]}.png").write_bytes(b"no picture")
    found = _corrected(case, folder, tmp_path / "right")
    assert {finding.kind for finding in found.findings} == {"orientation", "missing", "undecodable"}
    assert sorted(path.stem for path in (tmp_path / "right").glob("*.png")) == names[2:]
    assert found.n_written == len(names) - 2
    told = (tmp_path / "right" / REMEDIES).read_text()
    assert "orientation: " in told
    assert "missing: " not in told
    assert "undecodable: " not in told


def test_nothing_is_written_where_nothing_helps(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["voc"]
    found = _corrected(case, write(tmp_path / "fine", case.predictions), tmp_path / "out")
    assert found.written is None
    assert not (tmp_path / "out").exists()


def test_places_that_are_refused(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["voc"]
    folder = write_each(tmp_path / "wrong", case.predictions, np.flipud)
    (tmp_path / "a file").write_text("mine")
    for out, words in (
        (folder, "is not empty"),
        (folder / "right", "lies in --predictions"),
        (case.root / "right", "lies in --root"),
        (tmp_path / "a file", "is a file"),
    ):
        with pytest.raises(UserError, match=words):
            _corrected(case, folder, out)
    assert (tmp_path / "a file").read_text() == "mine"
    with pytest.raises(UserError, match="model card"):
        diagnose(
            DoctorRequest("voc2012", None, root=case.root, method="torch:model.pt", out=tmp_path / "x"),
            Reporter(quiet=True),
        )


def test_the_page_says_how_to_score_them_and_the_record_how_they_were_made(
    bench: Run, cases: dict[str, Case], tmp_path: Path
) -> None:
    case = cases["medaka"]
    write_each(tmp_path / "wrong", case.predictions, lambda values: 255 - values)
    done = bench("doctor", "-d", "medaka", "--root", case.root, "-p", "wrong", "--out", "right")
    assert done.returncode == 1
    assert "No file was changed." in done.stdout
    line = next(line.strip() for line in done.stdout.splitlines() if line.strip().startswith("bench evaluate"))
    scored = bench(*line.split()[1:], "--out", "run", "--no-plots")
    assert scored.returncode == 0, scored.stderr
    assert "with the truth at hand" in scored.stderr
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert any("with the truth at hand" in warning for warning in record["warnings"])
    assert record["method"]["name"] == "right, corrected with the truth", "wherever it stands beside others"
    (tmp_path / "wrong" / f"{sorted(case.predictions)[0]}.png").unlink()
    part = bench("doctor", "-d", "medaka", "--root", case.root, "-p", "wrong", "--out", "part")
    line = next(line.strip() for line in part.stdout.splitlines() if line.strip().startswith("bench evaluate"))
    assert "predictions of 29 of 30 samples are in part" in part.stdout
    assert bench(*line.split()[1:], "--out", "run-of-a-part", "--no-plots").returncode == 0
