"""Writes `roifile_imagej/`: ROIs of ImageJ, as roifile (2026.2.10) writes them, of regions that `truth.npz` holds.

Run it where roifile is installed: `python make_with_roifile.py`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi, roiwrite
from skimage.draw import disk, ellipse
from skimage.measure import find_contours

HERE = Path(__file__).parent
TARGET = HERE / "roifile_imagej"
SIZE = (48, 64)


def outline(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The longest border of a mask, points of x, y in the pixels' corners and middles of sides."""
    found: NDArray[np.float64] = max(find_contours(np.pad(mask, 1).astype(float), 0.5), key=len)  # type: ignore[no-untyped-call]
    return found[:, ::-1] - 0.5


def box(kind: ROI_TYPE, top: int, left: int, bottom: int, right: int) -> ImagejRoi:
    """A rectangle, or the oval in it."""
    return ImagejRoi(roitype=kind, top=top, left=left, bottom=bottom, right=right)


def ring() -> ImagejRoi:
    """A square of 12 px with a hole of 4 px in its middle, as a composite of two paths."""
    paths = [
        *(0, 40, 20, 1, 52, 20, 1, 52, 32, 1, 40, 32, 4),
        *(0, 44, 24, 1, 48, 24, 1, 48, 28, 1, 44, 28, 4),
    ]
    roi = box(ROI_TYPE.RECT, 20, 40, 32, 52)
    roi.multi_coordinates = np.array(paths, np.float32)
    roi.shape_roi_size = len(paths)
    return roi


def main() -> None:
    """Write a picture, its ROIs, and what they cover."""
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir()
    names = ("blob", "square", "rectangle", "ring", "oval")
    truth = {name: np.zeros(SIZE, bool) for name in names}
    truth["blob"][disk((12, 12), 7)] = True  # type: ignore[no-untyped-call]
    truth["square"][4:12, 40:50] = True
    truth["rectangle"][30:40, 5:25] = True
    truth["ring"][20:32, 40:52] = True
    truth["ring"][24:28, 44:48] = False
    truth["oval"][ellipse(39.5, 49.5, 6, 10)] = True  # type: ignore[no-untyped-call]
    corners = np.array([[40, 4], [50, 4], [50, 12], [40, 12]], np.int32)
    rectangle = box(ROI_TYPE.RECT, 30, 5, 40, 25)
    rectangle.group = 2
    elsewhere = ImagejRoi.frompoints(corners, name="elsewhere")
    elsewhere.position = 2
    rois = [
        ImagejRoi.frompoints(outline(truth["blob"]), name="blob"),
        ImagejRoi.frompoints(corners, name="square"),
        rectangle,
        ring(),
        box(ROI_TYPE.OVAL, 34, 40, 46, 60),
        ImagejRoi(roitype=ROI_TYPE.LINE, x1=1, y1=1, x2=9, y2=9),
        elsewhere,
    ]
    assert rois[0].options & ROI_OPTIONS.SUB_PIXEL_RESOLUTION
    assert not rois[1].options & ROI_OPTIONS.SUB_PIXEL_RESOLUTION
    roiwrite(TARGET / "cells_RoiSet.zip", rois, name=[f"{number:04d}" for number in range(len(rois))])
    Image.fromarray(np.where(sum(truth.values()), 200, 40).astype(np.uint8)).save(TARGET / "cells.png")
    np.savez_compressed(TARGET / "truth.npz", **truth)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
