"""What is fuzzed: readers of files from outside, each with small sound files that are damaged.

A reader may return, or raise UserError. Anything else (another error, a crash, no end) is a fault.
"""

from __future__ import annotations

import functools
import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from places import ROOT
from segbench.data.coco_annotations import annotated_sizes, true_objects
from segbench.data.download.unpack import unpack
from segbench.data.own_folder.classes_file import read_classes
from segbench.datasets.cocostuff import COCOStuff
from segbench.errors import UserError
from segbench.io.images.masks import read_labels
from segbench.io.images.picture import read_picture, read_pictures
from segbench.io.images.read import count_pages, read_array
from segbench.io.images.rle import decode_rle, encode_rle
from segbench.io.images.stacks import open_stack
from segbench.io.images.video import read_video
from segbench.io.text_files import read_json, read_text
from segbench.io.yaml import read_yaml
from segbench.predictions.coco_results import read_object_results
from segbench.runs.record import read_record
from segbench.runs.stored import open_run
from segbench.runs.stored_checks import stored_checks
from segbench.runs.suite.spec import parse_suite
from segbench.types import Array
from videos import encode, picture

RUN = ROOT / "leaderboards" / "records" / "isbi2012-threshold-146d703e"
GREY = (np.indices((9, 13)).sum(axis=0) % 5 * 50).astype(np.uint8)
COLOUR = np.stack([GREY, GREY.T.reshape(9, 13), 255 - GREY], axis=2)


@dataclass(frozen=True)
class Target:
    """A reader of one kind of file: sound files of it, the suffix of its name, and what is called with its path."""

    seeds: Callable[[], list[bytes]]
    suffix: str
    read: Callable[[Path], object]


def _saved(kind: str, *images: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    images[0].save(stream, kind, **options)
    return stream.getvalue()


def _pictures(kind: str, *modes: str, **options: Any) -> list[bytes]:
    return [_saved(kind, Image.fromarray(COLOUR).convert(mode), **options) for mode in modes]


def _tiffs() -> list[bytes]:
    made = []
    forms: list[tuple[Array, dict[str, Any]]] = [
        (GREY, {}),
        (GREY, {"compression": "lzw", "predictor": True}),
        (COLOUR, {"compression": "zlib", "planarconfig": "separate"}),
        (np.stack([GREY] * 3), {"imagej": True, "metadata": {"axes": "TYX", "finterval": 0.1}}),
        (np.stack([GREY] * 3), {"ome": True, "metadata": {"axes": "ZYX"}}),
        (GREY.astype(np.uint16) * 200, {"photometric": "miniswhite"}),
        *((GREY, {"compression": kind}) for kind in ("packbits", "zstd", "lzma", "png", "jpeg2000")),
        *((COLOUR, {"compression": kind, "photometric": "rgb"}) for kind in ("jpeg", "webp")),
    ]
    for values, options in forms:
        stream = io.BytesIO()
        tifffile.imwrite(stream, values, **options)
        made.append(stream.getvalue())
    return made


def _arrays(save: Callable[..., None]) -> list[bytes]:
    made = []
    for values in (GREY, GREY.astype(np.float32) / 255, np.stack([GREY] * 2)):
        stream = io.BytesIO()
        save(stream, values)
        made.append(stream.getvalue())
    return made


def _all_of_a_picture(path: Path) -> None:
    """Everything that a command does with one file in `images/` or `masks/`, each on its own."""
    for look in (
        read_array,
        read_picture,
        count_pages,
        open_stack,
        lambda p: list(read_pictures(p, frozenset({0}))),
        functools.partial(read_labels, binary=True),
        functools.partial(read_labels, binary=False, upright=True),
        functools.partial(read_picture, upright=True, grey=True),
    ):
        _told(look, path)


def _told(look: Callable[[Path], object], path: Path) -> None:
    try:
        look(path)
    except UserError as error:
        if path.name not in str(error):
            raise ValueError(f"the message does not name the file: {error}") from error


def _archives() -> Iterator[bytes]:
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", compression) as archive:
            archive.writestr("a/b.txt", b"words " * 20)
            archive.writestr("c.txt", b"")
        yield stream.getvalue()
    for mode in ("w", "w:gz"):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode=mode) as archive:
            for name in ("a/b.txt", "c.txt"):
                member = tarfile.TarInfo(name)
                member.size = 9
                archive.addfile(member, io.BytesIO(b"some text"))
        yield stream.getvalue()


