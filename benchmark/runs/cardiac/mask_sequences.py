"""Masks of a beating heart as sequences: which files belong together, in which order, and which frames are missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...data.frame_numbers import before_number, last_number, number_frames, runs_of_frames
from ...io.images.masks import read_labels, read_masks
from ...io.images.read import IMAGE_SUFFIXES, binary_prediction
from ...io.images.stacks import NOTHING_CHOSEN, STACK_SUFFIXES, Chosen, open_stack
from ...io.images.video import VIDEO_SUFFIXES
from ...io.listing import files_below, unread_files
from ...text import counted, some
from ...types import Array, UserError
from ..folder import PREDICTIONS, RECORD

Bool: TypeAlias = NDArray[np.bool_]

_ARCHIVES = frozenset({".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"})


@dataclass(frozen=True)
class MaskSequence:
    """One sequence of masks, decoded when they are asked for; iterate as often as needed.

    numbers : file numbers of the masks that are there, ascending; of a stack its pages, from 0.
    files : one for each of them, or the one stack that holds them all.
    places : of a stack the place in it of each mask.
    notes : one sentence for each thing that is odd.
    """

    name: str
    numbers: tuple[int, ...]
    files: tuple[Path, ...]
    places: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Bool]:
        """Masks (H, W) bool in the order of `numbers`, True in the ventricle; all of one size.

        Raises
        ------
        UserError
            Naming the file that cannot be read, is no mask, or has another size than the first.
        """
        shape: tuple[int, ...] | None = None
        for where, values in self._decoded():
            mask = foreground(values, where)
            shape = shape or mask.shape
            if mask.shape != shape:
                raise UserError(
                    f"{where}: is of {mask.shape[0]} x {mask.shape[1]} pixels; the first mask of sequence "
                    f"'{self.name}' is of {shape[0]} x {shape[1]}. Give each sequence masks of one size, of the images "
                    "that they were drawn on."
                )
            yield mask

    @property
    def first_frame(self) -> int:
        """File number of the first mask."""
        return self.numbers[0]

    @property
    def last_frame(self) -> int:
        """File number of the last mask."""
        return self.numbers[-1]

    @property
    def missing(self) -> tuple[int, ...]:
        """File numbers between the first and the last that are not there."""
        there = set(self.numbers)
        return tuple(number for number in range(self.first_frame, self.last_frame) if number not in there)

    def _decoded(self) -> Iterator[tuple[str, Array]]:
        if not self.places:
            for path in self.files:
                yield str(path), read_labels(path, binary=True, upright=True)
            return
        (stack,) = self.files
        for place, values in read_masks(stack, frozenset(self.places)):
            yield f"{stack}, page {place}", values


def foreground(values: Array, where: str) -> Bool:
    """Where a mask's stored values (H, W) or (H, W, 3) mean foreground: above 0, or a probability above 0.5.

    Raises UserError naming `where` for values that are neither two-valued nor probabilities.
    """
    prediction = binary_prediction(values, where)
    if prediction.labels is not None:
        return np.asarray(prediction.labels > 0)
    return np.asarray(prediction.probabilities) > 0.5


def find_sequences(path: Path, chosen: Chosen = NOTHING_CHOSEN) -> list[MaskSequence]:
    """The sequences of masks below a path, by name of folder and number; no pixel is decoded.

    A mask's frame is the last number in its name, or the only one that differs between names. One or two absent numbers
    are missing frames, three or more begin a new sequence.

    Parameters
    ----------
    path : Path
        A folder of masks (each folder below it is a sequence of its own, or several), a multi-page TIFF or array
        (N, H, W), a folder of such, one mask, or a run folder made with --save-predictions, whose samples are sequences
        by what stands before their number.
    chosen : Chosen
        Of which channel and z-slice, where a stack or the names of files have several.

    Raises
    ------
    UserError
        Naming what is missing, has no number, has the same number twice, or is of another kind.
    """
    if not path.exists():
        raise UserError(f"'{path}' does not exist. Expected a folder of masks, a TIFF stack or a run folder.")
    if path.is_file():
        return [_one_file(path, chosen)]
    stored = _stored_predictions(path)
    folder = path if stored is None else stored
    files = files_below(folder, IMAGE_SUFFIXES)
    if not files:
        raise UserError(f"'{folder}' holds no mask ({', '.join(sorted(IMAGE_SUFFIXES))}). {_instead(folder)}")
    if stacks := stacks_of(files):
        one = len(stacks) == 1
        return [_one_file(file, chosen, file.stem if one else named_below(folder, file)) for file in stacks]
    groups: dict[tuple[Path, str], list[Path]] = {}
    for file in files:
        groups.setdefault((file.parent, before_number(file.stem) if stored is not None else ""), []).append(file)
    found = []
    for (place, _), members in groups.items():
        name = "" if stored is not None else "__".join(place.relative_to(folder).parts) or folder.resolve().name
        found += _sequences(name, members, chosen)
    return found


def stacks_of(files: Sequence[Path]) -> list[Path]:
    """The files, where each is a stack, one for each film; none where the first one is a single mask.

    Raises
    ------
    UserError
        Naming a file that is no stack among stacks.
    """
    if not files or not _is_stack(files[0]):
        return []
    for file in files:
        if not _is_stack(file):
            raise UserError(
                f"'{file}' is a single image, and '{files[0]}' beside it a stack of them. Give a folder of stacks, one "
                "for each film, or of the masks of films, one file for each frame."
            )
    return list(files)


def _is_stack(file: Path) -> bool:
    return file.suffix.lower() in STACK_SUFFIXES and bool(open_stack(file).axes)


def named_below(folder: Path, file: Path) -> str:
    """The name of a film by its file: those of the folders that it lies in, and its own, without the ending."""
    return "__".join(file.relative_to(folder).with_suffix("").parts)


def _stored_predictions(path: Path) -> Path | None:
    """The stored predictions of a run that a folder is, or is the predictions of; None for any other folder."""
    if path.resolve().name == PREDICTIONS and (path.resolve().parent / RECORD).is_file():
        return path
    if not (path / RECORD).is_file():
        return None
    if not (path / PREDICTIONS).is_dir():
        raise UserError(
            f"'{path}' is a run that kept no predictions: it has no '{PREDICTIONS}' in it. Run its command again with "
            "--save-predictions."
        )
    return path / PREDICTIONS


def _sequences(name: str, files: list[Path], chosen: Chosen) -> list[MaskSequence]:
    """Sequences of files that are numbered together, named by the folder, or by their first mask where several are."""
    nameless = [file.name for file in files if last_number(file.stem) is None]
    if nameless:
        raise UserError(
            f"'{files[0].parent}' holds {counted(len(nameless), 'image')} without a number in the name "
            f"({some(nameless, 3)}); a mask's last number says which frame it is. Rename it, or take it away."
        )
    numbered = number_frames(files, chosen)
    by_number = numbered.files
    runs = runs_of_frames(by_number)
    return [
        MaskSequence(
            name if len(runs) == 1 and name else _numbered_name(name, by_number[run[0]], run[0]),
            run,
            tuple(by_number[number] for number in run),
            notes=(numbered.note,) if numbered.note else (),
        )
        for run in runs
    ]


def _numbered_name(folder: str, first: Path, number: int) -> str:
    """The folder with the first number; the first mask's own name where the folder is none to be named."""
    return f"{folder}-{number:04d}" if folder else first.stem


