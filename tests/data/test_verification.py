"""`bench data verify`: leaks between splits, fingerprints, and the memory of what was found sound."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from commands import Run, printed_json
from places import SHARED
from segbench.commands.data import describe, verify
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.data.index import DataIndex
from segbench.data.listing import any_case, clashes, listing, near_names, unpaired, wrong_name
from segbench.data.locations import MARKER, data_sha256
from segbench.data.verification import verify_dataset
from segbench.data.verification_cache import Content, VerificationCache
from segbench.errors import UserError
from segbench.io.reporter import Reporter
from segbench.registry import make_dataset
from segbench.types import Part
from synthetic_roots import write_hearts
from tiny_roots import MAKERS, Tiny, save, store, stored

QUIET = Reporter(quiet=True)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own."""
    monkeypatch.setenv("SEGBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "verified"


def _made(name: str, root: Path, *, marked: bool = True) -> Tiny:
    """A tiny root, marked as synthetic, so that its numbers are not checked."""
    tiny = MAKERS[name](root)
    if marked:
        (root / MARKER).write_text("{}")
    return tiny


def _verify(tiny: Tiny, **more: Any) -> dict[str, Any]:
    return verify(tiny.name, tiny.root, QUIET, **more).model_dump(mode="json")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MAKERS))
def test_every_key_and_the_fingerprints_of_records(name: str, tmp_path: Path) -> None:
    """The fingerprint of a split is the one that a record of a run on it holds."""
    tiny = _made(name, tmp_path / "root")
    found = _verify(tiny)
    keys = "dataset root origin n ids_sha256 data_sha256 splits faults warnings cached read"
    assert set(found) == set(keys.split())
    assert (found["faults"], found["origin"]) == ([], "synthetic")
    dataset = make_dataset(name, tiny.root)
    split = dataset.info.default_split
    assert found["splits"][split]["n"] == tiny.n
    assert found["splits"][split]["official"] == dataset.info.splits[split].official_size
    assert found["n"] == len(dataset.ids("all"))
    assert json.loads(json.dumps(found)) == found
    predictions = tmp_path / "predictions"
    for sample_id in dataset.ids(split):
        labels = dataset.load(sample_id, ("labels",)).labels
        assert labels is not None
        info = dataset.info
        shown = np.where(np.isin(labels, [*info.void]), info.classes[0].id, labels) * (
            255 if info.task == "binary" else 1
        )
        save(predictions / f"{sample_id}.png", shown.astype(np.uint8))
    asked = EvaluateRequest(name, predictions, root=tiny.root, out=tmp_path / "run", plots=False)
    _, record = evaluate_files(asked, QUIET)
    assert record.dataset.data_sha256 == found["splits"][split]["data_sha256"]
    assert record.dataset.ids_sha256 == found["splits"][split]["ids_sha256"]


def test_a_changed_pixel_changes_the_fingerprint_of_its_split_alone(tmp_path: Path) -> None:
    tiny = _made("voc2012", tmp_path / "root")
    before = _verify(tiny)
    values = stored(tiny.labels)
    values[0, 0] = 255
    store(tiny.labels, values)
    after = _verify(tiny)
    different = {split for split in before["splits"] if before["splits"][split] != after["splits"][split]}
    assert different == {"val", "trainval"}
    assert before["data_sha256"] != after["data_sha256"]
    assert before["ids_sha256"] == after["ids_sha256"]


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_numbers_are_checked_for_real_data_alone(name: str, tmp_path: Path) -> None:
    tiny = _made(name, tmp_path / "root", marked=False)
    faults = _verify(tiny)["faults"]
    assert bool(faults) == (name not in ("drive", "isbi2012")), "these two have their official numbers here"
    (tiny.root / MARKER).write_text("{}")
    assert _verify(tiny)["faults"] == []


