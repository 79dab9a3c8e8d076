"""What hostile files cost: PYTHONPATH=tests/helpers:tests/fuzz python tests/speed/hostile_files.py [--only NAME …]

Each small file that asks for much is made, and read in a process of its own by what a command reads it with. Printed
are its size, the processor time and the most memory that reading took (beyond what the libraries hold once they are
loaded), and the message. The exit status is 1 where one took more than `MAX_S` or `MAX_MB`, or ended in a traceback.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import struct
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fuzz_targets import RUN, TARGETS
from PIL import Image
from tabulate import tabulate

from segbench.errors import UserError
from segbench.io.images.masks import read_labels
from segbench.io.images.picture import read_picture
from segbench.io.images.stacks import open_stack

MAX_S, MAX_MB = 5.0, 1000.0

Read = Callable[[Path], object]


def png_bomb() -> bytes:
    """100 000 x 100 000 grey pixels, all 0."""
    packer = zlib.compressobj(9)
    rows = packer.compress(bytes(64 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b"")))


def png_rows() -> bytes:
    """A megabyte of compressed zeros behind a head of 4 x 4 pixels."""
    head = struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(1 << 30), 1)
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in ((b"IHDR", head), (b"IDAT", body), (b"IEND", b"")))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def tiff_strips() -> bytes:
    """A grey picture of one column and a million rows, a strip each, all at the same byte."""
    count = 1_000_000
    tags = 8
    offsets = 8 + 2 + 12 * tags + 4
    counts = offsets + 4 * count
    entries = [
        *((256, 4, 1, 1), (257, 4, 1, count), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)),
        *((273, 4, count, offsets), (278, 4, 1, 1), (279, 4, count, counts)),
    ]
    directory = struct.pack("<H", tags) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    places = np.full(count, 8, "<u4").tobytes()
    return struct.pack("<2sHI", b"II", 42, 8) + directory + places + np.ones(count, "<u4").tobytes()


def tiff_pages() -> bytes:
    """A hundred thousand pages of 4000 x 4000, which share one compressed strip."""
    strip = zlib.compress(bytes(16_000_000), 9)
    size, tags = 2 + 12 * 8 + 4, 8
    made = [struct.pack("<2sHI", b"II", 42, 8 + len(strip)), strip]
    for number in range(100_000):
        entries = [
            *((256, 4, 1, 4000), (257, 4, 1, 4000), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1)),
            *((273, 4, 1, 8), (278, 4, 1, 4000), (279, 4, 1, len(strip))),
        ]
        following = 8 + len(strip) + size * (number + 1) if number < 99_999 else 0
        made.append(struct.pack("<H", tags) + b"".join(struct.pack("<HHII", *entry) for entry in entries))
        made.append(struct.pack("<I", following))
    return b"".join(made)


def yaml_nested() -> bytes:
    """A list in a list, 190 000 deep."""
    return b"classes: " + b"[" * 190_000


def yaml_aliases() -> bytes:
    """Ten lines, each ten times the one before."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return ("\n".join(lines) + "\n").encode()


def yaml_number() -> bytes:
    """A whole number of 190 000 digits."""
    return b"classes:\n- {id: " + b"9" * 190_000 + b", name: cell}\n"


def npy_shape() -> bytes:
    """10^400 values."""
    head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': (1{'0' * 400}, 9), }}".ljust(581) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + bytes(99)


