"""COCO-Stuff 164k: 80 classes of things and 91 of stuff in everyday photographs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from segbench.data import FileDataset
from segbench.data.coco_annotations import agreement, annotated_sizes, true_objects
from segbench.data.listing import any_case
from segbench.data.panoptic_annotations import true_segments
from segbench.data.sample_checks import where
from segbench.io.images.picture import read_picture
from segbench.io.images.read import palette_color
from segbench.types import (
    CatchAllLabel,
    ClassInfo,
    DatasetInfo,
    Download,
    Object,
    Panoptic,
    Part,
    Sample,
    SplitInfo,
    Uint8,
    UserError,
)

VOID = 255
REMOVED = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91})
"""Ids that were planned and never annotated."""

# Names of ids 1 to 182; 1 to 91 are things.
_NAMES = (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, street sign, "
    "stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, hat, "
    "backpack, umbrella, shoe, eye glasses, handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, "
    "baseball bat, baseball glove, skateboard, surfboard, tennis racket, bottle, plate, wine glass, cup, fork, knife, "
    "spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, "
    "potted plant, bed, mirror, dining table, window, desk, toilet, door, tv, laptop, mouse, remote, keyboard, cell "
    "phone, microwave, oven, toaster, sink, refrigerator, blender, book, clock, vase, scissors, teddy bear, hair "
    "drier, toothbrush, hair brush, banner, blanket, branch, bridge, building-other, bush, cabinet, cage, cardboard, "
    "carpet, ceiling-other, ceiling-tile, cloth, clothes, clouds, counter, cupboard, curtain, desk-stuff, dirt, "
    "door-stuff, fence, floor-marble, floor-other, floor-stone, floor-tile, floor-wood, flower, fog, food-other, "
    "fruit, furniture-other, grass, gravel, ground-other, hill, house, leaves, light, mat, metal, mirror-stuff, moss, "
    "mountain, mud, napkin, net, paper, pavement, pillow, plant-other, plastic, platform, playingfield, railing, "
    "railroad, river, road, rock, roof, rug, salad, sand, sea, shelf, sky-other, skyscraper, snow, solid-other, "
    "stairs, stone, straw, structural-other, table, tent, textile-other, towel, tree, vegetable, wall-brick, "
    "wall-concrete, wall-other, wall-panel, wall-stone, wall-tile, wall-wood, water-other, waterdrops, window-blind, "
    "window-other, wood"
)

CLASSES = tuple(
    # Label values are id - 1, as the official PNG files hold them.
    ClassInfo(number - 1, name, palette_color(number), "thing" if number <= 91 else "stuff")
    for number, name in enumerate(_NAMES.split(", "), 1)
)
_MERGED = (
    "tree, fence, ceiling, sky-other, cabinet, table, floor-other, pavement, mountain, grass, dirt, paper, food-other, "
    "building-other, rock, wall-other, rug"
)
_MERGED_FROM = 184
_KEPT_STUFF = frozenset({
    92, 93, 95, 100, 107, 109, 112, 118, 119, 122, 125, 128, 130, 133, 138, 141, 144, 145, 147, 148, 149, 151, 154,
    155, 156, 159, 161, 166, 168, 171, 175, 176, 177, 178, 180, 181,
})  # fmt: skip
"""Ids of stuff that COCO's panoptic categories keep; the others are merged into ids 184 to 200."""
PANOPTIC_CLASSES = (
    *(replace(c, id=c.id + 1) for c in CLASSES if c.kind == "thing" and c.id + 1 not in REMOVED),
    *(replace(c, id=c.id + 1) for c in CLASSES if c.id + 1 in _KEPT_STUFF),
    *(
        ClassInfo(number, f"{name}-merged", palette_color(number), "stuff")
        for number, name in enumerate(_MERGED.split(", "), _MERGED_FROM)
    ),
)
"""The 80 things and 53 classes of stuff of COCO's panoptic task, with the ids of its JSON files."""
_LEAST_AGREEMENT = 0.1
"""Of the pixels of objects: a person in either of two swapped images may lie in the same place by chance."""
_ENOUGH_PIXELS = 200
"""Fewer pixels of objects prove nothing."""
_FOLDERS = {"train": "train2017", "val": "val2017"}


