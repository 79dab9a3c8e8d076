"""What must be true of one decoded sample: sizes within it, label values, and the dataset's own rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..io.images.picture import orientation
from ..io.images.read import IMAGE_SUFFIXES
from ..io.listing import files_below, unread_images
from ..metrics.label_checks import label_counts
from ..text import counted, runs_of
from ..types import Array, Dataset, Part, Sample

_PARTS_OF_PIXELS: tuple[Part, ...] = ("image", "labels", "instances")
_NOUNS: Mapping[Part, str] = {"image": "image", "instances": "instance map", "panoptic": "panoptic map"}
_QUARTER_TURN = 5
"""Orientations from this one on exchange height and width."""


def sample_faults(dataset: Dataset, sample: Sample) -> list[str]:
    """One sentence per fault of a sample, naming the file, what was found and what was expected."""
    faults = _sizes(dataset, sample)
    if sample.labels is not None:
        faults += _values(dataset, sample.id, sample.labels)
    if not faults:
        faults += dataset.check_sample(sample)
    return faults


def where(dataset: Dataset, sample_id: str, part: Part) -> str:
    """The file of a part of a sample, for a sentence."""
    return ", ".join(map(str, dataset.files(sample_id, part))) or f"sample '{sample_id}'"


def without_images(dataset: Dataset, ids: Sequence[str]) -> str:
    """The clause that says that these samples have no images, and what lies below the root instead."""
    truth = {path for sample_id in ids for path in dataset.files(sample_id, "labels")}
    others = [path for path in files_below(dataset.root, IMAGE_SUFFIXES) if path not in truth]
    text = f"no image below '{dataset.root}' belongs to a sample of the truth"
    if unread := unread_images(dataset.root):
        return f"{text}. It holds {unread}: save them as PNG"
    return f"{text} ({counted(len(others), 'other image')}, first '{others[0]}')" if others else text


def _sizes(dataset: Dataset, sample: Sample) -> list[str]:
    if sample.labels is None:
        return []
    segments = None if sample.panoptic is None else sample.panoptic.ids
    found: dict[Part, Array | None] = {"image": sample.image, "instances": sample.instances, "panoptic": segments}
    high, wide = sample.labels.shape
    return [
        f"sample '{sample.id}': its {_NOUNS[part]} is "
        f"{values.shape[0]} x {values.shape[1]} ({where(dataset, sample.id, part)}), its labels are {high} x {wide} "
        f"({where(dataset, sample.id, 'labels')}); expected equal heights and widths. "
        f"{_turned(dataset, sample.id) if values.shape[:2] == (wide, high) else _again(dataset)}"
        for part, values in found.items()
        if values is not None and values.shape[:2] != (high, wide)
    ]


def _again(dataset: Dataset) -> str:
    return "One of them is to be made again." if dataset.self_defined else "Fetch both again."


def _turned(dataset: Dataset, sample_id: str) -> str:
    """What to do with parts whose sizes fit after a quarter turn."""
    for part in _PARTS_OF_PIXELS:
        for path in dataset.files(sample_id, part):
            found = orientation(path) if path.suffix.lower() in IMAGE_SUFFIXES else 1
            if found >= _QUARTER_TURN and dataset.info.upright:
                return (
                    f"'{path}' states orientation {found}, and is read as viewers show it; the other fits it as it is "
                    "stored. Draw the mask on what viewers show, or take the tag out of the file."
                )
            if found >= _QUARTER_TURN:
                return (
                    f"'{path}' states orientation {found}; an official layout is read as it is stored, and the other "
                    "fits what viewers show. Fetch both again."
                )
    return "One of them is turned by a quarter: fetch both again."


def _values(dataset: Dataset, sample_id: str, labels: Array) -> list[str]:
    info = dataset.info
    foreign = {v: n for v, n in label_counts(labels).items() if v not in info.predictable and v not in info.void}
    if not foreign:
        return []
    listed = ", ".join(f"{v} ({n} pixels)" for v, n in list(foreign.items())[:6]) + (", …" if len(foreign) > 6 else "")
    return [
        f"{where(dataset, sample_id, 'labels')}: sample '{sample_id}' holds label values that {info.name} does not "
        f"know: {listed}. Expected only {runs_of(sorted(info.predictable | info.void), 400)}. "
        + ("Write these pixels as one of them, or add a class." if dataset.self_defined else "Fetch it again.")
    ]