def npz_bomb() -> bytes:
    """10 GB of zeros in a member of 10 MB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(64 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    head = "{'descr': '|u1', 'fortran_order': False, 'shape': (100000, 100000), }".ljust(117) + "\n"
    first = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = first.compress(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
    body = start + first.flush(zlib.Z_FULL_FLUSH) + block * 149 + b"\x03\x00"
    whole = 10 + len(head) + 149 * (64 << 20)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("arr_0.npy", body)
    data = bytearray(stream.getvalue())
    central = data.rindex(b"PK\x01\x02")
    for place, name in ((8, 0), (central + 10, central)):
        struct.pack_into("<H", data, place, zipfile.ZIP_DEFLATED)
        struct.pack_into("<I", data, name + (22 if name == 0 else 24), min(whole, 0xFFFFFFFE))
    return bytes(data)


def json_numbers() -> bytes:
    """Results of COCO with whole numbers of a million digits."""
    number = b"9" * 1_000_000
    entry = b'{"image_id": %s, "category_id": %s, "score": %s, "segmentation": {"size": [9, 9], "counts": "0"}}'
    return b"[" + b", ".join([entry % (number, number, number)] * 10) + b"]"


def json_nested() -> bytes:
    """A list in a list, five million deep."""
    return b"[" * 5_000_000


def rle_counts() -> bytes:
    """A mask of 10^9 x 10^9 pixels in twenty megabytes of run lengths."""
    entry = {"image_id": 1, "category_id": 1, "score": 0.5}
    mask = {"size": [10**9, 10**9], "counts": "o" * 20_000_000}
    return json.dumps([{**entry, "segmentation": mask}]).encode()


def gif_frames() -> bytes:
    """Thirty thousand frames of 16 000 x 16 000, each of a few bytes."""
    picture = b"\x2c\x00\x00\x00\x00\x80\x3e\x80\x3e\x00\x02\x02\x44\x01\x00"
    return b"GIF89a\x80\x3e\x80\x3e\x80\x00\x00" + bytes(6) + picture * 30_000 + b"\x3b"


def webp_frames() -> bytes:
    """An animation of 200 frames of 4000 x 4000."""
    stream, size = io.BytesIO(), (4000, 4000)
    frames = [Image.new("RGB", size, (number, 0, 0)) for number in range(3)]
    frames[0].save(stream, "WEBP", save_all=True, append_images=frames[1:], lossless=True, quality=0, method=0)
    data = stream.getvalue()
    parts, place = [], 12
    while place < len(data):
        length = 8 + struct.unpack_from("<I", data, place + 4)[0]
        parts.append(data[place : place + length + length % 2])
        place += length + length % 2
    several = [part for part in parts if part[:4] == b"ANMF"]
    body = b"".join([*(part for part in parts if part[:4] != b"ANMF"), *(several * 70)])
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def jpeg_cmyk() -> bytes:
    """A picture of four inks that says to have 60 000 x 60 000 pixels."""
    stream = io.BytesIO()
    Image.new("CMYK", (64, 64)).save(stream, "JPEG")
    data = bytearray(stream.getvalue())
    struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, 60_000, 60_000)
    return bytes(data)


def jpeg_scans() -> bytes:
    """A progressive picture of 16 000 x 16 000 pixels with its last scan two thousand times."""
    stream = io.BytesIO()
    Image.new("L", (16_000, 16_000)).save(stream, "JPEG", progressive=True)
    data = stream.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * 2000 + data[-2:]


def parquet_rows() -> bytes:
    """A hundred million rows of a run's statistics, all alike."""
    found = pq.read_table(RUN / "statistics.parquet").slice(0, 1)
    part = pa.concat_tables([found] * 1000).combine_chunks().take(pa.array(np.zeros(1_000_000, np.int64)))
    stream = io.BytesIO()
    with pq.ParquetWriter(stream, part.schema.with_metadata(found.schema.metadata), compression="zstd") as writer:
        for _ in range(100):
            writer.write_table(part)
    return stream.getvalue()


def record_text() -> bytes:
    """A sound record with a hundred megabytes of warnings."""
    record = json.loads((RUN / "record.json").read_text())
    record["warnings"] = ["x" * 1000] * 100_000
    return json.dumps(record).encode()


@dataclass(frozen=True)
class Hostile:
    """How a file is made, the ending of its name, and what reads it."""

    make: Callable[[], bytes]
    suffix: str
    read: tuple[Read, ...]


def _labels(path: Path) -> object:
    return read_labels(path, binary=False)


