"""Every kind of damage to a data set on disk: `bench data verify` names it, `bench run` refuses it, nothing shrinks."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from commands import Run
from segbench.cli import main
from tiny_roots import MAKERS, METHOD, Tiny, store, stored

NAMES = sorted(MAKERS)
BINARY = ("isbi2012", "medaka")


class Done(NamedTuple):
    status: int
    out: str
    err: str


Bench = Callable[..., Done]


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the method `same`."""
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "baselines").mkdir()
    (folder / "baselines" / "same.py").write_text(METHOD)
    return folder


@pytest.fixture
def here(tmp_path: Path, plugins: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bench:
    """Run `bench` within this process, in an empty folder with a cache of its own."""
    monkeypatch.setenv("SEGBENCH_PLUGINS", str(plugins))
    monkeypatch.setenv("SEGBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SEGBENCH_DATA", str(tmp_path / "nothing"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    def run(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Done(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture(params=NAMES)
def tiny(request: pytest.FixtureRequest, tmp_path: Path) -> Tiny:
    """A SYNTHETIC root without the marker, so that it is checked as real data is."""
    return MAKERS[request.param](tmp_path / "root")


def _verify(here: Bench, tiny: Tiny) -> dict[str, Any]:
    done = here("data", "verify", tiny.name, "--root", tiny.root, "--json", "--quiet")
    found: dict[str, Any] = json.loads(done.out)
    assert done.status == (1 if found["faults"] else 0)
    assert "Traceback" not in done.err
    return found


def _faults(here: Bench, tiny: Tiny) -> list[str]:
    """Faults of the files: a tiny root never has the official numbers, which is named too."""
    faults: list[str] = _verify(here, tiny)["faults"]
    return [fault for fault in faults if "official" not in fault and "published" not in fault]


def _run(here: Bench, tiny: Tiny) -> Done:
    return here("run", "-d", tiny.name, "-m", "same", "--root", tiny.root, "--no-plots", "--json", "--quiet")


def _named_and_refused(here: Bench, tiny: Tiny, *words: str) -> None:
    """One of the faults holds all these words, and a run ends with 2 and a message that does."""
    faults = _faults(here, tiny)
    assert any(all(word in fault for word in words) for fault in faults), faults
    done = _run(here, tiny)
    assert done.status == 2, done.out
    assert done.err.startswith("bench: ") or "\nbench: " in done.err
    assert all(word in done.err for word in words), done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    assert not Path("runs").exists()


def _sound(here: Bench, tiny: Tiny) -> None:
    """Nothing is wrong, and every sample is scored."""
    assert _faults(here, tiny) == []
    done = _run(here, tiny)
    assert done.status == 0, done.err
    record = json.loads(done.out)
    assert (record["dataset"]["n"], record["complete"]) == (tiny.n, True)
    official = {"drive": 20, "medaka": 550, "isbi2012": 5}.get(tiny.name)
    assert any("the official one has" in warning for warning in record["warnings"]) == (official != tiny.n)


@pytest.mark.slow
def test_what_is_whole_is_scored(here: Bench, tiny: Tiny) -> None:
    _sound(here, tiny)


def test_a_missing_label_map(here: Bench, tiny: Tiny) -> None:
    tiny.labels.unlink()
    number = "0050" if tiny.name == "medaka" else tiny.image.stem.removesuffix("_leftImg8bit")
    _named_and_refused(here, tiny, tiny.labels.name if tiny.stacked else number)


def test_a_missing_image(here: Bench, tiny: Tiny) -> None:
    """Without any image left a root holds the truth alone, which is no fault; here one of several is gone."""
    tiny.image.unlink()
    stem = tiny.image.stem.removesuffix("_leftImg8bit").removesuffix("_test")
    sample_id = "0050" if tiny.name == "medaka" else stem
    if tiny.stacked:
        assert any("train-volume.tif' is missing" in fault for fault in _verify(here, tiny)["faults"])
        done = _run(here, tiny)
        assert (done.status, "have no image" in done.err) == (2, True)
    else:
        _named_and_refused(here, tiny, sample_id, "no image")


@pytest.mark.parametrize("part", ["image", "labels"])
def test_a_truncated_file(here: Bench, tiny: Tiny, part: str) -> None:
    path: Path = getattr(tiny, part)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    _named_and_refused(here, tiny, path.name)


@pytest.mark.slow
def test_swapped_pairs(here: Bench, tiny: Tiny) -> None:
    """Found by size (VOC, COCO-Stuff) or by the instance maps (Cityscapes).

    Two masks of equal size that are swapped, as in medaka, CamVid, DRIVE and within a stack, look like any other
    masks: no check can tell. There the detectable form is a mask in the place of an image, which holds other values.
    """
    other = tiny.image if tiny.name in ("camvid", "drive", "medaka") else tiny.other
    first, second = tiny.labels.read_bytes(), other.read_bytes()
    tiny.labels.write_bytes(second)
    other.write_bytes(first)
    # DRIVE's images are read first, and are of another format than its masks.
    _named_and_refused(here, tiny, (tiny.image if tiny.name == "drive" else tiny.labels).name)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["image", "labels"])
def test_a_wrong_size(here: Bench, tiny: Tiny, part: str) -> None:
    path: Path = getattr(tiny, part)
    values = stored(path)
    store(path, values[:, :-2] if tiny.stacked else values[:-2])
    _named_and_refused(here, tiny, path.name, " x ")


@pytest.mark.slow
def test_a_label_out_of_range(here: Bench, tiny: Tiny) -> None:
    """Pixels are counted; masks of two values are refused while they are decoded, with the values."""
    values = stored(tiny.labels)
    (values[0] if tiny.stacked else values)[0, :3] = 213
    store(tiny.labels, values)
    # A GIF stores places in its palette.
    said = "holds 3 different values" if tiny.name == "drive" else "213" if tiny.name in BINARY else "213 (3 pixels)"
    _named_and_refused(here, tiny, tiny.labels.name, said)


def test_label_colours_in_place_of_labels(here: Bench, tiny: Tiny) -> None:
    values = stored(tiny.labels)
    grey = values if tiny.name != "medaka" else values[:, :, 0]
    store(tiny.labels, np.stack([grey, 255 - grey, grey // 2], axis=-1))
    _named_and_refused(here, tiny, tiny.labels.name)


def test_a_duplicate_stem(here: Bench, tiny: Tiny) -> None:
    if tiny.name == "cityscapes":
        double = tiny.root / "gtFine" / "val" / "jena" / tiny.labels.name
    elif tiny.name == "cocostuff":
        double = tiny.root / "stuffthingmaps" / "train2017" / tiny.labels.name
    elif tiny.name == "medaka":
        double = tiny.labels.with_name("copy_0050.tif")
    else:
        double = tiny.labels.with_suffix(tiny.labels.suffix.upper())
    double.parent.mkdir(exist_ok=True)
    shutil.copy(tiny.labels, double)
    if double.exists() and double.samefile(tiny.labels):
        pytest.skip("this file system does not tell small letters from capitals")
    _named_and_refused(here, tiny, tiny.labels.name, double.name)


@pytest.mark.parametrize("name", ["camvid", "cityscapes", "cocostuff", "voc2012"])
def test_names_that_differ_in_case_or_normalisation_alone(here: Bench, name: str, tmp_path: Path) -> None:
    tiny = MAKERS[name](tmp_path / "root")
    ending = "_000000_000019_gtFine_labelIds.png" if name == "cityscapes" else ".png"
    pairs = (("Stra\N{LATIN SMALL LETTER SHARP S}e", "STRASSE"), ("caf\u00e9", "cafe\u0301"))
    for stem in (stem for pair in pairs for stem in pair):
        shutil.copy(tiny.labels, tiny.labels.with_name(f"{stem}{ending}"))
    faults = _faults(here, tiny)
    for first, second in pairs:
        assert any(first in fault and second in fault and "differ only in case" in fault for fault in faults), faults


def test_an_empty_split(here: Bench, tiny: Tiny) -> None:
    if tiny.name == "voc2012":
        (tiny.root / "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt").write_text("\n")
        _named_and_refused(here, tiny, "val.txt", "is empty")
    elif tiny.stacked:
        tiny.labels.write_bytes(b"")
        _named_and_refused(here, tiny, tiny.labels.name)
    else:
        for path in tiny.labels.parent.iterdir():
            path.unlink()
        _named_and_refused(here, tiny, "split", "test" if tiny.name in ("drive", "medaka") else "val", "is empty")


@pytest.mark.parametrize("part", ["image", "labels"])
def test_an_unreadable_file(here: Bench, tiny: Tiny, part: str) -> None:
    """Permissions do not bind root, for whom a folder in place of the file is as unreadable."""
    path: Path = getattr(tiny, part)
    if os.geteuid():
        path.chmod(0)
    else:
        path.unlink()
        path.mkdir()
    _named_and_refused(here, tiny, path.name)


@pytest.mark.parametrize("part", ["image", "labels"])
def test_a_link_that_leads_to_itself(here: Bench, tiny: Tiny, part: str) -> None:
    path: Path = getattr(tiny, part)
    path.unlink()
    path.symlink_to(path)
    _named_and_refused(here, tiny, path.name)


@pytest.mark.slow
def test_a_folder_that_is_a_link_to_itself(here: Bench, tiny: Tiny) -> None:
    folder = tiny.root if tiny.stacked else tiny.labels.parent
    if not tiny.stacked:
        shutil.rmtree(folder)
        folder.symlink_to(folder)
        done = _run(here, tiny)
        assert (done.status, "Traceback" in done.err) == (2, False)
        assert _faults(here, tiny)
        return
    (folder / "again").symlink_to(folder)
    _sound(here, tiny)


@pytest.mark.slow
def test_names_with_spaces_and_letters_of_any_alphabet(here: Bench, tiny: Tiny) -> None:
    """Such names are samples like any other; of DRIVE, whose samples are numbers, that of the folder."""
    name = "k\u00f6ln am \u0440\u0435\u043a\u0430"
    if tiny.stacked or tiny.name == "drive":
        tiny.root = tiny.root.rename(tiny.root.with_name(name))
    elif tiny.name == "medaka":
        tiny.labels.rename(tiny.labels.with_name(f"{name} 0050.tif"))
        tiny.image.rename(tiny.image.with_name(f"{name}-50.tif"))
    else:
        old = tiny.image.stem.removesuffix("_leftImg8bit")
        for path in [p for p in tiny.root.rglob(f"{old}*") if p.is_file()]:
            path.rename(path.with_name(path.name.replace(old, f"{name}_000000_000019")))
        for path in tiny.root.rglob("*val.txt"):
            path.write_text(path.read_text().replace(old, f"{name}_000000_000019"), encoding="utf-8")
    _sound(here, tiny)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["image", "labels"])
def test_suffixes_in_capitals(here: Bench, tiny: Tiny, part: str) -> None:
    """Such files are samples like any other."""
    path: Path = getattr(tiny, part)
    path.rename(path.with_suffix(path.suffix.upper()))
    _sound(here, tiny)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("camvid", "a:b.png"),
        ("cityscapes", "a:b_gtFine_labelIds.png"),
        ("cocostuff", "a:b.png"),
        ("cocostuff", os.fsdecode(b"\xff\xfe.png")),
        ("medaka", "seven_mask.tif"),
        ("voc2012", "a\nb.png"),
    ],
)
def test_names_that_no_sample_can_have(here: Bench, name: str, wrong: str, tmp_path: Path) -> None:
    """They are neither skipped in silence nor let into file names of predictions."""
    tiny = MAKERS[name](tmp_path / "root")
    shutil.copy(tiny.labels, tiny.labels.with_name(wrong))
    assert any("name" in fault and "ename it" in fault for fault in _faults(here, tiny))
    done = here(*("run", "-d", name, "-m", "same", "--split", "all", "--folds", "2", "--root", tiny.root))
    assert (done.status, "ename it" in done.err, "Traceback" in done.err) == (2, True, False)


@pytest.mark.parametrize("name", ["cityscapes", "cocostuff", "medaka", "voc2012"])
def test_predictions_of_fewer_samples_are_not_called_complete(here: Bench, name: str, tmp_path: Path) -> None:
    """A label map is gone, and predictions are there for those samples alone that are left."""
    tiny = MAKERS[name](tmp_path / "root")
    (tmp_path / "predictions").mkdir()
    other = tiny.other if name != "medaka" else tiny.other.with_name("lateral-test-0051.tif")
    shutil.copy(tiny.other, tmp_path / "predictions" / other.name)
    tiny.labels.unlink()
    done = here("evaluate", "-d", name, "--root", tiny.root, "-p", tmp_path / "predictions")
    assert (done.status, "Traceback" in done.err) == (2, False)
    number = "0050" if name == "medaka" else tiny.image.stem.removesuffix("_leftImg8bit")
    assert number in done.err


def test_listed_names_without_files(here: Bench, tmp_path: Path) -> None:
    tiny = MAKERS["voc2012"](tmp_path / "root")
    listing = tiny.root / "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt"
    listing.write_text(listing.read_text().replace("2008_000001", "2008_00000a"))
    (tiny.labels.with_name("2008_00000A.png")).write_bytes(tiny.labels.read_bytes())
    faults = _faults(here, tiny)
    assert any("val.txt: '2008_00000a' has no label map" in f and "'2008_00000A', which differs" in f for f in faults)
    assert _run(here, tiny).status == 2


def test_missing_and_wrong_instance_maps(here: Bench, tmp_path: Path) -> None:
    tiny = MAKERS["cityscapes"](tmp_path / "root")
    instances = tiny.labels.with_name(tiny.labels.name.replace("labelIds", "instanceIds"))
    values = stored(instances)
    store(instances, np.where(values == values[0, 0], 11, values))
    _named_and_refused(here, tiny, instances.name, "pixels")
    store(instances, values[:-1])
    _named_and_refused(here, tiny, instances.name, " x ")
    instances.unlink()
    assert any("has no instance map" in fault for fault in _faults(here, tiny))
    assert _run(here, tiny).status == 2
    store(instances, values)
    tiny.labels.unlink()
    assert any(instances.name in fault and "has no label map" in fault for fault in _faults(here, tiny))


def test_objects_and_classes_of_voc(here: Bench, tmp_path: Path) -> None:
    tiny = MAKERS["voc2012"](tmp_path / "root")
    objects = tiny.labels.parents[1] / "SegmentationObject" / tiny.labels.name
    values = stored(objects)
    values[stored(tiny.labels) == 3] = 0
    wrong = int((stored(tiny.labels) == 3).sum())
    values[0, 0] = 255  # void in either of them is not compared
    store(objects, values)
    faults = _faults(here, tiny)
    assert (not wrong and not faults) or any(objects.name in f and "pixels" in f for f in faults)
    store(objects, np.where(stored(tiny.labels) == 0, 1, stored(objects)))
    assert any(objects.name in fault for fault in _faults(here, tiny))


def test_label_maps_that_show_other_objects_than_annotated(here: Bench, tmp_path: Path) -> None:
    """Label maps of one size that were swapped: the annotations outline other objects than they show."""
    tiny = MAKERS["cocostuff"](tmp_path / "root")
    images, annotations = [], []
    for number, category in ((139, 1), (140, 18)):
        labels = np.full((24, 32), 120, np.uint8)
        labels[2:20, 4:28] = category - 1
        labels[2:20, 26:28] = 255  # void proves nothing
        path = tiny.labels.with_name(f"{number:012d}.png")
        store(path, labels)
        store(tiny.image.with_name(f"{number:012d}.jpg"), np.stack([labels] * 3, axis=-1))
        images.append({"id": number, "height": 24, "width": 32})
        outline = [4, 2, 28, 2, 28, 20, 4, 20]
        annotations.append({"image_id": number, "category_id": category, "segmentation": [outline], "iscrowd": 0})
    listed = tiny.root / "annotations" / "instances_val2017.json"
    listed.parent.mkdir()
    listed.write_text(json.dumps({"images": images, "annotations": annotations}))
    assert _faults(here, tiny) == []
    first, second = tiny.labels.read_bytes(), tiny.other.read_bytes()
    tiny.labels.write_bytes(second)
    tiny.other.write_bytes(first)
    faults = _faults(here, tiny)
    for path in (tiny.labels, tiny.other):
        assert any(path.name in fault and "at 0 of their 396 pixels" in fault for fault in faults), faults
    # A few pixels say too little, and so do crowds.
    for entry in annotations:
        entry["segmentation"] = [[4, 2, 10, 2, 10, 8, 4, 8]]
    listed.write_text(json.dumps({"images": images, "annotations": annotations}))
    assert _faults(here, tiny) == []


def test_swapped_label_maps_of_one_size(here: Bench, tmp_path: Path) -> None:
    """The maps of objects give them away, also before a run whose metric needs no objects."""
    tiny = MAKERS["voc2012"](tmp_path / "root")
    objects = tiny.labels.parents[1] / "SegmentationObject"
    for number, path in enumerate((tiny.labels, tiny.other)):
        labels = np.zeros((24, 32), np.uint8)
        labels[4 + 9 * number : 12 + 9 * number, 5:20] = 3
        store(path, labels)
        store(objects / path.name, (labels > 0).astype(np.uint8))
        store(path.parents[1] / "JPEGImages" / f"{path.stem}.jpg", np.stack([labels * 50] * 3, axis=-1))
    _sound(here, tiny)
    shutil.rmtree("runs")
    first, second = tiny.labels.read_bytes(), tiny.other.read_bytes()
    tiny.labels.write_bytes(second)
    tiny.other.write_bytes(first)
    _named_and_refused(here, tiny, tiny.labels.name, "240 pixels")


def test_annotations_of_other_images_or_sizes(here: Bench, tmp_path: Path) -> None:
    tiny = MAKERS["cocostuff"](tmp_path / "root")
    images = [{"id": 139, "height": 24, "width": 32}, {"id": 140, "height": 24, "width": 40}]
    path = tiny.root / "annotations" / "instances_val2017.json"
    path.parent.mkdir()

    def faults(*listed: dict[str, int], annotations: Any = ()) -> list[str]:
        path.write_text(json.dumps({"images": list(listed), "annotations": list(annotations)}))
        return _faults(here, tiny)

    assert faults(*images) == []
    (fault,) = faults({**images[0], "width": 33}, images[1])
    assert "image 139 is 24 x 33, its label map is 24 x 32" in fault
    (fault,) = faults(images[0])
    assert "no image of id 000000000140" in fault
    (fault,) = faults(*images, {"id": 7, "height": 3, "width": 3})
    assert "no label map in 'val2017': 7" in fault
    (fault,) = faults(*images, annotations=[{"image_id": 9}])
    assert "'image_id' is 9" in fault


def test_damage_on_the_command_line(bench: Run, tmp_path: Path) -> None:
    """As a user runs it, in a process of its own, printed for people."""
    tiny = MAKERS["voc2012"](tmp_path / "root")
    tiny.labels.unlink()
    done = bench("data", "verify", "voc2012", "--root", tiny.root, SEGBENCH_CACHE=str(tmp_path / "cache"))
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "'2008_000001' has no label map" in done.stdout
