"""True masks beside measured ones: which belong together, their Dice, and what cannot be held against each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segbench.data.frame_numbers import number_frames
from segbench.errors import UserError
from segbench.runs.cardiac import truth as truth_of_masks
from segbench.runs.cardiac.mask_sequences import MaskSequence, find_sequences
from segbench.runs.cardiac.truth import dice_of, joined_frames, paired_with_truth, refuse_other_size


def write(folder: Path, numbers: Iterable[int], side: int = 4, shape: tuple[int, int] = (10, 12)) -> Path:
    """Squares of these sides by file number."""
    folder.mkdir(parents=True)
    for number in numbers:
        mask = np.zeros(shape, np.uint8)
        mask[2 : 2 + side, 2:6] = 255
        Image.fromarray(mask).save(folder / f"{number:03d}.png")
    return folder


def by_name(found: Sequence[MaskSequence]) -> dict[str, MaskSequence]:
    return {each.name: each for each in found}


def test_sequences_are_paired_by_name_and_never_by_order(tmp_path: Path) -> None:
    for name in ("fish1", "fish2", "fish3"):
        write(tmp_path / "masks" / name, range(3))
    for name in ("fish2", "fish3", "other"):
        write(tmp_path / "truth" / name, range(3))
    said: list[str] = []
    warned: list[str] = []
    masks, truths = by_name(find_sequences(tmp_path / "masks")), find_sequences(tmp_path / "truth")
    pairs = paired_with_truth(masks, truths, said.append, warned.append)
    assert {name: truth.name for name, truth in pairs.items()} == {"fish2": "fish2", "fish3": "fish3"}
    assert said == [
        "masks and truth paired by name: 'fish2' with 'fish2' (3 frames in common), 'fish3' with 'fish3' (3 frames in "
        "common)"
    ]
    assert warned == ["1 true sequence without masks left out: other", "no truth for 1 sequence: fish1"]
    with pytest.raises(UserError, match="'fish1', 'fish2', 'fish3', the truth is 'other'"):
        paired_with_truth(masks, [truth for truth in truths if truth.name == "other"], said.append, warned.append)


def test_frame_numbers_pair_what_has_no_name_in_common(tmp_path: Path) -> None:
    write(tmp_path / "masks", [*range(3), *range(10, 13)])
    write(tmp_path / "truth", [1, 2, 11, 12])
    said: list[str] = []
    masks, truths = by_name(find_sequences(tmp_path / "masks")), find_sequences(tmp_path / "truth")
    pairs = paired_with_truth(masks, truths, said.append, said.append)
    assert {name: truth.name for name, truth in pairs.items()} == {
        "masks-0000": "truth-0001",
        "masks-0010": "truth-0011",
    }
    assert "by the numbers of their frames" in said[0]


def test_names_that_differ_in_words_for_masks_alone_belong_together(tmp_path: Path) -> None:
    """Several films all of whose frames have the same numbers, as two programs wrote them."""
    for name in ("fish1_pred", "Fish2_pred", "fish3"):
        write(tmp_path / "masks" / name, range(3))
    for name in ("fish1_GT", "fish2-manual-masks"):
        write(tmp_path / "truth" / name, range(3))
    said: list[str] = []
    warned: list[str] = []
    masks, truths = by_name(find_sequences(tmp_path / "masks")), find_sequences(tmp_path / "truth")
    pairs = paired_with_truth(masks, truths, said.append, warned.append)
    assert {name: truth.name for name, truth in pairs.items()} == {
        "fish1_pred": "fish1_GT",
        "Fish2_pred": "fish2-manual-masks",
    }
    assert "by what their names have in common" in said[0]
    assert warned == ["no truth for 1 sequence: fish3"]


def test_names_in_any_script_are_told_apart(tmp_path: Path) -> None:
    """Control and treated fish: without their letters both would be called "1"."""
    for name in ("対照1_pred", "処置2_pred"):
        write(tmp_path / "masks" / name, range(3))
    for name in ("処置1_gt", "対照2_gt"):
        write(tmp_path / "truth" / name, range(3))
    masks, truths = by_name(find_sequences(tmp_path / "masks")), find_sequences(tmp_path / "truth")
    with pytest.raises(UserError, match="cannot be told"):
        paired_with_truth(masks, truths, lambda _: None, lambda _: None)
    truths += find_sequences(write(tmp_path / "more" / "対照1_gt", range(3)))
    assert list(paired_with_truth(masks, truths, lambda _: None, lambda _: None)) == ["対照1_pred"]


def stack(path: Path, pages: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(
        path, np.pad(np.full((pages, 4, 4), 255, np.uint8), ((0, 0), (2, 4), (2, 6))), photometric="minisblack"
    )
    return path


@pytest.mark.parametrize("first", [0, 1, 100])
@pytest.mark.parametrize("name", ["fish", "of another name"])
def test_a_stack_and_as_many_files_are_taken_in_order(tmp_path: Path, first: int, name: str) -> None:
    """Pages have no numbers; files begin at 0, at 1, or where the heart was cut out of a longer film."""
    pages = find_sequences(stack(tmp_path / "fish.tif", 5))
    files = find_sequences(write(tmp_path / name, (first + n for n in range(5) if n != 2)))
    warned: list[str] = []
    (found,) = paired_with_truth(by_name(pages), files, warned.append, warned.append).values()
    assert found.numbers == (0, 1, 3, 4)
    (found,) = paired_with_truth(by_name(files), pages, warned.append, warned.append).values()
    assert found.numbers == tuple(range(first, first + 5))
    assert found.places == (0, 1, 2, 3, 4)
    assert len(warned) == 2  # which were paired; no doubt about numbers


def test_numbers_that_may_be_one_off_are_warned_of(tmp_path: Path) -> None:
    pages = find_sequences(stack(tmp_path / "fish.tif", 9))
    warned: list[str] = []
    few = find_sequences(write(tmp_path / "few", [1, 2, 3]))
    (found,) = paired_with_truth(by_name(pages), few, warned.append, warned.append).values()
    assert found.numbers == (1, 2, 3)
    assert "'fish' has pages 0 to 8, its truth 'few' frames 1 to 3: pages of a stack count from 0" in warned[1]
    zero, one = (find_sequences(write(tmp_path / name, range(n, n + 5))) for n, name in enumerate(("zero", "one")))
    paired_with_truth(by_name(zero), one, warned.append, warned.append)
    assert "'zero' has frames 0 to 4, its truth 'one' frames 1 to 5, as many, from another number on" in warned[3]


def test_no_frame_in_common_names_both_sides(tmp_path: Path) -> None:
    masks, truth = (find_sequences(write(tmp_path / name, range(n, n + 4))) for n, name in ((0, "m"), (50, "t")))
    with pytest.raises(UserError, match=r"Masks: 'm' \(frames 0 to 3\)\. Truth: 't' \(frames 50 to 53\)\."):
        paired_with_truth(by_name(masks), truth, print, print)


def test_films_are_compared_with_those_of_their_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not each with every other one."""
    compared: list[str] = []
    in_common = truth_of_masks._in_common

    def counted(one: MaskSequence, other: MaskSequence) -> int:
        compared.append(one.name)
        return in_common(one, other)

    monkeypatch.setattr(truth_of_masks, "_in_common", counted)
    films = [MaskSequence(f"fish{n}", tuple(range(5)), ()) for n in range(20)]
    said: list[str] = []
    assert len(paired_with_truth(by_name(films), films, said.append, said.append)) == 20
    assert len(compared) <= 2 * len(films)


