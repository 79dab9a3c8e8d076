"""Panoptic predictions on disk: a JSON file of segments and a folder of PNG files, as COCO and Cityscapes take them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data.panoptic_annotations import (
    Annotated,
    ImageId,
    is_panoptic_json,
    panoptic_of,
    read_annotations,
    write_panoptic,
)
from ..io.listing import files_below
from ..text import some
from ..types import Dataset, Panoptic, Prediction, PredictionSource, UserError
from .matching import Found, SampleIds, extra_warnings, refuse_missing

STORED = "panoptic"
"""Name of the JSON file and the folder of a run's stored segments."""


@dataclass(frozen=True)
class PanopticFile:
    """The predicted segments of one image: its PNG file, and what the JSON file says of them."""

    sample_id: str
    path: Path
    json: Path
    annotated: Annotated

    @property
    def paths(self) -> tuple[Path, ...]:
        """The PNG file, then the JSON file."""
        return (self.path, self.json)

    def read(self, dataset: Dataset) -> Prediction:
        """Decode it. Raises UserError for segments that only one of both files has, and for an unknown category."""
        known = {each.id for each in dataset.info.segment_classes}
        odd = next((s for s in self.annotated.segments if s.category not in known), None)
        if odd is not None:
            raise UserError(
                f"{self.json}: segment {odd.id} of image {self.annotated.image_id} has the category {odd.category}, "
                f"which is none of {dataset.info.name}. Expected ids of categories as in the truth: "
                f"{some([str(each) for each in sorted(known)], 30)}."
            )
        return Prediction(panoptic=panoptic_of(self.path, self.annotated.segments, f"image {self.annotated.image_id}"))


@dataclass(frozen=True)
class Submission:
    """A JSON file of segments, and the folders in which its PNG files may lie, the first first."""

    json: Path
    folders: tuple[Path, ...]

    @classmethod
    def at(cls, path: Path, truth: frozenset[Path] = frozenset()) -> Submission | None:
        """The submission that a path stands for; None for anything else, and in a folder for files of the truth.

        The path is the JSON file, whose PNG files lie in a folder of its name beside it or with it; a folder that holds
        both; or a folder of PNG files that has the JSON file of its name beside it.

        Raises UserError for a folder that holds several.
        """
        if path.is_file():
            found = path.suffix.lower() == ".json" and is_panoptic_json(path)
            return cls(path, (path.with_suffix(""), path.parent)) if found else None
        inside = [each for each in files_below(path, {".json"}) if each.resolve() not in truth]
        inside = [each for each in inside if is_panoptic_json(each)]
        if len(inside) > 1:
            raise UserError(
                f"'{path}' holds {len(inside)} files of segments ({some([each.name for each in inside], 5)}). Give one "
                f"of them, as in --predictions {inside[0]}"
            )
        if inside:
            return cls(inside[0], (inside[0].with_suffix(""), inside[0].parent, path))
        resolved = path.resolve()
        beside = resolved.parent / f"{resolved.name}.json"
        if not beside.is_file() or not is_panoptic_json(beside):
            return None
        named = {each.file_name for each in read_annotations(beside).images.values()}
        return cls(beside, (path,)) if any((path / name).is_file() for name in named) else None

    def png(self, annotated: Annotated) -> Path | None:
        """The PNG file of an image; None where there is none."""
        places = (folder / annotated.file_name for folder in self.folders)
        return next((place for place in places if place.is_file()), None)


def find_panoptic(dataset: Dataset, ids: Sequence[str], path: Path, *, partial: bool = False) -> Found | None:
    """Match predicted segments with samples.

    Parameters
    ----------
    dataset : Dataset
    ids : sequence of str
        The samples of the split; an `image_id` is one of them or names one as a file would, else the PNG file's name.
    path : Path
        See `Submission.at`.
    partial : bool
        Accept that samples have no prediction.

    Returns
    -------
    Found, or None if `path` holds no segments

    Raises
    ------
    UserError
        For a JSON file that is broken, several annotations of a sample, and missing PNG files.
    """
    truth = frozenset(file.resolve() for file in dataset.files(ids[0], "panoptic")) if ids else frozenset[Path]()
    submission = Submission.at(path, truth)
    if submission is None:
        return None
    ids = SampleIds(ids)
    annotations = read_annotations(submission.json)
    files: dict[str, PredictionSource] = {}
    extra, lost = [], []
    for annotated in annotations.images.values():
        sample_id = sample_of(dataset, annotated, ids)
        if sample_id is None:
            extra.append(f"image {annotated.image_id}")
            continue
        png = submission.png(annotated)
        if png is None:
            lost.append(annotated.file_name)
            continue
        if sample_id in files:
            raise UserError(f"{submission.json}: sample '{sample_id}' has more than one annotation. Keep one each.")
        files[sample_id] = PanopticFile(sample_id, png, submission.json, annotated)
    if lost:
        raise UserError(
            f"{submission.json}: names {len(lost)} PNG files that are not in '{submission.folders[0]}': {some(lost, 5)}"
        )
    refuse_missing(ids, files, submission.json, extra, partial)
    ordered = {i: files[i] for i in ids if i in files}
    return Found(ordered, extra_warnings(extra), kind="panoptic")


def sample_of(dataset: Dataset, annotated: Annotated, ids: Sequence[str]) -> str | None:
    """The sample of an image: by its id, else by the name of its PNG file; None for none."""
    by_id = dataset.match_prediction(Path(f"{annotated.image_id}.png"), ids)
    return by_id or dataset.match_prediction(Path(annotated.file_name), ids)


def store_panoptic(folder: Path, pairs: Iterable[tuple[str, Panoptic]]) -> None:
    """Write segments into an empty folder, where `find_panoptic` finds them: `panoptic.json` and `panoptic/`."""

    def images() -> Iterator[tuple[ImageId, str, Panoptic]]:
        for sample_id, panoptic in pairs:
            number = sample_id.isascii() and sample_id.isdigit() and str(int(sample_id)).zfill(12) == sample_id
            yield int(sample_id) if number else sample_id, f"{sample_id}.png", panoptic

    write_panoptic(folder, STORED, images())
