"""Volumes to segment as a sequence of slices, cut and scaled like those that the run learned from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..io.images import nifti
from ..io.images.read import IMAGE_SUFFIXES
from ..io.images.stacks import NOTHING_CHOSEN, Chosen
from ..text import counted, some
from ..types import Array, Uint8, UserError, VolumeSlices
from .image_sources import Frames, UnreadableFramesError, refuse_long, refuse_wrong, unreadable_files
from .listing import clashes
from .volume_slices import case_and_channel, check_grid, read_channels, slice_pictures


@dataclass(frozen=True)
class VolumeCase:
    """A case: its name, the files of its channels in their order, and the indices of its slices among all frames."""

    name: str
    channels: tuple[Path, ...]
    frames: range


@dataclass(frozen=True)
class VolumeFrames(Frames):
    """Slices of one case after the other, which are read when they are asked for, a case at a time."""

    cases: tuple[VolumeCase, ...] = ()


def volumes_at(path: Path) -> tuple[Path, ...]:
    """The volumes directly in a folder, in the order of their names, or the one that a path is called as."""
    if not path.is_dir():
        return (path,) if nifti.is_volume(path) else ()
    return tuple(sorted(each for each in _listed(path) if nifti.is_volume(each)))


def open_volumes(path: Path, rule: VolumeSlices | None, chosen: Chosen = NOTHING_CHOSEN) -> VolumeFrames | None:
    """Find the volumes of an input; their headers alone are read.

    Parameters
    ----------
    path : Path
        A volume (`.nii`, `.nii.gz`), or a folder of them; channels that are files of their own are called
        `CASE_0000`, `CASE_0001`, … .
    rule : VolumeSlices, optional
        How the images that the run learned from were cut from volumes; None where they were not.
    chosen : Chosen
        Refused, since volumes have nothing to choose.

    Returns
    -------
    VolumeFrames, or None of an input that is to be opened as images: one without volumes, or a folder with images
    for a run that knows no volumes.

    Raises
    ------
    UserError
        Naming what is of other channels than the run learned from, or called like another one; what is missing, or no
        volume, where it is all there is. Else a case with such a file is left out and `unreadable`.
    """
    volumes = volumes_at(path)
    images = [each.name for each in _listed(path) if each.suffix.lower() in IMAGE_SUFFIXES] if path.is_dir() else []
    if not volumes or (rule is None and images):
        return None
    if rule is None:
        raise UserError(
            f"'{volumes[0]}' is a volume, and the run did not learn from volumes: nothing says how to cut it. A data "
            "set of volumes becomes one that says so with 'bench data import'; make the run again on that."
        )
    if chosen != NOTHING_CHOSEN:
        raise UserError(f"{volumes[0]}: is a volume, all of which is segmented. Leave --channel and --z out.")
    opened = {each: _opened(each) for each in volumes}
    cases = _cases(opened, rule.channels)
    unreadable = tuple(each for each in opened.values() if isinstance(each, UnreadableFramesError))
    if not cases:
        raise unreadable_files(unreadable, "")
    frames = [(case, number) for case in cases for number in range(len(case.frames))]
    left_out = (f"'{path}' also holds {counted(len(images), 'image')} ({some(sorted(images), 3)}), left out",)
    return VolumeFrames(
        path.resolve().name if path.is_dir() else cases[0].name,
        tuple(range(len(frames))),
        None,
        tuple(f"{case.name}-{number:06d}" for case, number in frames),
        "volume",
        tuple(path for case in cases for path in case.channels),
        warnings=left_out if images else (),
        unreadable=unreadable,
        _without=lambda skip: _slices(cases, rule, skip),
        cases=cases,
    )


def _listed(folder: Path) -> list[Path]:
    """What lies in a folder and is not hidden; nothing where it cannot be listed, which `open_frames` says."""
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError:
        return []


def _opened(path: Path) -> nifti.Volume | UnreadableFramesError:
    """A volume, or why it cannot be read."""
    try:
        return nifti.open_volume(path)
    except UserError as error:
        return UnreadableFramesError(error, path)


def _cases(opened: Mapping[Path, nifti.Volume | UnreadableFramesError], channels: int) -> tuple[VolumeCase, ...]:
    """The cases all of whose files could be opened."""
    files: dict[str, dict[int, Path]] = {}
    told = [case_and_channel(nifti.stem(path)) for path in opened]
    numbered = Counter(name for name, number in told if number is not None)
    for path, volume in opened.items():
        name, channel = case_and_channel(nifti.stem(path), channels)
        many = isinstance(volume, nifti.Volume) and volume.channels > 1
        if channel is not None and (numbered[name] > 1 if channels == 1 else many):
            name, channel = nifti.stem(path), None  # its digits tell cases apart, not channels
        other = files.setdefault(name, {}).setdefault(channel or 0, path)
        if other != path:
            raise UserError(f"'{other}' and '{path}' would both give '{name}.nii.gz'. Rename or move one of them.")
    if alike := clashes({name: next(iter(found.values())) for name, found in files.items()}):
        raise UserError(alike[0])
    cases: list[VolumeCase] = []
    first = 0
    for name, found in files.items():
        paths = tuple(path for _, path in sorted(found.items()))
        refuse_wrong(paths[0], name)
        refuse_long(paths[0], f"{name}.nii.gz")
        volumes = [each for each in (opened[path] for path in paths) if isinstance(each, nifti.Volume)]
        if len(volumes) < len(paths):
            continue
        slices = _checked_slices(name, dict(zip(paths, volumes, strict=True)), sorted(found), channels)
        cases.append(VolumeCase(name, paths, range(first, first + slices)))
        first += slices
    return tuple(cases)


def _checked_slices(name: str, opened: Mapping[Path, nifti.Volume], numbers: Sequence[int], channels: int) -> int:
    """How many slices a case has. Raises UserError for one that cannot be predicted."""
    paths, whole = list(opened), next(iter(opened.values()))
    for path, volume in opened.items():
        check_grid(path, volume, whole, f"the first channel, '{paths[0]}', is")
    found = sum(volume.channels for volume in opened.values())
    if found != channels or list(numbers) != list(range(len(paths))):
        expected = "one" if channels == 1 else f"{channels}, in one file or in files called {name}_0000, {name}_0001, …"
        names = some([path.name for path in paths], 4)
        raise UserError(
            f"{paths[0]}: case '{name}' has {counted(found, 'channel')} ({names}); the run learned from volumes of "
            f"{expected}"
        )
    return whole.slices


def _slices(cases: Sequence[VolumeCase], rule: VolumeSlices, skip: Container[int]) -> Iterator[tuple[int, Uint8]]:
    """Index and picture of every slice that is not skipped; one case is in memory at a time."""
    for case in cases:
        if all(index in skip for index in case.frames):
            continue
        channels = _read(case)
        for index, picture in zip(case.frames, slice_pictures(channels, rule), strict=True):
            if index not in skip:
                yield index, picture
        del channels


def _read(case: VolumeCase) -> list[Array]:
    """The channels of a case. Raises UnreadableFramesError where one of its files cannot be read."""
    try:
        channels = read_channels(case.channels)
        if len(channels[0]) != len(case.frames):
            raise UserError(f"{case.channels[0]}: has changed while it was read")
    except UserError as error:
        wrong = next((path for path in case.channels if str(error).startswith(str(path))), case.channels[0])
        raise UnreadableFramesError(error, wrong, case.frames) from error
    return channels
