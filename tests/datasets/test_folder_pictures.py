"""The dataset `folder` reads pictures as they are seen and two-tone masks as they show, and names what it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from own_folders import BINARY, QUIET, labels_of, write_folder
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.commands.run import RunRequest
from segbench.commands.run import run as do_run
from segbench.data.index import DataIndex
from segbench.data.own_folder.names import MAX_ID_BYTES
from segbench.data.verification import verify_dataset
from segbench.datasets.folder import Folder
from segbench.errors import UserError
from segbench.io.images.picture import turn
from segbench.types import Array

NAMES = [f"s{n}" for n in range(8)]
SPLITS = {"train": NAMES[:5], "val": NAMES[5:6], "test": NAMES[6:]}


def scene(number: int) -> tuple[Array, Array]:
    """A colour picture (24, 32, 3) of few colours, and its mask of 0 and 1."""
    labels = labels_of(number, (0, 1)).astype(np.uint8)
    table = np.array([[190, 60, 60], [40, 170, 200]], np.uint8)
    return table[labels], labels


def write(root: Path, kind: str) -> Path:
    """The same data in a root: `rgb`, `palette`, `cmyk`, `alpha`, `turned` by EXIF, or with masks of several kinds."""
    for number, name in enumerate(NAMES):
        picture, labels = scene(number)
        for folder in ("images", "masks", "splits"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        image, mask = Image.fromarray(picture), root / "masks" / f"{name}.png"
        Image.fromarray(labels * np.uint8(255)).save(mask)
        if kind == "palette":
            image = image.quantize(4)
        elif kind == "alpha":
            image.putalpha(Image.fromarray(labels * np.uint8(90) + np.uint8(100)))
        elif kind == "white-is-0":
            mask.unlink()
            tifffile.imwrite(mask.with_suffix(".tif"), labels == 0, photometric="miniswhite")
        elif kind == "white-black":
            palette = Image.fromarray(1 - labels, "P")
            palette.putpalette([255, 255, 255, 0, 0, 0])
            palette.save(mask)
        elif kind == "gif":
            mask.unlink()
            Image.fromarray(labels * np.uint8(255)).save(mask.with_suffix(".gif"))
        if kind == "turned":
            tag = Image.Exif()
            tag[274] = 6
            Image.fromarray(turn(picture, 8)).save(root / "images" / f"{name}.png", exif=tag)
        elif kind == "webp":
            image.save(root / "images" / f"{name}.webp", lossless=True)
        elif kind == "inks":
            image.convert("CMYK").save(root / "images" / f"{name}.tif")
        else:
            image.save(root / "images" / f"{name}.png")
    for split, names in SPLITS.items():
        (root / "splits" / f"{split}.txt").write_text("\n".join(names))
    (root / "classes.yaml").write_text(BINARY)
    return root


def scores(root: Path, out: Path) -> dict[str, Any]:
    """What `bench run -m threshold` finds."""
    _, record = do_run(RunRequest("folder", "threshold", root=root, out=out, plots=False), QUIET)
    return {name: score.value for name, score in record.scores.items()}


KINDS = ["palette", "alpha", "turned", "webp", "inks", "white-is-0", "white-black", "gif"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_pictures_and_masks_give_the_same_scores_to_the_bit(kind: str, tmp_path: Path) -> None:
    plain = scores(write(tmp_path / "rgb", "rgb"), tmp_path / "run-rgb")
    assert plain["dice"] == 1
    assert scores(write(tmp_path / kind, kind), tmp_path / f"run-{kind}") == plain


@pytest.mark.parametrize("kind", KINDS)
def test_every_sample_is_decoded_to_the_same(kind: str, tmp_path: Path) -> None:
    dataset = Folder(write(tmp_path, kind))
    for number, name in enumerate(NAMES):
        picture, labels = scene(number)
        sample = dataset.load(name)
        assert sample.image is not None
        assert sample.labels is not None
        assert np.array_equal(sample.image, picture)
        assert np.array_equal(sample.labels, labels)


@pytest.mark.parametrize("kind", ["white-is-0", "white-black", "gif"])
def test_classes_are_guessed_from_what_masks_show(kind: str, tmp_path: Path) -> None:
    root = write(tmp_path, kind)
    (root / "classes.yaml").unlink()
    plain = write(tmp_path / "plain", "rgb")
    (plain / "classes.yaml").unlink()
    shares = []
    for place in (root, plain):
        proposal = Folder.propose(place)
        assert proposal.definition["task"] == "binary"
        shares.append([line for line in proposal.text.splitlines() if "pixels (" in line])
    first, second = ([line.split(": ")[-1].lstrip("# ") for line in lines] for lines in shares)
    assert first == second


@pytest.mark.parametrize("form", ["miniswhite.tif", "white-black.png", "grey.png", "grey.gif", "1-bit.bmp"])
def test_predictions_mean_what_they_show(form: str, tmp_path: Path) -> None:
    root = write(tmp_path / "root", "white-is-0")
    (tmp_path / "pred").mkdir()
    for number, name in enumerate(NAMES):
        labels, path = scene(number)[1], tmp_path / "pred" / f"{name}.{form.partition('.')[2]}"
        if form == "miniswhite.tif":
            tifffile.imwrite(path, labels == 0, photometric="miniswhite")
            continue
        image = Image.fromarray(labels * np.uint8(255))
        if form == "white-black.png":
            image = Image.fromarray(1 - labels, "P")
            image.putpalette([255, 255, 255, 0, 0, 0])
        (image.convert("1") if form == "1-bit.bmp" else image).save(path)
    request = EvaluateRequest("folder", tmp_path / "pred", root=root, split="all", out=tmp_path / "run", plots=False)
    assert evaluate_files(request, QUIET)[1].scores["dice"].value == 1


def test_a_class_map_keeps_the_indices_of_its_palette(tmp_path: Path) -> None:
    write_folder(tmp_path, NAMES[:3])
    for number, name in enumerate(NAMES[:3]):
        image = Image.fromarray(labels_of(number).astype(np.uint8), "P")
        image.putpalette([255, 255, 255, 0, 0, 0, 128, 128, 128])
        image.save(tmp_path / "masks" / f"{name}.png")
    dataset = Folder(tmp_path)
    for number, name in enumerate(NAMES[:3]):
        assert np.array_equal(dataset.load(name).labels, labels_of(number))  # type: ignore[arg-type]


def test_verify_says_where_an_orientation_is_stated(tmp_path: Path) -> None:
    report = verify_dataset(DataIndex(Folder(write(tmp_path, "turned"))), "real")
    assert not report.faults
    (said,) = [warning for warning in report.warnings if "orientation" in warning]
    assert "8 samples with an orientation tag, first 's0'" in said
    assert "states orientation 6" in said
    assert "turned as viewers show them" in said
    plain = verify_dataset(DataIndex(Folder(write(tmp_path / "plain", "rgb"))), "real")
    assert not any("orientation" in warning for warning in plain.warnings)


def test_a_mask_of_the_stored_pixels_of_a_turned_picture_is_a_clear_fault(tmp_path: Path) -> None:
    root = write(tmp_path, "turned")
    Image.fromarray(turn(scene(0)[1], 8) * np.uint8(255)).save(root / "masks" / "s0.png")
    report = verify_dataset(DataIndex(Folder(root)), "real")
    (fault,) = report.faults
    assert "s0.png' states orientation 6, and is read as viewers show it" in fault
    assert "Draw the mask on what viewers show" in fault


def test_images_of_other_kinds_are_named(tmp_path: Path) -> None:
    root = write(tmp_path, "rgb")
    for path in (root / "images").iterdir():
        path.rename(path.with_suffix(".heic"))
    report = verify_dataset(DataIndex(Folder(root)), "real")
    (said,) = [warning for warning in report.warnings if "only the truth was checked" in warning]
    assert "8 .heic files, which are not read" in said
    with pytest.raises(UserError, match=r"8 \.heic files, which are not read"):
        do_run(RunRequest("folder", "threshold", root=root, out=tmp_path / "run", plots=False), QUIET)
    Image.fromarray(scene(0)[0]).save(root / "images" / "s0.png")
    faults = verify_dataset(DataIndex(Folder(root)), "real").faults
    assert any(r"8 .heic files, which are not read" in fault for fault in faults)
    for path in (root / "masks").iterdir():
        path.rename(path.with_suffix(".psd"))
    with pytest.raises(UserError, match=r"no masks below .* It holds 8 \.psd files, which are not read"):
        Folder(root)


@pytest.mark.parametrize("dtype", [np.uint32, np.int64, np.uint64])
@pytest.mark.parametrize("suffix", ["npy", "tif"])
def test_instance_numbers_of_any_size_are_read(dtype: Any, suffix: str, tmp_path: Path) -> None:
    write_folder(tmp_path, NAMES[:2])
    (tmp_path / "instances").mkdir()
    wanted = np.zeros((24, 32), np.int32)
    wanted[2:5, 2:9], wanted[8:20, 3:9], wanted[8:20, 20:30] = 1, 2, 3
    large = {np.uint32: 2**32 - 9, np.int64: 2**62, np.uint64: 2**63 + 5}[dtype]
    values: Array = np.array([0, 7, 2**31 + 1, large], dtype)[wanted]
    path = tmp_path / "instances" / f"s0.{suffix}"
    np.save(path, values) if suffix == "npy" else tifffile.imwrite(path, values)
    found = Folder(tmp_path).load("s0", ("instances",)).instances
    assert found is not None
    assert found.dtype == np.int32
    assert np.array_equal(found, wanted)


def test_instance_numbers_that_stand_for_nothing_are_named(tmp_path: Path) -> None:
    write_folder(tmp_path, NAMES[:2])
    (tmp_path / "instances").mkdir()
    for value, said in ((np.uint64(2**64 - 1), "'no object'. Write 0"), (np.int64(-1), "instance number -1")):
        np.save(tmp_path / "instances" / "s0.npy", np.full((24, 32), value))
        with pytest.raises(UserError, match=f"s0.npy: holds .*{said}"):
            Folder(tmp_path).load("s0", ("instances",))


def test_a_name_that_no_prediction_can_have_is_found_before_the_work(tmp_path: Path) -> None:
    long = tmp_path / "masks" / ("a" * 120) / ("b" * 120)
    long.mkdir(parents=True)
    Image.fromarray(scene(0)[1]).save(long / "s0000001.png")
    (tmp_path / "classes.yaml").write_text(BINARY)
    with pytest.raises(UserError, match=f"252 bytes long.*at most {MAX_ID_BYTES}"):
        Folder(tmp_path)
    (long / "s0000001.png").rename(long / "s000001.png")
    dataset = Folder(tmp_path)
    (sample_id,) = dataset.ids("all")
    assert len(sample_id) == MAX_ID_BYTES
    (tmp_path / "pred").mkdir()
    Image.fromarray(scene(0)[1]).save(tmp_path / "pred" / f"{sample_id}.png")
    shown = {"split": "all", "out": tmp_path / "run", "save_predictions": True, "plots": False}
    request = EvaluateRequest("folder", tmp_path / "pred", root=tmp_path, **shown)  # type: ignore[arg-type]
    assert evaluate_files(request, QUIET)[1].scores["dice"].value == 1
    assert (tmp_path / "run" / "predictions" / f"{sample_id}.png").is_file()


def test_masks_that_show_nothing_are_named_when_classes_are_guessed(tmp_path: Path) -> None:
    labels = scene(0)[1]
    (tmp_path / "masks").mkdir()
    clear = np.zeros((*labels.shape, 4), np.uint8)
    clear[:, :, 3] = labels * np.uint8(255)
    Image.fromarray(clear).save(tmp_path / "masks" / "a.png")
    with pytest.raises(UserError, match=r"a\.png: is of one colour throughout, and only its transparency"):
        Folder.propose(tmp_path)
    (tmp_path / "masks" / "a.png").unlink()
    Image.fromarray(labels * np.uint8(255)).convert("CMYK").save(tmp_path / "masks" / "a.tif")
    with pytest.raises(UserError, match=r"a\.tif: holds SEPARATED"):
        Folder.propose(tmp_path)
