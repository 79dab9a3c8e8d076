"""The doctor recognises predictions that belong to other samples, are missing, or stand there twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import Run
from diagnosed_cases import (
    SIZE,
    Case,
    first,
    voc,
    write,
)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [1, -1, 2])
@pytest.mark.parametrize("name", ["voc", "isbi", "cityscapes"])
def test_shifted_stems(name: str, shift: int, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]
    names = list(case.predictions)
    moved = {i: case.predictions[names[(n + shift) % len(names)]] for n, i in enumerate(names)}
    finding = first(case, write(tmp_path / "p", moved), "stems")
    assert "mean agreement" in " ".join(finding.evidence)


@pytest.mark.slow
def test_slices_numbered_from_1(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["isbi"]
    renamed = {f"{n:02d}": values for n, values in enumerate(case.predictions.values(), 1)}
    finding = first(case, write(tmp_path / "p", renamed), "stems")
    assert "shifted" in finding.summary


@pytest.mark.slow
def test_frames_of_films_shifted_by_one(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["medaka"]
    names = list(case.predictions)
    moved = {i: case.predictions[names[(n + 1) % len(names)]] for n, i in enumerate(names)}
    first(case, write(tmp_path / "p", moved), "stems")


def test_swapped_pairs(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["voc"]
    names = list(case.predictions)
    moved = dict(case.predictions)
    for a, b in ((1, 9), (4, 5)):
        moved[names[a]], moved[names[b]] = moved[names[b]], moved[names[a]]
    finding = first(case, write(tmp_path / "p", moved), "stems")
    assert finding.summary.startswith("4 predictions are exchanged")
    assert f"{names[9]}.png belongs to {names[1]}" in finding.evidence[0]


def test_names_that_say_nothing(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["voc"]
    renamed = {f"prediction{n}": values for n, values in enumerate(case.predictions.values())}
    finding = first(case, write(tmp_path / "p", renamed), "stems")
    assert finding.score_before is None


@pytest.mark.slow
def test_missing_extra_duplicate_unreadable_and_copied(bench: Run, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["voc"]
    folder = write(tmp_path / "p", case.predictions)
    names = list(case.predictions)
    (folder / f"{names[3]}.png").rename(folder / "other.png")
    found = case.diagnose(folder)
    assert [f.kind for f in found.findings] == ["missing"]
    assert found.score is None
    assert found.reason == "1 of 16 samples have no prediction"
    assert names[3] in found.findings[0].evidence[0]
    assert "other.png" in found.findings[0].evidence[1]
    assert case.diagnose(folder, partial=True).findings == []
    (folder / "other.png").rename(folder / f"{names[3]}.png")

    (folder / "again").mkdir()
    shutil.copy(folder / f"{names[0]}.png", folder / "again")
    found = case.diagnose(folder)
    assert [f.kind for f in found.findings] == ["duplicate_files"]
    assert f"again/{names[0]}.png" in found.findings[0].evidence[0]
    shutil.rmtree(folder / "again")

    shutil.copy(folder / f"{names[0]}.png", folder / f"{names[1]}.png")
    found = case.diagnose(folder)
    assert [f.kind for f in found.findings] == ["copies"]
    assert f"{names[0]}.png = {names[1]}.png" in found.findings[0].evidence[0]

    (folder / f"{names[1]}.png").write_bytes((folder / f"{names[0]}.png").read_bytes()[:90])
    done = bench("doctor", "-d", "voc2012", "--root", case.root, "-p", folder)
    assert done.returncode == 1
    assert "undecodable" in done.stdout
    assert f"{names[1]}.png" in done.stdout
    assert "Traceback" not in done.stderr


def voc_of_several_sizes(root: Path) -> Case:
    """SYNTHETIC photographs of four sizes in no order."""
    case = voc(root)
    sizes = np.random.default_rng(3).integers(0, 4, len(case.predictions))
    cut = {
        i: values[: SIZE[0] - 6 * size, : SIZE[1] - 9 * size]
        for (i, values), size in zip(case.predictions.items(), sizes.tolist(), strict=True)
    }
    for path in (root / "VOCdevkit" / "VOC2012" / "SegmentationClass").iterdir():
        height, width = cut[path.stem].shape
        Image.fromarray(np.asarray(Image.open(path))[:height, :width]).save(path)
    return Case(case.dataset, root, cut)


@pytest.mark.parametrize("damage", ["none", "one too low"])
def test_shifted_stems_of_several_sizes(damage: str, tmp_path: Path) -> None:
    case = voc_of_several_sizes(tmp_path / "data")
    names = list(case.predictions)
    shift = 0 if damage == "none" else -1
    moved = {
        i: (case.predictions[names[(n + 1) % len(names)]].astype(int) + shift).astype(np.uint8)
        for n, i in enumerate(names)
    }
    found = case.diagnose(write(tmp_path / "p", moved))
    assert [f.kind for f in found.findings] == ["stems"] + (["off_by_one"] if damage != "none" else [])
    assert "shifted by 1" in found.findings[0].summary
    assert found.findings[-1].score_after == case.score(write(tmp_path / "right", case.predictions))


def test_sizes_alone_prove_what_was_exchanged(tmp_path: Path) -> None:
    """Of predictions that agree with nothing; resizing them would hide the mistake."""
    case = voc_of_several_sizes(tmp_path / "data")
    random = np.random.default_rng(2)
    right = {i: random.integers(0, 21, values.shape).astype(np.uint8) for i, values in case.predictions.items()}
    of_size = {values.shape: i for i, values in right.items()}
    a, b, c = list(of_size.values())[:3]
    folder = write(tmp_path / "p", {**right, a: right[b], b: right[c], c: right[a]})
    finding = case.diagnose(folder).findings[0]
    assert finding.kind == "stems"
    assert finding.summary == "3 predictions are exchanged among each other"
    assert f"{b}.png belongs to {c}" in finding.evidence[0]
    assert finding.score_after == case.score(write(tmp_path / "right", right))


def test_swapped_predictions_of_several_sizes(tmp_path: Path) -> None:
    case = voc_of_several_sizes(tmp_path / "data")
    names, moved = list(case.predictions), dict(case.predictions)
    a, b = next((a, b) for a in names for b in names if moved[a].shape != moved[b].shape)
    moved[a], moved[b] = moved[b], moved[a]
    finding = first(case, write(tmp_path / "p", moved), "stems")
    assert f"{b}.png belongs to {a}" in finding.evidence[0]
