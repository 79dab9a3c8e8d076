"""The dataset `folder`: layouts, kinds of masks, pairing, splits, hostile files, guessed classes, and two commands."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import re
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from commands import Run, printed_json
from segbench.cli import main
from segbench.commands.data import verify
from segbench.data.own_folder.classes_file import parse_classes, parse_text
from segbench.data.own_folder.inspection import inspect
from segbench.data.own_folder.masks import color_runs
from segbench.datasets.folder import Folder
from segbench.evaluation.evaluator import Evaluator
from segbench.io.reporter import Reporter
from segbench.runs.record import read_record, recorded_info
from segbench.testing import check_dataset
from segbench.types import Array, UserError

SHAPE = (24, 32)
QUIET = Reporter(quiet=True)
THREE = """
classes:
  - {id: 0, name: background, color: [0, 0, 0], kind: background}
  - {id: 1, name: cell, color: [255, 0, 0], kind: thing}
  - {id: 2, name: nucleus, color: "#0000ff", kind: thing}
ignore: {id: 255, color: [255, 255, 255]}
"""
BINARY = "classes: {0: background, 1: cell}\n"
Write = Callable[[Path, Array], None]


def labels_of(number: int, values: tuple[int, ...] = (0, 1, 2)) -> Array:
    """Random blocks of these label values."""
    small = np.random.default_rng(number).choice(np.array(values, np.uint16), (3, 4))
    return np.asarray(np.kron(small, np.ones((8, 8), np.uint16)))


def labels_in(dataset: Folder, sample_id: str) -> Array:
    """The labels of a sample."""
    labels = dataset.load(sample_id, ("labels",)).labels
    assert labels is not None
    return labels


def decoded(dataset: Folder, values: Array) -> Array:
    """The labels that a prediction file means."""
    labels = dataset.decode_prediction(values, "p").labels
    assert labels is not None
    return labels


def write_grey(path: Path, labels: Array) -> None:
    """8-bit label values."""
    Image.fromarray(labels.astype(np.uint8)).save(path)


def write_palette(path: Path, labels: Array) -> None:
    """A palette whose colours are nobody's business."""
    image = Image.fromarray(labels.astype(np.uint8), mode="P")
    image.putpalette([value for index in range(256) for value in (index, 255 - index, 7)])
    image.save(path)


def write_rgb(path: Path, labels: Array) -> None:
    """Colours of THREE."""
    table = np.zeros((256, 3), np.uint8)
    table[[1, 2, 255]] = [[255, 0, 0], [0, 0, 255], [255, 255, 255]]
    Image.fromarray(table[labels]).save(path)


def write_255(path: Path, labels: Array) -> None:
    """0 and 255."""
    Image.fromarray((labels * 255).astype(np.uint8)).save(path)


def write_grey_as_rgb(path: Path, labels: Array) -> None:
    """0 and 255 in three equal channels."""
    Image.fromarray(np.repeat((labels * 255).astype(np.uint8)[:, :, None], 3, axis=2)).save(path)


def write_1_bit(path: Path, labels: Array) -> None:
    """One bit a pixel."""
    Image.fromarray(labels > 0).save(path)


def write_16_bit(path: Path, labels: Array) -> None:
    """16-bit label values."""
    Image.fromarray(labels.astype(np.uint16)).save(path)


def write_npy(path: Path, labels: Array) -> None:
    """64-bit label values."""
    np.save(path.with_suffix(".npy"), labels.astype(np.int64))


def write_tiff(path: Path, labels: Array) -> None:
    """8-bit label values as TIFF."""
    tifffile.imwrite(path.with_suffix(".tif"), labels.astype(np.uint8))


