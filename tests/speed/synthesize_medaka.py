"""Print speed and size of the synthetic medaka data: python tests/speed/synthesize_medaka.py [workers]."""

import sys
import tempfile
import time
from pathlib import Path

from segbench.synthetic.medaka import SMALL, sequences, synthesize


def main() -> None:
    """Make the SMALL plan in a temporary folder and print frames per second and megabytes."""
    workers = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "medaka"
        start = time.perf_counter()
        synthesize(root, workers=workers)
        seconds = time.perf_counter() - start
        frames = sum(film.n_frames for film in sequences(SMALL))
        size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
        print(
            f"{frames} frames in {seconds:.1f} s with {workers} workers: "
            f"{frames / seconds:.1f} frames/s, {size / 1e6:.0f} MB"
        )


if __name__ == "__main__":
    main()
