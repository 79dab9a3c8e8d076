"""Images to segment, one by one in their order: a folder, a TIFF stack, a single picture or a video."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..io.atomic import MAX_NAME_BYTES
from ..io.images import nifti
from ..io.images.picture import read_picture, read_pictures
from ..io.images.read import IMAGE_SUFFIXES
from ..io.images.stacks import NOTHING_CHOSEN, STACK_SUFFIXES, Chosen, open_stack
from ..io.images.video import VIDEO_SUFFIXES, read_video
from ..io.listing import unread_files, unread_pictures
from ..text import counted, fault_lines, some
from ..types import Uint8, UserError
from .frame_numbers import last_number, natural, number_frames
from .listing import clashes, wrong_name

_VOLUME = f"a volume ({', '.join(nifti.SUFFIXES)})"

Kind = Literal["folder", "stack", "image", "video", "volume"]
Without = Callable[[Container[int]], Iterator[tuple[int, Uint8]]]


class UnreadableFramesError(UserError):
    """The file of some frames cannot be read; those of other files can.

    path : the file. indices : of its frames; none where it was left out when the frames were counted.
    """

    def __init__(self, error: UserError, path: Path, indices: Sequence[int] = ()) -> None:
        super().__init__(str(error))
        self.path, self.indices = path, indices


@dataclass(frozen=True)
class Frames:
    """Frames that are decoded when they are asked for, one at a time, as often as one likes.

    name : of the input, without an ending.
    numbers : ascending. The last numbers in the names of a folder's files where these are in order (`numbered`), else
        the place in the folder, stack or video, from 0. What was lost from a video leaves a gap.
    fps : frames per second, None where the file does not say.
    pixel_size_um : height and width of a pixel in micrometres, None where the file does not say.
    names : one for each frame, as its result is to be called: the file's name without ending, or `<name>-000123`.
    kind, paths : what they are read from. warnings : one sentence for each thing that is odd.
    unreadable : files that were left out, since nothing can be read of them.
    """

    name: str
    numbers: tuple[int, ...]
    fps: float | None
    names: tuple[str, ...]
    kind: Kind
    paths: tuple[Path, ...]
    numbered: bool = False
    warnings: tuple[str, ...] = ()
    pixel_size_um: tuple[float, float] | None = None
    unreadable: tuple[UnreadableFramesError, ...] = field(default=(), compare=False)
    _without: Without = field(default=lambda _: iter(()), repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def one(self) -> str:
        """What one of them is called."""
        return word_for_one(self.kind)

    def __iter__(self) -> Iterator[Uint8]:
        """Every frame, (H, W) or (H, W, 3) uint8. Raises UserError naming a file that cannot be decoded."""
        return (image for _, image in self._without(()))

    def without(self, skip: Container[int]) -> Iterator[tuple[int, Uint8]]:
        """Index and image of every frame whose index is not in `skip`.

        Raises UnreadableFramesError for a file whose frames may be skipped, UserError where none can be read any more.
        """
        return self._without(skip)


def word_for_one(kind: str) -> str:
    """What one picture of an input of this kind is called: those of a folder need not be frames of a film."""
    return {"stack": "frame", "video": "frame", "volume": "slice"}.get(kind, "image")


def open_frames(path: Path, chosen: Chosen = NOTHING_CHOSEN, volumes: bool = False) -> Frames:
    """Find the frames of an input; a video is decoded once to count them, other files are read when they are needed.

    Parameters
    ----------
    path : Path
        A folder of images (subfolders are not looked into), a multi-page TIFF or array (N, H, W), one image, or a video
        (AVI, MP4, MOV, MKV, WEBM).
    chosen : Chosen
        Of which channel and z-slice, where a stack or the names of files have several.
    volumes : bool
        Whether volumes, which `open_volumes` opens, would be an input too: errors then name them.

    Raises
    ------
    UserError
        Naming what is missing, empty, damaged, too large or of another kind.
    """
    if path.is_dir():
        return _folder(path, chosen, volumes)
    suffix = path.suffix.lower()
    if not path.exists():
        one, several = (f"{_VOLUME}, ", " or volumes") if volumes else ("", "")
        raise UserError(
            f"'{path}' does not exist. Expected a folder of images{several}, an image, {one}a TIFF stack or a video."
        )
    if suffix in VIDEO_SUFFIXES:
        if chosen != NOTHING_CHOSEN:
            raise UserError(
                f"{path}: is a video, which has neither channels nor z-slices to choose. Leave the choice out."
            )
        video = read_video(path)
        names = _numbered_names(path, video.numbers)
        return Frames(
            path.stem,
            video.numbers,
            video.fps,
            names,
            "video",
            (path,),
            warnings=video.warnings,
            _without=video.without,
        )
    if suffix not in IMAGE_SUFFIXES:
        known = ", ".join(sorted(IMAGE_SUFFIXES | VIDEO_SUFFIXES))
        kinds, more = ("image, video or volume", f"{_VOLUME}, ") if volumes else ("image and no video", "")
        raise UserError(f"'{path}' is no {kinds} by its name. Expected one of {known}, {more}or a folder.")
    return _one_file(path, chosen)


def _one_file(path: Path, chosen: Chosen) -> Frames:
    """The frames of an image, or of a stack."""
    stack = open_stack(path)
    places = stack.frames(chosen)
    if not places:
        raise UserError(f"{path}: holds no image. Write it again.")
    warnings: tuple[str, ...] = ()
    if stack.slices_as_frames and len(places) > 1:
        warnings = (f"{path}: holds {stack}; its z-slices are taken as the frames of a film",)
    alone = len(places) == 1
    return Frames(
        path.stem,
        tuple(range(len(places))),
        None if stack.interval_s is None or alone else 1 / stack.interval_s,
        (_plain(path),) if alone else _numbered_names(path, range(len(places))),
        "image" if alone else "stack",
        (path,),
        warnings=warnings,
        pixel_size_um=stack.pixel_size_um,
        _without=_images_without(path, places) if path.suffix.lower() in STACK_SUFFIXES else _files_without((path,)),
    )


def _folder(folder: Path, chosen: Chosen, volumes: bool) -> Frames:
    try:
        paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise UserError(f"'{folder}' cannot be listed: {error.strerror}") from error
    images = sorted(
        (path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES), key=lambda path: (natural(path.stem), path)
    )
    if not images:
        nor = f" and no volume ({', '.join(nifti.SUFFIXES)})" if volumes else ""
        raise UserError(
            f"'{folder}' holds no image ({', '.join(sorted(IMAGE_SUFFIXES))}){nor}. {_instead(paths, volumes)}"
        )
    if chosen != NOTHING_CHOSEN:
        images = list(
            number_frames([path for path in images if last_number(path.stem) is not None], chosen).files.values()
        )
    names: dict[str, Path] = {}
    for path in images:
        other = names.setdefault(_plain(path), path)
        if other != path:
            raise UserError(f"'{other}' and '{path}' would both give '{path.stem}.png'. Rename or move one of them.")
    alike = clashes(names)
    if alike:
        raise UserError(alike[0])
    numbers, notes = _numbers(images)
    return Frames(
        folder.resolve().name,
        tuple(range(len(images))) if numbers is None else numbers,
        None,
        tuple(names),
        "folder",
        tuple(images),
        numbers is not None,
        (*notes, *_left_out(folder, paths)),
        _without=_files_without(tuple(images)),
    )


def _numbers(images: Sequence[Path]) -> tuple[tuple[int, ...] | None, tuple[str, ...]]:
    """The frames of files in order, by the numbers in their names, None where these say nothing; and what is odd."""
    if any(last_number(path.stem) is None for path in images):
        return None, ()
    try:
        found = number_frames(images)
    except UserError:  # pictures that are no film
        return None, ()
    if list(found.files.values()) != list(images):
        return None, ()
    return tuple(found.files), (found.note,) if found.note else ()


def _left_out(folder: Path, paths: Sequence[Path]) -> Iterator[str]:
    """One sentence for each kind of picture in a folder that is no image of it."""
    if unread := unread_pictures(paths):
        yield f"'{folder}' also holds {unread}: save them as PNG"
    videos = sorted(path.name for path in paths if path.suffix.lower() in VIDEO_SUFFIXES)
    if videos:
        left_out = f"{counted(len(videos), 'video')} ({some(videos, 3)})"
        yield f"'{folder}' also holds {left_out}, left out: give each by itself"


def _instead(paths: list[Path], volumes: bool) -> str:
    """What to do with a folder that holds no image but these."""
    videos = sorted(path.name for path in paths if path.suffix.lower() in VIDEO_SUFFIXES)
    folders = sorted(path.name for path in paths if path.is_dir())
    if videos:
        return f"It holds {counted(len(videos), 'video')} ({some(videos, 3)}): give them one at a time."
    if folders:
        return f"It holds {counted(len(folders), 'folder')} ({some(folders, 3)}): give one of them."
    unread = unread_files((path for path in paths if path.is_file()), IMAGE_SUFFIXES)
    if unread:
        return f"It holds {unread}: save them as one of these."
    return f"Give a folder with images{' or volumes' if volumes else ''} directly in it."


def unreadable_files(found: Sequence[UnreadableFramesError], rest: str) -> UserError:
    """The error for all files that could not be read; `rest` says what became of the others, as a sentence.

    Equal faults of several files are told as one, with the names of the files.
    """
    kinds: dict[str, list[tuple[str, str]]] = {}
    for error in found:
        message = str(error)
        kinds.setdefault(message.replace(str(error.path), ""), []).append((str(error.path), message))
    if len(found) == 1:
        return UserError(f"{found[0]} {rest}".rstrip())
    return UserError("\n".join([f"{len(found):,} files cannot be read. {rest}".rstrip(), *fault_lines(kinds)]))


def refuse_wrong(path: Path, name: str) -> None:
    """Raise UserError for a file whose result would have a name that not every system takes."""
    wrong = wrong_name(name)
    if wrong:
        raise UserError(f"'{path}': {wrong}, so no result can be named by it. Rename it.")


def _plain(path: Path) -> str:
    refuse_wrong(path, path.stem)
    refuse_long(path, f"{path.stem}.png")
    return path.stem


def _numbered_names(path: Path, numbers: Iterable[int]) -> tuple[str, ...]:
    names = tuple(f"{_plain(path)}-{number:06d}" for number in numbers)
    refuse_long(path, f"{max(names, default='')}.png")
    return names


def refuse_long(path: Path, name: str) -> None:
    """Raise UserError for a file whose result would have a longer name than file systems take."""
    if len(name.encode()) > MAX_NAME_BYTES:
        raise UserError(
            f"'{path}': its result would be called '{name[:40]}…{name[-14:]}', {len(name.encode())} bytes long; names "
            f"of files have at most {MAX_NAME_BYTES}. Rename it."
        )


def _files_without(paths: tuple[Path, ...]) -> Without:
    def without(skip: Container[int]) -> Iterator[tuple[int, Uint8]]:
        for index, path in enumerate(paths):
            if index in skip:
                continue
            try:
                image = read_picture(path, upright=True)
            except UserError as error:
                raise UnreadableFramesError(error, path, (index,)) from error
            yield index, image

    return without


def _images_without(path: Path, places: Sequence[int]) -> Without:
    index_of = {place: index for index, place in enumerate(places)}

    def without(skip: Container[int]) -> Iterator[tuple[int, Uint8]]:
        wanted = frozenset(place for place, index in index_of.items() if index not in skip)
        return ((index_of[place], image) for place, image in read_pictures(path, wanted))

    return without
