"""COCO-Stuff 164k: 80 classes of things and 91 of stuff in everyday photographs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from segbench.data.coco_annotations import agreement, annotated_sizes, true_objects
from segbench.data.listing import any_case, clashes, listing, refuse, twice, unpaired
from segbench.data.locations import read_all
from segbench.data.sample_checks import where
from segbench.io.images.read import label_map, palette_color, read_array, read_image
from segbench.types import (
    Array,
    CatchAllLabel,
    ClassInfo,
    DatasetInfo,
    Download,
    Part,
    Prediction,
    Sample,
    SplitInfo,
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
_LEAST_AGREEMENT = 0.1
"""Of the pixels of objects: a person in either of two swapped images may lie in the same place by chance."""
_ENOUGH_PIXELS = 200
"""Fewer pixels of objects prove nothing."""
_FOLDERS = {"train": "train2017", "val": "val2017"}


@dataclass(frozen=True)
class COCOStuff:
    """images/ and stuffthingmaps/ of the 164k release; samples are named by image, for example `000000000139`.

    Labels: id - 1 as in the official PNG files (0 to 90 things, 91 to 181 stuff), 255 void. 11 ids of things do not
    exist: `classes` are the other 171.
    """

    root: Path
    _labels: Mapping[str, Path] = field(default_factory=dict, repr=False, compare=False)
    _names: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

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
        default_split="val",
        metrics=("cocostuff-overlap",),
        object_metrics=("coco-ap",),
        catch_all=CatchAllLabel(182, "other", "the stuff challenges"),
        main_score="miou_171",
        synthesizable=True,
        licence="annotations CC BY 4.0; photographs: Flickr terms of use",
        citation="Caesar et al., IEEE Conference on Computer Vision and Pattern Recognition, 1209-1218 (2018)",
        homepage="https://github.com/nightrome/cocostuff",
        layout="stuffthingmaps/{train2017,val2017}/*.png, images/{train2017,val2017}/*.jpg, and for objects "
        "annotations/instances_{train2017,val2017}.json",
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

    def __post_init__(self) -> None:
        found: dict[str, Path] = {}
        faults: dict[str, tuple[str, ...]] = {}
        for split, folder in _FOLDERS.items():
            maps = listing(self.root / "stuffthingmaps" / folder, ".png")
            both = [twice(i, found[i], path) for i, path in maps.files.items() if i in found]
            faults[split] = (*maps.faults, *both)
            found |= {i: path for i, path in maps.files.items() if i not in found}
        if not found:
            raise UserError(
                f"no COCO-Stuff label maps below '{self.root}'. Expected {self.info.layout}. "
                "Run 'bench data describe cocostuff'."
            )
        object.__setattr__(self, "_labels", found)
        object.__setattr__(self, "_names", faults)

    def ids(self, split: str) -> tuple[str, ...]:
        """Images of a split by name; `all` is train and val."""
        if split != "all" and split not in self.info.splits:
            raise UserError(f"cocostuff has no split '{split}'. Available: {', '.join(self.info.splits)}, all.")
        wanted = tuple(_FOLDERS) if split == "all" else (split,)
        for name in wanted:
            refuse(self._unlabelled(name), self)
        folders = [_FOLDERS[name] for name in wanted]
        chosen = tuple(i for i, path in self._labels.items() if path.parent.name in folders)
        if not chosen:
            raise UserError(f"split '{split}' of cocostuff is empty below '{self.root}'. Expected {self.info.layout}.")
        return chosen

    def group(self, sample_id: str) -> str:
        """Photographs stand alone: all are of one group."""
        del sample_id
        return "cocostuff"

    def load(self, sample_id: str, parts: Sequence[Part] = ("image", "labels")) -> Sample:
        """One photograph: image (H, W, 3) uint8, labels (H, W) uint8, objects run-length encoded."""
        path = self._path(sample_id)
        image = labels = objects = None
        if "image" in parts and self.files(sample_id, "image"):
            image = read_image(self.files(sample_id, "image")[0])
            if image.ndim == 2:  # a few photographs are grey
                image = np.repeat(image[:, :, None], 3, axis=2)
        if "labels" in parts:
            labels = read_array(path)
            if labels.ndim != 2 or labels.dtype != np.uint8:
                raise UserError(
                    f"{path}: is of shape {labels.shape} and {labels.dtype}; expected a grey PNG of 8-bit label values"
                )
        if "objects" in parts and self.files(sample_id, "objects"):
            objects = true_objects(self.files(sample_id, "objects")[0], sample_id, self.info)
        return Sample(sample_id, self.group(sample_id), 0, image, labels, objects=objects)

    def files(self, sample_id: str, part: Part) -> tuple[Path, ...]:
        """The one file of a part, if it exists; the objects of all images of a split share theirs."""
        labels = self._path(sample_id)
        if part == "image":
            path = any_case(self.root / "images" / labels.parent.name / f"{sample_id}.jpg")
        elif part == "objects":
            path = any_case(self.root / "annotations" / f"instances_{labels.parent.name}.json")
        else:
            path = labels if part == "labels" else None
        return (path,) if path is not None else ()

    def match_prediction(self, path: Path, ids: Sequence[str]) -> str | None:
        """By the name of the file, with or without leading zeros."""
        return next((name for name in (path.stem, path.stem.zfill(12)) if name in ids), None)

    def decode_prediction(self, values: Array, where: str) -> Prediction:
        """Label values (id - 1) of a grey PNG, or probabilities (171, H, W) in the order of the classes."""
        return label_map(values, where, self.info.classes)

    def check(self, progress: Callable[[int, int], None] | None = None) -> list[str]:
        """Every image, label map and annotated object: pairs, decoding, sizes and label values."""
        return self.check_pairs() + read_all(self, self.readable(), ("image", "labels", "objects"), progress)

    def check_counts(self) -> list[str]:
        """Splits have their official sizes."""
        faults = []
        for split in _FOLDERS:
            found, official = len(self._of(split)), self.info.splits[split].official_size
            if found != official:
                faults.append(f"split '{split}' has {found} label maps below '{self.root}'; official {official}")
        return faults

    def check_pairs(self) -> list[str]:
        """Images, label maps and annotations that lack their counterparts, and names that are taken twice."""
        faults = clashes(self._labels)
        for split, folder in _FOLDERS.items():
            faults += self._unlabelled(split)
            images, labels = listing(self.root / "images" / folder, ".jpg"), self._of(split)
            faults += images.faults
            if images.files and not labels:
                faults.append(f"split '{split}': none of its {len(images.files)} images has a label map")
            if images.files:
                faults += [f"{path}: has no image; fetch it" for i, path in labels.items() if i not in images.files]
            # The annotations of train2017 take long to read; a split that is whole lacks none of their images.
            if len(labels) != self.info.splits[split].official_size:
                faults += self._only_annotated(folder, labels)
        return faults

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

    def readable(self) -> tuple[str, ...]:
        """Every sample that has a label map, whether or not its split is whole."""
        return tuple(self._labels)

    def _of(self, split: str) -> dict[str, Path]:
        return {i: path for i, path in self._labels.items() if path.parent.name == _FOLDERS[split]}

    def _unlabelled(self, split: str) -> list[str]:
        """What makes a split smaller than it should be: images without label maps, names that are taken twice."""
        folder, labels = self.root / "stuffthingmaps" / _FOLDERS[split], self._of(split)
        images = listing(self.root / "images" / _FOLDERS[split], ".jpg").files if labels else {}
        return [*self._names.get(split, ()), *unpaired(images, labels, str(folder))]

    def _only_annotated(self, folder: str, labels: Mapping[str, Path]) -> list[str]:
        """Images that the annotations list and that have no label map, in one sentence."""
        path = any_case(self.root / "annotations" / f"instances_{folder}.json")
        if path is None or not labels:
            return []
        try:
            listed = annotated_sizes(path)
        except UserError:  # named when samples are read
            return []
        missing = sorted(listed.keys() - {int(i) for i in labels if i.isdecimal() and len(i) < 20})
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        shown = ", ".join(map(str, missing[:3])) + more
        return [f"{path}: lists images that have no label map in '{folder}': {shown}. Fetch them."] if missing else []

    def _path(self, sample_id: str) -> Path:
        if sample_id not in self._labels:
            raise UserError(f"cocostuff has no sample '{sample_id}' below '{self.root}'")
        return self._labels[sample_id]
