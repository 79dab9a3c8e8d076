"""ROIs of ImageJ and objects of QuPath beside pictures: pixels, holes, classes, and what is refused."""

from __future__ import annotations

import json
import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from places import ROOT
from segbench.commands.import_data import ImportRequest, import_data
from segbench.data.importing.documents import ImportedData
from segbench.data.importing.imagej import members, read_roi
from segbench.datasets.folder import Folder
from segbench.errors import UserError
from segbench.io.images.rle import decode_rle
from segbench.io.reporter import Reporter

ROIS = ROOT / "tests" / "golden" / "imports" / "roifile_imagej"
QUIET = Reporter(quiet=True)
SQUARE = [[10, 5], [20, 5], [20, 15], [10, 15], [10, 5]]


def imported(source: Path, out: Path) -> ImportedData:
    return import_data(ImportRequest(source, out), QUIET)


def masks(root: Path, sample_id: str) -> list[tuple[int, Any]]:
    """Labels and pixels of the objects of a sample."""
    folder = Folder(root)
    found = folder.load(sample_id, ("objects",)).objects or ()
    return [(each.label, decode_rle(each.mask, "")) for each in found if not isinstance(each.mask, np.ndarray)]


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((40, 60), np.uint8)).save(path)
    return path


def test_rois_cover_what_they_were_made_of(tmp_path: Path) -> None:
    """Exactly; but for the oval, of which ImageJ and scikit-image have rules of their own for the rim."""
    found = imported(ROIS, tmp_path / "mine")
    truth = np.load(ROIS / "truth.npz")
    objects = masks(tmp_path / "mine", "cells")
    assert [label for label, _ in objects] == [1, 1, 2, 1, 1]
    for (name, true), (_, mask) in zip(truth.items(), objects, strict=True):
        different = int((mask.astype(bool) != true).sum())
        assert different <= (4 if name == "oval" else 0), name
    assert [(each.name, each.shapes) for each in found.classes] == [("background", 0), ("object", 4), ("group 2", 1)]
    assert {(left.what, left.why) for left in found.skipped} == {
        ("line", "has no area"),
        ("freehand outline", "lies on another slice than the first"),
    }


def test_a_set_of_rois_without_a_name_is_of_the_one_picture(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    shutil.copy(ROIS / "cells.png", tmp_path / "source" / "any.png")
    shutil.copy(ROIS / "cells_RoiSet.zip", tmp_path / "source" / "RoiSet.zip")
    assert imported(tmp_path / "source", tmp_path / "mine").objects == 5
    shutil.copy(ROIS / "cells.png", tmp_path / "source" / "another.png")
    with pytest.raises(UserError, match=r"RoiSet\.zip: of which picture it is, its name does not say"):
        imported(tmp_path / "source", tmp_path / "other")


def roi(**changed: bytes) -> bytes:
    """The square of the golden ROIs, with other bytes at `p16` and the like."""
    with zipfile.ZipFile(ROIS / "cells_RoiSet.zip") as archive:
        data = bytearray(archive.read("0001.roi"))
    for place, value in changed.items():
        start = int(place[1:])
        data[start : start + len(value)] = value
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is no ROI"),
        (b"PK\3\4" + bytes(100), "begins with"),
        (roi()[:40], "is no ROI"),
        (roi(p16=b"\xff\xff"), "says that it has 65535 points"),
        (roi(p16=b"\0\0", p18=b"\x80\0\0\0"), "says that it has -2147483648 points"),
        (roi(p36=b"\x7f\xff\xff\xff"), "says that its path has 2147483647 numbers"),
        (roi(p36=b"\0\0\0\1", p64=struct.pack(">f", 3)), "has a segment of type 3"),
        (roi(p36=b"\0\0\0\1", p64=struct.pack(">f", float("nan"))), "what is no number"),
        (roi(p36=b"\0\0\0\2", p64=struct.pack(">2f", 0, 1)), "ends within a point"),
    ],
)
def test_bytes_that_are_no_roi_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(UserError, match=rf"^here: .*{words}"):
        read_roi(data, "here")


def test_no_bytes_of_a_roi_do_more_than_be_refused() -> None:
    """Every byte of a sound one, changed in turn."""
    data, refused = roi(), 0
    for place in range(len(data)):
        for value in (0, 127, 128, 255):
            try:
                read_roi(data[:place] + bytes([value]) + data[place + 1 :], "here")
            except UserError:
                refused += 1
    assert 0 < refused < 4 * len(data)


def test_a_broken_archive_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "source" / "a.png")
    whole = (ROIS / "cells_RoiSet.zip").read_bytes()
    changed = bytearray(whole)
    changed[60:90] = bytes(30)  # of the first member
    (tmp_path / "source" / "a.zip").write_bytes(bytes(changed))
    with pytest.raises(UserError, match=r"a\.zip"):
        imported(tmp_path / "source", tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def geojson(path: Path, *features: dict[str, Any]) -> None:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features)}))