def _one_file(path: Path, chosen: Chosen, name: str = "") -> MaskSequence:
    suffix = path.suffix.lower()
    if suffix in _ARCHIVES:
        raise UserError(f"'{path}' is an archive. Unpack it and give the folder.")
    if suffix in VIDEO_SUFFIXES:
        raise UserError(f"'{path}' is a video, and masks are expected. Name a trained run that segments it: --run RUN.")
    if suffix not in IMAGE_SUFFIXES:
        raise UserError(
            f"'{path}' is no image by its name. Expected a folder of masks, a multi-page TIFF or a run folder."
        )
    stack = open_stack(path)
    places = stack.frames(chosen)
    notes = (f"{path}: holds {stack}; its z-slices are taken as the frames of a film",)
    return MaskSequence(
        name or path.stem,
        tuple(range(len(places))),
        (path,),
        places if stack.axes else (),
        notes if stack.slices_as_frames and len(places) > 1 else (),
    )


def _instead(folder: Path) -> str:
    archives = sorted(file.name for file in folder.iterdir() if file.suffix.lower() in _ARCHIVES)
    if archives:
        return f"It holds {some(archives, 3)}: unpack it and give that folder."
    unread = unread_files((file for file in folder.iterdir() if file.is_file()), IMAGE_SUFFIXES)
    return f"It holds {unread}." if unread else "Give the folder that the masks lie in."
