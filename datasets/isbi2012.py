"""ISBI 2012 challenge: membranes in serial-section electron microscopy of a fly larva's ventral nerve cord."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from segbench.data import FileDataset
from segbench.data.listing import any_case
from segbench.data.neighbours import between_neighbours
from segbench.io.fingerprints import ids_sha256
from segbench.io.images.masks import read_labels
from segbench.io.images.picture import read_picture
from segbench.io.images.read import binary_mask, binary_probabilities, count_pages
from segbench.settings import Settings
from segbench.text import whole_number
from segbench.types import (
    Array,
    ClassInfo,
    DatasetInfo,
    Download,
    Part,
    Prediction,
    Sample,
    SplitInfo,
    Uint8,
    UserError,
)

VOLUME, LABELS, CHALLENGE = "train-volume.tif", "train-labels.tif", "test-volume.tif"
SLICES = 30
RANGES = {"train": range(0, 20), "val": range(20, 25), "test": range(25, 30)}


def _official_ids() -> dict[str, str]:
    """Hashes of the samples of every split, which follow from the numbers of the slices."""
    slices = {**RANGES, "all": range(SLICES)}
    found = {split: ids_sha256([f"slice-{page:02d}" for page in pages]) for split, pages in slices.items()}
    return {**found, "challenge": ids_sha256([f"challenge-{page:02d}" for page in range(SLICES)])}


class ISBI2012Settings(Settings):
    """What of the stack a method sees at once."""

    context: Literal[0, 1] = 0
    """Slices before and after each that its image holds too: with 1 they are the red and the blue channel of one whose
    green channel is the slice itself, which stands in for those beyond an end of the stack. A network sees all three
    with input=rgb."""


class ISBI2012(FileDataset):
    """The official multi-page TIFF stacks, each slice one sample: `slice-00` … `slice-29`, `challenge-00` … .

    Labels: 1 inside a cell (255 in the file), 0 on a membrane. The challenge's own test labels are not public, so the
    labelled stack is split by slices; the unlabelled stack is the split `challenge`.
    """

    info: ClassVar[DatasetInfo] = DatasetInfo(
        name="isbi2012",
        version="1",
        aliases=("isbi",),
        summary="Neuronal membranes in serial-section electron microscopy, 30 slices of 512 x 512",
        task="binary",
        classes=(
            ClassInfo(0, "membrane", (0, 0, 0), "background"),
            ClassInfo(1, "cell", (255, 255, 255), "stuff"),
        ),
        splits={
            "train": SplitInfo(20, "slices 0-19 of the labelled stack"),
            "val": SplitInfo(5, "slices 20-24 of the labelled stack"),
            "test": SplitInfo(5, "slices 25-29 of the labelled stack"),
            "challenge": SplitInfo(30, "the challenge's test volume; its labels are not public", labelled=False),
        },
        official_ids=_official_ids(),
        export_formats={"isbi2012": "segbench.predictions.official_formats:ISBI2012Format"},
        default_split="test",
        metrics=("partition", "binary-overlap"),
        main_score="v_rand",
        second_score="v_info",
        stacked=True,
        grey=True,
        settings=ISBI2012Settings,
        image_options=frozenset({"context"}),
        context_option="context",
        synthesizable=True,
        pixel_size_um=(0.004, 0.004),
        licence="research use; cite the two papers",
        citation=(
            "Arganda-Carreras et al., Frontiers in Neuroanatomy 9:142 (2015); Cardona et al., PLoS Biology 8(10) (2010)"
        ),
        homepage="https://imagej.net/events/isbi-2012-segmentation-challenge",
        layout=f"{VOLUME}, {LABELS} and {CHALLENGE} (30 pages of 512 x 512, 8 bit; labels 255 = cell, 0 = membrane)",
        downloads=(
            Download(
                # The challenge's own server is gone; its page names this archive.
                "https://downloads.imagej.net/ISBI-2012-challenge.zip",
                "ISBI-2012-challenge.zip",
                "training images and labels, test images",
                holds=(VOLUME, LABELS, CHALLENGE),
            ),
        ),
    )

    parts: ClassVar[tuple[Part, ...]] = ("image", "labels")
    sought = "ISBI 2012 stack"
    settings: ISBI2012Settings

    def holds_data(self) -> bool:
        """Whether there is any of the stacks."""
        return any(any_case(self.root / name) for name in (VOLUME, LABELS, CHALLENGE))

    def ids(self, split: str) -> tuple[str, ...]:
        """Slices of a split; `all` is every labelled slice, whatever the length of the stack."""
        if split == "challenge":
            return tuple(f"challenge-{page:02d}" for page in range(count_pages(self._existing(CHALLENGE))))
        if split != "all" and split not in RANGES:
            names = ", ".join([*RANGES, "all", "challenge"])
            raise UserError(f"isbi2012 has no split '{split}'. Available: {names}.")
        slices = count_pages(self._existing(LABELS))
        if split == "all":
            return tuple(f"slice-{page:02d}" for page in range(slices))
        if slices != SLICES:
            self._check_lengths()
            raise UserError(
                f"split '{split}' of isbi2012 is slices {RANGES[split][0]}-{RANGES[split][-1]} of the {SLICES}-slice "
                f"stack, but '{self._existing(LABELS)}' has {slices}. Use --split all to take every labelled slice."
            )
        return tuple(f"slice-{page:02d}" for page in RANGES[split])

    def group(self, sample_id: str) -> str:
        """The stack that a slice belongs to."""
        return "challenge" if sample_id.startswith("challenge-") else "labelled"

    def load(self, sample_id: str, parts: Sequence[Part] = ("image", "labels")) -> Sample:
        """One slice: image (H, W) uint8, with `context` (H, W, 3); labels (H, W) uint8 in {0, 1}."""
        kind, _, number = sample_id.rpartition("-")
        page = whole_number(number)
        if kind not in ("slice", "challenge") or page is None:
            raise UserError(f"isbi2012 has no sample '{sample_id}'; samples are slice-00, … and challenge-00, …")
        if kind == "slice" and "image" in parts:
            self._check_lengths()
        image = labels = None
        for path in self.files(sample_id, "image") if "image" in parts else ():
            image = self._image(path, page)
        for path in self.files(sample_id, "labels") if "labels" in parts else ():
            labels = binary_mask(read_labels(path, page, binary=True), f"{path}, page {page}")
        return Sample(sample_id, self.group(sample_id), page, image, labels)

    def _image(self, path: Path, page: int) -> Uint8:
        if not self.settings.context:
            return read_picture(path, page)
        return between_neighbours(lambda near: read_picture(path, near), page, count_pages(path), str(path))

    def files(self, sample_id: str, part: Part) -> tuple[Path, ...]:
        """The stack that holds a part of a slice."""
        if sample_id.startswith("challenge-"):
            name = {"image": CHALLENGE}.get(part)
        else:
            name = {"image": VOLUME, "labels": LABELS}.get(part)
        path = self._stack(name) if name else None
        return (path,) if path is not None else ()

    def match_prediction(self, path: Path, ids: Sequence[str]) -> str | None:
        """By sample id, else by the last number in the file's name (slices count from 0)."""
        if path.stem in ids:
            return path.stem
        numbers = re.findall(r"\d+", path.stem)
        kind = ids[0].rpartition("-")[0] if ids else ""
        sample_id = f"{kind}-{int(numbers[-1]):02d}" if numbers else ""
        return sample_id if sample_id in ids else None

    def decode_prediction(self, values: Array, where: str) -> Prediction:
        """Probability of being inside a cell: float 0..1, or uint8 as value/255."""
        return binary_probabilities(values, where)

    def check_counts(self) -> list[str]:
        """Each official stack is there and has 30 pages."""
        faults = []
        for name in (VOLUME, LABELS, CHALLENGE):
            try:
                path = self._existing(name)
                pages = count_pages(path)
            except UserError as error:
                faults.append(str(error))
                continue
            if pages != SLICES:
                faults.append(f"{path}: has {pages} pages; the official stack has {SLICES}")
        return faults

    def check_pairs(self) -> list[str]:
        """Stacks that cannot be read or are there twice, and lengths of images and labels against each other."""
        faults = []
        for split in ("all", "challenge"):
            try:
                self.ids(split)
            except UserError as error:
                faults.append(str(error))
        try:
            self._check_lengths()
        except UserError as error:
            faults.append(str(error))
        return list(dict.fromkeys(faults))

    def readable(self) -> tuple[str, ...]:
        """Every page of the labelled and of the unlabelled stack."""
        ids: tuple[str, ...] = ()
        for split in ("all", "challenge"):
            with contextlib.suppress(UserError):  # named by `check_pairs`
                ids += self.ids(split)
        return ids

    def _existing(self, name: str) -> Path:
        path = self._stack(name)
        if path is None:
            raise UserError(f"'{self.root / name}' is missing. Expected {self.info.layout}.")
        return path

    def _stack(self, name: str) -> Path | None:
        """The file of a stack, with its suffix in small letters or in capitals; None where there is none."""
        path, capitals = self.root / name, (self.root / name).with_suffix(".TIF")
        if path.exists() and capitals.exists() and not path.samefile(capitals):
            raise UserError(f"'{path}' and '{capitals}' are both there; keep one of them")
        return any_case(path)

    def _check_lengths(self) -> None:
        """Each image needs its label page; without images, or without labels, there is nothing to compare."""
        volume, labels = (self._stack(name) for name in (VOLUME, LABELS))
        if volume is not None and labels is not None and count_pages(volume) != count_pages(labels):
            raise UserError(
                f"'{volume}' has {count_pages(volume)} pages and '{labels}' has {count_pages(labels)}; each image "
                "needs its label page. Fetch both again."
            )