def test_truth_of_the_same_numbers_as_several_masks_is_refused() -> None:
    masks = by_name([MaskSequence(name, tuple(range(3)), ()) for name in ("a", "b")])
    truths = [MaskSequence(name, tuple(range(2, 5)), ()) for name in ("c", "d", "e")]
    said: list[str] = []
    for part in (truths, truths[:1]):
        with pytest.raises(UserError, match="cannot be told"):
            paired_with_truth(masks, part, said.append, said.append)
    assert list(paired_with_truth({"a": masks["a"]}, truths[:1], said.append, said.append)) == ["a"]


def test_dice_is_of_the_frames_that_both_have(tmp_path: Path) -> None:
    """16 and 8 pixels, of which 8 are common, in frames 1 and 2; the other frames have no partner."""
    masks = by_name(find_sequences(write(tmp_path / "masks", range(3))))
    (truth,) = find_sequences(write(tmp_path / "truth", range(1, 4), side=2))
    found = dice_of(masks, {"masks": truth}, lambda name: masks[name])
    assert found.n_frames == 2
    assert found.pooled == found.mean_per_frame == pytest.approx(2 * 8 / 24)


def test_truth_of_single_frames_holds_no_beat(tmp_path: Path) -> None:
    warned: list[str] = []
    apart = find_sequences(write(tmp_path / "every5", range(0, 25, 5)))
    (joined,), beating = joined_frames(apart, warned.append)
    assert not beating
    assert joined.numbers == (0, 5, 10, 15, 20)
    assert "no two consecutive frames (0, 5, 10, 15 and 1 more)" in warned[0]
    film = find_sequences(write(tmp_path / "film", [0, 1, 10]))
    assert joined_frames(film, warned.append) == (film, True)


def test_truth_of_another_size_is_refused_with_both_sizes(tmp_path: Path) -> None:
    (masks,) = find_sequences(write(tmp_path / "masks", range(2)))
    (truth,) = find_sequences(write(tmp_path / "truth", range(2), shape=(20, 24)))
    with pytest.raises(UserError, match="10 x 12 pixels, the true ones of 20 x 24"):
        refuse_other_size("masks", masks, truth, None)
    warned: list[str] = []
    assert not refuse_other_size("masks", masks, truth, warned.append)
    assert "10 x 12" in warned[0]
    assert refuse_other_size("masks", masks, masks, None)


def test_an_image_without_a_number_is_no_frame(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"1 image without a number in the name \(regular_stack.tif\)"):
        number_frames([tmp_path / "regular_stack.tif"])