def _unpack(path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        unpack(path, Path(folder) / "target", Path(folder) / "staging")


def _of_text(read: Callable[[str, Path], object]) -> Callable[[Path], None]:
    """A reader of text: that a file is no text is said by whoever opened it."""

    def of_file(path: Path) -> None:
        try:
            text = read_text(path)
        except UnicodeDecodeError:
            return
        read(text, path)

    return of_file


def _rle(path: Path) -> None:
    try:
        content = read_json(path)
    except (ValueError, RecursionError):  # what all who read JSON say themselves
        return
    if isinstance(content, dict):
        decode_rle(content, path.name)


def _record(path: Path) -> None:
    record = read_record(path)
    record.to_json()


def _statistics(path: Path) -> None:
    """The damaged table in the place of a run's own."""
    folder = path.parent / RUN.name
    folder.mkdir(exist_ok=True)
    (folder / "record.json").write_bytes((RUN / "record.json").read_bytes())
    path.replace(folder / "statistics.parquet")
    stored_checks(open_run(folder))


def _safetensors() -> list[bytes]:
    from safetensors.numpy import save

    return [save({"a": GREY, "b": np.ones(3, np.float32)}, {"segbench": json.dumps({"method": "unet", "config": {}})})]


def _tensors(path: Path) -> None:
    from segbench.methods.training.checkpoint import load_tensors

    load_tensors(path)


def _masks() -> list[bytes]:
    rle = encode_rle(GREY > 100)
    text = {**rle, "counts": rle["counts"].decode() if isinstance(rle["counts"], bytes) else rle["counts"]}
    return [json.dumps(text).encode(), json.dumps({"size": [9, 13], "counts": [5, 10, 102]}).encode()]


def _results() -> list[bytes]:
    entry = {"image_id": 1, "category_id": 1, "score": 0.5, "segmentation": json.loads(_masks()[0])}
    return [json.dumps([entry, {**entry, "image_id": "2"}]).encode()]


def _annotations() -> list[bytes]:
    """Two images with polygons, a crowd in each of the two run-length encodings, and no objects."""
    runs = {"size": [9, 13], "counts": [5, 10, 102]}
    polygons = [[1.0, 1.0, 8.0, 1.0, 8.5, 6, 2, 7], [3, 3, 5, 3, 4, 5]]
    first = {"id": 7, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 30.5, "bbox": [1, 1, 7, 6]}
    objects = [
        {**first, "segmentation": polygons},
        {**first, "id": 8, "image_id": 2, "category_id": 44, "iscrowd": 1, "segmentation": runs},
        {**first, "id": 9, "iscrowd": 1, "segmentation": json.loads(_masks()[0])},
    ]
    images = [{"id": number, "height": 9, "width": 13, "file_name": f"{number:012}.jpg"} for number in (1, 2)]
    categories = [{"id": 1, "name": "person", "supercategory": "person"}]
    whole = {"images": images, "annotations": objects, "categories": categories}
    return [json.dumps(whole).encode(), json.dumps({**whole, "annotations": objects[:1]}).encode()]


def _true_objects(path: Path) -> None:
    for number in annotated_sizes(path):
        _told(lambda p, number=number: true_objects(p, str(number), COCOStuff.info), path)  # type: ignore[misc]


@functools.cache
def _videos() -> list[bytes]:
    """Three small frames in every container, by coders whose decoders read them in other ways."""
    frames = [picture(number, (16, 24)) for number in range(3)]
    forms = (("mp4", "libx264"), ("mov", "mjpeg"), ("avi", "mjpeg"), ("avi", "mpeg4"), ("mkv", "ffv1"), ("webm", "vp8"))
    with tempfile.TemporaryDirectory() as folder:
        paths = [encode(Path(folder) / f"{codec}.{suffix}", frames, codec) for suffix, codec in forms]
        return [path.read_bytes() for path in paths]


def _frames(path: Path) -> None:
    """All that a command does with a video: look through it, then take its frames."""
    _told(lambda p: list(read_video(p)), path)


SUITE = (
    b"summary: a suite\ndatasets: [isbi2012]\nmethods: [{name: threshold, settings: {max_images: 3}}]\nseeds: [0, 1]\n"
)
CLASSES = b"name: Mine\nclasses:\n- {id: 0, name: ground, color: [0, 0, 0]}\n- {id: 1, name: cell}\nignore: 255\n"

TARGETS: dict[str, Target] = {
    "png": Target(
        lambda: [
            *_pictures("PNG", "RGB", "RGBA", "L", "LA", "P", "1"),
            _saved("PNG", Image.fromarray(GREY.astype(np.uint16))),
        ],
        ".png",
        _all_of_a_picture,
    ),
    "tiff": Target(_tiffs, ".tif", _all_of_a_picture),
    "jpeg": Target(lambda: _pictures("JPEG", "RGB", "L", "CMYK"), ".jpg", _all_of_a_picture),
    "gif": Target(lambda: _pictures("GIF", "P", "L"), ".gif", _all_of_a_picture),
    "webp": Target(lambda: _pictures("WEBP", "RGB", "RGBA", lossless=True), ".webp", _all_of_a_picture),
    "bmp": Target(lambda: _pictures("BMP", "RGB", "L", "1"), ".bmp", _all_of_a_picture),
    "npy": Target(lambda: _arrays(np.save), ".npy", _all_of_a_picture),
    "npz": Target(lambda: _arrays(np.savez_compressed), ".npz", _all_of_a_picture),
    "rle": Target(_masks, ".json", _rle),
    "coco-results": Target(_results, ".json", lambda path: read_object_results(path, COCOStuff.info)),
    "coco-annotations": Target(_annotations, ".json", _true_objects),
    "video": Target(_videos, ".mp4", _frames),
    "record": Target(lambda: [(RUN / "record.json").read_bytes()], ".json", _record),
    "statistics": Target(lambda: [(RUN / "statistics.parquet").read_bytes()], ".parquet", _statistics),
    "yaml": Target(lambda: [SUITE, CLASSES], ".yaml", _of_text(read_yaml)),
    "suite": Target(lambda: [SUITE], ".yaml", _of_text(parse_suite)),
    "classes": Target(lambda: [CLASSES], ".yaml", lambda path: read_classes(path, "mine")),
    "archive": Target(lambda: list(_archives()), ".zip", _unpack),
    "tensors": Target(_safetensors, ".safetensors", _tensors),
}
