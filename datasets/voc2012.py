"""PASCAL VOC 2012 segmentation: 20 classes of things and background, with void borders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from segbench.data.listing import Listing, any_case, clashes, listing, near_name, refuse, wrong_name
from segbench.data.locations import read_all
from segbench.data.sample_checks import where
from segbench.io.images.read import label_map, palette_color, read_array, read_image
from segbench.types import Array, ClassInfo, DatasetInfo, Download, Part, Prediction, Sample, SplitInfo, UserError

NAMES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
VOID = 255
AUGMENTED = "SegmentationClassAug"
"""Label maps of SBD (Hariharan et al., ICCV 2011); the official ones are taken where there are both."""


@dataclass(frozen=True)
class VOC2012:
    """VOCdevkit/VOC2012, or a folder that holds it; samples are named by image, for example `2007_000033`.

    Labels: palette indices 0 (background) to 20, 255 on void borders. Instances: indices of SegmentationObject.
    """

    root: Path

    info: ClassVar[DatasetInfo] = DatasetInfo(
        name="voc2012",
        version="1",
        aliases=("voc", "pascal-voc"),
        summary="PASCAL VOC 2012: 20 classes of things and background in everyday photographs",
        task="multiclass",
        classes=tuple(
            ClassInfo(index, name, palette_color(index), "thing" if index else "background")
            for index, name in enumerate(NAMES)
        ),
        ignore_label=VOID,
        splits={
            "train": SplitInfo(1464, "ImageSets/Segmentation/train.txt"),
            "val": SplitInfo(1449, "ImageSets/Segmentation/val.txt"),
            "trainval": SplitInfo(2913, "train and val together", holds=("train", "val")),
            "train_aug": SplitInfo(
                10582,
                "train and the masks of SBD that are not in val, from SegmentationClassAug",
                optional=True,
                holds=("train",),
            ),
            "test": SplitInfo(1456, "scored by the challenge's server only", labelled=False),
        },
        export_formats={"voc2012": "segbench.predictions.official_formats:VOC2012Format"},
        default_split="val",
        metrics=("voc2012-overlap",),
        main_score="miou_defined",
        synthesizable=True,
        licence="photographs: Flickr terms of use; annotations: cite the challenge",
        citation="Everingham et al., International Journal of Computer Vision 111(1):98-136 (2015)",
        homepage="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
        layout="VOCdevkit/VOC2012/ with ImageSets/Segmentation/*.txt, SegmentationClass/*.png and JPEGImages/*.jpg",
        downloads=(
            Download(
                "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
                "VOCtrainval_11-May-2012.tar",
                "images, label maps, instance maps and lists of train and val",
                md5="6cd6e144f989b92b3379bac3b3de84fd",
                size=1_999_639_040,
                holds=("VOCdevkit",),
            ),
        ),
    )

    def __post_init__(self) -> None:
        for folder in (self.root / "VOCdevkit" / "VOC2012", self.root / "VOC2012", self.root):
            if (folder / "SegmentationClass").is_dir() or (folder / "ImageSets" / "Segmentation").is_dir():
                object.__setattr__(self, "root", folder)
                return
        raise UserError(
            f"no VOC 2012 below '{self.root}'. Expected {self.info.layout}. Run 'bench data describe voc2012'."
        )

    def ids(self, split: str) -> tuple[str, ...]:
        """Image names of a split in the order of its list; `all` is every image that has a label map."""
        if split == "all":
            refuse(self._unlabelled(), self)
            return self.readable()
        if split not in self.info.splits:
            raise UserError(f"voc2012 has no split '{split}'. Available: {', '.join(self.info.splits)}, all.")
        names = self._augmented() if split == "train_aug" else self._read_list(split)
        refuse(self._listing("labels").faults, self)
        return names

    def group(self, sample_id: str) -> str:
        """Photographs stand alone: all are of one group."""
        del sample_id
        return "voc2012"

    def load(self, sample_id: str, parts: Sequence[Part] = ("image", "labels")) -> Sample:
        """One photograph: image (H, W, 3) uint8, labels (H, W) uint8, instances (H, W) int32."""
        if wrong_name(sample_id) or not any(self.files(sample_id, part) for part in _FOLDERS):
            raise UserError(f"voc2012 has no sample '{sample_id}' below '{self.root}'")
        image = labels = instances = None
        if "image" in parts and self.files(sample_id, "image"):
            image = read_image(self.files(sample_id, "image")[0])
        if "labels" in parts:
            labels = self._indices((self.files(sample_id, "labels") or (self._path(sample_id, "labels"),))[0])
        if "instances" in parts and self.files(sample_id, "instances"):
            instances = self._indices(self.files(sample_id, "instances")[0]).astype(np.int32)
        return Sample(sample_id, self.group(sample_id), 0, image, labels, instances)

    def files(self, sample_id: str, part: Part) -> tuple[Path, ...]:
        """The one file of a part, if it exists."""
        path = any_case(self._path(sample_id, part)) if part in _FOLDERS else None
        if path is None and part == "labels":
            path = any_case(self.root / AUGMENTED / f"{sample_id}.png")
        return (path,) if path is not None else ()

    def match_prediction(self, path: Path, ids: Sequence[str]) -> str | None:
        """By the name of the file."""
        return path.stem if path.stem in ids else None

    def decode_prediction(self, values: Array, where: str) -> Prediction:
        """Class indices of a palette or grey PNG, or probabilities (21, H, W)."""
        return label_map(values, where, self.info.classes)

    def check(self, progress: Callable[[int, int], None] | None = None) -> list[str]:
        """Every image, label map and instance map: pairs, decoding, sizes, label values, and instances by label."""
        return self.check_pairs() + read_all(self, self.readable(), ("image", "labels", "instances"), progress)

    def check_counts(self) -> list[str]:
        """The lists have their official lengths."""
        faults = []
        for split in ("train", "val", *(["trainval"] if self._list("trainval").exists() else [])):
            try:
                found = len(self.ids(split))
            except UserError as error:
                faults.append(str(error))
                continue
            if found != self.info.splits[split].official_size:
                official = self.info.splits[split].official_size
                faults.append(f"{self._list(split)}: split '{split}' has {found} names; official {official}")
        return faults

    def check_pairs(self) -> list[str]:
        """Listed names without files, label and instance maps without counterparts, and names that are taken twice."""
        maps, images, instances = (self._listing(part) for part in ("labels", "image", "instances"))
        faults = [*self._unlabelled(), *images.faults, *instances.faults, *clashes(maps.files)]
        if images.files:
            faults += [
                f"{path}: has no image in JPEGImages; fetch it"
                for i, path in maps.files.items()
                if i not in images.files
            ]
            names = self._names("test")
            faults += [f"{self._list('test')}: names '{i}', which has no image" for i in names if i not in images.files]
        if instances.files:
            alone = [path for i, path in maps.files.items() if i not in instances.files]
            faults += [f"{path}: has no instance map in SegmentationObject; fetch it" for path in alone]
        return faults

    def check_sample(self, sample: Sample) -> list[str]:
        """Objects and classes cover the same pixels, where neither is void."""
        if sample.labels is None or sample.instances is None:
            return []
        inside = (sample.labels != VOID) & (sample.instances != VOID)
        different = int(np.count_nonzero(((sample.labels > 0) != (sample.instances > 0)) & inside))
        if not different:
            return []
        return [
            f"{where(self, sample.id, 'instances')}: its foreground is not that of "
            f"{where(self, sample.id, 'labels')} at {different} pixels; expected objects where there are classes. "
            "Fetch both again."
        ]

    def _augmented(self) -> tuple[str, ...]:
        """The listed names, else train and every map of SegmentationClassAug that is not in val."""
        extra = listing(self.root / AUGMENTED, ".png").files
        if not extra:
            raise UserError(
                f"split 'train_aug' of voc2012 needs the label maps of SBD in '{self.root / AUGMENTED}'; there are none"
            )
        for name in ("train_aug", "trainaug"):
            if self._list(name).is_file():
                return self._read_list(name)
        held_out = set(self._read_list("val"))
        return tuple(sorted((set(extra) | set(self._read_list("train"))) - held_out))

    def readable(self) -> tuple[str, ...]:
        """Every sample that has a label map, listed or not."""
        return tuple(self._listing("labels").files)

    def _unlabelled(self) -> list[str]:
        """What makes the labelled set smaller than it should be: names and instance maps without a label map."""
        maps, folder = self._listing("labels"), self.root / _FOLDERS["labels"][0]
        owners = {i: f"{path}: its image" for i, path in self._listing("instances").files.items()}
        for split in ("trainval", "val", "train"):
            owners |= {name: f"{self._list(split)}: '{name}'" for name in self._names(split)}
        missing = [
            f"{owner} has no label map in '{folder}'. Fetch it again.{near_name(name, maps.files)}"
            for name, owner in owners.items()
            if name not in maps.files
        ]
        return [*maps.faults, *missing]

    def _listing(self, part: Part) -> Listing:
        return listing(self.root / _FOLDERS[part][0], _FOLDERS[part][1])

    def _list(self, split: str) -> Path:
        return self.root / "ImageSets" / "Segmentation" / f"{split}.txt"

    def _names(self, split: str) -> tuple[str, ...]:
        """The names of a list, none if it is missing or broken."""
        try:
            return self._read_list(split)
        except UserError:
            return ()

    def _read_list(self, split: str) -> tuple[str, ...]:
        path = self._list(split)
        try:
            lines = (line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines())
            names = tuple(line for line in lines if line)
        except (OSError, ValueError) as error:
            raise UserError(
                f"the list of split '{split}' of voc2012, '{path}', cannot be read ({error}). "
                f"Expected {self.info.layout}. Use --split all to take every labelled image."
            ) from error
        for name in names:
            if wrong_name(name):
                raise UserError(f"{path}: '{name[:80]}' is no image name; expected one such as 2007_000033 per line")
        if len(set(names)) < len(names) or not names:
            raise UserError(f"{path}: {'is empty' if not names else 'names an image twice'}. Fetch it again.")
        return names

    def _path(self, sample_id: str, part: Part) -> Path:
        folder, suffix = _FOLDERS[part]
        return self.root / folder / f"{sample_id}{suffix}"

    @staticmethod
    def _indices(path: Path) -> Array:
        values = read_array(path)
        if values.ndim != 2 or values.dtype != np.uint8:
            raise UserError(
                f"{path}: is of shape {values.shape} and {values.dtype}; expected a palette PNG of 8-bit indices"
            )
        return values


_FOLDERS: dict[Part, tuple[str, str]] = {
    "image": ("JPEGImages", ".jpg"),
    "labels": ("SegmentationClass", ".png"),
    "instances": ("SegmentationObject", ".png"),
}
