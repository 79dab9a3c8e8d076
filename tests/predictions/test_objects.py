"""Lists of predicted objects on disk: found by sample, refused by file and line, read mask by mask."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import places
from commands import Run
from segbench.datasets.cityscapes import Cityscapes
from segbench.errors import UserError
from segbench.evaluation.evaluate import evaluate
from segbench.io.images.rle import encode_rle
from segbench.metrics.cityscapes_ap import CityscapesAP
from segbench.predictions.cityscapes_instances import ObjectList, find_objects
from segbench.types import Object, Prediction

GOLDEN = places.GOLDEN / "cityscapes"
FIRST = "alphaville_000000_000019"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the golden objects that may be spoiled."""
    return shutil.copytree(GOLDEN / "predictions_instance", tmp_path / "objects")


def _find(folder: Path, partial: bool = False) -> Any:
    dataset = Cityscapes(GOLDEN)
    return find_objects(dataset, dataset.ids("val"), folder, partial=partial)


def test_objects_are_found_with_all_their_files(copied: Path) -> None:
    found = _find(copied)
    assert found.kind == "objects"
    assert list(found.files) == list(Cityscapes(GOLDEN).ids("val"))
    scored = sum(line.split()[1] not in ("11", "29", "30") for f in copied.glob("*.txt") for line in f.open())
    assert len(found.paths) == 6 + scored
    assert "23 objects" in found.warnings[0]
    assert "29 (caravan): 9" in found.warnings[0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("../../secret.png 26 0.5", "outside"),
        ("masks/../../secret.png 26 0.5", "outside"),
        ("/etc/passwd 26 0.5", "absolute path"),
        ("C:\\masks\\0.png 26 0.5", "absolute path"),
        ("escape.png 26 0.5", "outside"),
        ("circle.png 26 0.5", "circle.png"),
        ("masks/none.png 26 0.5", "'masks/none.png' does not exist"),
        ("masks 26 0.5", "'masks' does not exist"),
        ("a\0b.png 26 0.5", "no usable path"),
        (f"{'x' * 5000}.png 26 0.5", "xxx"),
        (f"masks/{FIRST}_000.png 26 0.5", "mask of line 1 again"),
        ("masks/new.png 26 nan", "'nan'"),
        ("masks/new.png 26 inf", "'inf'"),
        ("masks/new.png 26 high", "'high'"),
        ("masks/new.png car 0.5", "'car'"),
        ("masks/new.png 24.5 0.5", "'24.5'"),
        ("masks/new.png 99 0.5", "label 99"),
        ("masks/new.png 26", "expected 'mask label score'"),
    ],
)
def test_hostile_lines_are_refused_by_file_and_line(copied: Path, line: str, message: str) -> None:
    path = copied / f"{FIRST}_pred.txt"
    Image.fromarray(np.ones((256, 512), np.uint8)).save(copied.parent / "secret.png")
    (copied / "escape.png").symlink_to(copied.parent / "secret.png")
    (copied / "circle.png").symlink_to(copied / "circle.png")
    with path.open("a") as file:
        file.write(f"{line}\n")
    number = len(path.read_text().splitlines())
    with pytest.raises(UserError) as caught:
        _find(copied)
    assert str(caught.value).startswith(f"{path}, line {number}: ")
    assert message in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_list_that_is_no_text_is_refused(copied: Path) -> None:
    (copied / f"{FIRST}_pred.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=f"{FIRST}_pred.txt: cannot be read as UTF-8"):
        _find(copied)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones((8, 9), np.uint8), "is 8 x 9, the ground truth of 'alphaville_000000_000019' is 256 x 512"),
        (np.dstack([np.eye(256, 512), np.zeros((256, 512, 2))]).astype(np.uint8), "expected a grey PNG"),
        (None, "cannot be decoded"),
    ],
)
def test_impossible_masks_are_refused_by_name(copied: Path, values: Any, message: str) -> None:
    mask = copied / "masks" / f"{FIRST}_000.png"
    if values is None:
        mask.write_bytes(b"no image")
    else:
        Image.fromarray(values).save(mask)
    with pytest.raises(UserError, match=message) as caught:
        evaluate(Cityscapes(GOLDEN), [CityscapesAP()], _find(copied).files.items())
    assert f"{mask}: " in str(caught.value)