def feature(geometry: Any, name: Any = "Tumor", **more: Any) -> dict[str, Any]:
    classification = {"name": name, "color": [200, 0, 10]} if isinstance(name, str) else name
    return {"type": "Feature", "geometry": geometry, "properties": {"classification": classification}, **more}


def test_objects_of_qupath_have_their_classes_holes_and_parts(tmp_path: Path) -> None:
    hole = [[12, 7], [16, 7], [16, 11], [12, 11], [12, 7]]
    far = [[[30, 20], [34, 20], [34, 24], [30, 24], [30, 20]]]
    source = picture(tmp_path / "source" / "slide 1.tif").parent
    picture(source / "b.png")
    geojson(
        source / "slide 1.geojson",
        feature({"type": "Polygon", "coordinates": [SQUARE, hole]}),
        feature({"type": "MultiPolygon", "coordinates": [[SQUARE], far]}, "Stroma"),
        feature({"type": "Polygon", "coordinates": far}, None),
        feature({"type": "Point", "coordinates": [1, 2]}),
        feature({"type": "Polygon", "coordinates": far, "plane": {"c": -1, "z": 3, "t": 0}}),
    )
    (source / "b.png.geojson").write_text(
        json.dumps([feature({"type": "Polygon", "coordinates": [SQUARE]}, "Ignore*")])
    )
    found = imported(source, tmp_path / "mine")
    assert [(c.name, c.kind) for c in found.classes] == [
        ("background", "background"),
        ("Stroma", "thing"),
        ("Tumor", "thing"),
        ("object", "thing"),
    ]
    assert found.ignore_label == 255
    shown = np.zeros((40, 60), bool)
    shown[5:15, 10:20] = True
    inner = shown.copy()
    inner[7:11, 12:16] = False
    both = shown.copy()
    both[20:24, 30:34] = True
    objects = masks(tmp_path / "mine", "slide 1")
    assert [label for label, _ in objects] == [2, 1, 3]
    for (_, mask), true in zip(objects, (inner, both, both & ~shown), strict=True):
        assert (mask.astype(bool) == true).all()
    ignored = Folder(tmp_path / "mine").load("b", ("labels",)).labels
    assert ignored is not None
    assert ((ignored == 255) == shown).all()
    assert {(left.what, left.why, left.n) for left in found.skipped} == {
        ("geometry of type Point", "is no polygon", 1),
        ("polygon", "lies in another plane than the first", 1),
    }


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"type": "FeatureCollection", "features": 3}', "expected a FeatureCollection"),
        ("[3]", "expected a FeatureCollection"),
        ("{", "is no JSON"),
        (json.dumps(feature(None)), "'geometry' is None"),
        (
            json.dumps(feature({"type": "Polygon", "coordinates": 3})),
            "'coordinates': holds 3|a polygon, a list of rings",
        ),
        (json.dumps(feature({"type": "Polygon", "coordinates": [SQUARE[:2]]})), "a ring of 2 points"),
        (json.dumps(feature({"type": "Polygon", "coordinates": [[["a", 1]] * 3]})), "holds the point"),
        (json.dumps(feature({"type": "Polygon", "coordinates": [[[1e9, 1]] * 3]})), "far outside"),
        (json.dumps(feature({"type": "MultiPolygon", "coordinates": {}})), "'coordinates' is"),
        (json.dumps(feature({"type": "Polygon", "coordinates": [SQUARE]}, {"name": "a\n"})), "'classification' is"),
    ],
)
def test_geojson_that_is_none_is_named(content: str, words: str, tmp_path: Path) -> None:
    source = picture(tmp_path / "source" / "a.png").parent
    (source / "a.geojson").write_text(content)
    with pytest.raises(UserError, match=rf"a\.geojson: .*({words})"):
        imported(source, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_two_files_of_one_picture_are_refused(tmp_path: Path) -> None:
    source = picture(tmp_path / "source" / "a.png").parent
    for name in ("a.geojson", "a.png.geojson"):
        geojson(source / name, feature({"type": "Polygon", "coordinates": [SQUARE]}))
    with pytest.raises(UserError, match=r"is of the picture 'a\.png', and so is"):
        imported(source, tmp_path / "mine")


def test_no_byte_of_an_archive_of_rois_does_more_than_be_refused(tmp_path: Path) -> None:
    """Every byte of a sound one, changed in turn: lengths, ways of compression, and what is compressed."""
    path, refused = tmp_path / "RoiSet.zip", 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cell.roi", roi() + bytes(range(256)))
    data = path.read_bytes()
    for place in range(len(data)):
        for value in (0, 127, 255):
            path.write_bytes(data[:place] + bytes([value]) + data[place + 1 :])
            try:
                members(path)
            except UserError:
                refused += 1
    assert 0 < refused < 3 * len(data)