@pytest.mark.parametrize("name", ["cityscapes", "cocostuff", "voc2012"])
def test_an_image_in_two_splits_is_a_leak(name: str, tmp_path: Path) -> None:
    tiny = _made(name, tmp_path / "root")
    folder = tiny.image.parents[1] / {"cityscapes": "../train/ulm", "cocostuff": "train2017"}.get(name, "JPEGImages")
    theirs = sorted(path for path in folder.resolve().iterdir() if path != tiny.image)[0]
    size = Image.open(theirs).size
    assert size == Image.open(tiny.image).size
    shutil.copy(tiny.image, theirs)
    (fault,) = _verify(tiny)["faults"]
    for word in (tiny.image.name, theirs.name, "same image", "'train'", "'val'"):
        assert word in fault


def test_a_leak_is_found_in_pixels_not_in_bytes(tmp_path: Path) -> None:
    """The same photograph, compressed otherwise."""
    tiny = _made("cityscapes", tmp_path / "root")
    theirs = next((tiny.root / "leftImg8bit/train").rglob("*_000019_leftImg8bit.png"))
    Image.open(tiny.image).save(theirs, compress_level=1)
    assert theirs.read_bytes() != tiny.image.read_bytes()
    assert any("same image" in fault for fault in _verify(tiny)["faults"])


def test_a_leak_in_a_stack(tmp_path: Path) -> None:
    tiny = _made("isbi2012", tmp_path / "root")
    values = stored(tiny.image)
    values[27] = values[3]
    store(tiny.image, values)
    (fault,) = _verify(tiny)["faults"]
    assert "'slice-03' of split 'train'" in fault
    assert "'slice-27' of split 'test'" in fault
    # In a real set that is whole in all else it may have been published so: worth knowing, but no damage.
    (tiny.root / MARKER).unlink()
    found = _verify(tiny)
    assert (found["faults"], found["warnings"]) == ([], [fault])


def test_equal_label_maps_are_a_warning_unless_they_are_constant(tmp_path: Path) -> None:
    tiny = _made("cocostuff", tmp_path / "root")
    theirs = tiny.root / "stuffthingmaps" / "train2017" / "000000000030.png"
    shutil.copy(tiny.labels, theirs)
    found = _verify(tiny)
    assert found["faults"] == []
    (warning,) = found["warnings"]
    assert "same label map" in warning
    for path in (theirs, tiny.labels):
        store(path, np.full_like(stored(path), 7))
    assert _verify(tiny)["warnings"] == []


def test_an_image_that_is_twice_in_a_split_of_an_own_folder_is_told(tmp_path: Path) -> None:
    """It counts twice, and with other labels it contradicts itself."""
    root = tmp_path / "own"
    random = np.random.default_rng(0)
    (root / "splits").mkdir(parents=True)
    names = [f"p{number}" for number in range(9)]
    for place, split in enumerate(("train", "val", "test")):
        (root / "splits" / f"{split}.txt").write_text("\n".join(names[3 * place : 3 * place + 3]))
    for name in names:
        save(root / "images" / f"{name}.png", random.integers(0, 255, (20, 20, 3)).astype(np.uint8))
        save(root / "masks" / f"{name}.png", random.integers(0, 2, (20, 20)).astype(np.uint8))
    (root / "classes.yaml").write_text("classes: {0: ground, 1: tree}\n")
    assert not any("counts several times" in each for each in verify("folder", root, QUIET).warnings)
    shutil.copy(root / "images" / "p6.png", root / "images" / "p8.png")
    (found,) = [each for each in verify("folder", root, QUIET).warnings if "counts several times" in each]
    assert "split 'test': 1 sample with the image of another one (first: 'p8' has that of 'p6')" in found
    assert "'p6' and 'p8' have different labels" in found
    shutil.copy(root / "masks" / "p6.png", root / "masks" / "p8.png")
    (found,) = [each for each in verify("folder", root, QUIET).warnings if "counts several times" in each]
    assert "different labels" not in found


