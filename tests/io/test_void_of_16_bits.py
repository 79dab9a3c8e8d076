"""Masks of 16 bits in which 65535 marks pixels that do not count: errors say so, and a guess takes it for that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from own_folders import BINARY
from segbench.data.own_folder.classes_file import parse_text
from segbench.data.own_folder.inspection import inspect
from segbench.data.own_folder.masks import decode_mask
from segbench.io.images.read import binary_mask, label_map
from segbench.types import ClassInfo, UserError

CLASSES = (ClassInfo(0, "background", (0, 0, 0), "background"), ClassInfo(1, "cell", (255, 0, 0), "thing"))


def values(*found: int) -> np.ndarray:
    return np.array([found, found], np.uint16)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ((0, 1, 65535), r"\(0, 1, 65535\).*\(or 0 and 1, or 0 and 65535\) only\. Does 65535 mark pixels that do not"),
        ((0, 255, 65535), "Does 65535 mark pixels that do not count"),
        ((0, 7, 65535), "or 0 and 65535.* Was it saved as JPEG"),
    ],
)
def test_a_mask_of_two_tones_and_void(found: tuple[int, ...], words: str) -> None:
    with pytest.raises(UserError, match=words):
        binary_mask(values(*found), "a.png")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ((0, 1, 65535), "up to 65535; .* All others are at most 1: does 65535 mark pixels that do not count"),
        ((0, 300, 65535), "up to 65535; .* Is it a map of instances"),
        ((0, 300), "up to 300; .* Is it a map of instances"),
    ],
)
def test_a_label_map_and_void(found: tuple[int, ...], words: str) -> None:
    with pytest.raises(UserError, match=words):
        label_map(values(*found), "a.png", CLASSES)


@pytest.mark.parametrize(("found", "void"), [((0, 1, 65535), 65535), ((0, 255, 65535), 65535), ((0, 1, 255), 255)])
def test_an_own_mask_says_how_to_ignore_it_and_is_then_read(found: tuple[int, ...], void: int) -> None:
    classes = parse_text(BINARY, "classes.yaml", "mine")
    with pytest.raises(UserError, match=f"If pixels of {void} do not count, write 'ignore: {void}' into classes.yaml"):
        decode_mask(values(*found), "a.png", classes)
    told = parse_text(f"{BINARY}\nignore: {void}\n", "classes.yaml", "mine")
    assert decode_mask(values(*found), "a.png", told).tolist() == 2 * [[0, 1, void]]
    with pytest.raises(UserError) as caught:
        decode_mask(values(0, 7, 9), "a.png", classes)
    assert "ignore:" not in str(caught.value)


@pytest.mark.parametrize(("others", "task"), [((0, 1), "binary"), ((0, 1, 2, 400), "multiclass")])
def test_a_guess_takes_it_for_void(others: tuple[int, ...], task: str, tmp_path: Path) -> None:
    mask = np.zeros((40, 40), np.uint16)
    for place, value in enumerate((*others, 65535)):
        mask[8 * place : 8 * place + 8] = value
    Image.fromarray(mask).save(tmp_path / "a.png")
    classes = parse_text(inspect("mine", [tmp_path / "a.png"]), "classes.yaml", "mine")
    assert (classes.task, classes.stored_void) == (task, 65535)
    assert tuple(each.id for each in classes.classes) == others
    assert set(np.unique(decode_mask(mask, "a.png", classes)).tolist()) == {*others, 65535}
