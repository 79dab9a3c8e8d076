"""DRIVE: blood vessels in 40 photographs of the retina, within a round field of view, and a second observer's masks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from segbench.data import FileDataset
from segbench.data.listing import Listing, any_case, listing, unpaired
from segbench.data.own_folder.finding import inside_region
from segbench.io.fingerprints import ids_sha256
from segbench.io.images.limits import open_image
from segbench.types import Array, ClassInfo, DatasetInfo, Part, Sample, SplitInfo, UserError

VOID = 255
NUMBERS = {"train": range(21, 37), "val": range(37, 41), "test": range(1, 21)}
"""Numbers of the photographs of each split; the official training set is the first two together."""
_FOLDERS = {"training": range(21, 41), "test": range(1, 21)}
_NAMES: Mapping[str, str] = {
    "image": "{folder}/images/{id}_{folder}.tif",
    "labels": "{folder}/1st_manual/{id}_manual1.gif",
    "region": "{folder}/mask/{id}_{folder}_mask.gif",
}
"""Where each file lies; the region is the field of view."""


def _official_ids() -> dict[str, str]:
    """Hashes of the samples of every split, which follow from their numbers."""
    numbers = {**NUMBERS, "all": [n for each in NUMBERS.values() for n in each]}
    return {split: ids_sha256([f"{n:02d}" for n in each]) for split, each in numbers.items()}


def folder_of(sample_id: str) -> str | None:
    """The folder of a photograph by its number, None of a name that is no number of one.

    >>> folder_of("21"), folder_of("01"), folder_of("41"), folder_of("1")
    ('training', 'test', None, None)
    """
    if not re.fullmatch(r"[0-9]{2}", sample_id, re.ASCII):
        return None
    return next((name for name, numbers in _FOLDERS.items() if int(sample_id) in numbers), None)


class DRIVE(FileDataset):
    """The official folders `training` and `test`; samples are named by number, `01` to `40`.

    Labels: 1 vessel, 0 background, 255 outside of the field of view, by the first observer. The second observer's masks
    of the 20 test images, in `test/2nd_manual`, are predictions of a person:
    `bench evaluate --dataset drive --predictions DRIVE/test/2nd_manual --name "second observer" --family human`.
    """

    info: ClassVar[DatasetInfo] = DatasetInfo(
        name="drive",
        version="1",
        summary="DRIVE: blood vessels in 40 colour photographs of the retina, 584 x 565",
        task="binary",
        classes=(
            ClassInfo(0, "background", (0, 0, 0), "background"),
            ClassInfo(1, "vessel", (255, 255, 255), "stuff"),
        ),
        ignore_label=VOID,
        splits={
            "train": SplitInfo(16, "21 to 36 of the official training set"),
            "val": SplitInfo(4, "37 to 40 of the official training set"),
            "test": SplitInfo(20, "01 to 20, the official test set, by its first observer"),
        },
        official_ids=_official_ids(),
        default_split="test",
        metrics=("binary-overlap", "sensitivity-specificity", "centreline", "topology"),
        main_score="dice",
        second_score="cldice",
        synthesizable=True,
        licence="research and education; not to be passed on",
        citation="Staal et al., IEEE Transactions on Medical Imaging 23(4):501-509 (2004)",
        homepage="https://drive.grand-challenge.org/",
        layout=(
            "{training,test}/images/<number>_{training,test}.tif, 1st_manual/<number>_manual1.gif and "
            "mask/<number>_{training,test}_mask.gif, 01 to 20 in test and 21 to 40 in training"
        ),
    )

    # The parts that there are; files of both folders are found by `_NAMES`.
    paths: ClassVar[Mapping[Part, str]] = {
        "image": "training/images/{id}_training.tif",
        "labels": "training/1st_manual/{id}_manual1.gif",
    }
    sought = "masks of DRIVE"
    example = "21"

    def layout_root(self, root: Path) -> Path:
        """The DRIVE folder, or the folder itself."""
        return root / "DRIVE" if any((root / "DRIVE" / name).is_dir() for name in _FOLDERS) else root

    def load(self, sample_id: str, parts: Sequence[Part] = ("image", "labels")) -> Sample:
        """Image (H, W, 3) uint8, labels (H, W) uint8 in {0, 1, 255}.

        Raises UserError for an unknown sample, and for a file that cannot be read or is missing.
        """
        sample = super().load(sample_id, parts)
        if sample.labels is None:
            return sample
        region = any_case(self._place(sample_id, "region"))
        if region is None:
            raise UserError(f"'{self._place(sample_id, 'region')}' is missing: the field of view. Fetch it again.")
        try:
            inside = inside_region(region, sample.labels.shape)
        except UserError as error:
            raise UserError(f"{self._place(sample_id, 'labels')} and its field of view: {error}") from error
        return replace(sample, labels=np.where(inside, sample.labels, np.uint8(VOID)))

    def read_labels(self, path: Path) -> Array:
        """(H, W) uint8, 1 where white. Raises UserError for a file that is no mask of black and white."""
        labels = super().read_labels(path)
        with open_image(path) as image:
            palette = np.asarray(image.getpalette("RGB") if image.mode == "P" else [], np.uint8).reshape(-1, 3)
        if (palette != palette[:, :1]).any():
            raise UserError(
                f"{path}: is a palette image in colour; expected a mask of black and white. Fetch it again."
            )
        return labels

    def files(self, sample_id: str, part: Part) -> tuple[Path, ...]:
        """The file of a part, if it exists, and beside the labels that of the field of view."""
        if part not in self.paths or folder_of(sample_id) is None:
            return ()
        wanted = (part, "region") if part == "labels" else (part,)
        found = [any_case(self._place(sample_id, name)) for name in wanted]
        return () if found[0] is None else tuple(path for path in found if path is not None)

    def incomplete(self, split: str) -> list[str]:
        """What would make a split smaller: images without masks, and masks without a field of view."""
        faults = super().incomplete(split)
        labels = self._of(split)
        if split != "all" and labels:
            images = {i: path for i, path in self._listing("image", "").files.items() if i in _ids(split)}
            faults += unpaired(images, labels, str(self._folder("labels", split)))
        for sample_id, path in labels.items():
            region = self._place(sample_id, "region")
            if any_case(region) is None:
                faults.append(f"{path}: has no field of view; fetch '{region}'")
        return faults

    def match_prediction(self, path: Path, ids: Sequence[str]) -> str | None:
        """By the number that begins the name, as in `01_manual2.gif` and `01_test.png`."""
        number = path.stem.partition("_")[0]
        return number if number in ids else None

    def _of(self, split: str | None) -> Mapping[str, Path]:
        """Masks of a split, or of all."""
        found = self._listing("labels", "").files
        return found if split in (None, "all") else {i: path for i, path in found.items() if i in _ids(split)}

    def _without(self, part: Part, split: str) -> list[str]:
        """Masks that lack a part which others have, each with where it is expected."""
        found = self._listing(part, "").files
        alone = [(i, path) for i, path in self._of(split).items() if i not in found] if found else []
        return [f"{path}: has no {part}; fetch '{self._place(sample_id, part)}'" for sample_id, path in alone]

    def _listing(self, part: Part, split: str) -> Listing:
        """Files of a part in both folders, in the order of their numbers; a name that is no number is a fault."""
        del split
        files: dict[str, Path] = {}
        faults: list[str] = []
        for folder in _FOLDERS if part in self.paths else ():
            place = Path(_NAMES[part].format(folder=folder, id=""))
            found = listing(self.root / place.parent, place.name)
            faults += found.faults
            for sample_id, path in found.files.items():
                if folder_of(sample_id) == folder:
                    files[sample_id] = path
                else:
                    first, last = _FOLDERS[folder][0], _FOLDERS[folder][-1]
                    faults.append(f"{path}: expected a number from {first:02d} to {last}. Take it away.")
        return Listing(dict(sorted(files.items())), tuple(faults))

    def _folder(self, part: Part, split: str) -> Path:
        folder = "test" if split == "test" else "training"
        return (self.root / _NAMES[part].format(folder=folder, id="")).parent

    def _path(self, sample_id: str, part: Part) -> Path:
        return self._place(sample_id, part)

    def _place(self, sample_id: str, name: str) -> Path:
        return self.root / _NAMES[name].format(folder=folder_of(sample_id), id=sample_id)


def _ids(split: str | None) -> frozenset[str]:
    return frozenset(f"{n:02d}" for n in NUMBERS.get(str(split), ()))