def test_a_name_in_two_lists_is_a_leak(tmp_path: Path) -> None:
    tiny = _made("voc2012", tmp_path / "root")
    lists = tiny.root / "VOCdevkit" / "VOC2012" / "ImageSets" / "Segmentation"
    (lists / "train.txt").write_text("2007_000001\n2007_000002\n2008_000002\n")
    (fault,) = _verify(tiny)["faults"]
    assert "'2008_000002' is in split 'train' and in split 'val'" in fault


def test_samples_of_no_split_and_missing_images_are_warnings(tmp_path: Path) -> None:
    tiny = _made("voc2012", tmp_path / "root")
    base = tiny.root / "VOCdevkit" / "VOC2012"
    for folder, ending in (("SegmentationClass", "png"), ("SegmentationObject", "png"), ("JPEGImages", "jpg")):
        shutil.copy(base / folder / f"2008_000001.{ending}", base / folder / f"2009_000001.{ending}")
    found = _verify(tiny)
    assert found["faults"] == []
    assert any("1 labelled sample in no split (first: '2009_000001')" in text for text in found["warnings"])
    shutil.rmtree(base / "JPEGImages")
    found = _verify(tiny)
    assert found["faults"] == []
    assert any("only the truth was checked" in text for text in found["warnings"])


def test_the_frame_without_a_published_mask_is_no_fault(tmp_path: Path) -> None:
    root = write_hearts(tmp_path / "hearts", sequences=2, frames=2)
    images = root / "train_images" / "lateral_sample_gray"
    for number in (2508, 2509):
        shutil.copy(images / "0000_sample.tif", images / f"{number}_sample.tif")
        dataset = make_dataset("medaka", root)
        if number == 2508:
            assert len(dataset.ids("train")) == 2
            assert dataset.check() == []
    for split in ("train", "val", "all"):
        with pytest.raises(UserError, match="image 2509 has no mask"):
            dataset.ids(split)
    assert len(dataset.ids("test")) == 4
    assert len(dataset.check()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MAKERS))
def test_what_did_not_change_is_not_read_again(name: str, tmp_path: Path, cache: Path) -> None:
    tiny = _made(name, tmp_path / "root")
    first = _verify(tiny)
    assert (first["cached"], first["read"] >= first["n"]) == (0, True)
    assert len(list(cache.iterdir())) == 1
    again = _verify(tiny)
    assert (again["cached"], again["read"]) == (first["read"], 0)
    plain = {**first, "cached": 0, "read": 0}
    assert {**again, "cached": 0, "read": 0} == plain
    assert _verify(tiny, cache=False) == first


def test_a_changed_file_is_read_again_whatever_its_time_says(tmp_path: Path) -> None:
    """Size and time of the content are as before; the time of the change of the file itself cannot be set back."""
    tiny = _made("cityscapes", tmp_path / "root")
    _verify(tiny)
    before = tiny.image.stat()
    tiny.image.write_bytes(bytes(before.st_size))
    os.utime(tiny.image, ns=(before.st_atime_ns, before.st_mtime_ns))
    for _ in range(2):  # what is broken is never taken for sound
        found = _verify(tiny)
        assert found["read"] == 1
        assert any(tiny.image.name in fault for fault in found["faults"])
    tiny.image.unlink()
    assert any("has no image" in fault for fault in _verify(tiny)["faults"])


def test_two_roots_share_nothing(tmp_path: Path, cache: Path) -> None:
    one = _made("voc2012", tmp_path / "one")
    shutil.copytree(one.root, tmp_path / "two", copy_function=shutil.copy2)
    two = Tiny(one.name, tmp_path / "two", one.n, one.image, one.labels, one.other)
    victim = tmp_path / "two" / one.labels.relative_to(one.root)
    status = victim.stat()
    content = bytearray(victim.read_bytes())
    content[-20] ^= 1
    victim.write_bytes(content)
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert _verify(one)["faults"] == []
    found = _verify(two)
    assert (found["cached"], len(list(cache.iterdir()))) == (0, 2)
    assert any(str(victim) in fault for fault in found["faults"])
    # One root takes the place of the other, under the same name.
    shutil.rmtree(one.root)
    two.root.rename(one.root)
    assert any(victim.name in fault for fault in _verify(one)["faults"])


