"""The doctor recognises predictions that were resized, padded, turned or saved as JPEG."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from diagnosed_cases import (
    Case,
    Map,
    first,
    voc,
    write,
    write_each,
)
from segbench.diagnosis.lossy_files import _snap
from segbench.diagnosis.remedy_functions import Snap
from segbench.registry import dataset_class
from segbench.types import Array


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.5, 1.5])
@pytest.mark.parametrize("name", ["voc", "medaka"])
def test_resized_with_nearest_neighbour(name: str, scale: float, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]

    def resize(values: Map) -> Map:
        size = (int(values.shape[1] * scale), int(values.shape[0] * scale))
        return cv2.resize(values, size, interpolation=cv2.INTER_NEAREST_EXACT).astype(np.uint8)

    folder = write_each(tmp_path / "p", case.predictions, resize)
    finding = first(case, folder, "size", exact=False)
    assert finding.estimate
    assert f"height is {scale:g} times" in finding.evidence[1]
    assert finding.score_after is not None
    assert finding.score_after > 0.9 * case.undamaged
    assert "nearest neighbour" in finding.evidence[2]


def test_resized_with_interpolation(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["cityscapes"]
    folder = write_each(
        tmp_path / "p", case.predictions, lambda values: cv2.resize(values, (336, 240), interpolation=cv2.INTER_LINEAR)
    )
    found = case.diagnose(folder)
    assert found.findings[0].kind == "size"
    assert "they were interpolated" in " ".join(found.findings[0].evidence)
    last = found.findings[-1].score_after
    assert last is not None
    assert last > 0.9 * case.undamaged


@pytest.mark.parametrize("top", [0, 12])
def test_padding_is_cut_off_exactly(top: int, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["voc"]
    pads = ((top, 24 - top), (top, 24 - top))
    folder = write_each(tmp_path / "p", case.predictions, lambda values: np.pad(values, pads))
    assert not first(case, folder, "size").estimate


@pytest.mark.parametrize("top", [0, 10])
@pytest.mark.parametrize("name", ["voc", "cityscapes"])
def test_what_was_cropped_is_put_where_it_was(name: str, top: int, cases: dict[str, Case], tmp_path: Path) -> None:
    """Resizing would shift every border; what was cut off is missing."""
    case = cases[name]
    low, high = top, 20 - top
    right = {i: np.pad(values[low:-high, low:-high], ((low, high),) * 2) for i, values in case.predictions.items()}
    folder = write_each(tmp_path / "p", case.predictions, lambda values: values[low:-high, low:-high])
    finding = first(case, folder, "size", exact=False)
    assert "cut out of the image" in finding.summary
    assert finding.estimate
    assert finding.score_after == case.score(write(tmp_path / "right", right))


@pytest.mark.parametrize(
    ("name", "as_png"), [("voc", False), ("voc", True), ("cityscapes", False), ("cocostuff", True)]
)
def test_jpeg_label_maps(name: str, as_png: bool, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]
    folder = tmp_path / "p"
    folder.mkdir()
    for sample_id, values in case.predictions.items():
        Image.fromarray(values).save(folder / f"{sample_id}.jpg", quality=92)
        if as_png:
            Image.open(folder / f"{sample_id}.jpg").save(folder / f"{sample_id}.png")
            (folder / f"{sample_id}.jpg").unlink()
    finding = first(case, folder, "jpeg", exact=False)
    assert finding.estimate
    assert f"{0 if as_png else len(case.predictions)} of {len(case.predictions)} files are JPEG" in finding.evidence


@pytest.mark.slow
def test_labels_next_to_each_other_that_jpeg_blurs_are_the_nearest_ones() -> None:
    """A value between two of them is no more frequent than these: no peak tells labels from what lies between."""
    random = np.random.default_rng(0)
    truth = np.kron(random.integers(0, 4, (8, 10)), np.ones((12, 12), int)).astype(np.uint8)
    values = _through_jpeg(truth)
    snap = _snap([(values, truth)], frozenset(range(4)), certain=True)
    assert (snap(values, truth.shape) == truth).mean() > 0.8
    assert (Snap(frozenset(range(4)))(values, truth.shape) == truth).mean() < 0.6
    # In a coding of its own the code becomes clear again: what it stands for is another remedy.
    coded = _through_jpeg(80 * truth)
    back = _snap([(coded, truth)], frozenset(range(4)), certain=True)(coded, truth.shape)
    assert (np.round(back / 80) == truth).mean() > 0.95


def _through_jpeg(values: Array) -> Array:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", values)[1], cv2.IMREAD_UNCHANGED), np.uint8)


def test_jpeg_masks(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["medaka"]
    finding = first(case, write(tmp_path / "p", case.predictions, ".jpg"), "jpeg", exact=False)
    assert finding.score_before is None
    assert finding.score_after == pytest.approx(case.undamaged, abs=0.005)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (np.flipud, "upside down"),
        (np.fliplr, "mirrored"),
        (lambda values: np.rot90(values, 2), "180 degrees"),
        (np.transpose, "transposed"),
        (lambda values: np.rot90(values, -1), "90 degrees to the right"),
    ],
)
def test_turned_predictions(change: Callable[[Map], Map], words: str, cases: dict[str, Case], tmp_path: Path) -> None:
    for name in ("voc", "cityscapes"):
        folder = write_each(tmp_path / name / "p", cases[name].predictions, change)
        assert words in first(cases[name], folder, "orientation").summary


def test_transposed_predictions_of_alternating_sizes(tmp_path: Path) -> None:
    """A shift by one brings every size in order, too; what the files hold decides."""
    case = voc(tmp_path / "data")
    right = {i: values.T if n % 2 else values for n, (i, values) in enumerate(case.predictions.items())}
    for n, path in enumerate(sorted((case.root / "VOCdevkit" / "VOC2012" / "SegmentationClass").iterdir())):
        truth = np.asarray(Image.open(path))
        Image.fromarray(truth.T if n % 2 else truth).save(path)
    case = Case(case.dataset, case.root, right)
    folder = write_each(tmp_path / "p", right, np.transpose)
    assert "transposed" in first(case, folder, "orientation").summary


def test_swapped_sizes_are_never_resized(cases: dict[str, Case], tmp_path: Path) -> None:
    """Which of four turns it was cannot be told of random values; that it was one of them the sizes say."""
    case, random = cases["voc"], np.random.default_rng(4)
    folder = write_each(
        tmp_path / "p", case.predictions, lambda values: random.integers(0, 21, values.T.shape).astype(np.uint8)
    )
    assert [finding.kind for finding in case.diagnose(folder).findings] == ["unscorable"]


def test_untouched_values_are_not_called_interpolated(cases: dict[str, Case], tmp_path: Path) -> None:
    """Noise puts more than a per cent of the values between their neighbours'."""
    case, random = cases["cityscapes"], np.random.default_rng(9)
    classes = [c.id for c in dataset_class("cityscapes").info.classes]

    def halve(values: Map) -> Map:
        noisy = np.where(random.random(values.shape) < 0.15, random.choice(classes, values.shape), values)
        return noisy[::2, ::2].astype(np.uint8)

    found = case.diagnose(write_each(tmp_path / "p", case.predictions, halve))
    (finding,) = (f for f in found.findings if f.kind == "size")
    evidence = " ".join(finding.evidence)
    assert float(evidence.split("% of the pixels hold a value between")[0].split()[-1]) > 1
    assert "they were interpolated" not in evidence
    assert "as in untouched label maps or after nearest neighbour" in evidence


@pytest.mark.parametrize("method", [cv2.INTER_LINEAR, cv2.INTER_AREA])
def test_shrunk_with_interpolation(method: int, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["cityscapes"]
    folder = write_each(
        tmp_path / "p",
        case.predictions,
        lambda values: cv2.resize(values, None, fx=0.7, fy=0.7, interpolation=method),
    )
    assert "they were interpolated" in " ".join(case.diagnose(folder).findings[0].evidence)
