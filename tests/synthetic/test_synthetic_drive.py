"""Synthetic DRIVE: layout, vessels, the second observer, repeatability, and what a threshold finds."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import label

from segbench.data.locations import MARKER, origin_of
from segbench.datasets.drive import DRIVE
from segbench.errors import UserError
from segbench.io.synthetic_mark import synthetic_mark
from segbench.synthetic.drive import FULL, SMALL, Plan, fundus, synthesize
from segbench.synthetic.drive.vessels import HEIGHT, Eye, Vessel, grow
from segbench.testing import check_dataset

pytestmark = pytest.mark.slow

Picture = NDArray[np.uint8]
Fundus = tuple[Picture, Picture, Picture, Picture]
TINY = Plan(2, 1, 146)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("synthetic") / "drive"
    synthesize(root, seed=3, plan=TINY, workers=1)
    return root


def test_it_conforms_and_every_file_is_sound(tiny: Path) -> None:
    dataset = DRIVE(tiny)
    check_dataset(dataset)
    assert dataset.check() == []
    assert dataset.info.synthesizable
    assert (len(dataset.ids("train")), len(dataset.ids("test"))) == (TINY.train, TINY.test)
    assert (SMALL.train, SMALL.test) == (FULL.train, FULL.test) == (20, 20)


@pytest.fixture(scope="module", params=[SMALL, FULL], ids=["small", "full"])
def images(request: pytest.FixtureRequest) -> list[Fundus]:
    return [fundus(0, 1, index, request.param.height) for index in range(6)]


@pytest.fixture(scope="module")
def trees() -> list[tuple[Eye, list[Vessel]]]:
    made = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        eye = Eye.draw(rng)
        made.append((eye, grow(rng, eye)))
    return made


def digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def test_bytes_depend_on_the_seed_alone(tiny: Path, tmp_path: Path) -> None:
    before = digests(tiny)
    synthesize(tmp_path / "again", seed=3, plan=TINY, workers=2)
    assert digests(tmp_path / "again") == before
    synthesize(tmp_path / "again", seed=4, plan=TINY, workers=1)
    other = digests(tmp_path / "again")
    assert other.keys() == before.keys()
    assert all(other[path] != before[path] for path in before)


def test_bytes_do_not_depend_on_the_processor() -> None:
    """Another process, in which NumPy and OpenCV may not use vector instructions, makes the same."""
    code = """if True:
        import hashlib
        from segbench.synthetic.drive import fundus
        made = [fundus(1, 0, n, height) for n in range(4) for height in (292, 584)]
        print(hashlib.sha256(b"".join(part.tobytes() for parts in made for part in parts)).hexdigest())
    """
    plain = {
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR AVX2 FMA3 AVX512F AVX512_SKX",
        "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2,AVX,FMA3,FP16,SSE4.2,SSE4.1",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4",
    }
    found = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            env={**os.environ, **extra},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for extra in ({}, plain)
    }
    assert [len(digest) for digest in found] == [65]


def test_official_layout_and_marker(tiny: Path) -> None:
    assert set(digests(tiny)) == {
        MARKER,
        *(f"DRIVE/training/images/{n}_training.tif" for n in (21, 22)),
        *(f"DRIVE/training/1st_manual/{n}_manual1.gif" for n in (21, 22)),
        *(f"DRIVE/training/mask/{n}_training_mask.gif" for n in (21, 22)),
        "DRIVE/test/images/01_test.tif",
        "DRIVE/test/1st_manual/01_manual1.gif",
        "DRIVE/test/2nd_manual/01_manual2.gif",
        "DRIVE/test/mask/01_test_mask.gif",
    }
    marker = json.loads((tiny / MARKER).read_text(encoding="utf-8"))
    assert (marker["generator"], marker["origin"]) == ("segbench.synthetic.drive", "synthetic")
    assert (marker["seed"], marker["n_files"]) == (3, 10)
    assert origin_of(tiny) == "synthetic"
    # The official numbers and size, and half of it.
    assert (FULL.train, FULL.test, FULL.height, FULL.width) == (20, 20, 584, 565)
    assert (SMALL.train, SMALL.test, SMALL.height, SMALL.width) == (20, 20, 292, 282)


def test_files_have_the_official_formats_and_values(tiny: Path) -> None:
    for path in (tiny / "DRIVE").rglob("*.*"):
        with Image.open(path) as picture:
            assert picture.size == (141, 146)
            assert (picture.format, picture.mode) == (("TIFF", "RGB") if path.suffix == ".tif" else ("GIF", "L"))
            if path.suffix == ".gif":
                assert set(np.unique(np.asarray(picture))) == {0, 255}
        assert str(synthetic_mark(path)).endswith("(segbench.synthetic.drive, version 1)")


def test_only_earlier_synthetic_data_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "DRIVE").mkdir()
    (tmp_path / "DRIVE" / "mine.txt").touch()
    with pytest.raises(UserError, match="was not made by segbench"):
        synthesize(tmp_path, plan=TINY, workers=1)
    assert (tmp_path / "DRIVE" / "mine.txt").exists()


def test_the_field_of_view_is_a_whole_disc_and_dark_outside(images: list[Fundus]) -> None:
    for photo, first, second, field in images:
        rows, columns = np.nonzero(field)
        assert np.ptp(rows) == pytest.approx(540 * len(field) / HEIGHT, abs=2)
        assert np.ptp(columns) == pytest.approx(np.ptp(rows), abs=2)
        assert field[1:-1, 1:-1].sum() == field.sum()
        assert not (first | second)[field == 0].any()
        red, green, blue = photo[field > 0].mean(axis=0)
        assert red > 1.4 * green > 1.4 * blue
        assert photo[field == 0].mean() < 12 < 60 < photo[field > 0].mean()


def test_as_much_is_vessel_as_in_real_eyes(images: list[Fundus]) -> None:
    shares = [float((first[field > 0] > 0).mean()) for _, first, _, field in images]
    assert min(shares) > 0.08
    assert max(shares) < 0.14


def test_vessels_are_few_connected_trees(images: list[Fundus]) -> None:
    for _, first, _, _ in images:
        pieces, count = label(first > 0, np.ones((3, 3)))
        assert count < 12
        assert np.bincount(pieces.ravel())[1:].max() > 0.9 * (first > 0).sum()


def test_two_observers_agree_as_people_do(images: list[Fundus]) -> None:
    agreements = [dice(first > 0, second > 0) for _, first, second, _ in images]
    assert min(agreements) > 0.78
    assert max(agreements) < 0.88


def test_vessels_are_dark_but_no_threshold_finds_them(images: list[Fundus]) -> None:
    for photo, first, _, field in images:
        inside, truth = field > 0, first[field > 0] > 0
        green = photo[..., 1].astype(np.float64)
        around = cv2.blur(green, (25, 25)) / np.maximum(cv2.blur(inside.astype(np.float64), (25, 25)), 1e-6)
        # Against what is around them they are darker by as much as grain and clouds spread.
        contrast = (green - around)[inside]
        assert contrast[~truth].mean() - contrast[truth].mean() > 0.8 * contrast[~truth].std()
        levels = np.quantile(green[inside], np.linspace(0.02, 0.4, 39))
        best = max(dice(green[inside] < level, truth) for level in levels)
        assert 0.25 < best < 0.6, best


def test_widths_taper_and_end_thin(trees: list[tuple[Eye, list[Vessel]]]) -> None:
    for _, tree in trees:
        assert 6.4 <= max(vessel.widths[0] for vessel in tree) <= 8.0
        assert all((np.diff(vessel.widths) <= 0).all() for vessel in tree)
        assert min(vessel.widths[-1] for vessel in tree) < 1.1


def test_widths_follow_murray(trees: list[tuple[Eye, list[Vessel]]]) -> None:
    """Where a branch leaves, the cube of the width before is the sum of the cubes of the two widths after."""
    for _, tree in trees:
        starts = {tuple(vessel.points[0]): float(vessel.widths[0]) for vessel in tree}
        checked = 0
        for vessel in tree:
            for point, before, after in zip(vessel.points[1:], vessel.widths[1:], vessel.widths[2:], strict=False):
                branch = starts.get(tuple(point))
                if branch is not None and after < 0.99 * before:
                    assert before**3 == pytest.approx(after**3 + branch**3, rel=0.02)
                    checked += 1
        assert checked > 40


def test_vessels_begin_at_the_disc_and_leave_the_fovea_free(trees: list[tuple[Eye, list[Vessel]]]) -> None:
    for eye, tree in trees:
        points = {tuple(point) for vessel in tree for point in vessel.points[1:]}
        roots = [vessel.points[0] for vessel in tree if tuple(vessel.points[0]) not in points]
        assert len(roots) == 8
        assert max(np.hypot(*(root - eye.disc)) for root in roots) < 20
        every = np.concatenate([vessel.points for vessel in tree])
        assert np.hypot(*(every - eye.fovea).T).min() >= 24
        # Four arcades: there are vessels in every quarter round the disc.
        for side in (-1, 1):
            for up in (-1, 1):
                quarter = (side * (every[:, 0] - eye.disc[0]) > 10) & (up * (every[:, 1] - eye.disc[1]) > 10)
                assert quarter.sum() > 30
