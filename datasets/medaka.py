"""MedakaHeart (HeartSeg): the ventricle in videos of beating medaka hearts, ventral and lateral view."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from segbench.data import FileDataset
from segbench.data.frame_numbers import last_number, numbered, runs_of_frames
from segbench.data.listing import refuse, wrong_name
from segbench.io.images.read import IMAGE_SUFFIXES
from segbench.settings import Settings
from segbench.types import ClassInfo, DatasetInfo, Download, Part, SplitInfo, UserError

View = Literal["ventral", "lateral"]
Views = Literal["ventral", "lateral", "both"]

# (view, section, folder of the set, mask folder, image folders from the most to the least wanted)
SOURCES: tuple[tuple[View, str, str, str, tuple[str, ...]], ...] = (
    ("ventral", "train", "train_images", "ventral_mask", ("ventral_sample_gray", "ventral_samples")),
    ("lateral", "train", "train_images", "lateral_mask", ("lateral_sample_gray",)),
    ("ventral", "test", "test_images", "ventral_mask", ("ventral_sample_gray",)),
    ("ventral", "R0004", "test_images", "label_masks_R0004", ("frames_R0004",)),
    ("lateral", "test", "test_images", "lateral_mask", ("lateral_sample_gray",)),
    ("lateral", "N0092", "test_images", "label_masks_N0092", ("frames_N0092",)),
)
PUBLISHED_WITHOUT_MASK = {("lateral", "train"): frozenset({2508})}
"""Frames that the published set has no mask of."""


@dataclass(frozen=True)
class _Frame:
    view: View
    section: str
    group: str
    index: int
    mask: Path
    image: Path | None


class MedakaSettings(Settings):
    """Which views are taken."""

    view: Views = "both"
    """View of which the frames are taken."""
    train_view: Views | None = None
    """View to train and choose on, where it differs from the one to test on."""
    test_view: Views | None = None
    """View to test on, where it differs from the one to train on."""

    @model_validator(mode="after")
    def _either(self) -> Self:
        if self.view != "both" and (self.train_view, self.test_view) != (None, None):
            raise ValueError("take either view, or train_view and test_view; leave one of them out")
        return self


class Medaka(FileDataset):
    """The unpacked HeartSeg archive; sample `<view>-<section>-<number>`, for example `lateral-train-0207`.

    Sections are `train`, `test` and the two long test videos `N0092` (lateral) and `R0004` (ventral). Images are grey,
    as the published networks take them. Labels: 1 in the ventricle, 0 elsewhere. Frames are paired by the number in
    their names; a sequence is a run of numbers in which at most two in a row are absent, and a missing frame keeps its
    place in time.
    """

    info: ClassVar[DatasetInfo] = DatasetInfo(
        name="medaka",
        version="1",
        aliases=("medakaheart", "heartseg"),
        summary="Ventricle of beating medaka hearts in light microscopy videos, 480 x 640 at 15 frames/s",
        task="binary",
        classes=(
            ClassInfo(0, "background", (0, 0, 0), "background"),
            ClassInfo(1, "ventricle", (220, 30, 40), "thing"),
        ),
        splits={
            "train": SplitInfo(None, "the first 80 % of the training sequences of each view"),
            "val": SplitInfo(None, "the last 20 % of the training sequences of each view"),
            "test": SplitInfo(550, "per view 150 frames of one video and 5 x 25 frames"),
        },
        default_split="test",
        metrics=("binary-overlap", "boundary", "cardiac"),
        main_score="dice",
        second_score="fs_minor_error_pp",
        pixel_size_um=(1.115, 1.115),
        frames_per_second=15.0,
        grey=True,
        synthesizable=True,
        licence="LGPL-3.0",
        citation="Schutera et al., Zebrafish 16(6):542-545 (2019), doi:10.1089/zeb.2019.1754",
        homepage="https://osf.io/snb6p/",
        layout=(
            "train_images/{ventral,lateral}_mask with {ventral,lateral}_sample_gray, and test_images/ with the same "
            "and frames_N0092, label_masks_N0092, frames_R0004, label_masks_R0004"
        ),
        downloads=(
            Download(
                "https://osf.io/download/6svkf/",
                "heartseg-6svkf",
                "training and test images with their masks",
                holds=("train_images", "test_images"),
            ),
        ),
        settings=MedakaSettings,
    )

    parts: ClassVar[tuple[Part, ...]] = ("image", "labels")
    sought = "masks of medaka (view {view})"

    def ids(self, split: str) -> tuple[str, ...]:
        """Frames of a split, by view, section and number; `all` is every frame that has a mask."""
        if split != "all" and split not in self.info.splits:
            raise UserError(f"medaka has no split '{split}'. Available: {', '.join(self.info.splits)}, all.")
        refuse(self._unlabelled(split), self)
        if split == "all":
            return tuple(self._frames)
        if split == "test":
            chosen = tuple(i for i, f in self._frames.items() if f.section != "train")
        else:
            held_out = self._validation_groups()
            chosen = tuple(
                i for i, f in self._frames.items() if f.section == "train" and (f.group in held_out) == (split == "val")
            )
        if not chosen:
            raise UserError(
                f"split '{split}' of medaka is empty below '{self.root}'. Expected {self.info.layout}. "
                "Use --split all to take every frame that has a mask."
            )
        return chosen

    def group(self, sample_id: str) -> str:
        """The sequence that a frame belongs to, named by its first frame."""
        return self._frame(sample_id).group

    def place(self, sample_id: str) -> int:
        """The frame's place in time in its sequence."""
        return self._frame(sample_id).index

    def refuse_unknown(self, sample_id: str) -> None:
        """Raise UserError for a frame that there is not."""
        self._frame(sample_id)

    def files(self, sample_id: str, part: Part) -> tuple[Path, ...]:
        """The one file of a part, if it exists."""
        frame = self._frame(sample_id)
        path = {"image": frame.image, "labels": frame.mask}.get(part)
        return (path,) if path is not None else ()

    def match_prediction(self, path: Path, ids: Sequence[str]) -> str | None:
        """By sample id, else by the last number in the name with view and section from the names of the folders."""
        if path.stem in ids:
            return path.stem
        number = last_number(path.stem)
        if number is None:
            return None
        found = [i for i in ids if int(i.rpartition("-")[2]) == number]
        words = set(re.split(r"[^A-Za-z0-9]+", str(path)))
        for hints in (("ventral", "lateral"), ("N0092", "R0004"), ("train", "test")):
            named = [hint for hint in hints if hint in words]
            if len(named) == 1 and len(found) > 1:
                found = [i for i in found if named[0] in i.split("-")]
        # The archive keeps masks of a single video in label_masks_<video>, all others in <view>_mask.
        if len(found) > 1 and path.parent.name in ("ventral_mask", "lateral_mask"):
            found = [i for i in found if i.split("-")[1] in ("train", "test")]
        return found[0] if len(found) == 1 else None

    def check_counts(self) -> list[str]:
        """Number of masks of every set against the published one."""
        faults = []
        for view, section, name, masks, _ in self._sources():
            expected = _official_counts(view, section)
            if len(masks) not in expected:
                wanted = " or ".join(map(str, sorted(expected)))
                faults.append(f"{name}: has {len(masks)} masks; the published {view} set has {wanted}")
        return faults

    def check_pairs(self) -> list[str]:
        """Masks without image and images without mask of every set, and files that have no number."""
        faults = self._unlabelled("all")
        for _, _, name, masks, images in self._sources():
            if masks and not images:
                faults.append(f"{name}: none of its {len(masks)} masks has an image")
            elif images and not masks:
                faults.append(f"{name}: none of its {len(images)} images has a mask")
            else:
                faults += [f"{name}: mask {n:04d} has no image; fetch it" for n in sorted(masks - images)]
        return faults

    def readable(self) -> tuple[str, ...]:
        """Every frame that has a mask."""
        return tuple(self._frames)

    def _unlabelled(self, split: str) -> list[str]:
        """What makes a split smaller than it should be: images without masks, and masks without a number."""
        faults = []
        for view, section, name, masks, images in self._sources():
            if split != "all" and (section == "train") == (split == "test"):
                continue
            faults += [f"{path}: {what}" for path, what in _nameless(self.root / name)]
            if masks:
                known = PUBLISHED_WITHOUT_MASK.get((view, section), frozenset())
                missing = sorted(images - masks - known)
                faults += [f"{name}: image {n:04d} has no mask. Fetch it, or take the image away." for n in missing]
        return faults

    def _sources(self) -> Iterator[tuple[str, str, str, set[int], set[int]]]:
        """View, section, name, mask numbers and image numbers of every set."""
        for view, section, folder, masks, images in SOURCES:
            if self._view_of(section) in (view, "both"):
                base = _section(self.root, folder)
                name = (base / masks).relative_to(self.root).as_posix()
                yield view, section, name, set(_numbered(base / masks)), set(_images(base, images))

    @cached_property
    def _frames(self) -> dict[str, _Frame]:
        """Frames of the views to take, by sample."""
        return {
            f"{f.view}-{f.section}-{n:04d}": f
            for f, n in _scan(self.root)
            if self._view_of(f.section) in (f.view, "both")
        }

    def _frame(self, sample_id: str) -> _Frame:
        try:
            return self._frames[sample_id]
        except KeyError:
            raise UserError(f"medaka has no sample '{sample_id}' below '{self.root}'") from None

    def _view_of(self, section: str) -> str:
        """The view to take of a section."""
        own = self.settings.train_view if section == "train" else self.settings.test_view
        return str(own or self.settings.view)

    def _validation_groups(self) -> set[str]:
        """The last 20 % of the training sequences of each view, at least one where there are two."""
        chosen: set[str] = set()
        for view in ("ventral", "lateral"):
            groups = list(
                dict.fromkeys(f.group for f in self._frames.values() if f.section == "train" and f.view == view)
            )
            count = max(1, round(0.2 * len(groups))) if len(groups) > 1 else 0
            chosen.update(groups[len(groups) - count :])
        return chosen


