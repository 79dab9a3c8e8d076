"""Masks that lie under each other's name are told, and no others: on SYNTHETIC images of discs and noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from own_folders import BINARY, QUIET
from segbench.commands.data import verify
from segbench.data.swapped_masks import MIN_PAIRS, swapped_masks
from segbench.datasets.folder import Folder
from segbench.types import Array

COUNT = 24


def discs(number: int, shape: tuple[int, int] = (90, 120)) -> Array:
    """(H, W) uint8, four discs that move from number to number, as in a film."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    random = np.random.default_rng(1)
    labels = np.zeros(shape, np.uint8)
    for _ in range(4):
        place = random.uniform(30, 60, 2) + [0, random.uniform(0, 30)] + 12 * np.sin(number + random.uniform(0, 6, 2))
        labels |= ((y - place[0]) ** 2 + (x - place[1]) ** 2 < random.uniform(10, 20) ** 2).astype(np.uint8)
    return labels


def image_of(labels: Array, number: int) -> Array:
    noise = np.random.default_rng(100 + number).normal(0, 12, (*labels.shape, 3))
    return np.clip(90 + 60.0 * labels[..., None] + noise, 0, 255).astype(np.uint8)


def folder(root: Path, image: Callable[[int], Array], count: int = COUNT, swapped: tuple[int, ...] = ()) -> Folder:
    """A folder of discs; of each of the swapped numbers the mask is that of the next, and the reverse."""
    names = [f"s{number:03d}.png" for number in range(count)]
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True)
    whose = list(range(count))
    for number in swapped:
        whose[number], whose[number + 1] = whose[number + 1], whose[number]
    for number, name in enumerate(names):
        Image.fromarray(image(number)).save(root / "images" / name)
        Image.fromarray(discs(whose[number])).save(root / "masks" / name)
    (root / "classes.yaml").write_text(BINARY)
    return Folder(root)


def test_swapped_masks_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGBENCH_CACHE", str(tmp_path / "cache"))
    folder(tmp_path / "mine", lambda number: image_of(discs(number), number), swapped=(5, 16))
    for _ in range(2):  # also of files that were read before
        (warning,) = [each for each in verify("folder", tmp_path / "mine", QUIET).warnings if "swapped" in each]
        assert "the masks of 2 pairs of samples seem to be swapped ('s005' and 's006', 's016' and 's017')" in warning


def test_masks_of_their_own_images_are_not(tmp_path: Path) -> None:
    data = folder(tmp_path / "mine", lambda number: image_of(discs(number), number))
    assert swapped_masks(data, data.ids("all")) == []
    few = folder(tmp_path / "few", lambda number: image_of(discs(number), number), count=MIN_PAIRS, swapped=(3,))
    assert swapped_masks(few, few.ids("all")) == [], "so few do not say what is usual"


@pytest.mark.parametrize("what", ["noise", "flat", "other discs"])
def test_where_outlines_are_no_edges_nothing_is_told(what: str, tmp_path: Path) -> None:
    images: dict[str, Callable[[int], Array]] = {
        "noise": lambda number: image_of(np.zeros((90, 120), np.uint8), number),
        "flat": lambda _: np.full((90, 120), 128, np.uint8),
        "other discs": lambda number: image_of(discs(number)[::-1, ::-1], number),
    }
    data = folder(tmp_path / "mine", images[what], swapped=(5,))
    assert swapped_masks(data, data.ids("all")) == []


def test_empty_masks_and_other_sizes_are_passed_over(tmp_path: Path) -> None:
    data = folder(tmp_path / "mine", lambda number: image_of(discs(number), number), swapped=(12,))
    Image.fromarray(np.zeros((90, 120), np.uint8)).save(tmp_path / "mine" / "masks" / "s003.png")
    small = discs(7)[:50, :60]
    Image.fromarray(small).save(tmp_path / "mine" / "masks" / "s007.png")
    Image.fromarray(image_of(small, 7)).save(tmp_path / "mine" / "images" / "s007.png")
    (told,) = swapped_masks(data, data.ids("all"))
    assert "'s012' and 's013'" in told
