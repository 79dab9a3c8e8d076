"""Writes `labelme/`: SYNTHETIC pictures with shapes, through labelme's own functions (labelme 6.3.1, imgviz 2.1.0).

`shapes_to_label.npz` holds what labelme's own `shapes_to_label` makes of each. Run it where labelme is installed:
`python make_with_labelme.py`.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from labelme._label_file import LabelFile
from labelme.utils import shapes_to_label
from PIL import Image

HERE = Path(__file__).parent / "labelme"
SIZE = (40, 52)
NAMES = {"_background_": 0, "cell": 1, "nucleus": 2}


def shape(
    kind: str, label: str, points: list[list[float]], group: int | None = None, mask: Any = None
) -> dict[str, Any]:
    """A shape as labelme's canvas gives it."""
    return {
        "label": label, "points": points, "group_id": group, "description": "", "shape_type": kind, "flags": {},
        "mask": mask,
    }  # fmt: skip


def png(values: Any) -> bytes:
    """A picture as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def in_text(mask: Any) -> str | None:
    """A mask as labelme's files hold it."""
    return None if mask is None else base64.b64encode(png(mask.astype(np.uint8))).decode()


def ring() -> Any:
    """A mask of 9 x 11 pixels with a hole."""
    mask = np.ones((9, 11), bool)
    mask[3:6, 4:8] = False
    return mask


SHAPES = {
    "one": [
        shape("polygon", "cell", [[5.5, 4.0], [20.25, 6.5], [18.0, 22.0], [7.0, 19.5]], group=1),
        shape("rectangle", "cell", [[40.0, 30.0], [30.0, 24.0]], group=1),
        shape("circle", "nucleus", [[12.0, 12.0], [12.0, 16.0]]),
    ],
    "two": [
        shape("mask", "cell", [[20.0, 15.0], [30.0, 23.0]], mask=ring()),
        shape("point", "nucleus", [[3.0, 3.0]]),
        shape("linestrip", "nucleus", [[3.0, 3.0], [9.0, 3.0], [9.0, 9.0]]),
        shape("polygon", "_background_", [[22.0, 16.0], [24.0, 16.0], [24.0, 18.0], [22.0, 18.0]]),
    ],
    "three": [],
}


def main() -> None:
    """Write the pictures, the JSON files, and labelme's own label maps."""
    maps = {}
    for number, (name, shapes) in enumerate(SHAPES.items()):
        picture = np.random.default_rng(number).integers(0, 256, (*SIZE, 3), np.uint8)
        embedded = name == "two"  # whose picture lies in the JSON alone
        HERE.mkdir(exist_ok=True)
        if not embedded:
            Image.fromarray(picture).save(HERE / f"{name}.jpg", quality=30)
        written = [{**each, "mask": in_text(each["mask"])} for each in shapes]
        flags = {"blurred": number == 0, "checked": True}
        height, width = SIZE
        LabelFile().save(
            str(HERE / f"{name}.json"), written, f"{name}.{'png' if embedded else 'jpg'}", height, width,
            image_data=png(picture // 64 * 64) if embedded else None, flags=flags,
        )  # fmt: skip
        with_area = [each for each in shapes if each["shape_type"] not in ("point", "linestrip")]
        maps[name], _ = shapes_to_label(SIZE, with_area, NAMES)
    np.savez_compressed(HERE / "shapes_to_label.npz", **{k: v.astype(np.uint8) for k, v in maps.items()})


if __name__ == "__main__":
    main()
