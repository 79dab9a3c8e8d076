"""`bench data describe folder --write` proposes where files lie, from what lies there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import Run
from foreign_layouts import blocks, camvid, cwfid, disc, drive, photo, save, vnc
from own_folders import QUIET
from segbench.commands.data import describe, verify
from segbench.data.own_folder.grouping import GuessedGroup, guessed_group
from segbench.datasets.folder import Folder


def proposed(root: Path) -> dict[str, object]:
    """What is written, and is read again without a fault."""
    about = describe("folder", root, write=True, reporter=QUIET)
    assert about.written
    assert verify("folder", root, QUIET, cache=False).faults == []
    assert about.definition is not None
    return {key: value for key, value in about.definition.items() if key not in ("name", "task", "classes")}


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            camvid,
            {
                "images": {"train": "train/*.png", "val": "val/*.png", "test": "test/*.png"},
                "masks": {split: f"{split}annot/{{stem}}.png" for split in ("train", "val", "test")},
                "coding": "values",
                "group": "^(.+?)_",
            },
        ),
        (
            drive,
            {
                "images": {"train": "training/images/{name}_training.tif", "test": "test/images/{name}_test.tif"},
                "masks": {
                    "train": "training/1st_manual/{name}_manual1.gif",
                    "test": "test/1st_manual/{name}_manual1.gif",
                },
                "region": {"train": "training/mask/{stem}_mask.gif", "test": "test/mask/{stem}_mask.gif"},
                "coding": "values",
            },
        ),
        (
            cwfid,
            {
                "images": "images/{name}_image.png",
                "masks": "annotations/{name}_annotation.png",
                "coding": "colors",
            },
        ),
        (
            vnc,
            {"images": "{group}/raw/*.tif", "masks": "{group}/mitochondria/{stem}.png", "coding": "values"},
        ),
    ],
    ids=["camvid", "drive", "cwfid", "vnc"],
)
def test_published_layouts_are_proposed_whole(
    make: Callable[[Path], Path], expected: dict[str, object], tmp_path: Path
) -> None:
    assert proposed(make(tmp_path)) == expected


def test_one_stack_is_taken_as_it_lies(tmp_path: Path) -> None:
    found = proposed(vnc(tmp_path, 1))
    assert (found["images"], found["masks"]) == ("stack1/raw/*.tif", "stack1/mitochondria/{stem}.png")


def test_what_else_would_fit_is_named(tmp_path: Path) -> None:
    text = describe("folder", drive(tmp_path), reporter=QUIET).proposal
    assert text is not None
    assert "# These would fit as masks too: test/2nd_manual/{name}_manual2.gif." in text


def test_a_region_beside_the_usual_folders_is_proposed_alone(tmp_path: Path) -> None:
    for n in range(6):
        save(tmp_path / "images" / f"{n}.png", photo(n))
        save(tmp_path / "masks" / f"{n}.png", blocks(n, 3))
        save(tmp_path / "fov" / f"{n}.png", disc())
    assert proposed(tmp_path) == {"masks": "values", "region": "fov/{stem}.png"}
    labels = Folder(tmp_path).load("0", ("labels",)).labels
    assert labels is not None
    np.testing.assert_array_equal(labels == 255, disc() == 0)


def test_a_folder_of_something_else_beside_the_usual_ones_changes_nothing(tmp_path: Path) -> None:
    for n in range(6):
        save(tmp_path / "images" / f"{n}.png", photo(n))
        save(tmp_path / "masks" / f"{n}.png", blocks(n, 3))
        save(tmp_path / "previews" / f"{n}.png", photo(n + 10))
        save(tmp_path / "old" / f"{n}.png", blocks(n, 2))
    assert proposed(tmp_path) == {"masks": "values"}


def numbered_frames(root: Path, *films: str) -> Path:
    for film in films:
        for number in range(6):
            labels = np.zeros((12, 16), np.uint8)
            labels[2 + number :, 4:] = 1
            for folder, pixels in (("images", 90 + 60 * labels), ("masks", labels)):
                path = root / folder / f"{film}_{30 * number:05d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    return root


def test_names_that_begin_alike_propose_a_group_beside_usual_folders_too(tmp_path: Path) -> None:
    text = Folder.propose(numbered_frames(tmp_path, "0001TP", "0016E5", "Seq05VD")).text
    assert 'group: "^(.+?)_"' in text.splitlines()
    (tmp_path / "classes.yaml").write_text(text)
    assert {Folder(tmp_path).group(i) for i in Folder(tmp_path).ids("all")} == {"0001TP", "0016E5", "Seq05VD"}


def test_two_films_are_told_but_not_grouped(tmp_path: Path) -> None:
    text = Folder.propose(numbered_frames(tmp_path, "0001TP", "Seq05VD")).text
    assert '# group: "^(.+?)_"' in text.splitlines()
    (tmp_path / "classes.yaml").write_text(text)
    assert Folder(tmp_path).ids("train")


def test_kinds_of_things_are_no_groups(tmp_path: Path) -> None:
    assert "group:" not in Folder.propose(numbered_frames(tmp_path, "cat", "dog")).text


def test_a_comparison_hints_at_groups_that_names_say(bench: Run, tmp_path: Path) -> None:
    root = numbered_frames(tmp_path / "own", "0001TP", "Seq05VD")
    (root / "classes.yaml").write_text("classes: {0: ground, 1: thing}\n")
    for name, split in (("a", 1), ("b", 3)):
        place = tmp_path / name
        place.mkdir()
        for n, mask in enumerate(sorted((root / "masks").iterdir())):
            labels = np.array(Image.open(mask))
            labels[: 3 + n % split] = 0
            Image.fromarray(labels).save(place / mask.name)
        scored = ("-d", "folder", "--root", root, "--split", "all", "-p", place, "--out", tmp_path / "runs" / name)
        assert bench("evaluate", *scored).returncode == 0
    done = bench("compare", tmp_path / "runs")
    assert "if these are films or patients, write group: '^(.+?)_'" in done.stdout


def test_names_that_begin_with_a_split_are_not_grouped_by_it() -> None:
    assert guessed_group([f"{split}_{n:03d}" for split in ("train", "Val", "test") for n in range(20)]) is None
    assert guessed_group([f"{kind}-{n}" for kind in ("training", "validation") for n in range(20)]) is None
    inside = [f"{split}_fish{fish}_{n}" for split in ("train", "val", "test") for fish in range(4) for n in range(5)]
    assert guessed_group(inside) == GuessedGroup("^(.+)_[^_]+$", 12)
    assert guessed_group([f"fish{fish}_{n}" for fish in range(4) for n in range(5)]) == GuessedGroup("^(.+?)_", 4)