class COCOStuff(FileDataset):
    """images/ and stuffthingmaps/ of the 164k release; samples are named by image, for example `000000000139`.

    Labels: id - 1 as in the official PNG files (0 to 90 things, 91 to 181 stuff), 255 void. 11 ids of things do not
    exist: `classes` are the other 171.
    """

    info: ClassVar[DatasetInfo] = DatasetInfo(
        name="cocostuff",
        version="1",
        aliases=("coco-stuff", "cocostuff164k"),
        summary="COCO-Stuff 164k: 80 thing and 91 stuff classes in everyday photographs",
        task="multiclass",
        classes=tuple(c for c in CLASSES if c.id + 1 not in REMOVED),
        unscored=tuple(c for c in CLASSES if c.id + 1 in REMOVED),
        ignore_label=VOID,
        splits={
            "train": SplitInfo(118287, "train2017"),
            "val": SplitInfo(5000, "val2017"),
        },
        export_formats={"cocostuff": "segbench.predictions.official_formats:COCOResultsFormat"},
        # Of the list that arvijj/icam (coco/val2017.txt, commit 5f04fdc) and AdamCuellar/PyTorch_YOLOv4 (data/, commit
        # 24bed80) hold. No list of train2017 was found.
        official_ids={"val": "3b4ea1d567a37f2d71549dd28f1783abf45270b84cffcee2acb008006fdf9d7f"},
        default_split="val",
        metrics=("cocostuff-overlap",),
        object_metrics=("coco-ap",),
        panoptic_metrics=("panoptic",),
        panoptic_classes=PANOPTIC_CLASSES,
        catch_all=CatchAllLabel(182, "other", "the stuff challenges"),
        main_score="miou_171",
        second_score="pixel_accuracy",
        synthesizable=True,
        licence="annotations CC BY 4.0; photographs: Flickr terms of use",
        citation="Caesar et al., IEEE Conference on Computer Vision and Pattern Recognition, 1209-1218 (2018)",
        homepage="https://github.com/nightrome/cocostuff",
        layout="stuffthingmaps/{train2017,val2017}/*.png, images/{train2017,val2017}/*.jpg, and for objects "
        "annotations/instances_{train2017,val2017}.json, for segments annotations/panoptic_{train2017,val2017}.json "
        "and the PNG files in a folder of that name beside it",
        downloads=(
            Download(
                "http://images.cocodataset.org/zips/val2017.zip",
                "val2017.zip",
                "5000 photographs of val",
                sha256="4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
                md5="442b8da7639aecaf257c1dceb8ba8c80",
                size=815_585_330,
                into="images",
                holds=("val2017",),
            ),
            Download(
                "http://images.cocodataset.org/zips/train2017.zip",
                "train2017.zip",
                "118287 photographs of train",
                sha256="69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
                md5="cced6f7f71b7629ddf16f17bbcfab6b2",
                size=19_336_861_798,
                into="images",
                holds=("train2017",),
            ),
            Download(
                "http://calvin.inf.ed.ac.uk/wp-content/uploads/data/cocostuffdataset/stuffthingmaps_trainval2017.zip",
                "stuffthingmaps_trainval2017.zip",
                "label maps of train and val",
                into="stuffthingmaps",
                holds=("train2017", "val2017"),
            ),
            Download(
                "http://images.cocodataset.org/annotations/annotations_trainval2017.zip",
                "annotations_trainval2017.zip",
                "annotated objects of train and val, for average precision",
                sha256="113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
                md5="f4bbac642086de4f52a3fdda2de5fa2c",
                size=252_907_541,
                holds=("annotations",),
            ),
        ),
    )

    paths: ClassVar[Mapping[Part, str]] = {
        "image": "images/{split}/{id}.jpg",
        "labels": "stuffthingmaps/{split}/{id}.png",
        "objects": "annotations/instances_{split}.json",
        "panoptic": "annotations/panoptic_{split}/{id}.png",
    }
    split_folders: ClassVar[Mapping[str, str]] = _FOLDERS
    sought = "COCO-Stuff label maps"
    label_bits = 8

    def read_image(self, path: Path) -> Uint8:
        """(H, W, 3) uint8; a few photographs are grey."""
        image = read_picture(path)
        return image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)

    def read_objects(self, path: Path, sample_id: str) -> tuple[Object, ...]:
        """Annotated objects, run-length encoded; all images of a split share their file."""
        return true_objects(path, sample_id, self.info)

    def files(self, sample_id: str, part: Part) -> tuple[Path, ...]:
        """The one file of a part, if it exists; of segments also the JSON file that says what they are."""
        found = super().files(sample_id, part)
        if part != "panoptic" or not found:
            return found
        listed = found[0].parent.with_suffix(".json")
        return (*found, listed) if listed.is_file() else ()

    def read_panoptic(self, path: Path, sample_id: str) -> Panoptic:
        """True segments; all images of a split share their JSON file."""
        return true_segments(path, path.parent.with_suffix(".json"), int(sample_id))

    def match_prediction(self, path: Path, ids: Sequence[str]) -> str | None:
        """By the name of the file, with or without leading zeros."""
        return next((name for name in (path.stem, path.stem.zfill(12)) if name in ids), None)

    def check_pairs(self) -> list[str]:
        """Images, label maps and annotations that lack their counterparts, and names that are taken twice."""
        return super().check_pairs() + [fault for split in _FOLDERS for fault in self._only_annotated(split)]

    def check_sample(self, sample: Sample) -> list[str]:
        """The annotations give the image the size of its label map, and it shows the objects that they outline."""
        if sample.labels is None or sample.objects is None:
            return []
        (path,) = self.files(sample.id, "objects")
        size = annotated_sizes(path)[int(sample.id)]
        if size == sample.labels.shape:
            return self._other_objects(sample, path)
        return [
            f"{path}: image {int(sample.id)} is {size[0]} x {size[1]}, its label map is {sample.labels.shape[0]} x "
            f"{sample.labels.shape[1]} ({where(self, sample.id, 'labels')}); expected equal sizes. Fetch both again."
        ]

    def _other_objects(self, sample: Sample, path: Path) -> list[str]:
        """Label maps that were swapped bear hardly a label of the objects, sound ones nearly everywhere."""
        assert sample.labels is not None
        alike, covered = agreement(sample.objects or (), sample.labels, VOID)
        if covered < _ENOUGH_PIXELS or alike >= covered * _LEAST_AGREEMENT:
            return []
        return [
            f"{where(self, sample.id, 'labels')}: bears the label of the objects that {path} outlines in image "
            f"{int(sample.id)} at {alike} of their {covered} pixels; expected nearly all. Is it the label map of "
            "another image? Fetch both again."
        ]

    def _only_annotated(self, split: str) -> list[str]:
        """Images that the annotations of a split list and that have no label map, in one sentence."""
        folder, labels = _FOLDERS[split], self._of(split)
        path = any_case(self.root / "annotations" / f"instances_{folder}.json")
        # The annotations of train2017 take long to read; a split that is whole lacks none of their images.
        if path is None or not labels or len(labels) == self.info.splits[split].official_size:
            return []
        try:
            listed = annotated_sizes(path)
        except UserError:  # named when samples are read
            return []
        missing = sorted(listed.keys() - {int(i) for i in labels if i.isdecimal() and len(i) < 20})
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        shown = ", ".join(map(str, missing[:3])) + more
        return [f"{path}: lists images that have no label map in '{folder}': {shown}. Fetch them."] if missing else []
