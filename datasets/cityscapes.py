"""Cityscapes: urban street scenes from a car, 19 evaluated classes in 7 categories."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from cityscapesscripts.helpers.labels import labels as official_labels

from segbench.data import read_all
from segbench.images import label_map, read_array, read_image
from segbench.types import Array, ClassInfo, DatasetInfo, Download, Part, Prediction, Sample, SplitInfo, UserError

CLASSES = tuple(
    ClassInfo(entry.id, entry.name, entry.color, "thing" if entry.hasInstances else "stuff", entry.category)
    for entry in official_labels
    if entry.id >= 0
)
SCORED = tuple(c for c, entry in zip(CLASSES, official_labels, strict=False) if not entry.ignoreInEval)
_NAME = re.compile(r"([A-Za-z-]+_\d{6}_\d{6})(?!\d)")


@dataclass(frozen=True)
class Cityscapes:
    """The unpacked gtFine (and leftImg8bit) archives; samples are `<city>_<sequence>_<frame>`.

    Labels are labelIds 0 to 33, not trainIds. Instances: label id, or label id x 1000 + number for single objects.
    """

    root: Path
    _labels: Mapping[str, Path] = field(default_factory=dict, repr=False, compare=False)

    info: ClassVar[DatasetInfo] = DatasetInfo(
        name="cityscapes",
        version="1",
        summary="Urban street scenes from a car, 1024 x 2048, 19 evaluated classes in 7 categories",
        task="multiclass",
        classes=SCORED,
        unscored=tuple(c for c in CLASSES if c not in SCORED),
        splits={
            "train": SplitInfo(2975, "18 cities, fine annotations"),
            "val": SplitInfo(500, "3 cities, fine annotations"),
            "test": SplitInfo(1525, "6 cities; scored by the benchmark's server only", labelled=False),
        },
        default_split="val",
        metrics=("cityscapes-overlap", "cityscapes-instances"),
        object_metrics=("cityscapes-ap",),
        main_score="iou_class",
        synthesizable=True,
        licence="non-commercial research and teaching, see the homepage; registration needed",
        citation="Cordts et al., IEEE Conference on Computer Vision and Pattern Recognition, 3213-3223 (2016)",
        homepage="https://www.cityscapes-dataset.com/",
        layout=(
            "gtFine/<split>/<city>/<city>_<sequence>_<frame>_gtFine_{labelIds,instanceIds}.png and "
            "leftImg8bit/<split>/<city>/<city>_<sequence>_<frame>_leftImg8bit.png"
        ),
        downloads=(
            Download(
                "https://www.cityscapes-dataset.com/downloads/",
                "gtFine_trainvaltest.zip",
                "fine annotations of train and val",
                holds=("gtFine",),
                login="cityscapes",
            ),
            Download(
                "https://www.cityscapes-dataset.com/downloads/",
                "leftImg8bit_trainvaltest.zip",
                "images of train, val and test",
                holds=("leftImg8bit",),
                login="cityscapes",
            ),
        ),
    )

    def __post_init__(self) -> None:
        found: dict[str, Path] = {}
        for split in self.info.splits:
            for path in sorted((self.root / "gtFine" / split).glob("*/*_gtFine_labelIds.png")):
                found[path.name.removesuffix("_gtFine_labelIds.png")] = path
        if not found:
            raise UserError(
                f"no Cityscapes label maps below '{self.root}'. Expected {self.info.layout}. "
                "Run 'bench data describe cityscapes'."
            )
        object.__setattr__(self, "_labels", found)

    def ids(self, split: str) -> tuple[str, ...]:
        """Images of a split by city, sequence and frame; `all` is train and val."""
        if split != "all" and split not in self.info.splits:
            raise UserError(f"cityscapes has no split '{split}'. Available: {', '.join(self.info.splits)}, all.")
        wanted = ("train", "val") if split == "all" else (split,)
        chosen = tuple(i for i, path in self._labels.items() if path.parts[-3] in wanted)
        if not chosen:
            raise UserError(f"split '{split}' of cityscapes is empty below '{self.root}'. Expected {self.info.layout}.")
        return chosen

    def group(self, sample_id: str) -> str:
        """The city."""
        return self._path(sample_id).parent.name

    def load(self, sample_id: str, parts: Sequence[Part] = ("image", "labels")) -> Sample:
        """One image: image (1024, 2048, 3) uint8, labels (1024, 2048) uint8, instances (1024, 2048) int32."""
        path = self._path(sample_id)
        image = labels = instances = None
        if "image" in parts and self.files(sample_id, "image"):
            image = read_image(self.files(sample_id, "image")[0])
        if "labels" in parts:
            labels = self._map(path, np.uint8)
        if "instances" in parts and self.files(sample_id, "instances"):
            instances = self._map(self.files(sample_id, "instances")[0], np.uint16).astype(np.int32)
        return Sample(sample_id, path.parent.name, 0, image, labels, instances)

    def files(self, sample_id: str, part: Part) -> tuple[Path, ...]:
        """The one file of a part, if it exists."""
        labels = self._path(sample_id)
        split, city = labels.parts[-3:-1]
        path = {
            "image": self.root / "leftImg8bit" / split / city / f"{sample_id}_leftImg8bit.png",
            "labels": labels,
            "instances": labels.with_name(f"{sample_id}_gtFine_instanceIds.png"),
        }.get(part)
        return (path,) if path is not None and path.is_file() else ()

    def match_prediction(self, path: Path, ids: Sequence[str]) -> str | None:
        """By `<city>_<sequence>_<frame>` in the name of the file."""
        found = _NAME.search(path.stem)
        return found[1] if found and found[1] in ids else None

    def decode_prediction(self, values: Array, where: str) -> Prediction:
        """Label ids of a grey PNG, or probabilities (19, H, W) in the order of the evaluated classes."""
        return label_map(values, where, self.info.classes)

    def check(self, progress: Callable[[int, int], None] | None = None) -> list[str]:
        """Every image, label map and instance map: decoding, sizes and pairs."""
        return read_all(self, tuple(self._labels), ("image", "labels", "instances"), progress)

    def check_counts(self) -> list[str]:
        """Splits have their official sizes."""
        faults = []
        for split in ("train", "val"):
            found = sum(path.parts[-3] == split for path in self._labels.values())
            if found != self.info.splits[split].official_size:
                faults.append(f"split '{split}' has {found} images; official {self.info.splits[split].official_size}")
        return faults

    def _path(self, sample_id: str) -> Path:
        if sample_id not in self._labels:
            raise UserError(f"cityscapes has no sample '{sample_id}' below '{self.root}'")
        return self._labels[sample_id]

    @staticmethod
    def _map(path: Path, kind: type[np.uint8] | type[np.uint16]) -> Array:
        values = read_array(path)
        if values.ndim != 2 or values.dtype.kind not in "iu" or values.dtype.itemsize > np.dtype(kind).itemsize:
            raise UserError(
                f"{path}: is of shape {values.shape} and {values.dtype}; expected a grey PNG of {np.dtype(kind)}"
            )
        return values
