"""Cityscapes: urban street scenes from a car, 19 evaluated classes in 7 categories."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from cityscapesscripts.helpers.labels import labels as official_labels

from segbench.data import FileDataset, stored_values
from segbench.data.listing import any_case, clashes, listing, refuse, twice, unpaired
from segbench.data.sample_checks import where
from segbench.types import (
    Array,
    ClassInfo,
    DatasetInfo,
    Download,
    LabelCoding,
    Part,
    Sample,
    SplitInfo,
    Uint8,
    UserError,
)

CLASSES = tuple(
    ClassInfo(entry.id, entry.name, entry.color, "thing" if entry.hasInstances else "stuff", entry.category)
    for entry in official_labels
    if entry.id >= 0
)
SCORED = tuple(c for c, entry in zip(CLASSES, official_labels, strict=False) if not entry.ignoreInEval)
_NAME = re.compile(r"([A-Za-z-]+_\d{6}_\d{6})(?!\d)")
_ANY_NAME = re.compile(r"([^\d_]+_\d{6}_\d{6})(?!\d)")
_IMAGE = "_leftImg8bit.png"
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


_GROUNDS = {"fine": ("gtFine", ("train", "val")), "coarse": ("gtCoarse", ("train", "val", "train_extra"))}
"""Folder and labelled splits of each kind of annotations."""


@dataclass(frozen=True)
class Cityscapes(FileDataset):
    """The unpacked gtFine (and leftImg8bit) archives; samples are `<city>_<sequence>_<frame>`.

    Labels are labelIds 0 to 33, not trainIds. Instances: label id, or label id x 1000 + number for single objects.
    With `annotations="coarse"` the truth is that of gtCoarse, which also has the split `train_extra`.
    """

    annotations: str = "fine"
    _labels: Mapping[str, Path] = field(default_factory=dict, repr=False, compare=False)
    _names: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

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
        default_split="val",
        label_codings=tuple(_train_id_codings()),
        metrics=("cityscapes-overlap", "cityscapes-instances"),
        object_metrics=("cityscapes-ap",),
        main_score="iou_class",
        synthesizable=True,
        licence="non-commercial research and teaching, see the homepage; registration needed",
        citation="Cordts et al., IEEE Conference on Computer Vision and Pattern Recognition, 3213-3223 (2016)",
        homepage="https://www.cityscapes-dataset.com/",
        layout=(
            "gtFine/<split>/<city>/<city>_<sequence>_<frame>_gtFine_{labelIds,instanceIds}.png (or gtCoarse) and "
            "leftImg8bit/<split>/<city>/<city>_<sequence>_<frame>_leftImg8bit.png"
        ),
        options={"annotations": "fine (default), or coarse: gtCoarse, with the split train_extra"},
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

    parts: ClassVar[tuple[Part, ...]] = ("image", "labels", "instances")
    rule_parts = ("instances",)

    def __post_init__(self) -> None:
        if self.annotations not in _GROUNDS:
            raise UserError(f"annotations '{self.annotations}' of cityscapes do not exist. Available: fine, coarse.")
        found: dict[str, Path] = {}
        faults: dict[str, tuple[str, ...]] = {}
        for split in self.info.splits:
            labels, wrong = _cities(self._ground / split, self._ending("labelIds"))
            wrong += [twice(i, found[i], path) for i, path in labels.items() if i in found]
            found, faults[split] = {**labels, **found}, tuple(wrong)
        found = dict(sorted(found.items(), key=lambda item: (self._split_index(item[1]), item[1].parts)))
        if not found:
            raise UserError(
                f"no Cityscapes label maps below '{self.root}'. Expected {self.info.layout}. "
                "Run 'bench data describe cityscapes'."
            )
        object.__setattr__(self, "_labels", found)
        object.__setattr__(self, "_names", faults)

    def ids(self, split: str) -> tuple[str, ...]:
        """Images of a split by city, sequence and frame; `all` is every labelled split."""
        if split != "all" and split not in self.info.splits:
            raise UserError(f"cityscapes has no split '{split}'. Available: {', '.join(self.info.splits)}, all.")
        wanted = _GROUNDS[self.annotations][1] if split == "all" else (split,)
        for name in wanted:
            refuse(self._incomplete(name), self)
        chosen = tuple(i for i, path in self._labels.items() if path.parts[-3] in wanted)
        if not chosen:
            raise UserError(f"split '{split}' of cityscapes is empty below '{self.root}'. Expected {self.info.layout}.")
        return chosen

    def group(self, sample_id: str) -> str:
        """The city."""
        return self._label_map(sample_id).parent.name

    def read_labels(self, path: Path) -> Array:
        """(1024, 2048) uint8 label ids."""
        return stored_values(path, "a grey PNG of uint8", np.dtype(np.uint8))

    def read_instances(self, path: Path) -> Array:
        """(1024, 2048) int32: the label id, or label id x 1000 + number for single objects."""
        return stored_values(path, "a grey PNG of uint16", np.dtype(np.uint16)).astype(np.int32)

    def refuse_unknown(self, sample_id: str) -> None:
        """Raise UserError for an image that there is not."""
        self._label_map(sample_id)

    def readable(self) -> tuple[str, ...]:
        """Every sample that has a label map, whether or not its split is whole."""
        return tuple(self._labels)

    def files(self, sample_id: str, part: Part) -> tuple[Path, ...]:
        """The one file of a part, if it exists."""
        labels = self._label_map(sample_id)
        split, city = labels.parts[-3:-1]
        if part == "image":
            path = any_case(self.root / "leftImg8bit" / split / city / f"{sample_id}{_IMAGE}")
        elif part == "instances":
            path = any_case(labels.with_name(sample_id + self._ending("instanceIds")))
        else:
            path = labels if part == "labels" else None
        return (path,) if path is not None else ()

    def match_prediction(self, path: Path, ids: Sequence[str]) -> str | None:
        """By `<city>_<sequence>_<frame>` in the name of the file."""
        for pattern in (_NAME, _ANY_NAME):
            found = pattern.search(path.stem)
            if found and found[1] in ids:
                return found[1]
        return path.stem if path.stem in ids else None

    def check_counts(self) -> list[str]:
        """Splits have their official sizes."""
        faults = []
        for split in _GROUNDS[self.annotations][1]:
            found, official = len(self._of(split)), self.info.splits[split].official_size
            if found != official:
                faults.append(f"split '{split}' has {found} label maps below '{self.root}'; official {official}")
        return faults

    def check_pairs(self) -> list[str]:
        """Images, label maps and instance maps that lack their counterparts, and names that are taken twice."""
        faults = clashes(self._labels)
        for split in self.info.splits:
            faults += self._incomplete(split)
            labels = self._of(split)
            images, wrong = _cities(self.root / "leftImg8bit" / split, _IMAGE)
            instances, more = _cities(self._ground / split, self._ending("instanceIds"))
            faults += [*wrong, *more]
            if images and not labels and split in _GROUNDS[self.annotations][1]:
                faults.append(
                    f"split '{split}': none of its {len(images)} images has a label map in '{self._ground / split}'"
                )
            if images:
                alone = [path for i, path in labels.items() if not self.files(i, "image")]
                faults += [f"{path}: has no image in 'leftImg8bit/{split}'; fetch it" for path in alone]
            faults += [f"{path}: has no label map; fetch it" for i, path in instances.items() if i not in labels]
        return faults

    def check_sample(self, sample: Sample) -> list[str]:
        """Instance values are the label id, or label id x 1000 + number, at every pixel."""
        if sample.labels is None or sample.instances is None:
            return []
        of_instances = np.where(sample.instances >= 1000, sample.instances // 1000, sample.instances)
        different = int(np.count_nonzero(of_instances != sample.labels))
        if not different:
            return []
        return [
            f"{where(self, sample.id, 'instances')}: says another label than {where(self, sample.id, 'labels')} at "
            f"{different} pixels; expected the label id, or label id x 1000 + number. Fetch both again."
        ]

    def _incomplete(self, split: str) -> list[str]:
        """What would silently make a split smaller, or leave some of its samples out of the scores of instances."""
        labels, folder = self._of(split), self._ground / split
        if not labels:
            return list(self._names.get(split, ()))
        images = _cities(self.root / "leftImg8bit" / split, _IMAGE)[0]
        faults = [*self._names.get(split, ()), *unpaired(images, labels, str(folder))]
        if _cities(folder, self._ending("instanceIds"))[0]:
            alone = [path for i, path in labels.items() if not self.files(i, "instances")]
            faults += [f"{path}: has no instance map, as others have. Fetch it again." for path in alone]
        return faults

    @property
    def _ground(self) -> Path:
        return self.root / _GROUNDS[self.annotations][0]

    def _ending(self, kind: str) -> str:
        return f"_{self._ground.name}_{kind}.png"

    def _of(self, split: str | None) -> dict[str, Path]:
        return {i: path for i, path in self._labels.items() if path.parts[-3] == split}

    def _split_index(self, path: Path) -> int:
        return list(self.info.splits).index(path.parts[-3])

    def _label_map(self, sample_id: str) -> Path:
        if sample_id not in self._labels:
            raise UserError(f"cityscapes has no sample '{sample_id}' below '{self.root}'")
        return self._labels[sample_id]


def _cities(folder: Path, ending: str) -> tuple[dict[str, Path], list[str]]:
    """Files of every city of a split by sample id, in order, and what is wrong with their names."""
    found: dict[str, Path] = {}
    faults: list[str] = []
    for city in sorted(folder.iterdir()) if folder.is_dir() else ():
        if city.is_symlink() and not city.exists():
            faults.append(f"{city}: is a link that leads nowhere; expected the folder of a city")
        if not city.is_dir() or city.name.startswith("."):
            continue
        files = listing(city, ending)
        faults += files.faults
        faults += [twice(i, found[i], path) for i, path in files.files.items() if i in found]
        found = {**files.files, **found}
    return found, faults
