"""Annotations from outside are not trusted: each is refused in one sentence that names its file."""

from __future__ import annotations

import base64
import copy
import json
import shutil
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from places import ROOT
from segbench.commands.import_data import ImportRequest, import_data
from segbench.data.importing.documents import ImportedData
from segbench.datasets.folder import Folder
from segbench.errors import UserError
from segbench.io.reporter import Reporter

QUIET = Reporter(quiet=True)
FILES = ROOT / "tests" / "golden" / "imports"
Change = Callable[[dict[str, Any]], None]


def picture(path: Path, size: tuple[int, int] = (20, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(1).integers(0, 256, size, np.uint8)).save(path)
    return path


def run(source: Path, out: Path, **options: Any) -> ImportedData:
    return import_data(ImportRequest(source, out, **options), QUIET)


def refused(source: Path, tmp_path: Path, **options: Any) -> str:
    """The message; nothing is left where the folder would be."""
    started = time.monotonic()
    with pytest.raises(UserError) as caught:
        run(source, tmp_path / "out", **options)
    assert time.monotonic() - started < 20
    assert not (tmp_path / "out").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")]
    assert "\n" not in str(caught.value)
    return str(caught.value)


COCO: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "a.png", "height": 20, "width": 30}],
    "categories": [{"id": 7, "name": "cell"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "segmentation": [[2, 2, 9, 2, 9, 9]], "iscrowd": 0}],
}
LABELME: dict[str, Any] = {
    "version": "6.3.1",
    "flags": {},
    "shapes": [{"label": "cell", "points": [[2, 2], [9, 2], [9, 9]], "shape_type": "polygon", "group_id": None}],
    "imagePath": "a.png",
    "imageData": None,
    "imageHeight": 20,
    "imageWidth": 30,
}


def written(folder: Path, content: Any, name: str = "a.json") -> Path:
    picture(folder / "a.png")
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def changed(content: dict[str, Any], change: Change) -> dict[str, Any]:
    made = copy.deepcopy(content)
    change(made)
    return made


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c["images"][0].update(file_name="../../etc/passwd"), "leads out of"),
        (lambda c: c["images"][0].update(file_name="/etc/passwd"), "absolute path"),
        (lambda c: c["images"][0].update(file_name="C:\\x.png"), "absolute path"),
        (lambda c: c["images"][0].update(file_name="a\0.png"), "expected the path"),
        (lambda c: c["images"][0].update(height=21), "is 20 x 30"),
        (lambda c: c["images"][0].update(height=10**6, width=10**6), "expected [height, width]"),
        (lambda c: c["images"][0].update(height=16000, width=16000), "--trust-large"),
        (lambda c: c["images"][0].update(height=-1), "'size' is [-1, 30]"),
        (lambda c: c["images"].append(c["images"][0]), "no other image has"),
        (lambda c: c["annotations"][0].update(category_id=8), "'category_id' is 8"),
        (lambda c: c["annotations"][0].update(category_id=True), "'category_id' is True"),
        (lambda c: c["annotations"][0].update(image_id=2), "'image_id' is 2"),
        (lambda c: c["annotations"][0].update(iscrowd=2), "'iscrowd' is 2"),
        (lambda c: c["annotations"][0].update(segmentation=[[1, 2, 3, 4, 5, 1e300]]), "far outside"),
        (lambda c: c["annotations"][0].update(segmentation=[[1, 2, 3, 4, 5]]), "at least 3 points"),
        (lambda c: c["annotations"][0].update(segmentation={"size": [2, 2], "counts": [4]}), "size is [2, 2]"),
        (lambda c: c["annotations"][0].update(segmentation={"size": [20, 30], "counts": [700]}), "run-length"),
        (lambda c: c["annotations"][0].update(segmentation={"size": [20, 30], "counts": "~~~"}), "run-length"),
        (lambda c: c["annotations"][0].update(segmentation=[[0, 0, 60, 0, 60, 60, 0, 60] * 100_000]), "longer than"),
        (lambda c: c["categories"].append({"id": 8, "name": "cell"}), "no other category"),
        (lambda c: c.update(categories=[]), "'categories' is empty"),
        (lambda c: c.update(categories=5), "'categories' is 5"),
        (lambda c: c.update(images=[]), "expected the id of one of 'images'"),
    ],
)
def test_unsound_coco_is_refused(change: Change, says: str, tmp_path: Path) -> None:
    text = refused(written(tmp_path / "in", changed(COCO, change)), tmp_path)
    assert says in text
    assert "a.json" in text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c.update(imagePath="../secret.png"), "leads out of"),
        (lambda c: c.update(imagePath="..\\secret.png"), "leads out of"),
        (lambda c: c.update(imagePath=None, imageData="%%%"), "no base64"),
        (lambda c: c.update(imagePath=None, imageData="AAAA"), "no picture"),
        (lambda c: c.update(imageHeight="20"), "expected the picture's size"),
        (lambda c: c.update(imageWidth=31), "is 20 x 30"),
        (lambda c: c.update(shapes={"a": 1}), "expected a list of shapes"),
        (lambda c: c.update(flags=[1]), "'flags' is [1]"),
        (lambda c: c["shapes"][0].update(label=5), "'label' is 5"),
        (lambda c: c["shapes"][0].update(label=""), "'label' is ''"),
        (lambda c: c["shapes"][0].update(points=[[1, "x"], [2, 3], [4, 5]]), "holds the point"),
        (lambda c: c["shapes"][0].update(points=[[1, 1], [1e12, 3], [4, 5]]), "far outside"),
        (lambda c: c["shapes"][0].update(shape_type="blob"), "'shape_type' is 'blob'"),
        (lambda c: c["shapes"][0].update(shape_type="circle", points=[[1, 1], [1e9, 1]]), "radius"),
        (lambda c: c["shapes"][0].update(shape_type="mask", mask="AAAA"), "cannot be decoded"),
        (lambda c: c["shapes"][0].update(shape_type="mask", mask=None), "expected a picture in base64"),
    ],
)
def test_unsound_labelme_is_refused(change: Change, says: str, tmp_path: Path) -> None:
    text = refused(written(tmp_path / "in", changed(LABELME, change)), tmp_path)
    assert says in text
    assert "a.json" in text