def _foreign_database(*statements: str) -> bytes:
    """A whole SQLite file of somebody else."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in statements:
            connection.execute(statement)
        return connection.serialize()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"samples": 1, "files": {}}',
        b"SQLite format 3\0" + bytes(84),
        _foreign_database("CREATE TABLE files (path TEXT)", "PRAGMA user_version = 1"),
    ],
)
def test_a_broken_cache_is_ignored(tmp_path: Path, cache: Path, content: bytes) -> None:
    tiny = _made("voc2012", tmp_path / "root")
    first = _verify(tiny)
    (path,) = cache.iterdir()
    path.write_bytes(content)
    assert _verify(tiny) == first
    assert _verify(tiny)["read"] == 0


def test_broken_entries_of_a_cache_are_ignored(tmp_path: Path, cache: Path) -> None:
    tiny = _made("voc2012", tmp_path / "root")
    first = _verify(tiny)
    (path,) = cache.iterdir()
    with closing(sqlite3.connect(path)) as connection, connection:
        (samples,) = connection.execute("SELECT count(*) FROM samples").fetchone()
        # A value of another type, or other hashes, do not fit the seals of their entries.
        connection.execute("UPDATE samples SET image_pixels = 5")
        connection.execute("UPDATE files SET sha256 = substr(sha256, 2) || 'f'")
    assert samples == first["read"]
    assert _verify(tiny) == first


def test_a_cache_of_other_code_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    stamps: dict[Part, str] = {"image": "x.png 1 2 3 4", "instances": ""}
    old = VerificationCache(path, tmp_path, "one")
    old.add_sample("x", stamps, Content("i", None))
    old.save()

    def known(code: str, stamps: dict[Part, str]) -> Content | None:
        cache = VerificationCache(path, tmp_path, code)
        cache.recall_samples(["x", "y"])
        assert cache.content("y", stamps) is None
        return cache.content("x", stamps)

    assert known("one", stamps) == Content("i", None)
    assert known("one", {"image": stamps["image"]}) == Content("i", None)  # sound together, so each alone
    assert known("one", {"image": "x.png 1 2 4 4"}) is None
    assert known("one", {**stamps, "labels": ""}) is None
    assert known("two", stamps) is None


def test_a_cache_that_cannot_be_written_is_no_fault(tmp_path: Path, cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the folder should be")
    tiny = _made("voc2012", tmp_path / "root")
    assert _verify(tiny)["faults"] == []


def test_what_was_read_before_an_interruption_is_kept(tmp_path: Path) -> None:
    tiny = _made("isbi2012", tmp_path / "root")
    index = DataIndex(make_dataset(tiny.name, tiny.root))

    def interrupt(done: int, total: int) -> None:
        assert total == 60
        if done == 10:
            raise KeyboardInterrupt

    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        verify_dataset(index, "synthetic", interrupt)
    assert threading.active_count() == threads
    report = verify_dataset(index, "synthetic")
    assert report.cached >= 10
    assert report.cached + report.read == 60


def test_a_dataset_that_says_no_more_than_it_must(tmp_path: Path) -> None:
    """A user's own folder has `check` alone; its samples are remembered all the same."""
    random = np.random.default_rng(0)
    for n in range(10):
        labels = random.integers(0, 3, (12, 12)).astype(np.uint8)
        save(tmp_path / "own" / "masks" / f"{n}.png", labels)
        save(tmp_path / "own" / "images" / f"{n}.png", np.stack([labels * 80] * 3, axis=-1))
    describe("folder", tmp_path / "own", write=True, reporter=QUIET)
    found = [verify("folder", tmp_path / "own", QUIET) for _ in range(2)]
    assert [(one.faults, one.read, one.cached) for one in found] == [([], 10, 0), ([], 0, 10)]
    (tmp_path / "own" / "masks" / "3.png").unlink()
    (fault,) = verify("folder", tmp_path / "own", QUIET).faults
    assert "3.png: has no mask" in fault