def _official_counts(view: str, section: str) -> set[int]:
    if section == "train":
        # Published: 725 ventral, 500 lateral frames; the lateral masks as distributed are 503 (24 x 21 less one).
        return {725} if view == "ventral" else {500, 503, 504}
    return {125} if section == "test" else {150}


def _section(root: Path, folder: str) -> Path:
    """`train_images` or `test_images`; a root that directly holds mask folders counts as the training set."""
    if folder == "train_images" and not (root / "train_images").is_dir() and not (root / "test_images").is_dir():
        return root
    return root / folder


def _numbered(folder: Path) -> dict[int, Path]:
    """Image files of a folder by the last number in their names, in ascending order."""
    return numbered(folder.iterdir()) if folder.is_dir() else {}


def _nameless(folder: Path) -> Iterator[tuple[Path, str]]:
    """Image files of a folder that belong to no frame, and why."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."):
            if last_number(path.stem) is None:
                yield path, "has no number in its name, so it belongs to no frame. Rename it, or take it away."
            elif wrong_name(path.name):
                yield path, f"{wrong_name(path.name)}. Rename it."


def _images(section: Path, folders: Sequence[str]) -> dict[int, Path]:
    """Images of the first of these folders that has any."""
    return next((images for name in folders if (images := _numbered(section / name))), {})


def _scan(root: Path) -> Iterator[tuple[_Frame, int]]:
    """Every frame that has a mask, with its number, in the order of SOURCES."""
    for view, section, folder, masks, image_folders in SOURCES:
        images = _images(_section(root, folder), image_folders)
        mask_files = _numbered(_section(root, folder) / masks)
        for run in runs_of_frames(mask_files):
            group = f"{view}-{section}-{run[0]:04d}"
            for number in run:
                yield _Frame(view, section, group, number - run[0], mask_files[number], images.get(number)), number
