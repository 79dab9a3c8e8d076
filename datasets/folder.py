"""Your own dataset: a folder with `images/`, `masks/` and a list of its classes, `classes.yaml`."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from segbench.data import FileDataset
from segbench.data.listing import near_names
from segbench.data.locations import read_all
from segbench.data.own_folder.classes_file import FILE, Classes, parse_classes, read_classes
from segbench.data.own_folder.finding import called_names, find, inside_region
from segbench.data.own_folder.layout import Located
from segbench.data.own_folder.masks import decode_mask, decode_prediction, instance_map
from segbench.data.own_folder.missing_masks import no_masks
from segbench.data.own_folder.names import (
    MASK_SUFFIX,
    guess,
    none_paired,
    normal,
    own_name,
    places,
)
from segbench.data.own_folder.naming import written
from segbench.data.own_folder.objects import OBJECTS, image_ids, true_objects
from segbench.data.own_folder.panoptic import ANNOTATIONS, PanopticTruth
from segbench.data.own_folder.proposed_classes import proposed_classes
from segbench.data.own_folder.splits import SPLITS, split_samples
from segbench.data.self_defined import Proposal
from segbench.io.images.masks import read_labels
from segbench.io.listing import unread_images
from segbench.types import Array, DatasetInfo, Object, Panoptic, Part, Prediction, Sample, SplitInfo, UserError

_NOT_STATED = f"not stated in {FILE}"
_OF_CASES = ("foreground-overlap",)
_OF_VOLUMES = ("surface-distance",)


class Folder(FileDataset):
    """Your own folder; samples are named by file, in subfolders `<subfolder>__<file>`.

    Subfolders are groups, but for one of a split; what lies in none stands alone. Labels: the ids of `classes.yaml`.
    `info` of the class knows no classes, that of an instance does.
    """

    info: ClassVar[DatasetInfo] = DatasetInfo(
        name="folder",
        version="1",
        summary="Your own folder with images, masks and a list of classes",
        task="multiclass",
        classes=(),
        splits={
            "train": SplitInfo(None, "splits/train.txt, else masks/train/, else about 70 %, by a rule"),
            "val": SplitInfo(None, "splits/val.txt, else masks/val/, else about 15 %, by a rule"),
            "test": SplitInfo(None, "splits/test.txt, else masks/test/, else about 15 %, by a rule"),
        },
        default_split="test",
        metrics=("overlap",),
        main_score="miou",
        licence=_NOT_STATED,
        citation=_NOT_STATED,
        homepage=_NOT_STATED,
        upright=True,
        layout=f"masks/ (PNG, TIFF, BMP, GIF, WebP, .npy), images/ (also JPEG) with the same names, {FILE} (made by "
        "'bench data describe folder --root DIR --write'), and if there are any instances/, "
        "splits/{train,val,test}.txt, objects.json as COCO has annotations; or panoptic.json and panoptic/ alone",
    )

    parts: ClassVar[tuple[Part, ...]] = ("image", "labels", "instances", "objects")
    self_defined = True

    _found: Located
    _index: Mapping[str, tuple[str, int]]
    _splits: Mapping[str, tuple[str, ...]]
    _classes: Classes
    _called: Mapping[str, str]
    _panoptic: PanopticTruth | None

    def __post_init__(self) -> None:
        path = self.root / FILE
        panoptic = PanopticTruth.at(self.root, own_name(self.root))
        if panoptic is not None:
            classes: Classes | None = panoptic.classes
        else:
            classes = read_classes(path, own_name(self.root)) if os.path.lexists(path) else None
        found = find(self.root, classes, panoptic)
        if not found.masks:
            raise no_masks(self.root, classes)
        if classes is None:
            command = shlex.join(["bench", "data", "describe", "folder", "--root", str(self.root), "--write"])
            raise UserError(f"'{path}' is missing, so the classes are not known. Run '{command}', then read it over.")
        called_so = called_names(self.root, found, classes.layout, panoptic)
        splits, texts = split_samples(
            self.root, found.groups, found.masks.keys(), called_so, found.splits, whole=panoptic is not None
        )
        info = replace(
            self.info_of(classes.definition()),
            splits={name: SplitInfo(None, text, labelled) for name, (text, labelled) in texts.items()},
            default_split=next(name for name in (*reversed(SPLITS), *texts) if name in texts),
        )
        index = places(found.groups, film=classes.frames_per_second is not None)
        if info.task == "binary" and len({group for group, _ in index.values()}) == len(index):
            info = replace(info, further_metrics=())  # of images that stand alone these scores are told already
        values = (found, index, splits, classes, called_so, panoptic, info)
        names = ("_found", "_index", "_splits", "_classes", "_called", "_panoptic", "info")
        for name, value in zip(names, values, strict=True):
            object.__setattr__(self, name, value)

    @staticmethod
    def info_of(definition: Mapping[str, Any]) -> DatasetInfo:
        """The info that a definition (the content of `classes.yaml`) stands for."""
        classes = parse_classes(dict(definition), FILE, "folder")
        binary = classes.task == "binary"
        objects = classes.coding == "instances"
        families = (
            ("binary-overlap", "boundary", *(["instance-matching"] if objects else [])) if binary else ("overlap",)
        )
        families = (*families, *(_OF_CASES if classes.main_score else ()))
        kind = "single objects" if objects else "binary masks" if binary else f"{len(classes.classes)} classes"
        return replace(
            Folder.info,
            version=classes.version,
            summary=classes.texts.get("summary", f"{classes.name}: your own folder, {kind}"),
            task=classes.task,
            classes=classes.classes,
            ignore_label=classes.ignore_label,
            metrics=(*families, "instance-matching") if objects else families,
            main_score=classes.main_score or ("f1_50" if objects else "dice" if binary else "miou"),
            object_metrics=("coco-ap",) if classes.objects else (),
            category_ids=classes.objects,
            panoptic_metrics=("panoptic",) if classes.panoptic else (),
            further_metrics=_beside(classes),
            pixel_size_um=classes.pixel_size_um,
            frames_per_second=classes.frames_per_second,
            volumes=classes.volumes,
            licence=classes.texts.get("licence", _NOT_STATED),
            citation=classes.texts.get("citation", _NOT_STATED),
            homepage=classes.texts.get("homepage", _NOT_STATED),
        )

    @staticmethod
    def is_defined(root: Path) -> bool:
        """Whether there is a `classes.yaml` or a `panoptic.json`, right or wrong."""
        return os.path.lexists(root / FILE) or os.path.lexists(root / ANNOTATIONS)

    @staticmethod
    def propose(root: Path, progress: Callable[[int, int], None] | None = None) -> Proposal:
        """Guess `classes.yaml` from the masks below a root.

        Raises UserError where there are no masks, or none that can be read.
        """
        return proposed_classes(root, progress)

    def definition(self) -> Mapping[str, Any]:
        """The content of `classes.yaml`, for the record."""
        return self._classes.definition()

    def ids(self, split: str) -> tuple[str, ...]:
        """Samples of a split, by group and name with numbers in their order; `all` is all that have a mask."""
        if split == "all":
            return tuple(i for i in self._index if i in self._found.masks)
        if split not in self.info.splits:
            raise UserError(
                f"'{self.root}' has no split '{split}'. Available: {', '.join(self.info.splits)}, all. Name its "
                f"samples in splits/{{{','.join(SPLITS)}}}.txt, one per line."
            )
        if not self._splits[split]:
            raise UserError(
                f"split '{split}' of '{self.root}' is empty: there are too few samples or subfolders. Use --split all, "
                f"--folds K, or name its samples in splits/{split}.txt, one per line."
            )
        return self._splits[split]

    def group(self, sample_id: str) -> str:
        """The subfolder; a sample outside of one stands alone, but as a frame of a film."""
        self.refuse_unknown(sample_id)
        return self._index[sample_id][0]

    def place(self, sample_id: str) -> int:
        """The place in the group, or among those that stand alone."""
        return self._index[sample_id][1]

    def load(self, sample_id: str, parts: Sequence[Part] = ("image", "labels")) -> Sample:
        """The parts asked for that exist. Outside of the region labels are void, and there are no instances.

        Raises UserError for an unknown sample, and for a file that cannot be read.
        """
        sample = super().load(sample_id, parts)
        region, void = self._found.regions.get(sample_id), self.info.ignore_label
        truth = sample.labels if sample.labels is not None else sample.instances
        if region is None or truth is None or void is None:
            return sample
        inside = inside_region(region, truth.shape)
        labels, instances = sample.labels, sample.instances
        if labels is not None:
            labels = np.where(
                inside, labels, np.asarray(void, np.promote_types(labels.dtype, np.min_scalar_type(void)))
            )
        if instances is not None and instances.shape == inside.shape:
            instances = np.where(inside, instances, np.int32(0))
        return replace(sample, labels=labels, instances=instances)

    def read_labels(self, path: Path) -> Array:
        """(H, W) uint8 or uint16 label values, by `classes.yaml`; of segments their categories."""
        if self._panoptic is not None:
            return self._panoptic.labels(path)
        two_tones = self.info.task == "binary" and self._classes.coding != "instances"
        return decode_mask(read_labels(path, binary=two_tones, upright=True), str(path), self._classes)

    def read_instances(self, path: Path) -> Array:
        """(H, W) int32 instance numbers. Raises UserError for anything but a grey image of whole numbers.

        Of segments the things, renumbered.
        """
        if self._panoptic is not None:
            return self._panoptic.instances(path)
        return instance_map(read_labels(path, binary=False, upright=True), str(path))

    def read_objects(self, path: Path, sample_id: str) -> tuple[Object, ...]:
        """True objects; all samples share their file."""
        return true_objects(path, sample_id, self.info)

    def image_ids(self, ids: Sequence[str]) -> Mapping[int | str, str]:
        """What the source called them, where there is `objects.json`."""
        return image_ids(self.root / OBJECTS, ids) if self._classes.objects else {}

    def read_panoptic(self, path: Path, sample_id: str) -> Panoptic:
        """True segments."""
        assert self._panoptic is not None, sample_id
        return self._panoptic.annotated[path].read(path)

    def refuse_unknown(self, sample_id: str) -> None:
        """Raise UserError for a sample that there is not."""
        if sample_id not in self._index:
            raise UserError(f"there is no sample '{sample_id}' below '{self.root}'")

    def files(self, sample_id: str, part: Part) -> tuple[Path, ...]:
        """The one file of a part, if it exists, and beside that of the labels the region's.

        What is made of segments has the JSON file beside theirs.
        """
        self.refuse_unknown(sample_id)
        if self._panoptic is not None and part in ("labels", "instances", "panoptic"):
            return (self._panoptic.files[sample_id], self._panoptic.path)
        parts: Mapping[str, Mapping[str, Path]] = {
            "image": self._found.images,
            "labels": self._found.masks,
            "instances": self._found.instances,
        }
        if part == "objects":
            return (self.root / OBJECTS,) if self._classes.objects and sample_id in self._found.masks else ()
        path = parts.get(part, {}).get(sample_id)
        region = self._found.regions.get(sample_id) if part == "labels" else None
        return () if path is None else (path,) if region is None else (path, region)

    def match_prediction(self, path: Path, ids: Sequence[str]) -> str | None:
        """By the name of the sample or of its mask or image, with the subfolders of its group or where it is alone so.

        An ending such as _mask may be missing, or stand there.
        """
        stem, inside = normal(path.stem), [normal(part) for part in path.parent.parts]
        names = tuple(dict.fromkeys((stem, MASK_SUFFIX.sub("", stem))))
        whole = ["__".join((*inside[start:], name)) for name in names for start in range(len(inside) + 1)]
        known = [name if name in self._index else self._called.get(name, "") for name in whole]
        found = next((i for i in known if i in ids), None)
        if found is None and not any(known):  # else it is of a sample that is not asked for
            alone = {i for name in names for i in self._by_name.get(name, ()) if i in ids}
            found = alone.pop() if len(alone) == 1 else None
        return found

    @cached_property
    def _by_name(self) -> dict[str, set[str]]:
        """Samples by the names of their files, and by their own, without subfolders."""
        found: dict[str, set[str]] = {}
        for part in (self._found.images, self._found.masks):
            for sample_id, path in part.items():
                for name in (self._found.own_names[sample_id], normal(path.stem)):
                    found.setdefault(name, set()).add(sample_id)
        return found

    def decode_prediction(self, values: Array, where: str) -> Prediction:
        """Label values or colours as in the masks, or probabilities as float, (H, W) or (C, H, W) in class order.

        Where a binary truth has instances, numbers of instances too.
        """
        return decode_prediction(values, where, self._classes, numbered=bool(self._found.instances))

    def check(self, progress: Callable[[int, int], None] | None = None) -> list[str]:
        """Pairs, and every file's decoding, size and label values, also of images without a mask."""
        return self.check_pairs() + read_all(self, tuple(self._index), self.parts, progress)

    def check_pairs(self) -> list[str]:
        """Masks without image, images of labelled splits without mask, and instance maps without either."""
        images, masks = self._found.images.keys(), self._found.masks.keys()
        unlabelled = {i for name, s in self.info.splits.items() if not s.labelled for i in self._splits[name]}
        alone = [i for i in self._index if images and i not in images]
        bare = [f"{self._found.masks[i]}: has no image.{hint}" for i, hint in near_names(alone, images).items()]
        alone = [i for i in self._index if i not in masks and i not in unlabelled]
        bare += [f"{self._found.images[i]}: has no mask.{hint}" for i, hint in near_names(alone, masks).items()]
        placed = self._classes.names or self._classes.layout.images
        naming = guess(self.root, len(images & masks)) if bare and not placed else None
        if naming is not None:
            pairs = f"{naming.pairs} of {naming.masks} masks have an image"
            bare = [f"{self.root / FILE}: write 'names: {written(naming.names)}' there, with which {pairs}", *bare]
        unread = unread_images(self.root / "images") if bare else ""
        bare += [f"'{self.root / 'images'}' holds {unread}: save them as PNG"] if unread else []
        return bare + [f"{path}: belongs to no mask" for i, path in self._found.instances.items() if i not in masks]

    def hints(self) -> list[str]:
        """Masks and images none of which belong together, and a name that the next renaming of the folder changes."""
        placed = self._classes.layout.images
        found = [] if placed else none_paired(self._found.images, self._found.masks, self.root)
        if self._panoptic is None and (self.root / ANNOTATIONS).is_file():
            found.append(
                f"'{self.root / ANNOTATIONS}' is not read, as there is a folder 'masks': move one of them away"
            )
        if not self._classes.named:
            name = self._classes.name
            found.append(
                f"'{self.root / FILE}' gives no name, so this is '{name}' after its folder: renamed, it would be "
                f"another dataset, and its runs not comparable. Write 'name: {json.dumps(name, ensure_ascii=False)}' "
                "there"
            )
        return found

    def readable(self) -> tuple[str, ...]:
        """Every sample that has a mask."""
        return self.ids("all")


def _beside(classes: Classes) -> tuple[str, ...]:
    """The families of cases: where there is a background, and of volumes whose spacing is known."""
    known = classes.volumes is not None and classes.volumes.spacing_mm
    of_cases = _OF_CASES if classes.with_background and not classes.main_score else ()
    return (*of_cases, *(_OF_VOLUMES if known else ()))
