"""Cityscapes: urban street scenes from a car, 19 evaluated classes in 7 categories."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from cityscapesscripts.helpers.labels import labels as official_labels

from segbench.data import FileDataset
from segbench.data.panoptic_annotations import true_segments
from segbench.data.sample_checks import where
from segbench.metrics.label_checks import label_counts
from segbench.settings import Settings
from segbench.types import (
    Array,
    ClassInfo,
    DatasetInfo,
    Download,
    LabelCoding,
    Panoptic,
    Part,
    Sample,
    Segment,
    SplitInfo,
    Uint8,
)

CLASSES = tuple(
    ClassInfo(entry.id, entry.name, entry.color, "thing" if entry.hasInstances else "stuff", entry.category)
    for entry in official_labels
    if entry.id >= 0
)
SCORED = tuple(c for c, entry in zip(CLASSES, official_labels, strict=False) if not entry.ignoreInEval)
_NAME = re.compile(r"([A-Za-z-]+_\d{6}_\d{6})(?!\d)")
_ANY_NAME = re.compile(r"([^\d_]+_\d{6}_\d{6})(?!\d)")
_OF_INSTANCES = 1000
"""Values of instance maps from this one on are label id x 1000 + number."""
_TRAIN_IDS = {entry.id: entry.trainId for entry in official_labels if entry.id >= 0}


def train_ids(labels: Array) -> Uint8:
    """Label ids as train ids: 0 to 18 in the order of the evaluated classes, 255 for all others.

    Parameters
    ----------
    labels : (H, W) uint8
        Label ids 0 to 33.
    """
    table = np.full(256, 255, np.uint8)
    for label, train_id in _TRAIN_IDS.items():
        table[label] = train_id
    return table[labels]


def _train_id_codings() -> Iterator[LabelCoding]:
    """Label values that were written as train ids, by the official table, not the order of our classes."""
    table = {entry.trainId: entry.id for entry in official_labels if 0 <= entry.trainId < 255}
    keys, ids = tuple(table), tuple(table.values())
    rest = next(c.id for c in CLASSES if c not in SCORED)
    yield LabelCoding(
        "train_ids",
        "trainIds were given where labelIds are expected",
        (*keys, len(keys), 255),
        (*ids, rest, rest),
        rest,
        "Write labelIds: with trainId2label of cityscapesscripts.helpers.labels, ids = numpy.zeros(256, 'uint8'); "
        "ids[:19] = [trainId2label[t].id for t in range(19)]; labels = ids[values].",
    )
    yield LabelCoding(
        "train_ids",
        "labelIds were converted from trainIds to labelIds a second time",
        (rest, *ids),
        (rest, *keys),
        rest,
        "Leave out the conversion from trainIds to labelIds: the values are labelIds already. (Labels above "
        f"{max(keys)} are lost in these files.)",
        lossy=True,
    )


class CityscapesSettings(Settings):
    """Which annotations are the truth."""

    annotations: Literal["fine", "coarse"] = "fine"
    """Annotations that are the truth: gtFine, or gtCoarse, which has the split train_extra too."""


class Cityscapes(FileDataset):
    """The unpacked gtFine (and leftImg8bit) archives; samples are `<city>_<sequence>_<frame>`, groups are cities.

    Labels are labelIds 0 to 33, not trainIds. Instances: label id, or label id x 1000 + number for single objects.
    """

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
            "train_extra": SplitInfo(
                19998, "22 more cities, with coarse annotations alone (--set annotations=coarse)", optional=True
            ),
        },
        export_formats={"cityscapes": "segbench.predictions.official_formats:CityscapesFormat"},
        # Of the lists that HRNet/HRNet-Semantic-Segmentation (data/list/cityscapes/, commit 0bbb288) and takaniwa/DSNet
        # (commit b3c4dab) hold.
        official_ids={
            "train": "356596e69da79ecbd3f6301dc68c0244fc777bdc7cea8fdc02b169d4b7da3c4a",
            "val": "9e85f1e65cf6030bacb9336142ddae80c28f66b89526cce603a272f32ac35af6",
            "all": "5ef59d7e8e8708c469fdb7012030d7b78695a7e36ba3a1a504604ebbc4655e4f",
            "test": "f3ac653e7763185046732eaafddc83c58187975d9acafa0cb6ea6ea8e16354ad",
        },
        default_split="val",
        label_codings=tuple(_train_id_codings()),
        metrics=("cityscapes-overlap", "cityscapes-instances"),
        object_metrics=("cityscapes-ap",),
        panoptic_metrics=("panoptic",),
        main_score="iou_class",
        second_score="iiou_class",
        synthesizable=True,
        licence="non-commercial research and teaching, see the homepage; registration needed",
        citation="Cordts et al., IEEE Conference on Computer Vision and Pattern Recognition, 3213-3223 (2016)",
        homepage="https://www.cityscapes-dataset.com/",
        layout=(
            "gtFine/<split>/<city>/<city>_<sequence>_<frame>_gtFine_{labelIds,instanceIds}.png (or gtCoarse) and "
            "leftImg8bit/<split>/<city>/<city>_<sequence>_<frame>_leftImg8bit.png"
        ),
        settings=CityscapesSettings,
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

    paths: ClassVar[Mapping[Part, str]] = {
        "image": "leftImg8bit/{split}/{group}/{id}_leftImg8bit.png",
        "labels": "gtFine/{split}/{group}/{id}_gtFine_labelIds.png",
        "instances": "gtFine/{split}/{group}/{id}_gtFine_instanceIds.png",
    }
    sought = "Cityscapes label maps"
    label_bits = 8
    rule_parts = ("instances",)

    def pattern(self, part: Part) -> str:
        """The path of a part, of coarse annotations below gtCoarse."""
        fine = super().pattern(part)
        return fine if self.settings.annotations == "fine" else fine.replace("gtFine", "gtCoarse")

    def labelled_splits(self) -> tuple[str, ...]:
        """Train and val, and of coarse annotations train_extra."""
        return ("train", "val") if self.settings.annotations == "fine" else ("train", "val", "train_extra")

    def match_prediction(self, path: Path, ids: Sequence[str]) -> str | None:
        """By `<city>_<sequence>_<frame>` in the name of the file."""
        for pattern in (_NAME, _ANY_NAME):
            found = pattern.search(path.stem)
            if found and found[1] in ids:
                return found[1]
        return path.stem if path.stem in ids else None

    def files(self, sample_id: str, part: Part) -> tuple[Path, ...]:
        """The one file of a part, if it exists; segments are those of the instance map, else the official converter's.

        That writes `cityscapes_panoptic_<split>.json` and a folder of PNG files of this name into gtFine.
        """
        found = super().files(sample_id, "instances" if part == "panoptic" else part)
        if part != "panoptic" or found:
            return found
        labels = super().files(sample_id, "labels")[0]
        folder = labels.parents[2] / f"cityscapes_panoptic_{labels.parents[1].name}"
        made = (folder / f"{sample_id}_gtFine_panoptic.png", folder.with_suffix(".json"))
        return made if all(path.is_file() for path in made) else ()

    def read_panoptic(self, path: Path, sample_id: str) -> Panoptic:
        """Segments of an instance map as createPanopticImgs of cityscapesScripts makes them.

        Each of its values is a segment: below 1000 all of a class, which of a thing is a crowd. What is not evaluated
        is void.
        """
        if path.name.endswith("_panoptic.png"):
            return true_segments(path, path.parent.with_suffix(".json"), sample_id)
        ids = self.read_instances(path)
        kinds = {each.id: each.kind for each in SCORED}
        segments = []
        for value in label_counts(ids):
            label = value if value < _OF_INSTANCES else value // _OF_INSTANCES
            if label in kinds:
                segments.append(Segment(value, label, crowd=value < _OF_INSTANCES and kinds[label] == "thing"))
        return Panoptic(np.where(np.isin(ids, [each.id for each in segments]), ids, 0), tuple(segments))

    def check_sample(self, sample: Sample) -> list[str]:
        """Instance values are the label id, or label id x 1000 + number, at every pixel."""
        if sample.labels is None or sample.instances is None:
            return []
        of_instances = np.where(sample.instances >= _OF_INSTANCES, sample.instances // _OF_INSTANCES, sample.instances)
        different = int(np.count_nonzero(of_instances != sample.labels))
        if not different:
            return []
        return [
            f"{where(self, sample.id, 'instances')}: says another label than {where(self, sample.id, 'labels')} at "
            f"{different} pixels; expected the label id, or label id x 1000 + number. Fetch both again."
        ]
