"""PASCAL VOC 2012 segmentation: 20 classes of things and background, with void borders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from segbench.data import FileDataset
from segbench.data.listing import any_case, listing
from segbench.data.sample_checks import where
from segbench.io.images.read import palette_color
from segbench.settings import Settings
from segbench.types import ClassInfo, DatasetInfo, Download, Part, Sample, SplitInfo, SplitPart, UserError

NAMES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
VOID = 255
AUGMENTED = "SegmentationClassAug"
"""Label maps of SBD (Hariharan et al., ICCV 2011); the official ones are taken where there are both."""

FIGURES = "figures-274"
"""The release that is reduced to 274 x 274, and its folder: `images/`, `labels/` and a list per split."""
FIGURES_IDS = "0bf881111aa38100a2f39781f7ea88fd9359663e8774abe37a3e339a9f64cd53"


class VOC2012Settings(Settings):
    """Which release is used."""

    release: Literal["official", "figures-274"] = "official"
    """The official images, or those of published figures: 440 of val, squeezed into 274 x 274 pixels."""


class VOC2012(FileDataset):
    """VOCdevkit/VOC2012, or a folder that holds it; samples are named by image, for example `2007_000033`.

    Labels: palette indices 0 (background) to 20, 255 on void borders. Instances: indices of SegmentationObject.
    """

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
            "val": SplitInfo(1449, "ImageSets/Segmentation/val.txt", releases={FIGURES: SplitPart(440, FIGURES_IDS)}),
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
        related=("voc2011",),
        # Of the lists that jiwoon-ahn/psa (voc12/, commit 9493e59) and DrSleep/tensorflow-deeplab-resnet (dataset/,
        # commit 066023c) hold; trainval is train and val.
        official_ids={
            "train": "129f1fe991729b1862115b77738c938c149c1f167baa02b4b3186aea9f0d6a84",
            "val": "6f8edc37993764f6e212237d39546fb595246244147e8a050813c520aac0ade1",
            "trainval": "09c882f4c5ae3c692a0fb3bcf6df06c6f3e95ab9e09fb4182cfe28218d9eb22d",
            "train_aug": "855dff350b7f447bf43cb98ea626a32e0d0b3b7c5786e03b2712a21355b635bf",
            "test": "7d323bb3448fa174b9194953e01dfd168c9890adb30dd2491a66536edbeca0aa",
        },
        default_split="val",
        metrics=("voc2012-overlap",),
        main_score="miou_defined",
        second_score="pixel_accuracy",
        synthesizable=True,
        licence="photographs: Flickr terms of use; annotations: cite the challenge",
        citation="Everingham et al., International Journal of Computer Vision 111(1):98-136 (2015)",
        homepage="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
        settings=VOC2012Settings,
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

    paths: ClassVar[Mapping[Part, str]] = {
        "image": "JPEGImages/{id}.jpg",
        "labels": "SegmentationClass/{id}.png",
        "instances": "SegmentationObject/{id}.png",
    }
    split_lists = "ImageSets/Segmentation/{split}.txt"
    images_labelled = False
    sought = "VOC 2012, release {release},"
    label_bits = 8
    example = "2007_000033"
    rule_parts = ("instances",)

    @property
    def release(self) -> str:
        """The chosen release; the official one of a class with settings of its own."""
        return getattr(self.settings, "release", "official")

    def layout_root(self, root: Path) -> Path:
        """VOCdevkit/VOC2012, or the folder itself."""
        return next((path for path in (root / "VOCdevkit" / "VOC2012", root / "VOC2012") if self._is_voc(path)), root)

    def holds_data(self) -> bool:
        """Whether there is a folder of label maps or of lists."""
        return self._is_voc(self.root)

    def labelled_splits(self) -> tuple[str, ...]:
        """Those of the release."""
        return super().labelled_splits() if self.release == "official" else ("val",)

    def pattern(self, part: Part) -> str:
        """The path of a part, in the folders of the release."""
        if self.release == "official":
            return super().pattern(part)
        return {"image": f"{FIGURES}/images/{{id}}.png", "labels": f"{FIGURES}/labels/{{id}}.png"}.get(part, "")

    def files(self, sample_id: str, part: Part) -> tuple[Path, ...]:
        """The one file of a part, if it exists; label maps are the official ones, else those of SBD."""
        found = super().files(sample_id, part)
        if found or part != "labels" or self.release != "official":
            return found
        path = any_case(self.root / AUGMENTED / f"{sample_id}.png")
        return (path,) if path is not None else ()

    def listed(self, split: str) -> tuple[str, ...]:
        """The names of a list; `train_aug` without one is train and every map of SBD that is not in val.

        Raises UserError where the list is missing or damaged.
        """
        if split != "train_aug":
            return super().listed(split)
        extra = listing(self.root / AUGMENTED, ".png").files
        if not extra:
            raise UserError(
                f"split 'train_aug' of voc2012 needs the label maps of SBD in '{self.root / AUGMENTED}'; there are none"
            )
        for name in ("train_aug", "trainaug"):
            if self._list(name).is_file():
                return super().listed(name)
        return tuple(sorted((set(extra) | set(super().listed("train"))) - set(super().listed("val"))))

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

    def _list(self, split: str) -> Path:
        official = super()._list(split)
        return official if self.release == "official" else self.root / FIGURES / official.name

    def _is_voc(self, folder: Path) -> bool:
        kept = ("SegmentationClass", "ImageSets/Segmentation") if self.release == "official" else (FIGURES,)
        return any((folder / name).is_dir() for name in kept)
