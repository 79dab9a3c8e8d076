"""Which masks belong to one sequence, and what they hold."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from commands import Run
from segbench.data.frame_numbers import runs_of_frames
from segbench.datasets.medaka import Medaka
from segbench.errors import UserError
from segbench.io.images.read import read_array
from segbench.runs.cardiac.mask_sequences import MaskSequence, find_sequences
from synthetic_roots import write_hearts


def write(path: Path, value: int = 255, shape: tuple[int, int] = (6, 8)) -> Path:
    """A mask whose upper half is foreground."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros(shape, np.uint8)
    mask[: shape[0] // 2] = value
    Image.fromarray(mask).save(path)
    return path


def refused(path: Path, *words: str) -> None:
    with pytest.raises(UserError) as caught:
        [list(sequence) for sequence in find_sequences(path)]
    for word in words:
        assert word in str(caught.value)


@pytest.mark.slow
def test_the_real_masks_are_24_sequences_of_21(real_masks: Path) -> None:
    folder = real_masks / "train_images" / "lateral_mask"
    sequences = find_sequences(folder)
    assert [len(s) + len(s.missing) for s in sequences] == [21] * 24
    assert [s.missing for s in sequences if s.missing] == [(2508,)]
    assert all(s.last_frame - s.first_frame == 20 for s in sequences)
    assert sequences[1].name == f"lateral_mask-{sequences[1].first_frame:04d}"
    # The same masks, in the same order, as the dataset reads them.
    dataset = Medaka(real_masks, view="lateral")
    groups = list(dict.fromkeys(dataset.group(i) for i in dataset.ids("all")))
    assert [group.rpartition("-")[2] for group in groups] == [s.name.rpartition("-")[2] for s in sequences]
    for sequence in sequences[::8]:
        for number, mask in zip(sequence.numbers, sequence, strict=True):
            assert mask.dtype == np.bool_
            labels = dataset.load(f"lateral-train-{number:04d}", ("labels",)).labels
            assert np.array_equal(mask, np.asarray(labels) == 1)


@pytest.mark.slow
def test_all_real_masks_are_found_and_decoded_in_a_few_times_what_pillow_alone_takes(real_masks: Path) -> None:
    """Four times were measured, and twice that is allowed; in seconds it would be a test of the machine."""
    folder = real_masks / "train_images" / "lateral_mask"
    ours, pillows = [], []
    for _ in range(2):
        start = time.process_time()
        assert sum(bool(mask.any()) for sequence in find_sequences(folder) for mask in sequence) == 503
        ours.append(time.process_time() - start)
        start = time.process_time()
        for path in folder.iterdir():
            with Image.open(path) as image:
                image.load()
        pillows.append(time.process_time() - start)
    assert min(ours) < 8 * min(pillows)


@pytest.mark.parametrize("value", [1, 255])
def test_two_absent_numbers_are_missing_and_three_begin_a_sequence(value: int, tmp_path: Path) -> None:
    for number in (3, 4, 7, 11, 12):
        write(tmp_path / "heart" / f"N0092_frame{number:03d}_mask.png", value)
    first, second = find_sequences(tmp_path / "heart")
    assert (first.numbers, first.missing, first.first_frame, first.last_frame) == ((3, 4, 7), (5, 6), 3, 7)
    assert first.name.startswith("heart-")
    assert second.numbers == (11, 12)
    assert [mask.sum() for mask in first] == [24, 24, 24]
    assert [mask.sum() for mask in first] == [24, 24, 24]  # it can be read again


@given(st.sets(st.integers(0, 60), min_size=1))
def test_runs_part_the_numbers_at_every_gap_of_three(numbers: set[int]) -> None:
    runs = runs_of_frames(sorted(numbers))
    assert [n for run in runs for n in run] == sorted(numbers)
    assert all(b - a <= 3 for run in runs for a, b in pairwise(run))
    assert all(b[0] - a[-1] > 3 for a, b in pairwise(runs))


def test_folders_are_sequences_of_their_own(tmp_path: Path) -> None:
    for name in ("fish1", "fish2/day3"):
        for number in range(3):
            write(tmp_path / name / f"{number}.png")
    write(tmp_path / "fish1" / ".hidden.png")
    (tmp_path / "fish1" / "notes.txt").write_text("7")
    assert [(s.name, s.numbers) for s in find_sequences(tmp_path)] == [
        ("fish1", (0, 1, 2)),
        ("fish2__day3", (0, 1, 2)),
    ]


def test_pages_of_a_stack_are_frames(tmp_path: Path) -> None:
    masks = np.zeros((5, 6, 8), np.uint8)
    for page in range(5):
        masks[page, :page] = 255
    tifffile.imwrite(tmp_path / "heart.tif", masks, photometric="minisblack")
    np.save(tmp_path / "soft.npy", masks / 255 * 0.9)
    for name in ("heart.tif", "soft.npy"):
        (sequence,) = find_sequences(tmp_path / name)
        assert sequence.numbers == (0, 1, 2, 3, 4)
        assert [mask.sum() for mask in sequence] == [0, 8, 16, 24, 32]
    (tmp_path / "alone").mkdir()
    (tmp_path / "heart.tif").rename(tmp_path / "alone" / "heart.tif")
    assert len(find_sequences(tmp_path / "alone")[0]) == 5


def test_one_mask_is_a_sequence_of_one(tmp_path: Path) -> None:
    (sequence,) = find_sequences(write(tmp_path / "0017.png"))
    assert (len(sequence), sequence.name, sequence.missing) == (1, "0017", ())


def test_probabilities_count_above_a_half(tmp_path: Path) -> None:
    np.save(tmp_path / "0.npy", np.array([[0.5, 0.51], [0.0, 1.0]], np.float32))
    (mask,) = find_sequences(tmp_path / "0.npy")[0]
    assert mask.tolist() == [[False, True], [False, True]]


@pytest.mark.slow
def test_a_run_keeps_sequences_by_view_and_section(bench: Run, tmp_path: Path) -> None:
    root = write_hearts(tmp_path / "hearts", sequences=3)
    command = ["run", "-d", "medaka", "-m", "constant", "--root", root, "--set", "view=lateral", "--no-plots", "-q"]
    assert bench(*command, "--out", "bare").returncode == 0
    refused(tmp_path / "bare", "kept no predictions", "--save-predictions")
    assert bench(*command, "--out", "kept", "--save-predictions").returncode == 0
    for path in (tmp_path / "kept", tmp_path / "kept" / "predictions"):
        found = find_sequences(path)
        assert [s.name for s in found] == ["lateral-test-0050", "lateral-test-0150", "lateral-test-0250"]
        assert [s.numbers for s in found] == [tuple(range(n, n + 5)) for n in (50, 150, 250)]
        assert all(mask.shape == (60, 80) for s in found for mask in s)


def test_samples_of_two_views_with_the_same_numbers_are_two_sequences(tmp_path: Path) -> None:
    (tmp_path / "run" / "predictions").mkdir(parents=True)
    (tmp_path / "run" / "record.json").write_text("{}")
    for view in ("lateral-test", "ventral-R0004"):
        for number in range(2):
            write(tmp_path / "run" / "predictions" / f"{view}-{number:04d}.png")
    names = ["lateral-test-0000", "ventral-R0004-0000"]
    assert [s.name for s in find_sequences(tmp_path / "run")] == names


def test_what_cannot_be_a_sequence_is_named(tmp_path: Path) -> None:
    refused(tmp_path / "absent", "absent", "does not exist")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "empty", "holds no mask")
    (tmp_path / "empty" / "masks.zip").write_bytes(b"PK")
    refused(tmp_path / "empty", "masks.zip", "unpack it")
    refused(tmp_path / "empty" / "masks.zip", "is an archive", "Unpack it")
    (tmp_path / "heart.avi").write_bytes(b"RIFF")
    refused(tmp_path / "heart.avi", "is a video", "--run RUN")
    (tmp_path / "heart.csv").write_text("1")
    refused(tmp_path / "heart.csv", "is no image")