def test_labels_of_stuff_are_skipped_as_the_official_tool_does(copied: Path) -> None:
    with (copied / f"{FIRST}_pred.txt").open("a") as file:
        file.write("not/even/there.png 7 0.5\n\n")
    found = _find(copied)
    assert "24 objects" in found.warnings[0]
    assert "7 (road): 1" in found.warnings[0]


def test_missing_duplicate_and_extra_lists_are_named(copied: Path) -> None:
    (copied / "README.txt").write_text("who made this\n")
    path = copied / f"{FIRST}_pred.txt"
    path.rename(copied / "later.txt")
    with pytest.raises(UserError, match=f"1 of 6 samples have no prediction.*{FIRST}.*README.txt"):
        _find(copied)
    found = _find(copied, partial=True)
    assert len(found.files) == 5
    assert "2 files belong to no sample" in found.warnings[0]
    (copied / "later.txt").rename(path)
    assert len(_find(copied).files) == 6
    shutil.copy(path, copied / f"{FIRST}_again.txt")
    with pytest.raises(UserError, match="more than one prediction"):
        _find(copied)


def test_a_list_without_lines_and_masks_of_other_kinds(copied: Path) -> None:
    dataset = Cityscapes(GOLDEN)
    folder = copied / "deep" / "er"
    folder.mkdir(parents=True)
    path = copied / f"{FIRST}_pred.txt"
    path.write_text("")
    assert _find(copied).files[FIRST].read(dataset) == Prediction(objects=())
    mask = np.zeros((256, 512), np.uint8)
    mask[:30, :40] = 1
    Image.fromarray(mask).save(folder / "of one.png")
    Image.fromarray(mask * 255).convert("RGB").save(folder / "colour.png")
    Image.fromarray(mask.astype(bool)).save(folder / "bits.png")
    Image.fromarray(mask.astype(np.uint16) * 256).save(folder / "deep.png")
    names = ("of one.png", "colour.png", "bits.png", "deep.png")
    path.unlink()
    path = folder / path.name
    path.write_text("".join(f"{name} 26.0 0.5\r\n" for name in names))
    source = _find(copied).files[FIRST]
    assert isinstance(source, ObjectList)
    assert source.paths == (path, *(folder / name for name in names))
    for found in source.read(dataset).objects or ():
        assert found == Object(26, encode_rle(mask), 0.5)


def test_label_maps_are_no_objects() -> None:
    assert _find(GOLDEN / "predictions") is None
    assert _find(GOLDEN / "predictions" / f"{FIRST}_pred_labelIds.png") is None


def test_a_missing_list_ends_with_code_2(bench: Run, copied: Path) -> None:
    (copied / f"{FIRST}_pred.txt").unlink()
    done = bench("evaluate", "-d", "cityscapes", "--root", GOLDEN, "-p", copied)
    assert done.returncode == 2
    assert FIRST in done.stderr
    assert "Traceback" not in done.stderr


def test_a_byte_order_mark_is_no_part_of_the_first_mask(copied: Path) -> None:
    path = copied / f"{FIRST}_pred.txt"
    plain = _find(copied).files[FIRST]
    lines = (GOLDEN / "predictions_instance" / path.name).read_text().splitlines()
    for encoding in ("utf-8-sig", "utf-16"):
        path.write_bytes("\r\n".join(lines).encode(encoding))
        found = _find(copied).files[FIRST]
        assert found.objects == plain.objects


def test_a_mask_whose_palette_shows_the_opposite_is_refused(copied: Path) -> None:
    listed = _find(copied).files[FIRST].objects[0]
    stored = np.asarray(Image.open(listed.mask)) > 0
    for colours, fine in (((0, 0, 0, 255, 255, 255), True), ((255, 255, 255, 0, 0, 0), False)):
        image = Image.fromarray(stored.astype(np.uint8), "P")
        image.putpalette(colours)
        image.save(listed.mask)
        if fine:
            assert listed.read().mask == encode_rle(stored)
            continue
        with pytest.raises(UserError, match="shows its object in another place than the official tool"):
            listed.read()
