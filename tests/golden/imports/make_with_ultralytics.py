"""Writes `ultralytics_yolo/`: the polygons of `datumaro_coco/` through ultralytics' own converter (8.4.190).

Run it after `make_with_datumaro.py`, where ultralytics is installed: `python make_with_ultralytics.py`.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from ultralytics.data.converter import convert_coco

HERE = Path(__file__).parent
TARGET = HERE / "ultralytics_yolo"
NAMES = ("background", "cell", "nucleus")


def main() -> None:
    """Convert the annotations, and lay pictures and data.yaml beside them as ultralytics' documentation has them."""
    shutil.rmtree(TARGET, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made"
        convert_coco(str(HERE / "datumaro_coco" / "annotations"), str(made), use_segments=True, cls91to80=False)
        shutil.copytree(made / "labels", TARGET / "labels")
    shutil.copytree(HERE / "datumaro_coco" / "images", TARGET / "images")
    names = "".join(f"  {number}: {name}\n" for number, name in enumerate(NAMES))
    (TARGET / "data.yaml").write_text(f"path: .\ntrain: images/train\nval: images/val\nnames:\n{names}")


if __name__ == "__main__":
    main()
