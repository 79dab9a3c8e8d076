"""Your own folder of images and masks: every kind of mask file, names, links, and what is refused."""

from __future__ import annotations

import os
import pickle
import time
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from own_folders import (
    BINARY,
    SHAPE,
    THREE,
    Write,
    decoded,
    labels_in,
    labels_of,
    write_1_bit,
    write_16_bit,
    write_255,
    write_folder,
    write_grey,
    write_grey_as_rgb,
    write_npy,
    write_palette,
    write_rgb,
    write_tiff,
)
from segbench.data.own_folder.masks import color_runs
from segbench.datasets.folder import Folder
from segbench.evaluation.evaluator import Evaluator
from segbench.testing import check_dataset
from segbench.types import UserError


@pytest.mark.parametrize(
    ("write", "classes", "values"),
    [
        (write_grey, THREE, (0, 1, 2)),
        (write_grey, THREE, (0, 1, 2, 255)),
        (write_palette, THREE, (0, 1, 2, 255)),
        (write_rgb, THREE, (0, 1, 2, 255)),
        (write_npy, THREE, (0, 1, 2)),
        (write_tiff, THREE, (0, 1, 2)),
        (write_16_bit, "classes: {0: background, 700: a, 65535: b}\nignore: 9", (0, 9, 700, 65535)),
        (write_grey, BINARY, (0, 1)),
        (write_255, BINARY, (0, 1)),
        (write_grey_as_rgb, BINARY, (0, 1)),
        (write_1_bit, BINARY, (0, 1)),
        (write_palette, BINARY, (0, 1)),
        (write_grey, f"{BINARY}ignore: 255\n", (0, 1, 255)),
        (write_rgb, "classes: [{id: 0, name: a, color: [0, 0, 0]}, {id: 1, name: b, color: [255, 0, 0]}]", (0, 1)),
    ],
    ids=lambda value: value.__name__.removeprefix("write_") if callable(value) else "",
)
def test_every_kind_of_mask_conforms_and_keeps_its_labels(
    write: Write, classes: str, values: tuple[int, ...], tmp_path: Path
) -> None:
    dataset = Folder(write_folder(tmp_path, [f"im{n}" for n in range(12)], classes, values, write))
    check_dataset(dataset)
    assert dataset.check() == []
    assert dataset.ids("all") == tuple(f"im{n}" for n in range(12))
    for number, sample_id in enumerate(dataset.ids("all")):
        assert np.array_equal(labels_in(dataset, sample_id), labels_of(number, values))
    assert dataset.info.task == ("multiclass" if len(dataset.info.classes) > 2 else "binary")
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy.info == dataset.info
    assert Folder.info.classes == ()