def test_a_drawn_mask_stays_inside_its_picture_and_small(tmp_path: Path) -> None:
    def mask(size: tuple[int, int], at: tuple[int, int]) -> dict[str, Any]:
        path = tmp_path / "mask.png"
        Image.fromarray(np.full(size, 255, np.uint8)).save(path)
        data = base64.b64encode(path.read_bytes()).decode()
        shape = {"label": "cell", "shape_type": "mask", "points": [[*at], [0, 0]], "mask": data}
        return {**LABELME, "shapes": [shape]}

    assert "leaves the picture" in refused(written(tmp_path / "in", mask((5, 5), (28, 0))), tmp_path)
    assert "the picture is 20 x 30" in refused(written(tmp_path / "in", mask((3000, 3000), (0, 0))), tmp_path)
    run(written(tmp_path / "in", mask((5, 5), (25, 15))), tmp_path / "fine")


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"shapes": ' * 50_000, '{"shapes": 1e99999}'])
def test_what_is_no_json_is_refused(content: str, tmp_path: Path) -> None:
    text = refused(written(tmp_path / "in", content), tmp_path)
    assert "a.json: " in text or "Expected COCO JSON" in text


@pytest.mark.parametrize(
    ("xml", "says"),
    [
        ('<!DOCTYPE a [<!ENTITY x "y">]><annotations><image/></annotations>', "document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotations></annotations>', "document type"),
        ("<annotations><track id='0'/></annotations>", "CVAT for images"),
        ("<annotations><image name='a.png' width='30' height='20'>", "no sound XML"),
        ("<annotations><image name='a.png' width='30' height='x'/></annotations>", "'height' is 'x'"),
        ("<annotations><image name='../a.png' width='30' height='20'/></annotations>", "leads out of"),
        ("<annotations>" + "<a>" * 40 + "</a>" * 40 + "</annotations>", "levels deep"),
        ("<annotations><image name='a.png' width='30' height='20'><blob label='c'/></image></annotations>", "no shape"),
        (
            "<annotations><image name='a.png' width='30' height='20'><mask label='c' rle='5,5' top='0' left='0' "
            "width='30' height='1'/></image></annotations>",
            "'rle' is '5,5'",
        ),
        (
            "<annotations><image name='a.png' width='30' height='20'><mask label='c' rle='9' top='0' left='29' "
            "width='3' height='3'/></image></annotations>",
            "leaves the picture",
        ),
        (
            "<annotations><image name='a.png' width='30' height='20'><polygon label='c' points='1,2;3;4,5'/></image>"
            "</annotations>",
            "expected x,y;x,y",
        ),
        (
            "<annotations><image name='a.png' width='30' height='20'><ellipse label='c' cx='1' cy='1' rx='1e9' "
            "ry='1'/></image></annotations>",
            "radii",
        ),
    ],
)
def test_unsound_cvat_is_refused(xml: str, says: str, tmp_path: Path) -> None:
    text = refused(written(tmp_path / "in", xml, "annotations.xml"), tmp_path)
    assert says in text
    assert "annotations.xml" in text


def test_cvat_shapes_that_datumaro_does_not_write(tmp_path: Path) -> None:
    """Masks, ellipses, turned boxes, groups, levels and tags, as CVAT's documentation has them."""
    xml = """<annotations><version>1.1</version><meta><job><labels>
    <label><name>cell</name><color>#ff00aa</color><type>any</type></label>
    <label><name>void</name><color>#000000</color></label>
    </labels></job></meta><image id="0" name="a.png" width="30" height="20">
    <mask label="cell" source="manual" rle="1, 2, 3, 3" left="10" top="4" width="3" height="3" z_order="2"></mask>
    <ellipse label="cell" cx="20" cy="10" rx="6" ry="3" rotation="90" z_order="0"/>
    <box label="void" xtl="2" ytl="2" xbr="6" ybr="4" rotation="90.0" z_order="1"/>
    <polyline label="cell" points="1,1;2,2"/><tag label="blurred" source="manual"></tag>
    </image></annotations>"""
    found = run(written(tmp_path / "in", xml, "annotations.xml"), tmp_path / "out")
    labels = Folder(tmp_path / "out").load("a", ("labels",)).labels
    assert labels is not None
    np.testing.assert_array_equal(labels[4:7, 10:13], [[0, 1, 1], [0, 0, 0], [1, 1, 1]])
    rows, columns = np.nonzero(labels[:, 14:] == 1)
    assert [int(np.ptp(rows)), int(np.ptp(columns))] == [11, 5]  # a quarter turn
    rows, columns = np.nonzero(labels == 255)
    assert [int(np.ptp(rows)), int(np.ptp(columns))] == [3, 1]
    assert [(c.name, c.label) for c in found.classes] == [("background", 0), ("cell", 1)]
    assert (found.ignore_label, found.flags, [each.what for each in found.skipped]) == (255, ["blurred"], ["polyline"])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("5 0.1 0.1 0.5 0.1 0.5 0.5", "the class is 5"),
        ("x 0.1 0.1", "expected a class"),
        ("0 10 10 50 10 50 50", "between 0 and 1"),
        ("0 0.1 0.1 0.5 0.1 0.5 nan", "between 0 and 1"),
        ("0 0.1 0.1 0.5 0.1 0.5 0.5 0.7", "pairs of x, y"),
        ("nan 0.1 0.1 0.5 0.1 0.5 0.5", "the class is nan"),
    ],
)
def test_unsound_yolo_is_refused(line: str, says: str, tmp_path: Path) -> None:
    source = tmp_path / "in"
    picture(source / "images" / "train" / "a.png")
    (source / "labels" / "train").mkdir(parents=True)
    (source / "labels" / "train" / "a.txt").write_text(line + "\n")
    (source / "data.yaml").write_text("train: images/train\nnames: [cell]\n")
    text = refused(source, tmp_path)
    assert says in text
    assert "a.txt, line 1" in text


