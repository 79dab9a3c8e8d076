"""Predictions and lists from outside that are broken or mean harm: exit 2 with the file's name, nothing written."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from commands import Run, printed_json
from scenes import disturbed, label_map, write_pngs, write_voc
from segbench.datasets.voc2012 import VOC2012

INFO = VOC2012.info
IDS = ("2007_000001", "2007_000002", "2007_000003")
VICTIM = IDS[1]


@pytest.fixture
def scene(tmp_path: Path) -> tuple[Path, Path]:
    """A SYNTHETIC val split of three images, and predictions of it."""
    random = np.random.default_rng(0)
    maps = {name: label_map(INFO, random) for name in IDS}
    predictions = {name: disturbed(labels, INFO, random) for name, labels in maps.items()}
    return write_voc(tmp_path / "root", maps), write_pngs(tmp_path / "predictions", predictions)


def _evaluate(bench: Run, scene: tuple[Path, Path], *more: str) -> subprocess.CompletedProcess[str]:
    return bench("evaluate", "-d", "voc2012", "--root", scene[0], "-p", scene[1], "--out", "run", "--json", *more)


def _refused(done: subprocess.CompletedProcess[str], tmp_path: Path, *words: str) -> None:
    assert done.returncode == 2, done.stderr
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "runs").exists()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(side: int) -> bytes:
    """A small PNG whose header promises side x side grey pixels, all 0, and whose data keeps the promise."""
    row = zlib.compressobj(9)
    data = b"".join(row.compress(bytes(side + 1)) for _ in range(side)) + row.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def test_undisturbed_predictions_are_scored(bench: Run, scene: tuple[Path, Path]) -> None:
    assert 0 < printed_json(_evaluate(bench, scene))["scores"]["miou_defined"]["value"] < 1


@pytest.mark.parametrize("keep", [0, 7, 30, 60, -20, -6])
def test_a_truncated_png(bench: Run, scene: tuple[Path, Path], tmp_path: Path, keep: int) -> None:
    path = scene[1] / f"{VICTIM}.png"
    path.write_bytes(path.read_bytes()[:keep])
    _refused(_evaluate(bench, scene), tmp_path, path.name)


def test_a_flipped_byte_in_the_pixels(bench: Run, scene: tuple[Path, Path], tmp_path: Path) -> None:
    path = scene[1] / f"{VICTIM}.png"
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 12] ^= 0xFF
    path.write_bytes(bytes(content))
    _refused(_evaluate(bench, scene), tmp_path, path.name)


@pytest.mark.slow
def test_a_decompression_bomb(bench: Run, scene: tuple[Path, Path], tmp_path: Path) -> None:
    path = scene[1] / f"{VICTIM}.png"
    path.write_bytes(bomb(20_000))
    assert path.stat().st_size < 2_000_000
    _refused(_evaluate(bench, scene), tmp_path, path.name, "400000000")


CASES: dict[str, tuple[Any, str]] = {
    "wrong size": (np.zeros((24, 31), np.uint8), "24 x 31"),
    "transposed": (np.zeros((32, 24), np.uint8), "32 x 24"),
    "16 bit": (np.full((24, 32), 5000, np.uint16), "16-bit values up to 5000"),
    "255 predicted": (np.full((24, 32), 255, np.uint8), "label value 255"),
    "21 predicted": (np.full((24, 32), 21, np.uint8), "label value 21"),
    "colours": (np.zeros((24, 32, 3), np.uint8), "expected one label value per pixel"),
}


@pytest.mark.parametrize("name", CASES)
def test_impossible_images(bench: Run, scene: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    values, words = CASES[name]
    Image.fromarray(values).save(scene[1] / f"{VICTIM}.png")
    _refused(_evaluate(bench, scene), tmp_path, f"{VICTIM}.png", words)


ARRAYS: dict[str, tuple[Any, str]] = {
    "-1": (np.full((24, 32), -1, np.int16), "label value -1"),
    "float labels": (np.full((24, 32), 3.0), "float64"),
    "NaN probabilities": (np.full((21, 24, 32), np.nan, np.float32), "NaN"),
    "logits": (np.full((21, 24, 32), 7, np.float32), "values from 7 to 7"),
    "20 classes": (np.zeros((20, 24, 32), np.float32), "20, 24, 32"),
    "complex": (np.zeros((24, 32), np.complex64), "complex64"),
    "objects": (np.full((24, 32), None), ""),
    "empty": (np.zeros((0, 0), np.uint8), "0 x 0"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_impossible_arrays(bench: Run, scene: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    values, words = ARRAYS[name]
    (scene[1] / f"{VICTIM}.png").unlink()
    np.save(scene[1] / f"{VICTIM}.npy", values, allow_pickle=True)
    _refused(_evaluate(bench, scene), tmp_path, f"{VICTIM}.npy", words)


def test_16_bit_files_of_small_values_are_label_maps(bench: Run, scene: tuple[Path, Path]) -> None:
    before = printed_json(_evaluate(bench, scene))["scores"]
    path = scene[1] / f"{VICTIM}.png"
    values = np.asarray(Image.open(path)).astype(np.uint16)
    Image.fromarray(values).save(path)
    after = bench("evaluate", "-d", "voc", "--root", scene[0], "-p", scene[1], "--out", "other", "--json")
    assert printed_json(after)["scores"] == before


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "..", "a/b", "a\\b", "a b\x1b[2J"])
def test_a_list_that_leads_elsewhere(bench: Run, scene: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.png").write_bytes((scene[1] / f"{VICTIM}.png").read_bytes())
    listing = scene[0] / "VOCdevkit" / "VOC2012" / "ImageSets" / "Segmentation" / "val.txt"
    listing.write_text(f"{IDS[0]}\n{name}\n")
    done = _evaluate(bench, scene)
    _refused(done, tmp_path, "val.txt")
    assert "\x1b" not in done.stderr


def test_damaged_truth_is_named(bench: Run, scene: tuple[Path, Path], tmp_path: Path) -> None:
    path = scene[0] / "VOCdevkit" / "VOC2012" / "SegmentationClass" / f"{VICTIM}.png"
    path.write_bytes(path.read_bytes()[:70])
    _refused(_evaluate(bench, scene), tmp_path, str(path))


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices with names are those of POSIX systems")
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_has_no_end_is_not_read(bench: Run, scene: tuple[Path, Path], tmp_path: Path, kind: str) -> None:
    path = scene[1] / f"{VICTIM}.png"
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    _refused(_evaluate(bench, scene), tmp_path, path.name, "a pipe or a device")


def test_links_that_lead_in_a_circle_end(bench: Run, scene: tuple[Path, Path]) -> None:
    (scene[1] / "again").symlink_to(scene[1])
    assert printed_json(_evaluate(bench, scene))["complete"]


def test_missing_extra_and_duplicate_samples_are_named(bench: Run, scene: tuple[Path, Path], tmp_path: Path) -> None:
    victim = scene[1] / f"{VICTIM}.png"
    content = victim.read_bytes()
    (scene[1] / "2007_999999.png").write_bytes(content)
    record = printed_json(_evaluate(bench, scene))
    assert any("2007_999999.png" in warning for warning in record["warnings"])
    (tmp_path / "run").rename(tmp_path / "kept")
    (scene[1] / "copy").mkdir()
    (scene[1] / "copy" / victim.name).write_bytes(content)
    _refused(_evaluate(bench, scene), tmp_path, "more than one prediction", VICTIM)
    victim.unlink()
    (scene[1] / "copy" / victim.name).unlink()
    _refused(_evaluate(bench, scene), tmp_path, "1 of 3 samples have no prediction", VICTIM)
    partial = printed_json(_evaluate(bench, scene, "--partial"))
    assert (partial["complete"], partial["dataset"]["n"]) == (False, 2)