@pytest.mark.slow
def test_the_real_stacks_are_sound(real_isbi: Path) -> None:
    found = verify("isbi2012", real_isbi, QUIET)
    assert (found.faults, found.warnings, found.origin, found.n) == ([], [], "real", 30)
    dataset = make_dataset("isbi2012", real_isbi)
    assert found.splits["test"].data_sha256 == data_sha256(dataset, dataset.ids("test"))


def test_the_real_photographs_of_voc_are_sound() -> None:
    root = SHARED / "data" / "voc_sample"
    if not root.is_dir():
        pytest.skip(f"{root} is not there: real data is not part of the project")
    found = verify("voc2012", root, QUIET)
    assert all("official" in fault for fault in found.faults)
    assert (found.n, found.warnings) == (3, [])


def test_listings(tmp_path: Path) -> None:
    for name in ("b.png", "a.PNG", ".hidden.png", ".png", "c.jpg", "caf\u00e9.png", "a.png"):
        (tmp_path / name).touch()
    found = listing(tmp_path, ".png")
    assert list(found.files) == ["a", "b", "caf\u00e9"]
    assert len(found.faults) == (0 if (tmp_path / "B.PNG").exists() else 1)
    assert listing(tmp_path / "nothing", ".png").files == {}
    with pytest.raises(UserError, match="cannot be listed"):
        listing(tmp_path / "b.png", ".png")
    assert any_case(tmp_path / "b.png") == tmp_path / "b.png"
    assert any_case(tmp_path / "d.png") is None
    assert all(map(wrong_name, ("a/b", ".a", "\udcff", "a\x1b", "a:b")))
    assert not wrong_name("k\u00f6ln am \u0440\u0435\u043a\u0430")
    assert clashes({"A": Path("A.png"), "b": Path("b.png")}) == []
    assert len(clashes({"A": Path("A.png"), "a": Path("a.png")})) == 1
    assert "'B'" in near_names(["b"], ["a", "B"])["b"]
    assert near_names(["b", "c"], ["b", "d"]) == {"b": "", "c": ""}
    assert len(unpaired({"a": Path("a.jpg"), "b": Path("b.jpg")}, {"a"}, "masks")) == 1


def test_verify_on_the_command_line(bench: Run, tmp_path: Path) -> None:
    tiny = _made("cocostuff", tmp_path / "root")
    first = printed_json(bench("data", "verify", "coco-stuff", "--root", tiny.root, "--json"))
    assert (first["faults"], first["read"], first["cached"]) == ([], 4, 0)
    shutil.copy(tiny.labels, tiny.root / "stuffthingmaps" / "train2017" / "000000000030.png")
    done = bench("data", "verify", "cocostuff", "--root", tiny.root, "--no-cache")
    assert done.returncode == 0
    for words in ("fine", "; 4 samples read\n", "warning: sample", "train", "118287"):
        assert words in done.stdout


def test_an_orientation_in_an_official_layout_is_said_and_not_followed(tmp_path: Path) -> None:
    tiny = MAKERS["voc2012"](tmp_path / "voc")
    with Image.open(tiny.image) as image:
        photo = image.copy()
    tag = Image.Exif()
    tag[274] = 6
    photo.save(tiny.image, quality=95, exif=tag)
    known = tmp_path / "known.sqlite"
    for _ in range(2):  # what is known already is said again
        dataset = make_dataset("voc2012", tmp_path / "voc")
        with DataIndex(dataset, VerificationCache(known, dataset.root, "1")) as index:
            report = verify_dataset(index, "synthetic")
        assert not report.faults
        (said,) = [warning for warning in report.warnings if "orientation" in warning]
        assert "1 sample with an orientation tag, first '2008_000001'" in said
        assert "orientation 6 of 8" in said
        assert "read as it is stored" in said
    assert report.read == 0
    sample = dataset.load("2008_000001")
    assert sample.image is not None
    assert sample.labels is not None
    assert sample.image.shape[:2] == sample.labels.shape == (photo.height, photo.width)
