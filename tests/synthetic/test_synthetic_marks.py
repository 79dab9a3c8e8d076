"""Every synthetic file says that it is synthetic, wherever it is copied; no other file does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from segbench.data.locations import MARKER
from segbench.io.synthetic_mark import MARK, synthetic_mark
from segbench.synthetic import camvid, cityscapes, cocostuff, drive, isbi2012, medaka, voc2012
from segbench.synthetic.medaka import Plan as MedakaPlan
from segbench.synthetic.output_folder import Mark, save_picture
from synthetic_roots import write_hearts

TINY: dict[str, tuple[Any, Any]] = {
    "voc2012": (voc2012, voc2012.Plan(1, 1, 64)),
    "cocostuff": (cocostuff, cocostuff.Plan(1, 1, 64)),
    "camvid": (camvid, camvid.Plan(1, 1, 1, 60, camvid.FILMS)),
    "cityscapes": (cityscapes, cityscapes.Plan(1, 1, 64, ("ulm",), ("bonn",))),
    "drive": (drive, drive.Plan(1, 1, 96)),
    "isbi2012": (isbi2012, isbi2012.Plan(1)),
    "medaka": (
        medaka,
        MedakaPlan((("lateral", 1), ("ventral", 1)), (("lateral", 1), ("ventral", 1)), 1, 1, 1),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_every_file_of_every_dataset_carries_its_mark(name: str, tmp_path: Path) -> None:
    maker, plan = TINY[name]
    maker.synthesize(tmp_path / name, plan=plan, workers=1)
    files = [path for path in (tmp_path / name).rglob("*") if path.is_file() and path.name != MARKER]
    pictures = [path for path in files if path.suffix in (".png", ".jpg", ".tif", ".gif", ".json")]
    # VOC's lists of names have no place for a mark.
    assert {path.suffix for path in set(files) - set(pictures)} <= {".txt"}
    assert len(pictures) >= 3
    expected = f"{MARK} (segbench.synthetic.{name}, version {maker.GENERATOR_VERSION})"
    for path in pictures:
        copy = Path(shutil.copy(path, tmp_path / f"holiday{path.suffix}"))
        assert synthetic_mark(copy) == expected, path


def test_files_of_others_have_no_mark(tmp_path: Path) -> None:
    write_hearts(tmp_path / "hearts", sequences=1, frames=2)
    photo = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.jpg", comment="SYNTHETIC picture made by hand")
    (tmp_path / "empty.png").touch()
    (tmp_path / "broken.tif").write_bytes(b"II*\0")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert not any(synthetic_mark(path) for path in files)


@pytest.mark.parametrize("side", [20, 300])
def test_a_mark_that_another_program_writes_last_is_found(side: int, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (side, side), dtype=np.uint8)
    sentence = Mark("segbench.synthetic.medaka", "9", "").sentence
    # Pillow writes the tags of a compressed TIFF after its pixels.
    Image.fromarray(pixels).save(tmp_path / "a.tif", compression="tiff_lzw", software=sentence)
    content = (tmp_path / "a.tif").read_bytes()
    assert (content.find(MARK.encode()) > 16 * 1024) == (side == 300)
    assert synthetic_mark(tmp_path / "a.tif") == sentence


@pytest.mark.parametrize("cut", range(0, 60, 3))
def test_a_mark_across_the_borders_of_what_is_read_is_found(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"\1" * (16 * 1024 - cut) + f"{MARK} (x, version 1)".encode() + b"\2" * 1000)
    assert synthetic_mark(path) == f"{MARK} (x, version 1)"


def test_what_follows_the_sentence_is_no_part_of_it(tmp_path: Path) -> None:
    document = json.dumps({"info": {"description": f"{MARK} (x, version 1). Never (ever) publish", "more": "text"}})
    (tmp_path / "a.json").write_text(document, encoding="utf-8")
    assert synthetic_mark(tmp_path / "a.json") == f"{MARK} (x, version 1)"
    (tmp_path / "b.bin").write_bytes(MARK.encode() + b" (" + b"x" * 10_000)
    assert synthetic_mark(tmp_path / "b.bin") == MARK
    # The checksum of a PNG's text follows it without a border, and may be letters.
    (tmp_path / "c.bin").write_bytes(f"{MARK} (x, version 1)NFKD".encode())
    assert synthetic_mark(tmp_path / "c.bin") == f"{MARK} (x, version 1)"


def test_a_mark_changes_no_pixel(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    mark = Mark("segbench.synthetic.x", "1", "")
    pictures = {
        "grey.tif": random.integers(0, 256, (30, 40), dtype=np.uint8),
        "colour.tif": random.integers(0, 256, (30, 40, 3), dtype=np.uint8),
        "stack.tif": random.integers(0, 256, (5, 30, 40), dtype=np.uint8),
        "mask.tif": np.repeat(random.integers(0, 2, (30, 40, 1), dtype=np.uint8) * np.uint8(255), 3, axis=2),
        "grey.png": random.integers(0, 256, (30, 40), dtype=np.uint8),
        "grey.gif": random.integers(0, 256, (30, 40), dtype=np.uint8),
        "mask.gif": random.integers(0, 2, (30, 40), dtype=np.uint8) * np.uint8(255),
        "ids.png": random.integers(0, 60_000, (30, 40), dtype=np.uint16),
    }
    for name, pixels in pictures.items():
        path = tmp_path / name
        save_picture(path, pixels, mark)
        back = tifffile.imread(path) if path.suffix == ".tif" else np.asarray(Image.open(path))
        assert np.array_equal(back, pixels), name
        assert back.dtype == pixels.dtype
        assert synthetic_mark(path) == mark.sentence
    save_picture(tmp_path / "palette.png", pictures["grey.png"], mark, [*range(256)] * 3)
    with Image.open(tmp_path / "palette.png") as image:
        assert image.mode == "P"
        assert np.array_equal(np.asarray(image), pictures["grey.png"])