PICTURE: tuple[Read, ...] = (_labels, read_picture, open_stack)
FILES = {
    "PNG, 100 000 x 100 000": Hostile(png_bomb, ".png", PICTURE),
    "PNG of 4 x 4 with 1 GB of rows": Hostile(png_rows, ".png", PICTURE),
    "TIFF of a million strips": Hostile(tiff_strips, ".tif", PICTURE),
    "TIFF of 100 000 pages that share a strip": Hostile(tiff_pages, ".tif", PICTURE),
    "YAML, 190 000 deep": Hostile(yaml_nested, ".yaml", (TARGETS["classes"].read,)),
    "YAML of 10^10 aliases": Hostile(yaml_aliases, ".yaml", (TARGETS["classes"].read,)),
    "YAML, a number of 190 000 digits": Hostile(yaml_number, ".yaml", (TARGETS["classes"].read,)),
    "npy of 10^400 values": Hostile(npy_shape, ".npy", PICTURE),
    "npz of 10 GB": Hostile(npz_bomb, ".npz", PICTURE),
    "JSON, numbers of a million digits": Hostile(json_numbers, ".json", (TARGETS["coco-results"].read,)),
    "JSON, 5 000 000 deep": Hostile(json_nested, ".json", (TARGETS["coco-results"].read,)),
    "run lengths of 10^18 pixels": Hostile(rle_counts, ".json", (TARGETS["coco-results"].read,)),
    "GIF of 30 000 frames of 16 000 x 16 000": Hostile(gif_frames, ".gif", PICTURE),
    "WebP of 200 frames of 4000 x 4000": Hostile(webp_frames, ".webp", PICTURE),
    "JPEG, four inks, 60 000 x 60 000": Hostile(jpeg_cmyk, ".jpg", PICTURE),
    "JPEG of 2000 scans": Hostile(jpeg_scans, ".jpg", PICTURE),
    "statistics of 100 000 000 rows": Hostile(parquet_rows, ".parquet", (TARGETS["statistics"].read,)),
    "record with 100 MB of warnings": Hostile(record_text, "", (TARGETS["record"].read,)),
}


@dataclass(frozen=True)
class Cost:
    """Seconds of processor time, MB beyond those of the libraries, and what was said."""

    seconds: float
    megabytes: float
    said: str


def cost_of(path: Path, name: str, reader: int) -> Cost:
    """Read a file in this process, which has read nothing before, by one of its readers."""
    read = FILES[name].read[reader]
    before, begun = _peak_mb(), time.process_time()
    try:
        read(path)
        said = "read"
    except UserError as error:
        said = str(error).replace(f"{path}: ", "")
    except Exception as error:  # what is looked for
        said = f"TRACEBACK {type(error).__name__}: {error}"
    return Cost(time.process_time() - begun, _peak_mb() - before, said)


def _peak_mb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def worst(name: str, folder: Path) -> tuple[int, Cost]:
    """Bytes of the file, and the most that one of its readers took."""
    hostile = FILES[name]
    path = folder / ("record.json" if not hostile.suffix else f"hostile{hostile.suffix}")
    path.write_bytes(hostile.make())
    size, costs = path.stat().st_size, []
    for reader in range(len(hostile.read)):
        with ProcessPoolExecutor(1, get_context("forkserver")) as pool:
            costs.append(pool.submit(cost_of, path, name, reader).result())
    return size, max(costs, key=lambda cost: (cost.said.startswith("TRACEBACK"), cost.seconds + cost.megabytes / 200))


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--only", nargs="*", default=list(FILES), help="names of files, or how they begin")
    given = asked.parse_args()
    rows, bad = [], 0
    for name in FILES:
        if not name.startswith(tuple(given.only)):
            continue
        with tempfile.TemporaryDirectory() as folder:
            size, cost = worst(name, Path(folder))
        bad += cost.seconds > MAX_S or cost.megabytes > MAX_MB or cost.said.startswith("TRACEBACK")
        rows.append([name, f"{size:,}", f"{cost.seconds:.1f}", f"{cost.megabytes:.0f}", cost.said[:90]])
        print(*rows[-1], sep=" | ", flush=True)
    print(tabulate(rows, ["file", "bytes", "s", "MB", "message"], tablefmt="github", disable_numparse=True))
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