def test_16_bit_binary_masks(tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a"], BINARY, (0, 65535), write_16_bit)
    assert np.array_equal(labels_in(Folder(root), "a"), labels_of(0, (0, 65535)) > 0)


def test_a_colour_of_no_class_is_named_with_its_place(tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a"], write=write_rgb)
    path = root / "masks" / "a.png"
    pixels = np.asarray(Image.open(path)).copy()
    pixels[5, 7] = (255, 1, 0)
    Image.fromarray(pixels).save(path)
    with pytest.raises(UserError, match=r"a\.png: the pixel at row 5, column 7 has the colour \[255, 1, 0\]"):
        Folder(root).load("a")
    assert "row 5, column 7" in Folder(root).check()[0]


@pytest.mark.parametrize("write", [write_grey, write_npy])
def test_a_value_of_no_class_is_named_with_its_place(write: Write, tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a"], values=(0, 1), write=write)
    labels = labels_of(0, (0, 1))
    labels[3, 9] = 7
    write(root / "masks" / "a.png", labels)
    with pytest.raises(UserError, match=r"a\.\w+: the pixel at row 3, column 9 has the label value 7.*0, 1, 2, 255"):
        Folder(root).load("a")


@given(st.integers(1, 5), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_runs_of_colours_are_the_image(height: int, width: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 2, (height, width, 3)).astype(np.uint8) * 200
    starts, lengths, keys = color_runs(image)
    flat = np.repeat(keys, lengths).reshape(height, width)
    assert np.array_equal(np.stack([flat >> 16, flat >> 8 & 255, flat & 255], axis=2), image)
    assert np.array_equal(starts, np.cumsum(lengths) - lengths)


@pytest.mark.parametrize("ending", ["_mask", "_L", "_gt", "_label", "_labels", "_seg", "_segmentation", "_MASK", ""])
def test_endings_of_mask_names(ending: str, tmp_path: Path) -> None:
    names = ["first", "Zelle Nr. 2", "größe", "x_1"]
    root = write_folder(tmp_path, names, mask_name="{}" + ending + ".png")
    dataset = Folder(root)
    assert sorted(dataset.ids("all")) == sorted(names)
    assert dataset.check() == []
    for name in names:
        found = dataset.match_prediction(Path("some") / f"{name}{ending}.tif", dataset.ids("all"))
        assert found == name
    assert dataset.match_prediction(Path("other.png"), dataset.ids("all")) is None


def test_an_image_called_like_a_mask_keeps_its_name(tmp_path: Path) -> None:
    dataset = Folder(write_folder(tmp_path, ["1_L", "1_R", "1"]))
    assert sorted(dataset.ids("all")) == ["1", "1_L", "1_R"]
    assert np.array_equal(labels_in(dataset, "1_L"), labels_of(0))
    assert dataset.match_prediction(Path("1_L.png"), dataset.ids("all")) == "1_L"


@pytest.mark.parametrize(("folder", "other"), [("masks", "a_gt.png"), ("masks", "a.tif"), ("images", "a.bmp")])
def test_two_files_of_one_sample_are_both_named(folder: str, other: str, tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a"])
    (root / folder / other).write_bytes(b"")
    with pytest.raises(UserError) as caught:
        Folder(root)
    assert "a.png'" in str(caught.value)
    assert other in str(caught.value)


def test_a_subfolder_and_a_name_that_look_alike_are_both_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"v1__a\.png.*both of the sample 'v1__a'|both of the sample 'v1__a'"):
        Folder(write_folder(tmp_path, ["v1/a", "v1__a"]))


def test_missing_partners_are_faults_and_masks_alone_can_be_scored(tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a", "b", "c"])
    (root / "images" / "a.png").unlink()
    (root / "masks" / "b.png").unlink()
    dataset = Folder(root)
    assert dataset.ids("all") == ("a", "c")
    faults = dataset.check()
    assert any("a.png: has no image" in fault for fault in faults)
    assert any("b.png: has no mask" in fault for fault in faults)
    for path in (root / "images").iterdir():
        path.unlink()
    (root / "images").rmdir()
    alone = Folder(root)
    check_dataset(alone)
    assert alone.check() == []
    assert alone.load("a").image is None


def test_odd_names_case_hidden_files_and_links(tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["frame10", "frame2", "e\u0301t\u00e9 1"])
    (root / "masks" / "frame2.png").rename(root / "masks" / "frame2_Mask.PNG")
    (root / "images" / "frame10.png").rename(root / "images" / "frame10.Png")
    for folder in ("images", "masks"):
        (root / folder / "._frame2.png").write_bytes(b"resource fork")
        (root / folder / ".thumbs").mkdir()
        (root / folder / ".thumbs" / "x.png").write_bytes(b"")
        (root / folder / "notes.txt").write_text("no image")
        (root / folder / "again").symlink_to(root / folder, target_is_directory=True)
    dataset = Folder(root)
    check_dataset(dataset)
    composed = unicodedata.normalize("NFC", "e\u0301t\u00e9 1")
    assert dataset.ids("all") == ("frame2", "frame10", composed)
    assert dataset.match_prediction(Path(unicodedata.normalize("NFD", f"{composed}.png")), dataset.ids("all"))
    assert [dataset.load(i).index for i in dataset.ids("all")] == [0, 1, 2]


@pytest.mark.parametrize("name", ["a:b", "a\nb", os.fsdecode(b"a\xff")])
def test_names_that_no_id_can_be_are_refused(name: str, tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a"])
    try:
        (root / "masks" / "a.png").rename(root / "masks" / f"{name}.png")
    except OSError:
        pytest.skip("this file system does not take the name")
    with pytest.raises(UserError, match="rename it"):
        Folder(root)


def test_a_link_to_itself_is_a_named_fault(tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a", "b"])
    (root / "masks" / "a.png").unlink()
    (root / "masks" / "a.png").symlink_to("a.png")
    assert any("a.png" in fault for fault in Folder(root).check())


def test_instances(tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a", "b"])
    (root / "instances").mkdir()
    numbers = (np.arange(24 * 32).reshape(SHAPE) * 50).astype(np.uint16)
    Image.fromarray(numbers).save(root / "instances" / "a_instances.png")
    dataset = Folder(root)
    loaded = dataset.load("a", ("instances",)).instances
    assert loaded is not None
    assert loaded.dtype == np.int32
    assert np.array_equal(loaded, numbers)
    assert dataset.load("b", ("instances",)).instances is None
    Image.new("RGB", (4, 4)).save(root / "instances" / "b.png")
    assert any("instances" in fault and "b.png" in fault for fault in dataset.__class__(root).check())


def test_jpeg_masks_are_refused_with_the_reason(tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a"], classes="")
    Image.fromarray(labels_of(0).astype(np.uint8)).save(root / "masks" / "b.JPG")
    for action in (Folder, Folder.propose):
        with pytest.raises(UserError, match=r"b\.JPG: is a JPEG.*changes pixels"):
            action(root)


def test_without_masks_or_classes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no masks below") as none:
        Folder(tmp_path)
    assert "--write" not in str(none.value)  # who has no masks may be typing just this
    root = write_folder(tmp_path / "my own", ["a"], classes="")
    with pytest.raises(UserError, match=r"classes\.yaml' is missing.*--root '.*my own' --write"):
        Folder(root)


@pytest.mark.slow
def test_two_thousand_files_are_listed_in_a_second(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        for number in range(2000):
            (tmp_path / folder / f"{number}.png").touch()
    (tmp_path / "classes.yaml").write_text(THREE)
    start = time.process_time()
    dataset = Folder(tmp_path)
    ids = dataset.ids("all")
    assert time.process_time() - start < 1
    assert ids == tuple(map(str, range(2000)))
    assert len(pickle.dumps(dataset)) < 1_000_000


def test_predictions_as_values_colours_and_probabilities(tmp_path: Path) -> None:
    colored = Folder(write_folder(tmp_path / "rgb", ["a"], write=write_rgb))
    truth = labels_of(0)
    path = colored.files("a", "labels")[0]
    assert np.array_equal(decoded(colored, np.asarray(Image.open(path))), truth)
    assert np.array_equal(decoded(colored, truth), truth)
    one_hot = np.stack([truth == n for n in range(3)]).astype(np.float32)
    assert colored.decode_prediction(one_hot, "p").probabilities is not None
    for wrong in (np.zeros((4, 4, 3), np.uint8) + 9, np.zeros((4, 4)), np.zeros((2, 2, 2, 2), np.uint8)):
        with pytest.raises(UserError, match=r"^p: "):
            colored.decode_prediction(wrong, "p")
    binary = Folder(write_folder(tmp_path / "binary", ["a"], f"{BINARY}ignore: 255", (0, 1)))
    mask = labels_of(0, (0, 1))
    for values in (mask, mask * 255, mask > 0, np.repeat((mask * 255)[:, :, None], 3, axis=2).astype(np.uint8)):
        assert np.array_equal(decoded(binary, values), mask)
    assert binary.decode_prediction(np.full((2, 2), 0.5), "p").probabilities is not None
    with pytest.raises(UserError, match="probability map"):
        binary.decode_prediction(np.array([[0, 3, 255]], np.uint8), "p")


def test_an_evaluator_takes_the_info_of_a_root(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="classes of folder are in its root"):
        Evaluator("folder")
    dataset = Folder(write_folder(tmp_path, ["a"]))
    evaluator = Evaluator(dataset.info)
    evaluator.update(labels_of(0), labels_of(0), "a")
    assert evaluator.compute()["miou"] == 1.0