def write_folder(
    root: Path,
    names: list[str],
    classes: str = THREE,
    values: tuple[int, ...] = (0, 1, 2),
    write: Write = write_grey,
    mask_name: str = "{}.png",
) -> Path:
    """A SYNTHETIC folder: blocks of labels, and images that are as bright as their labels."""
    for number, name in enumerate(names):
        image, mask = root / "images" / f"{name}.png", root / "masks" / mask_name.format(name)
        for path in (image, mask):
            path.parent.mkdir(parents=True, exist_ok=True)
        labels = labels_of(number, values)
        noise = np.random.default_rng(number).integers(-9, 10, labels.shape)
        place = np.searchsorted(values, labels)
        Image.fromarray((40 + place * 160 // len(values) + noise).astype(np.uint8)).save(image)
        write(mask, labels)
    if classes:
        (root / "classes.yaml").write_text(classes, encoding="utf-8")
    return root


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


def test_subfolders_are_groups_and_stay_whole(tmp_path: Path) -> None:
    names = [f"video {v}/day/{n:02d}" for v in range(9) for n in range(4)]
    dataset = Folder(write_folder(tmp_path, names))
    check_dataset(dataset)
    assert dataset.group("video 3__day__02") == "video 3/day"
    assert dataset.load("video 3__day__02").index == 2
    groups = [{dataset.group(i) for i in dataset.ids(split)} for split in ("train", "val", "test")]
    assert all(groups)
    assert sum(map(len, groups)) == len(set.union(*groups)) == 9
    assert "stays whole" in dataset.info.splits["test"].summary
    ids = dataset.ids("all")
    assert dataset.match_prediction(Path("out/video 3/day/02_mask.png"), ids) == "video 3__day__02"
    assert dataset.match_prediction(Path("02.png"), ids) is None


@pytest.mark.slow
def test_the_hash_split_is_stable_and_about_70_15_15(tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    (tmp_path / "classes.yaml").write_text(THREE)
    for number in range(1000):
        (masks / f"{number}.png").touch()
    before = Folder(tmp_path)
    for number in range(1000, 2000):
        (masks / f"{number}.png").touch()
    after = Folder(tmp_path)
    for split, share in (("train", 0.7), ("val", 0.15), ("test", 0.15)):
        assert set(before.ids(split)) <= set(after.ids(split))
        assert abs(len(after.ids(split)) / 2000 - share) < 0.04  # three standard deviations of 0.7 are 0.031
    assert "hash" in after.info.splits["test"].summary
    assert sorted(i for split in after.info.splits for i in after.ids(split)) == sorted(after.ids("all"))


@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_a_few_samples_still_give_every_split_one(count: int, tmp_path: Path) -> None:
    for start in range(8):
        dataset = Folder(write_folder(tmp_path / str(start), [f"s{start * 10 + n}" for n in range(count)]))
        assert dataset.ids("train")
        assert dataset.ids("test")
        if count > 2:
            assert dataset.ids("val")
        else:
            with pytest.raises(UserError, match=r"'val'.*is empty"):
                dataset.ids("val")


def test_listed_splits(tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a", "b b", "v/c", "d"])
    (root / "splits").mkdir()
    (root / "splits" / "train.txt").write_text("\ufeffd\r\n\r\nv/c.png\r\n", encoding="utf-8")
    (root / "splits" / "test.txt").write_text("a_mask\n")
    dataset = Folder(root)
    check_dataset(dataset)
    assert (dataset.ids("train"), dataset.ids("test")) == (("d", "v__c"), ("a",))
    assert dataset.info.splits.keys() == {"train", "test"}
    assert "splits/test.txt" in dataset.info.splits["test"].summary
    assert any(
        "in no split (first: 'b b')" in warning for warning in verify("folder", root, QUIET, cache=False).warnings
    )
    with pytest.raises(UserError, match="no split 'val'"):
        dataset.ids("val")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("../x", "leads out of the folder"),
        ("v/../../x", "leads out of the folder"),
        ("/etc/passwd", "leads out of the folder"),
        ("..\\x", "leads out of the folder"),
        ("C:\\x", "leads out of the folder"),
        ("nobody", "no sample 'nobody'"),
        ("b", "named before, by train.txt, line 1"),
    ],
)
def test_wrong_lines_of_a_split_are_named(line: str, words: str, tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a", "b"])
    (root / "splits").mkdir()
    (root / "splits" / "train.txt").write_text("b\n")
    (root / "splits" / "test.txt").write_text(f"a\n{line}\n")
    with pytest.raises(UserError, match=re.escape("test.txt, line 2: ") + f".*{words}"):
        Folder(root)


def test_splits_of_other_names_are_not_passed_over(tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a", "b"])
    (root / "splits").mkdir()
    (root / "splits" / "training.txt").write_text("a\n")
    with pytest.raises(UserError, match=r"holds none of train.txt"):
        Folder(root)


def test_subfolders_called_train_and_test_are_the_splits(tmp_path: Path) -> None:
    dataset = Folder(write_folder(tmp_path, ["train/a", "train/b", "test/a", "valid/x/a"]))
    check_dataset(dataset)
    assert dataset.ids("train") == ("train__a", "train__b")
    assert (dataset.ids("val"), dataset.ids("test")) == (("valid__x__a",), ("test__a",))
    (tmp_path / "masks" / "test" / "a.png").unlink()
    blind = Folder(tmp_path)
    assert not blind.info.splits["test"].labelled
    assert blind.ids("test") == ("test__a",)
    assert blind.check() == []


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
    with pytest.raises(UserError, match="no masks below"):
        Folder(tmp_path)
    root = write_folder(tmp_path / "my own", ["a"], classes="")
    with pytest.raises(UserError, match=r"classes\.yaml' is missing.*--root '.*my own' --write"):
        Folder(root)


def bomb() -> str:
    """Nine levels of nine references each: a few hundred bytes that stand for 9**9 words."""
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    return "\n".join(lines)


TWO = "classes: [{id: 0, name: a}, {id: 1, name: b}]\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- 1\n- 2\n", "the file is a list of 2; expected keys"),
        ("", "the file is missing or empty"),
        ("classes: 3", "key 'classes' is 3"),
        ("classes: [{id: 0, name: a}]", "two classes or more"),
        ("name: x", "no key 'classes'"),
        ("clases: []", "Did you mean 'classes'"),
        (f"{TWO}license: MIT", "Did you mean 'licence'"),
        ("classes: [{id: 0, name: a, colour: [1, 2, 3]}, {id: 1, name: b}]", "classes.0..*Did you mean 'color'"),
        ("classes: [{id: 0, name: a}, {id: 0, name: b}]", r"classes\[1\].id is '0', and so is classes\[0\].id"),
        ("classes: [{id: 0, name: a}, {id: 1, name: a}]", r"classes\[1\].name is 'a'"),
        ("classes: {0: a, 0: b}", "line 1 gives the key '0' a second time"),
        ("classes: [{id: -1, name: a}, {id: 1, name: b}]", r"classes\[0\].id is -1"),
        ("classes: [{id: true, name: a}, {id: 1, name: b}]", r"classes\[0\].id is True"),
        ("classes: [{id: 0, name: no}, {id: 1, name: b}]", r"classes\[0\].name is False.*quotes"),
        ('classes: [{id: 0, name: "a\\e[31m"}, {id: 1, name: b}]', r"classes\[0\].name"),
        ("classes: [{id: 0, name: a, color: red}, {id: 1, name: b}]", r"classes\[0\].color is 'red'"),
        ("classes: [{id: 0, name: a, color: [0, 0, 256]}, {id: 1, name: b}]", r"classes\[0\].color"),
        ("classes:\n- id: 0\n  name: a\n  color: #ff0000\n- {id: 1, name: b}", r"color is missing.*in quotes"),
        (
            "classes: [{id: 0, name: a, color: [1, 1, 1]}, {id: 1, name: b, color: '#010101'}]",
            r"classes\[1\].color .* is the colour of 'a' too",
        ),
        ("classes: [{id: 0, name: a, kind: animal}, {id: 1, name: b}]", r"classes\[0\].kind.*thing, stuff"),
        (f"{TWO}ignore: 1", "key 'ignore' .1. is a class"),
        (f"{TWO}ignore: red", "ignore.color is 'red'"),
        (f"{TWO}task: ternary", "task is 'ternary'; expected one of binary, multiclass"),
        (f"{TWO}masks: colors", "every class needs its 'color'"),
        (f"{TWO}pixel_size_um: 0", "pixel_size_um is 0"),
        (f"{TWO}pixel_size_um: [1, 2, 3]", "pixel_size_um holds 3 numbers"),
        (f"{TWO}frames_per_second: .inf", "frames_per_second is inf"),
        (f"{TWO}frames_per_second: 1{'0' * 400}", "frames_per_second is 1000"),
        (f"{TWO}pixel_size_um: 0x{'f' * 9000}", "line 2 holds a value of 9002 characters"),
        ("classes: {0: a, 255: b}", "0 and 255 are read as 0 and 1, so write 1"),
        ("classes: {0: a, 1: b, 2: c}\ntask: binary", "a binary data set has the classes 0 and 1"),
        ("classes: [", r"line \d cannot be read as YAML"),
        ("classes: !!python/object/apply:os.system ['touch pwned']", "cannot be read as YAML.*python/object"),
        (bomb(), "uses an alias"),
        ("[" * 100_000, "nested more than 8 levels"),
        ("classes: {0: a, 1: 2020-99-99}", "cannot be read as YAML|name is"),
        ("#" * 210_000, "has 210000 bytes"),
        ("\udcff", "cannot be read.*UTF-8"),
    ],
    ids=range(38),
)
def test_a_broken_list_of_classes_is_named(text: str, words: str, tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a"])
    (root / "classes.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
    start = time.perf_counter()
    with pytest.raises(UserError, match=words) as caught:
        Folder(root)
    assert "classes.yaml" in str(caught.value)
    assert time.perf_counter() - start < 5
    assert not (Path.cwd() / "pwned").exists()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["id", "name"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["classes", "id", "name", "color", "ignore", "masks", "task", "pixel_size_um", "kind"])
                | st.integers(0, 2),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_no_content_of_the_list_of_classes_is_a_crash(content: Any) -> None:
    with contextlib.suppress(UserError):
        classes = parse_classes(content, "classes.yaml", "folder")
        assert parse_classes(classes.definition(), "again", "folder") == classes


def test_a_folder_in_place_of_the_list_of_classes(tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a"], classes="")
    (root / "classes.yaml").mkdir()
    with pytest.raises(UserError, match=r"classes\.yaml: cannot be read"):
        Folder(root)


def test_the_definition_makes_the_same_classes_again() -> None:
    text = f"""{THREE}
name: "Zellen: Tag 1"
pixel_size_um: [0.5, 0.25]
frames_per_second: 25
licence: CC BY 4.0
citation: someone
"""
    classes = parse_text(text, "classes.yaml", "folder")
    stored = json.loads(json.dumps(classes.definition()))
    assert parse_classes(stored, "record", "other") == classes
    info = Folder.info_of(stored)
    assert (info.pixel_size_um, info.frames_per_second, info.ignore_label) == ((0.5, 0.25), 25.0, 255)
    assert info.version.startswith("Zellen: Tag 1 ")
    assert (info.licence, info.main_score) == ("CC BY 4.0", "miou")
    renamed = parse_text(text.replace("nucleus", "core"), "classes.yaml", "folder")
    recited = parse_text(text.replace("someone", "someone else"), "classes.yaml", "folder")
    assert renamed.version != classes.version == recited.version


def test_colours_are_made_up_where_none_are_given() -> None:
    rows = [{"id": n, "name": f"c{n}"} for n in (*range(300), 40_000)]
    classes = parse_classes({"classes": [*rows, {"id": 301, "name": "x", "color": [0, 0, 0]}]}, "f", "n")
    colors = [c.color for c in classes.classes]
    assert len(set(colors)) == len(colors)
    assert dict(classes.colors) == {(0, 0, 0): 301}


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


@pytest.mark.parametrize(
    ("write", "values", "task", "held"),
    [
        (write_255, (0, 1), "binary", [0, 1]),
        (write_grey, (0, 1), "binary", [0, 1]),
        (write_1_bit, (0, 1), "binary", [0, 1]),
        (write_grey_as_rgb, (0, 1), "binary", [0, 1]),
        (write_16_bit, (0, 65535), "binary", [0, 1]),
        (write_grey, (0, 1, 2), "multiclass", [0, 1, 2]),
        (write_grey, (0, 1, 2, 255), "multiclass", [0, 1, 2]),
        (write_grey, (0, 1, 255), "binary", [0, 1]),
        (write_grey, (0, 60, 255), "multiclass", [0, 60, 255]),
        (write_grey, (0, 128, 255), "multiclass", [0, 128, 255]),
        (write_palette, (0, 3, 9), "multiclass", [0, 3, 9]),
        (write_16_bit, (0, 700, 9000), "multiclass", [0, 700, 9000]),
        (write_npy, (2, 3, 5), "multiclass", [2, 3, 5]),
        (write_rgb, (0, 1, 2), "multiclass", [0, 1, 2]),
        (write_rgb, (0, 1), "binary", [0, 1]),
    ],
)
def test_a_guess_reads_its_own_masks(
    write: Write, values: tuple[int, ...], task: str, held: list[int], tmp_path: Path
) -> None:
    root = write_folder(tmp_path / 'my "own" [folder]', [f"im{n}" for n in range(12)], "", values, write)
    proposal = Folder.propose(root)
    assert proposal.path == root / "classes.yaml"
    proposal.path.write_text(proposal.text, encoding="utf-8")
    dataset = Folder(root)
    check_dataset(dataset)
    assert dataset.check() == []
    assert dataset.info.task == task
    assert sorted(c.id for c in dataset.info.classes) == held
    assert dataset.info.version.startswith('my "own" [folder] ')
    assert dataset.definition() == proposal.definition
    if write is write_palette:
        assert dataset.info.classes[1].color == (3, 252, 7)
    assert (dataset.info.ignore_label == 255) == (values in ((0, 1, 2, 255), (0, 1, 255)))


def test_thin_borders_are_guessed_as_void(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    labels = np.zeros((60, 60), np.uint8)
    labels[10:50, 10:50] = 200
    labels[14:46, 14:46] = 90
    labels[labels == 200] = 255
    labels[:5, :5] = 250
    write_grey(tmp_path / "masks" / "a.png", labels)
    proposal = Folder.propose(tmp_path)
    assert proposal.definition["ignore"] == {"id": 255}
    assert [c["id"] for c in proposal.definition["classes"]] == [0, 90, 250]
    assert "thin borders" in proposal.text
    colors = np.zeros((256, 3), np.uint8)
    colors[[90, 250, 255]] = [[9, 9, 90], [20, 250, 20], [224, 224, 192]]
    Image.fromarray(colors[labels]).save(tmp_path / "masks" / "a.png")
    proposal = Folder.propose(tmp_path)
    assert proposal.definition["ignore"] == {"id": 255, "color": [224, 224, 192]}
    assert proposal.definition["classes"][0]["color"] == [0, 0, 0]


@pytest.mark.parametrize("ignored", [255, [224, 224, 192]])
def test_void_is_no_class(ignored: Any) -> None:
    classes = parse_classes({"classes": {0: "a", 1: "b", 2: "c"}, "ignore": ignored}, "f", "n")
    assert classes.ignore_label == 255


def test_what_is_no_label_map_is_refused_by_the_guess(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    masks = tmp_path / "masks"
    masks.mkdir()

    def guess(values: Array) -> str:
        Image.fromarray(values).save(masks / "a.png")
        with pytest.raises(UserError) as caught:
            inspect("n", [masks / "a.png"])
        assert "masks" in str(caught.value)
        return str(caught.value)

    assert "hold the value 0 alone" in guess(np.zeros((8, 8), np.uint8))
    assert "these are no labels" in guess(random.integers(0, 60_000, (64, 64)).astype(np.uint16))
    assert "photograph" in guess(random.integers(0, 256, (99, 99, 3)).astype(np.uint8))
    blurred = np.where(random.random((99, 99)) < 0.04, random.integers(0, 256, (99, 99)), 255 * (random.random() > 2))
    blurred[:40] = 255
    assert "resized with interpolation" in guess(blurred.astype(np.uint8))
    write_rgb(masks / "b.png", labels_of(0))
    write_grey(masks / "a.png", labels_of(0))
    with pytest.raises(UserError, match=r"a\.png' is a grey .*b\.png' an RGB"):
        inspect("n", [masks / "a.png", masks / "b.png"])
    np.save(masks / "c.npy", np.zeros((4, 4)))
    with pytest.raises(UserError, match=r"c\.npy: is of shape .* float64"):
        inspect("n", [masks / "c.npy"])


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


Here = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Run `bench` in this process, which saves the start of another."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setenv("SEGBENCH_DATA", str(tmp_path / "data"))
        monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        return subprocess.CompletedProcess(arguments, int(end.value.code or 0), *capsys.readouterr())

    return run


@pytest.mark.slow
def test_a_newcomers_folder_works_in_two_commands(bench: Run, tmp_path: Path) -> None:
    names = [f"Zelle {n}" for n in range(14)]
    write_folder(tmp_path / "mine", names, "", (0, 1), write_255, "{}_mask.png")
    written = bench("data", "describe", "folder", "--root", "mine", "--write")
    assert written.returncode == 0, written.stderr
    assert "Wrote: mine/classes.yaml" in written.stdout
    record = printed_json(bench("run", "-d", "folder", "--root", "mine", "-m", "threshold", "--json"))
    assert record["main_score"] == "dice"
    assert record["scores"]["dice"]["value"] > 0.95


@pytest.mark.slow
def test_the_commands_on_a_binary_folder(here: Here, tmp_path: Path) -> None:
    root = write_folder(tmp_path / "mine", [f"im {n}" for n in range(14)], "", (0, 1), write_255, "{}_mask.png")
    for command in (
        *(["run", "-m", "threshold", "-d"], ["evaluate", "-p", "mine/masks", "-d"], ["data", "verify"]),
        *(["doctor", "-p", "mine/masks", "-d"],),
    ):
        none = here(*command, "folder", "--root", "mine")
        assert none.returncode == 2
        assert "bench data describe folder --root mine --write" in none.stderr
    seen = here("data", "describe", "folder", "--root", "mine")
    assert seen.returncode == 0
    assert "not written" in seen.stdout
    assert not (root / "classes.yaml").exists()
    about = printed_json(here("data", "describe", "folder", "--root", "mine", "--write", "--json"))
    assert (about["written"], about["task"], about["found"]["all"]) == (True, "binary", 14)
    text = (root / "classes.yaml").read_text()
    again = here("data", "describe", "folder", "--root", "mine", "--write")
    assert again.returncode == 2
    assert "not written over" in again.stderr
    assert (root / "classes.yaml").read_text() == text
    arguments = ("--root", "mine", "--out", "run", "--save-predictions", "--json")
    record = printed_json(here("run", "-d", "folder", "-m", "threshold", *arguments))
    scored = printed_json(here("evaluate", "-d", "folder", "--root", root, "-p", "run/predictions", "--json"))
    assert scored["scores"] == record["scores"]
    assert scored["dataset"]["version"] == record["dataset"]["version"]
    assert here("verify", "run", "--root", "mine").returncode == 0
    assert here("data", "verify", "folder", "--root", "mine").returncode == 0
    assert here("doctor", "-d", "folder", "--root", "mine", "-p", "run/predictions").returncode == 0
    (root / "classes.yaml").write_text(text.replace("foreground", "nucleus"))
    changed = here("verify", "run", "--root", "mine")
    assert changed.returncode == 1
    assert "classes" in changed.stdout


def test_a_multi_class_folder_is_evaluated_and_refused_by_binary_methods(here: Here, tmp_path: Path) -> None:
    root = write_folder(tmp_path / "mine", [f"im{n}" for n in range(12)], values=(0, 1, 2, 255), write=write_rgb)
    arguments = ("-d", "folder", "--root", root)
    record = printed_json(here("evaluate", *arguments, "-p", root / "masks", "--out", "run", "--json"))
    assert record["scores"]["miou"]["value"] == record["scores"]["dice"]["value"] == 1.0
    assert list(record["per_class"]) == ["background", "cell", "nucleus"]
    assert here("verify", "run", "--root", root).returncode == 0
    assert printed_json(here("explain", "run", "--json"))["official"] == 1.0
    info = recorded_info(read_record(tmp_path / "run").dataset)
    assert info.classes == Folder(root).info.classes
    assert f"## {info.version}, split test" in here("leaderboard", "run").stdout
    refused = here("run", *arguments, "-m", "chan-vese")
    assert refused.returncode == 2
    assert "folder asks for multiclass segmentation (3 classes)" in refused.stderr


def test_folders_of_equal_masks_and_other_classes_are_not_ranked_together(here: Here, tmp_path: Path) -> None:
    root = write_folder(tmp_path / "mine", [f"im{n}" for n in range(8)])
    for number, text in enumerate((THREE, THREE.replace("nucleus", "core"))):
        (root / "classes.yaml").write_text(text)
        done = here("evaluate", "-d", "folder", "--root", root, "-p", root / "masks", "--out", f"runs/{number}")
        assert done.returncode == 0
    groups = printed_json(here("leaderboard", "runs", "--json"))
    assert [len(group["rows"]) for group in groups] == [1, 1]


def test_write_is_for_folders_of_ones_own(here: Here, stacks: Path) -> None:
    for arguments in (["isbi2012", "--root", stacks], ["folder"]):
        done = here("data", "describe", *arguments, "--write")
        assert done.returncode == 2
        assert "--write guesses" in done.stderr
    about = printed_json(here("data", "describe", "isbi2012", "--root", stacks, "--json"))
    assert about["found"] == {"train": 20, "val": 5, "test": 5, "challenge": 30, "all": 30}
