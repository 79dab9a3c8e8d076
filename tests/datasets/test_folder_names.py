"""Files of your own folder as people call them: images, masks and predictions that are named in different ways."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import Run, printed_json
from own_folders import BINARY, QUIET, SHAPE, labels_of, write_255, write_folder
from segbench.commands.data import verify
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.commands.run import RunRequest, run
from segbench.data.own_folder.naming import guess_names, named_by
from segbench.datasets.folder import Folder
from segbench.testing import check_dataset
from segbench.types import UserError


def write(root: Path, images: Iterable[str], masks: Iterable[str]) -> Path:
    """Masks of 0 and 255, and images, under these names."""
    for folder, names in (("images", images), ("masks", masks)):
        for number, name in enumerate(names):
            path = root / folder / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            values = np.random.default_rng(number).integers(0, 255, SHAPE).astype(np.uint8)
            Image.fromarray(values).save(path) if folder == "images" else write_255(path, labels_of(number, (0, 1)))
    return root


NUMBERS = range(1, 13)
KINDS = [
    ("{:02d}_training", "{:02d}_manual1", "{name}_training", "{name}_manual1"),
    ("{:02d}_image", "{:02d}_annotation", "{name}_image", "{name}_annotation"),
    ("im{:04d}", "im{:04d}.ah", None, "{name}.ah"),
    ("Image_{:02d}L", "Image_{:02d}L_1stHO", None, "{name}_1stHO"),
    ("img_{:d}", "gt_{:d}", "img_{name}", "gt_{name}"),
    ("plant {:03d} rgb", "plant {:03d} fg", "{name} rgb", "{name} fg"),
    ("a/scan-{:d}-raw", "a/scan-{:d}-truth", "{name}-raw", "{name}-truth"),
    ("{:d}raw", "{:d}truth", "{name}raw", "{name}truth"),
    ("Bild{:d}", "Maske{:d}", "Bild{name}", "Maske{name}"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("image", "mask", "image_pattern", "mask_pattern"), KINDS)
def test_what_files_are_called_is_proposed_from_what_lies_there(
    image: str, mask: str, image_pattern: str | None, mask_pattern: str, tmp_path: Path, bench: Run
) -> None:
    root = write(tmp_path / "mine", map(image.format, NUMBERS), map(mask.format, NUMBERS))
    told = printed_json(bench("data", "describe", "folder", "--root", str(root), "--write", "--json"))
    wanted = {"image": image_pattern, "mask": mask_pattern}
    assert told["definition"]["names"] == {part: pattern for part, pattern in wanted.items() if pattern}
    assert "12 of 12 masks have an image so." in told["proposal"]
    dataset = Folder(root)
    check_dataset(dataset)
    assert dataset.check() == []
    assert len(dataset.ids("all")) == 12
    assert all(dataset.files(i, "image") for i in dataset.ids("all"))
    _, record = evaluate_files(
        EvaluateRequest("folder", root / "masks", split="all", root=root, out=tmp_path / "run", plots=False), QUIET
    )
    assert record.scores["dice"].value == 1.0


def test_masks_of_a_second_annotator_are_left_out(tmp_path: Path, bench: Run) -> None:
    both = [f"{n:02d}_manual{k}" for n in NUMBERS for k in (1, 2)]
    root = write(tmp_path, [f"{n:02d}_training" for n in NUMBERS], both)
    told = printed_json(bench("data", "describe", "folder", "--root", str(root), "--json"))
    assert told["definition"]["names"]["mask"] == "{name}_manual1"
    assert "12 of 24 masks have an image so; the other 12 are left out." in told["proposal"]


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        (["a", "b", "c"], ["a_mask", "b_mask", "c_mask"]),
        (["a", "b", "c"], ["a", "b", "x"]),
        (["a_1", "b_2"], ["a_9", "b_8"]),
        (["x1", "x2", "x3"], ["y7", "y8", "y9"]),
        ([], ["a_manual1", "b_manual1"]),
    ],
)
def test_nothing_is_proposed_where_names_fit_or_nothing_does(images: list[str], masks: list[str]) -> None:
    paired = len({*images} & {mask.removesuffix("_mask") for mask in masks})
    assert guess_names([("", i) for i in images], [("", i) for i in masks], paired) is None


def test_a_name_is_what_a_pattern_leaves() -> None:
    assert named_by("_manual1", "{name}_manual1") is None
    assert named_by("a_manual1", "{name}_manual1") == "a"
    assert named_by("ab", "a{name}b") is None


def test_files_that_are_called_otherwise_than_written_down(tmp_path: Path) -> None:
    root = write(tmp_path, [f"{n}_training" for n in NUMBERS], [f"{n}_manual1" for n in NUMBERS])
    (root / "classes.yaml").write_text(BINARY)
    found = verify("folder", root, QUIET, cache=False)
    hint = 'write \'names: {image: "{name}_training", mask: "{name}_manual1"}\' there, with which 12 of 12 masks'
    assert hint in found.faults[0]
    assert not any("no images below" in warning for warning in found.warnings)
    assert any(
        "belongs to a sample of the truth (12 other images, first" in warning and "10_training.png" in warning
        for warning in found.warnings
    )
    with pytest.raises(UserError, match=r"12 other images, first .*Run 'bench data verify folder --root"):
        run(RunRequest("folder", "constant", root=root, out=tmp_path / "run", folds=3, plots=False), QUIET)
    (root / "classes.yaml").write_text(f'{BINARY}names: {{image: "{{name}}_training", mask: "{{name}}_manual1"}}\n')
    before = Folder(root)
    assert before.check() == []
    (root / "splits").mkdir()
    (root / "splits" / "train.txt").write_text("1_training.tif\n2_manual1.gif\n3\n")
    (root / "splits" / "test.txt").write_text("4_training\n5_manual1\n")
    assert (Folder(root).ids("train"), Folder(root).ids("test")) == (("1", "2", "3"), ("4", "5"))
    (root / "images" / "7_training.png").rename(root / "images" / "7_trianing.png")
    assert any("7_trianing.png: has no mask" in fault for fault in Folder(root).check_pairs())
    assert any("7_manual1.png: has no image" in fault for fault in Folder(root).check_pairs())
    (root / "classes.yaml").write_text(f'{BINARY}names: {{mask: "{{name}}_manual3"}}\n')
    with pytest.raises(
        UserError, match=r"no masks below .* says that masks are called '\{name\}_manual3'; '.*' is not"
    ):
        Folder(root)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("manual1", "names is 'manual1'"),
        ("{mask: manual1}", "names.mask is 'manual1'; expected how files are called"),
        ('{mask: "{name}/{name}"}', "names.mask"),
        ('{mask: "{id}_mask"}', "names.mask"),
        ('{masks: "{name}_mask"}', "Did you mean 'mask'"),
    ],
)
def test_patterns_that_are_none_are_refused(names: str, words: str, tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a", "b"])
    (root / "classes.yaml").write_text(f"{BINARY}names: {names}\n")
    with pytest.raises(UserError, match=words):
        Folder(root)


def test_predictions_named_as_masks_are(tmp_path: Path) -> None:
    names = ["test/01", "test/02", "test/b__3", "train/01", "train/9", "val/x"]
    dataset = Folder(write_folder(tmp_path, names))
    ids = dataset.ids("test")
    matched = {
        "01.png": "test__01",
        "02_mask.png": "test__02",
        "out/b__3.png": "test__b__3",
        "test/01.png": "test__01",
        "masks/test/02.png": "test__02",
        "train/01.png": None,  # of another split, whatever is asked for
        "9.png": None,
        "03.png": None,
    }
    assert {name: dataset.match_prediction(Path(name), ids) for name in matched} == matched
    assert dataset.match_prediction(Path("01.png"), dataset.ids("all")) is None  # of two samples: which?
    assert dataset.match_prediction(Path("9.png"), dataset.ids("all")) == "train__9"


def test_names_that_differ_in_case_are_told(tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a", "B", "c"])
    (root / "images" / "B.png").rename(root / "images" / "b.png")
    faults = Folder(root).check_pairs()
    assert any("B.png: has no image. There is 'b', which differs in case" in fault for fault in faults)
    assert any("b.png: has no mask. There is 'B', which differs in case" in fault for fault in faults)


def test_images_and_masks_side_by_side_are_told_where_to_go(tmp_path: Path) -> None:
    for number in range(4):
        for name in (f"{number}.jpg", f"{number}_mask.png"):
            Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / name)
    with pytest.raises(UserError, match=r"no masks below .* 8 images in '.*' itself, first '0.jpg': move the masks"):
        Folder(tmp_path)


def test_a_root_one_folder_too_high_is_told_where_to_go(tmp_path: Path) -> None:
    write_folder(tmp_path / "mine", ["a", "b"])
    with pytest.raises(UserError, match=r"no masks below .* There is '.*mine.masks': give --root .*mine"):
        Folder(tmp_path)
    (tmp_path / "mine" / "masks").rename(tmp_path / "mine" / "labels")
    with pytest.raises(UserError, match="There are the folders images, labels: call that of the masks 'masks'"):
        Folder(tmp_path / "mine")
