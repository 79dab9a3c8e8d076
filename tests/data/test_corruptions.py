"""Corrupted images: what each does, level by level, and that nothing but the id and the seed decides what is random."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from segbench.data.corruptions import CORRUPTIONS, KINDS, LEVELS, Corruption
from segbench.errors import UserError
from segbench.types import Uint8


def picture(colour: bool = False, shape: tuple[int, int] = (60, 80)) -> Uint8:
    """Smooth waves with a bright disc and fine dots."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    grey = 110 + 50 * np.sin(x / 7) + 40 * np.cos(y / 5) + 60 * ((x % 9 == 0) & (y % 7 == 0))
    grey[(y - 30) ** 2 + (x - 40) ** 2 < 200] += 45
    image = np.clip(grey, 0, 255).astype(np.uint8)
    return np.stack([image, image // 2, 255 - image], axis=-1) if colour else image


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_level_is_worse_than_the_one_before(name: str, colour: bool) -> None:
    image = picture(colour)
    before = image.copy()
    errors = []
    for level in range(1, LEVELS + 1):
        changed = Corruption(name, level)(image, "s1")
        assert changed.shape == image.shape
        assert changed.dtype == np.uint8
        errors.append(float(np.square(changed.astype(float) - image).mean()))
    assert errors[0] > 0
    assert errors == sorted(errors)
    assert np.array_equal(image, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_same_sample_is_corrupted_in_the_same_way(name: str) -> None:
    corrupt, image = Corruption(name, 3), picture()
    assert np.array_equal(corrupt(image, "s1", 7), corrupt(image, "s1", 7))
    if name in ("noise", "motion", "uneven-light"):
        assert not np.array_equal(corrupt(image, "s1", 7), corrupt(image, "s2", 7))
        assert not np.array_equal(corrupt(image, "s1", 7), corrupt(image, "s1", 8))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (5, 3)])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_tiny_images_keep_their_shape(name: str, shape: tuple[int, int]) -> None:
    for image in (np.full(shape, 90, np.uint8), np.full((*shape, 3), 90, np.uint8)):
        assert Corruption(name, 5)(image, "s").shape == image.shape


def test_noise_has_the_stated_strength() -> None:
    flat = np.full((200, 200), 128, np.uint8)
    noisy = Corruption("noise", 2)(flat, "s").astype(float)
    assert noisy.std() / 255 == pytest.approx(0.12, rel=0.03)
    assert noisy.mean() == pytest.approx(128, abs=1)


def test_levels_differ_in_strength_and_not_in_chance() -> None:
    flat = np.full((50, 50), 128, np.uint8)
    mild, strong = (Corruption("noise", level)(flat, "s").astype(float) - 128 for level in (1, 2))
    assert np.corrcoef(mild.ravel(), strong.ravel())[0, 1] > 0.999


def test_a_point_becomes_a_disc_or_a_line() -> None:
    point = np.zeros((41, 41), np.uint8)
    point[20, 20] = 255
    disc = Corruption("defocus", 1)(point, "s")
    # A disc of radius 3 has 29 pixels, each with 255 / 29 = 8.8.
    assert int((disc > 0).sum()) == 29
    assert int(disc.max()) == 9
    line = Corruption("motion", 1)(point, "s")
    assert 5 <= np.count_nonzero(line) <= 7
    assert int(line.astype(int).sum()) == pytest.approx(255, abs=5)


def test_brightness_and_contrast_by_hand() -> None:
    grey = np.array([[100, 150], [200, 250]], np.uint8)
    assert Corruption("brightness", 1)(grey, "s").tolist() == [[126, 176], [226, 255]]
    assert Corruption("contrast", 1)(grey, "s").tolist() == [[145, 165], [185, 205]]
    colour = np.array([[[100, 50, 0]]], np.uint8)
    # The value rises from 100 to 125.5, the hue and the saturation stay.
    assert Corruption("brightness", 1)(colour, "s").tolist() == [[[126, 63, 0]]]


def test_jpeg_is_that_of_the_library() -> None:
    image = picture(colour=True)
    written = io.BytesIO()
    Image.fromarray(image).save(written, "JPEG", quality=18)
    assert np.array_equal(Corruption("jpeg", 2)(image, "s"), np.asarray(Image.open(written)))


def test_uneven_light_falls_off_to_the_stated_part() -> None:
    flat = np.full((100, 140), 200, np.uint8)
    for level, darker in enumerate(KINDS["uneven-light"].levels, 1):
        light = Corruption("uneven-light", level)(flat, "s").astype(float) / 200
        assert light.max() == pytest.approx(1, abs=0.01)
        assert light.min() == pytest.approx(1 - darker, abs=0.01)
        # A plane: it changes nowhere suddenly.
        assert np.abs(np.diff(light, axis=1)).max() < 0.02


def test_names_and_levels_are_read() -> None:
    assert str(Corruption.parse("jpeg:5")) == "jpeg:5"
    with pytest.raises(UserError, match=r"Unknown corruption 'fog'.*Available: brightness, .*--corrupt noise:3"):
        Corruption.parse("fog:2")
    for wrong in ("noise", "noise:0", "noise:6", "noise:x", "noise:1:2"):
        with pytest.raises(UserError, match="expected a level from 1 to 5, as in noise:3"):
            Corruption.parse(wrong)
