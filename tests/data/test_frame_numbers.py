"""Which number in the names of files counts frames, and what is said where more than one could."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from segbench.data.frame_numbers import natural, number_frames
from segbench.errors import UserError
from segbench.io.images.stacks import Chosen


def test_numbers_in_names_are_ordered_by_value_whatever_digits_they_are_of() -> None:
    names = ["frame10", "frame2", "\u00b21", "\u06631", "1", "b\u00b2", "10", "\u0663", "\u00b2", ""]
    ordered = sorted(names, key=natural)
    assert ordered.index("frame2") < ordered.index("frame10")
    assert ordered.index("1") < ordered.index("10")


def paths(*names: str) -> list[Path]:
    return [Path("film") / f"{name}.png" for name in names]


@pytest.mark.parametrize(
    ("names", "numbers", "note"),
    [
        (("0001_mask", "0002_mask"), [1, 2], ""),
        (("a1", "b2"), [1, 2], ""),
        (("img_t000_c1", "img_t001_c1", "img_t002_c1"), [0, 1, 2], "number 1 of 2 after 't'"),
        (("t00_z3_c1", "t01_z3_c1"), [0, 1], "number 1 of 3 after 't'"),
        (("s1_t000_c1", "s1_t001_c1"), [0, 1], "number 2 of 3 after 't'"),
        (("2024-05-01_0001", "2024-05-01_0002"), [1, 2], ""),
        (("day1_0001", "day2_0002"), [1, 2], ""),
        (("img_t5_c1",), [1], ""),
    ],
)
def test_the_last_number_or_the_only_one_that_differs_is_the_frame(
    names: tuple[str, ...], numbers: list[int], note: str
) -> None:
    found = number_frames(paths(*names))
    assert list(found.files) == numbers
    assert [path.stem for path in found.files.values()] == list(names)
    assert note in found.note
    assert bool(note) == bool(found.note)


def test_channels_and_slices_in_names_are_chosen() -> None:
    names = [f"img_t{t:03d}_z{z}_c{c}" for t, z, c in product(range(3), (1, 2), (0, 1))]
    with pytest.raises(UserError) as caught:
        number_frames(paths(*names))
    said = str(caught.value)
    for word in ("'t' (0-2)", "'z' (1-2)", "'c' (0-1)", "--channel N (0-1)", "--z N (1-2)"):
        assert word in said
    assert "keep one" not in said
    found = number_frames(paths(*names), Chosen(channel=1, z=2))
    assert [path.stem for path in found.files.values()] == [f"img_t{t:03d}_z2_c1" for t in range(3)]
    assert list(found.files) == [0, 1, 2]
    with pytest.raises(UserError, match="--channel"):
        number_frames(paths(*names), Chosen(z=2))
    with pytest.raises(UserError, match="--channel 7 was asked for, but the names in 'film' hold 0-1"):
        number_frames(paths(*names), Chosen(channel=7))


@pytest.mark.parametrize("word", ["c", "C", "ch", "Channel", "w"])
def test_a_channel_is_known_by_the_word_before_its_number(word: str) -> None:
    names = [f"film_{word}{channel}_frame{frame}" for frame in range(3) for channel in (1, 2)]
    found = number_frames(paths(*names), Chosen(channel=2))
    assert [path.stem for path in found.files.values()] == [f"film_{word}2_frame{frame}" for frame in range(3)]


def test_names_without_the_axis_that_was_chosen_are_refused() -> None:
    with pytest.raises(UserError, match="no number in the names in 'film' stands after 'c'"):
        number_frames(paths("0001", "0002"), Chosen(channel=1))
    with pytest.raises(UserError, match="--z 1"):
        number_frames(paths("a_z1", "b_0002"), Chosen(z=1))


def test_numbers_that_nobody_can_tell_apart_are_for_folders_of_their_own() -> None:
    names = [f"fish{fish}_{frame}" for fish in (1, 2) for frame in range(3)]
    with pytest.raises(UserError, match=r"2 numbers differ.*folder of its own"):
        number_frames(paths(*names))
    with pytest.raises(UserError, match="both have the number 7"):
        number_frames(paths("a_7", "b_07"))
