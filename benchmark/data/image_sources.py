"""Images to segment, one by one in their order: a folder, a TIFF stack, a single picture or a video."""

from __future__ import annotations

import io
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from ..io.images.read import IMAGE_SUFFIXES, MAX_PIXELS, as_image, count_frames, read_array, read_frames
from ..io.images.video import VIDEO_SUFFIXES, read_video
from ..text import counted, some
from ..types import Array, Uint8, UserError
from .frame_numbers import last_number, natural
from .listing import clashes, wrong_name

Kind = Literal["folder", "stack", "image", "video"]
Without = Callable[[Container[int]], Iterator[tuple[int, Uint8]]]

_STACKS = frozenset({".tif", ".tiff", ".npy", ".npz"})
_COLOUR_MODES = frozenset({"P", "PA", "CMYK", "YCbCr"})
"""What Pillow calls pictures whose stored values are no grey or RGB ones."""


@dataclass(frozen=True)
class Frames:
    """Frames that are decoded when they are asked for, one at a time, as often as one likes.

    name : of the input, without an ending.
    numbers : ascending. The last numbers in the names of a folder's files where these are in order (`numbered`), else
        the place in the folder, stack or video, from 0. What was lost from a video leaves a gap.
    fps : frames per second of a video, None where it is not known.
    names : one for each frame, as its result is to be called: the file's name without ending, or `<name>-000123`.
    kind, paths : what they are read from. warnings : one sentence for each thing that is odd.
    """

    name: str
    numbers: tuple[int, ...]
    fps: float | None
    names: tuple[str, ...]
    kind: Kind
    paths: tuple[Path, ...]
    numbered: bool = False
    warnings: tuple[str, ...] = ()
    _without: Without = field(default=lambda _: iter(()), repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Uint8]:
        """Every frame, (H, W) or (H, W, 3) uint8. Raises UserError naming a file that cannot be decoded."""
        return (image for _, image in self._without(()))

    def without(self, skip: Container[int]) -> Iterator[tuple[int, Uint8]]:
        """Index and image of every frame whose index is not in `skip`."""
        return self._without(skip)


def open_frames(path: Path) -> Frames:
    """Find the frames of an input; a video is decoded once to count them, other files are read when they are needed.

    Parameters
    ----------
    path : Path
        A folder of images (subfolders are not looked into), a multi-page TIFF or array (N, H, W), one image, or a video
        (AVI, MP4, MOV, MKV, WEBM).

    Raises
    ------
    UserError
        Naming what is missing, empty, damaged, too large or of another kind.
    """
    if path.is_dir():
        return _folder(path)
    suffix = path.suffix.lower()
    if not path.exists():
        raise UserError(f"'{path}' does not exist. Expected a folder of images, an image, a TIFF stack or a video.")
    if suffix in VIDEO_SUFFIXES:
        video = read_video(path)
        names = tuple(f"{_plain(path)}-{number:06d}" for number in video.numbers)
        return Frames(
            path.stem, video.numbers, video.fps, names, "video", (path,), False, video.warnings, video.without
        )
    if suffix not in IMAGE_SUFFIXES:
        known = ", ".join(sorted(IMAGE_SUFFIXES | VIDEO_SUFFIXES))
        raise UserError(f"'{path}' is no image and no video by its name. Expected one of {known}, or a folder.")
    count = count_frames(path) if suffix in _STACKS else 1
    if not count:
        raise UserError(f"{path}: holds no image. Write it again.")
    if count == 1:
        return Frames(path.stem, (0,), None, (_plain(path),), "image", (path,), _without=_files_without((path,)))
    names = tuple(f"{_plain(path)}-{page:06d}" for page in range(count))
    return Frames(path.stem, tuple(range(count)), None, names, "stack", (path,), _without=_pages_without(path))


def _folder(folder: Path) -> Frames:
    try:
        paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise UserError(f"'{folder}' cannot be listed: {error.strerror}") from error
    images = sorted(
        (path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES), key=lambda path: (natural(path.stem), path)
    )
    if not images:
        raise UserError(f"'{folder}' holds no image ({', '.join(sorted(IMAGE_SUFFIXES))}). {_instead(paths)}")
    names: dict[str, Path] = {}
    for path in images:
        other = names.setdefault(_plain(path), path)
        if other != path:
            raise UserError(f"'{other}' and '{path}' would both give '{path.stem}.png'. Rename or move one of them.")
    alike = clashes(names)
    if alike:
        raise UserError(alike[0])
    found = [last_number(path.stem) for path in images]
    numbers = tuple(number for number in found if number is not None)
    in_order = len(numbers) == len(images) and all(first < second for first, second in pairwise(numbers))
    return Frames(
        folder.resolve().name,
        numbers if in_order else tuple(range(len(images))),
        None,
        tuple(names),
        "folder",
        tuple(images),
        in_order,
        _without=_files_without(tuple(images)),
    )


def _instead(paths: list[Path]) -> str:
    """What to do with a folder that holds no image but these."""
    videos = sorted(path.name for path in paths if path.suffix.lower() in VIDEO_SUFFIXES)
    folders = sorted(path.name for path in paths if path.is_dir())
    if videos:
        return f"It holds {counted(len(videos), 'video')} ({some(videos, 3)}): give them one at a time."
    if folders:
        return f"It holds {counted(len(folders), 'folder')} ({some(folders, 3)}): give one of them."
    return "Give a folder with images directly in it."


def _plain(path: Path) -> str:
    wrong = wrong_name(path.stem)
    if wrong:
        raise UserError(f"'{path}': {wrong}, so no result can be named by it. Rename it.")
    return path.stem


def _files_without(paths: tuple[Path, ...]) -> Without:
    def without(skip: Container[int]) -> Iterator[tuple[int, Uint8]]:
        return ((index, _read_picture(path)) for index, path in enumerate(paths) if index not in skip)

    return without


def _pages_without(path: Path) -> Without:
    def without(skip: Container[int]) -> Iterator[tuple[int, Uint8]]:
        for index, values in enumerate(read_frames(path)):
            if index not in skip:
                yield index, _picture(values, f"{path}, page {index}")

    return without


def _read_picture(path: Path) -> Uint8:
    """One image as it looks: palettes and inks are turned into colours, which label maps must never be."""
    values = read_array(path)
    if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".bmp"):
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            if image.mode in _COLOUR_MODES and image.width * image.height <= MAX_PIXELS // 3:
                colours = np.asarray(image.convert("RGB"))
                same = (colours[:, :, :1] == colours[:, :, 1:]).all()
                return colours[:, :, 0] if same else colours
    return _picture(values, str(path))


def _picture(values: Array, where: str) -> Uint8:
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype != np.uint8:
        raise UserError(
            f"{where}: holds {values.dtype} values; images are segmented as 8-bit ones, as the method learned them. "
            "Convert it with the same contrast for all frames (in Fiji: Image > Type > 8-bit)."
        )
    if values.ndim == 3 and values.shape[2] not in (1, 2, 3, 4):
        raise UserError(
            f"{where}: is of shape {values.shape}; expected one image. Give a stack by itself, not in a folder."
        )
    if values.ndim == 3 and values.shape[2] <= 2:
        values = values[:, :, 0]  # with or without transparency
    return as_image(values, where)
