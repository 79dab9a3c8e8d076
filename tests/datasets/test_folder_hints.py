"""What `bench data describe` says of your own folder that is no fault, and what a renamed folder is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import Run, printed_json
from own_folders import BINARY, labels_of, write_255, write_folder

NAMES = [f"s{number:02d}" for number in range(12)]


def write(root: Path, images: list[str], masks: list[str]) -> Path:
    """Images and masks under these names."""
    for folder, names in (("images", images), ("masks", masks)):
        (root / folder).mkdir(parents=True)
        for number, name in enumerate(names):
            if folder == "masks":
                write_255(root / folder / f"{name}.png", labels_of(number, (0, 1)))
            else:
                Image.fromarray(np.full((24, 32), number, np.uint8)).save(root / folder / f"{name}.png")
    return root


@pytest.mark.slow
@pytest.mark.parametrize("words", [("--write",), ()])
def test_masks_and_images_none_of_which_belong_together(bench: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    root = write(tmp_path / "mine", ["heart", "lung", "liver", "skin"], ["one", "two"])
    for _ in range(2 if words else 1):
        done = bench("data", "describe", "folder", "--root", root, *words)
        assert done.returncode == 0, done.stderr
        told = " ".join(done.stderr.split())
        assert "none of 2 masks ('one.png', 'two.png') has an image" in told
        assert "none of 4 images ('heart.png', 'liver.png', 'lung.png' and 1 more) a mask" in told
        assert told.count("has an image") == 1
        words = ()


@pytest.mark.slow
def test_a_folder_without_images_and_one_that_is_whole(bench: Run, tmp_path: Path) -> None:
    bare = write(tmp_path / "bare", [], NAMES)
    told = " ".join(bench("data", "describe", "folder", "--root", bare, "--write").stderr.split())
    assert "holds 0 images, so that only predictions from elsewhere can be scored" in told
    whole = write(tmp_path / "whole", NAMES[:4], [*NAMES, "more"])
    assert "warning" not in bench("data", "describe", "folder", "--root", whole, "--write").stderr


def evaluate(bench: Run, root: Path, out: Path, *more: str) -> str:
    words = ("-d", "folder", "--root", root, "-p", root / "masks", "--split", "all", "--no-plots", "--out", out)
    done = bench("evaluate", *words, *more)
    return "" if done.returncode == 0 else " ".join(done.stderr.split())


@pytest.mark.slow
def test_a_folder_that_was_renamed_is_told_so(bench: Run, tmp_path: Path) -> None:
    first, second = tmp_path / "cells", tmp_path / "my cells"
    write_folder(first, NAMES, BINARY, (0, 1))
    told = " ".join(bench("data", "describe", "folder", "--root", first).stderr.split())
    assert "gives no name, so this is 'cells' after its folder" in told
    assert "Write 'name: \"cells\"' there" in told
    assert evaluate(bench, first, tmp_path / "runs" / "a", "--name", "one") == ""
    first.rename(second)
    assert "The data is that of 'cells' and is called 'my cells' now" in evaluate(
        bench, second, tmp_path / "runs" / "a", "--name", "one"
    )
    assert evaluate(bench, second, tmp_path / "runs" / "b", "--name", "one") == ""
    for words in (
        ("compare", tmp_path / "runs"),
        ("check", "--baseline", tmp_path / "runs" / "a", "--runs", tmp_path / "runs" / "b"),
    ):
        done = bench(*words)
        said = " ".join(done.stderr.split())
        assert done.returncode == 2, said
        assert "the name of the dataset alone (samples, truth and classes are equal) differs ('" in said
        assert "Was the folder renamed? Write 'name: " in said
    (second / "classes.yaml").write_text(f"name: cells\n{BINARY}")
    assert "gives no name" not in bench("data", "describe", "folder", "--root", second).stderr
    shutil.rmtree(tmp_path / "runs" / "b")
    assert evaluate(bench, second, tmp_path / "runs" / "b", "--name", "two") == ""
    assert len(printed_json(bench("compare", tmp_path / "runs", "--json"))["runs"]) == 2


@pytest.mark.slow
def test_other_truth_is_no_renaming(bench: Run, tmp_path: Path) -> None:
    for name, values in (("one", (0, 1)), ("two", (1, 0))):
        write_folder(tmp_path / name, NAMES, BINARY, values)
        labels = np.full((24, 32), values[0], np.uint8)
        labels[:9] = values[1]
        Image.fromarray(labels).save(tmp_path / name / "masks" / "s00.png")
        assert evaluate(bench, tmp_path / name, tmp_path / "runs" / name) == ""
    said = bench("compare", tmp_path / "runs").stderr
    assert "Was the folder renamed?" not in said
    assert "not comparable" in said
