"""Print speed and size of synthetic data: python tests/speed/synthesize_scenes.py [workers [dataset …]]."""

from __future__ import annotations

import importlib
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2

from segbench.synthetic import camvid, cityscapes, cocostuff, isbi2012, voc2012

# One image 256 pixels high; a street is twice as wide as high (of CamVid 4/3), a slice has 512 x 512 pixels.
ONE: dict[str, tuple[Callable[[int], Any], float]] = {
    "voc2012": (lambda index: voc2012.scene(0, 0, index, 256), 1),
    "cocostuff": (lambda index: cocostuff.scene(0, 0, index, 256), 1),
    "cityscapes": (lambda index: cityscapes.scene(0, 0, index, 0, 256), 2),
    "camvid": (lambda index: camvid.scene(0, 0, index, 0, 256), 4 / 3),
    "isbi2012": (lambda index: isbi2012.section(0, 0, index % 30, 30), 4),
}


def main() -> None:
    """Paint on one core, then make the SMALL plan in a temporary folder; print images per second and megabytes."""
    workers = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    cv2.setNumThreads(1)
    for name in sys.argv[2:] or ONE:
        paint, tiles = ONE[name]
        count = round(60 / tiles)
        for index in range(count):  # textures are made once per process
            paint(index)
        start = time.process_time()
        for index in range(count):
            paint(index)
        seconds = (time.process_time() - start) / count
        print(f"{name}: {1 / seconds:.0f} images/s a core, {tiles / seconds:.0f} tiles of 256 x 256/s (processor time)")
        with tempfile.TemporaryDirectory() as folder:
            root, start = Path(folder) / name, time.perf_counter()
            importlib.import_module(f"segbench.synthetic.{name}").synthesize(root, workers=workers)
            seconds = time.perf_counter() - start
            size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
            print(f"{name}: SMALL in {seconds:.1f} s with {workers} workers, {size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