def test_two_masks_of_one_number_are_named(tmp_path: Path) -> None:
    write(tmp_path / "a_0007.png")
    write(tmp_path / "b_7.png")
    refused(tmp_path, "a_0007.png", "b_7.png", "number 7", "Rename one")


def test_a_mask_without_a_number_is_named(tmp_path: Path) -> None:
    write(tmp_path / "0007.png")
    write(tmp_path / "mean.png")
    refused(tmp_path, "mean.png", "without a number", "Rename it")


def test_masks_of_two_sizes_are_named(tmp_path: Path) -> None:
    write(tmp_path / "0.png")
    write(tmp_path / "1.png", shape=(8, 8))
    refused(tmp_path, "1.png", "8 x 8", "6 x 8")


def test_damaged_masks_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "0.png")
    path.write_bytes(path.read_bytes()[:-20])
    refused(tmp_path, "0.png", "cannot be decoded")
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)).save(path)
    refused(tmp_path, "0.png", "48 different values")
    colour = np.zeros((6, 8, 3), np.uint8)
    colour[..., 0] = 255
    Image.fromarray(colour).save(path)
    refused(tmp_path, "0.png", "equal channels")
    path.write_bytes(b"")
    refused(tmp_path, "0.png", "is empty")


def test_lzw_strips_are_what_tifffile_decodes(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number, shape in enumerate([(37, 20), (37, 20, 3), (1, 1), (8, 300, 4)]):
        for predictor in (False, True):
            values = random.integers(0, 3, shape, dtype=np.uint8) * 100
            path = tmp_path / f"{number}-{predictor}.tif"
            tifffile.imwrite(path, values, compression="lzw", predictor=predictor, rowsperstrip=5)
            assert np.array_equal(read_array(path), values)
            with tifffile.TiffFile(path) as tif:
                (offset, *_), (count, *_) = tif.pages[0].dataoffsets, tif.pages[0].databytecounts
            if count > 8:
                data = bytearray(path.read_bytes())
                data[offset : offset + count] = b"\x80\x40\x40" + bytes(count - 3)  # clear, end: no pixels
                path.write_bytes(data)
                with pytest.raises(UserError, match="cannot be decoded"):
                    read_array(path)


def test_a_sequence_is_a_value() -> None:
    one = MaskSequence("a", (1, 2), (Path("1.png"), Path("2.png")))
    assert one == MaskSequence("a", (1, 2), (Path("1.png"), Path("2.png")))
    assert len({one, one}) == 1