@pytest.mark.parametrize("place", ["/etc", "../../..", "nowhere", "C:\\x"])
def test_yolo_folders_stay_inside_the_source(place: str, tmp_path: Path) -> None:
    source = tmp_path / "in"
    picture(source / "images" / "a.png")
    (source / "data.yaml").write_text(f"train: '{place}'\nnames: [cell]\n")
    text = refused(source, tmp_path)
    assert "data.yaml" in text


def test_roboflows_folders_beside_one_another_are_found(tmp_path: Path) -> None:
    """Its data.yaml says `../train/images`, as seen from a folder that there is not."""
    source = tmp_path / "in"
    for split in ("train", "valid"):
        picture(source / split / "images" / f"{split}.png")
        (source / split / "labels").mkdir()
        (source / split / "labels" / f"{split}.txt").write_text("0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    (source / "data.yaml").write_text("train: ../train/images\nval: ../valid/images\nnc: 1\nnames: ['cell']\n")
    assert run(source, tmp_path / "out").splits == {"train": 1, "val": 1}


def test_a_mask_of_colours_that_are_no_class_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "in"
    shutil.copytree(FILES / "datumaro_voc", source)
    mask = next((source / "SegmentationClass").glob("*.png"))
    values = np.array(Image.open(mask).convert("RGB"))
    values[3, 4] = (1, 2, 3)
    Image.fromarray(values).save(mask)
    text = refused(source, tmp_path)
    assert "row 3, column 4" in text
    assert "[1, 2, 3]" in text


def test_hugging_face_files_stay_inside_and_are_sound(tmp_path: Path) -> None:
    source = tmp_path / "in"
    shutil.copytree(FILES / "huggingface_saved" / "train", source)
    state = json.loads((source / "state.json").read_text())
    state["_data_files"][0]["filename"] = "../../../etc/passwd"
    (source / "state.json").write_text(json.dumps(state))
    assert "state.json" in refused(source, tmp_path)
    state["_data_files"][0]["filename"] = "data-00000-of-00001.arrow"
    (source / "state.json").write_text(json.dumps(state))
    arrow = source / "data-00000-of-00001.arrow"
    arrow.write_bytes(arrow.read_bytes()[:3000])
    assert ".arrow" in refused(source, tmp_path)


def test_pictures_that_a_table_only_names_stay_inside(tmp_path: Path) -> None:
    source = tmp_path / "in"
    picture(tmp_path / "secret.png")
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    rows = [{"bytes": None, "path": str(tmp_path / "secret.png")}]
    source.mkdir()
    pq.write_table(pa.table({"image": pa.array(rows, kind), "label": pa.array(rows, kind)}), source / "x.parquet")
    assert "absolute path" in refused(source, tmp_path)


def test_a_table_without_label_maps_is_refused_with_its_columns(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    pq.write_table(pa.table({"text": ["a"], "label": [1]}), source / "x.parquet")
    assert "text (string), label (int64)" in refused(source, tmp_path)
    (source / "x.parquet").write_bytes(b"PAR1 nonsense")
    assert "x.parquet" in refused(source, tmp_path)


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "secret.png")
    source = written(tmp_path / "in", {**COCO, "images": [{**COCO["images"][0], "file_name": "link.png"}]})
    (source / "link.png").symlink_to(tmp_path / "secret.png")
    assert "leads out of" in refused(source, tmp_path)


def test_what_cannot_be_recognised_is_told_what_is_expected(tmp_path: Path) -> None:
    source = tmp_path / "in"
    picture(source / "a.png")
    assert "COCO JSON" in refused(source, tmp_path)
    assert "does not exist" in refused(tmp_path / "nowhere", tmp_path)
    archive = source / "x.7z"
    archive.write_bytes(b"7z")
    assert "unpack it" in refused(archive, tmp_path)
    archive = archive.rename(source / "x.zip")
    archive.write_bytes(b"PK")
    assert "x.zip: is neither a zip nor a tar" in refused(archive, tmp_path)
    archive.unlink()
    written(source, COCO, "coco.json")
    written(source, LABELME, "a.json")
    assert "--from coco, --from labelme" in refused(source, tmp_path)
    assert run(source, tmp_path / "named", format="labelme").format == "labelme"
    assert "holds no annotations of yolo" in refused(source, tmp_path, format="yolo")


def test_a_folder_that_holds_something_is_not_lost(tmp_path: Path) -> None:
    source = written(tmp_path / "in", COCO)
    out = tmp_path / "out"
    out.mkdir()
    run(source, out)
    with pytest.raises(UserError, match="not empty"):
        run(source, out)
    run(source, out, overwrite=True)
    (out / "mine.txt").write_text("kept")
    with pytest.raises(UserError, match=r"mine\.txt"):
        run(source, out, overwrite=True)
    assert (out / "mine.txt").read_text() == "kept"
    for place in (source, source / "inner", tmp_path):
        with pytest.raises(UserError, match="in one another"):
            run(source, place, overwrite=True)


def test_a_failing_import_leaves_the_earlier_folder_as_it_was(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(written(tmp_path / "in", COCO), out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    unsound = written(tmp_path / "other", changed(COCO, lambda c: c["annotations"][0].update(category_id=9)))
    with pytest.raises(UserError):
        run(unsound, out, overwrite=True)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_labels_of_a_picture_that_is_stored_turned_are_turned_with_it(tmp_path: Path) -> None:
    """COCO's size is that of the stored pixels here; a folder shows pictures as viewers do."""
    source = tmp_path / "in"
    source.mkdir()
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (20, 30), np.uint8))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(source / "a.jpg", exif=exif)
    coco = {**COCO, "images": [{**COCO["images"][0], "file_name": "a.jpg"}]}
    (source / "a.json").write_text(json.dumps(coco))
    assert run(source, tmp_path / "out").turned == 1
    sample = Folder(tmp_path / "out").load("a")
    assert sample.image is not None
    assert sample.labels is not None
    assert sample.labels.shape == sample.image.shape[:2] == (30, 20)
    rows, columns = np.nonzero(sample.labels)
    assert (rows.min() < 5, columns.min() > 9) == (True, True)  # what was at the top left is at the top right


def test_polygons_inside_others_are_filled_and_counted_and_hidden_shapes_are_named(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        outer, inner = [2, 2, 15, 2, 15, 15, 2, 15], [5, 5, 9, 5, 9, 9, 5, 9]
        content["annotations"][0]["segmentation"] = [outer, inner]
        content["annotations"].append({**content["annotations"][0], "id": 2})

    found = run(written(tmp_path / "in", changed(COCO, change)), tmp_path / "out")
    assert (found.filled, found.hidden, found.holes, found.overlaps) == (2, 1, 0, 1)
    labels = Folder(tmp_path / "out").load("a", ("labels",)).labels
    assert labels is not None
    assert labels[6:8, 6:8].all()


def test_pictures_of_one_name_in_two_folders_stay_apart(tmp_path: Path) -> None:
    source = tmp_path / "in"
    for folder in ("left", "right"):
        picture(source / folder / "a.png")
        (source / folder / "a.json").write_text(json.dumps(LABELME))
    picture(source / "left" / "b?.jpg")
    (source / "left" / "b?.json").write_text(json.dumps({**LABELME, "imagePath": "b?.jpg"}))
    found = run(source, tmp_path / "out")
    dataset = Folder(tmp_path / "out")
    assert set(dataset.ids("all")) == {"left__a", "right__a", "left__b_"}
    assert {dataset.group(i) for i in dataset.ids("all")} == {"left", "right"}
    assert found.renamed == 1


def test_a_picture_of_another_split_is_not_taken_for_one_that_is_missing(tmp_path: Path) -> None:
    source = tmp_path / "in"
    picture(source / "images" / "train" / "a.png")
    (source / "annotations").mkdir()
    (source / "annotations" / "instances_val.json").write_text(json.dumps(COCO))
    found = run(source, tmp_path / "out")
    assert found.images == {"missing": 1}
    assert [(each.what, each.n) for each in found.skipped] == [("picture", 1)]
    assert Folder(tmp_path / "out").load("a").image is None


def test_one_file_of_annotations_finds_the_pictures_beside_their_folder(tmp_path: Path) -> None:
    source = tmp_path / "in"
    picture(source / "val2017" / "a.png")
    (source / "annotations").mkdir()
    path = source / "annotations" / "instances_val2017.json"
    path.write_text(json.dumps(COCO))
    assert run(path, tmp_path / "out").images == {"hard links": 1}


def test_files_of_other_tasks_are_named_as_not_read(tmp_path: Path) -> None:
    source = tmp_path / "in"
    shutil.copytree(FILES / "datumaro_coco", source)
    shutil.copytree(FILES / "datumaro_coco_panoptic" / "annotations", source / "annotations", dirs_exist_ok=True)
    found = run(source, tmp_path / "out")
    assert (found.masks, found.panoptic) == (4, 0)
    (remark,) = found.remarks
    assert "panoptic_train.json, panoptic_val.json" in remark


def test_a_renamed_picture_of_labelme_is_found_beside_its_file(tmp_path: Path) -> None:
    source = tmp_path / "in"
    picture(source / "new.png")
    (source / "new.json").write_text(json.dumps({**LABELME, "imagePath": "old.png"}))
    assert run(source, tmp_path / "out").images == {"hard links": 1}


def test_memory_does_not_grow_with_the_shapes_that_cover_a_picture(tmp_path: Path) -> None:
    """The places of all pixels of all shapes, 8 bytes each, were held at once: 46 GB for 3 kB of text."""
    peaks = []
    for count in (2, 12):
        source = tmp_path / str(count)
        picture(source / "images" / "a.png", (800, 800))
        (source / "data.yaml").write_text("names: [cell]\ntrain: images\n")
        (source / "labels").mkdir()
        (source / "labels" / "a.txt").write_text("0 0 0 1 0 1 1 0 1\n" * count)
        tracemalloc.start()
        run(source, tmp_path / f"out-{count}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
