"""Films whose frames are trained on and scored are warned of, and folders of unrelated images are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import Run, printed_json
from own_folders import BINARY, QUIET
from segbench.commands.data import verify
from segbench.types import Array

SEEMS = "frames of one film seem to be trained on and scored"


def film(count: int, seed: int) -> list[Array]:
    """A bright disk that drifts over a background, with noise."""
    return [_drawn(seed, 14 + 0.4 * time, 9 + 2 * np.sin(time / 4), time) for time in range(count)]


def unrelated(count: int, seed: int) -> list[Array]:
    """Disks anywhere, on one background: as alike as images of one microscope are."""
    random = np.random.default_rng(seed)
    return [_drawn(seed, random.uniform(10, 38), random.uniform(6, 12), number) for number in range(count)]


def _drawn(background: int, across: float, radius: float, noise: int) -> Array:
    y, x = np.mgrid[:40, :56]
    field = np.random.default_rng(background).integers(20, 90, (5, 7)).repeat(8, 0).repeat(8, 1)
    image = np.where((y - 20) ** 2 + (x - across) ** 2 < radius**2, 190, field)
    return np.asarray(image + np.random.default_rng([background, noise]).integers(-9, 10, image.shape), np.uint8)


def write(root: Path, names: Sequence[str], images: Sequence[Array], classes: str = BINARY) -> Path:
    for name, image in zip(names, images, strict=True):
        for part, values in (("images", image), ("masks", (image > 140).astype(np.uint8))):
            path = root / part / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(path)
    (root / "classes.yaml").write_text(classes)
    return root


def warned(root: Path) -> list[str]:
    return [text for text in verify("folder", root, QUIET, cache=False).warnings if "neighbours were learned" in text]


@pytest.mark.parametrize("name", ["film_{:04d}", "img_t{:03d}_c1", "{}"])
def test_a_film_in_one_folder_is_told_by_its_pictures(name: str, tmp_path: Path) -> None:
    (text,) = warned(write(tmp_path, [name.format(n) for n in range(40)], film(40, 1)))
    assert text.startswith(f"{SEEMS}: of 12 held-out samples ")
    assert "subfolder of its own" in text


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["{:03d}", "slide{}_a"])
def test_numbered_images_that_have_nothing_in_common_are_no_film(name: str, seed: int, tmp_path: Path) -> None:
    assert warned(write(tmp_path, [name.format(n) for n in range(40)], unrelated(40, seed))) == []


def test_films_in_subfolders_stay_whole_and_are_not_warned_of(tmp_path: Path) -> None:
    names = [f"fish{n}/{time:03d}" for n in range(8) for time in range(8)]
    images = [image for n in range(8) for image in film(8, n)]
    assert warned(write(tmp_path, names, images)) == []


@pytest.mark.parametrize("make", [film, unrelated])
def test_frames_that_classes_yaml_calls_a_film(make: Callable[[int, int], list[Array]], tmp_path: Path) -> None:
    root = write(tmp_path, [f"{n}" for n in range(20)], make(20, 2), f"{BINARY}frames_per_second: 25\n")
    (text,) = warned(root)
    assert text.startswith("all samples are frames of one film, and some are trained on, others scored")


def test_a_subfolder_that_lists_cut(tmp_path: Path) -> None:
    names = [f"{fish}/{time:03d}" for fish in "abc" for time in range(6)]
    root = write(tmp_path, names, [image for n in range(3) for image in film(6, n)])
    (root / "splits").mkdir()
    for split, listed in (("train", names[:8]), ("val", names[8:12]), ("test", names[12:])):
        (root / "splits" / f"{split}.txt").write_text("\n".join(listed))
    (text,) = warned(root)
    assert text.startswith("group 'b' is trained on and scored")


def test_the_record_of_a_run_says_so(bench: Run, tmp_path: Path) -> None:
    root = write(tmp_path / "root", [f"f{n}" for n in range(40)], film(40, 3))
    command = ("run", "-d", "folder", "--root", root, "-m", "threshold", "--json")
    for more in ((), ("--folds", "4")):
        found = [text for text in printed_json(bench(*command, *more))["warnings"] if text.startswith(SEEMS)]
        # Folds are blocks of neighbours: a held-out frame has few to learn from beside it.
        assert len(found) == (not more)
