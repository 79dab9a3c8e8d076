"""Volumes to segment, as the frames that their slices are: cut and shown as those that a run learned from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..io.images import nifti
from ..io.images.read import IMAGE_SUFFIXES
from ..io.images.stacks import NOTHING_CHOSEN, Chosen
from ..text import counted, some
from ..types import Uint8, UserError, VolumeSlices
from .image_sources import Frames, refuse_long, refuse_wrong
from .listing import clashes
from .volume_slices import case_and_channel, read_channels, slice_pictures, slices_told


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
        Naming what is missing, no volume, of other channels than the run learned from, or called like another one.
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
    cases = _cases(volumes, rule.channels)
    frames = [(case, number) for case in cases for number in range(len(case.frames))]
    left_out = (f"'{path}' also holds {counted(len(images), 'image')} ({some(sorted(images), 3)}), left out",)
    return VolumeFrames(
        path.resolve().name if path.is_dir() else cases[0].name,
        tuple(range(len(frames))),
        None,
        tuple(f"{case.name}-{number:06d}" for case, number in frames),
        "volume",
        volumes,
        warnings=left_out if images else (),
        _without=lambda skip: _slices(cases, rule, skip),
        cases=cases,
    )


def _listed(folder: Path) -> list[Path]:
    """What lies in a folder and is not hidden; nothing where it cannot be listed, which `open_frames` says."""
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError:
        return []


def _cases(volumes: Sequence[Path], channels: int) -> tuple[VolumeCase, ...]:
    files: dict[str, dict[int, Path]] = {}
    told = [case_and_channel(nifti.stem(path)) for path in volumes]
    numbered = Counter(name for name, number in told if number is not None)
    for path in volumes:
        name, channel = case_and_channel(nifti.stem(path), channels)
        if channel is not None and (numbered[name] > 1 if channels == 1 else nifti.open_volume(path).channels > 1):
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
        slices = _checked_slices(name, paths, sorted(found), channels)
        cases.append(VolumeCase(name, paths, range(first, first + slices)))
        first += slices
    return tuple(cases)


def _checked_slices(name: str, paths: Sequence[Path], numbers: Sequence[int], channels: int) -> int:
    """How many slices a case has. Raises UserError for one that cannot be predicted, or whose result has no name."""
    refuse_wrong(paths[0], name)
    refuse_long(paths[0], f"{name}.nii.gz")
    opened = [nifti.open_volume(path) for path in paths]
    for path, volume in zip(paths, opened, strict=True):
        shape, first = (volume.slices, *volume.size), (opened[0].slices, *opened[0].size)
        if shape != first:
            raise UserError(
                f"{path}: is of {slices_told(shape)}; the first channel, '{paths[0]}', is of {slices_told(first)}"
            )
    found = sum(volume.channels for volume in opened)
    if found != channels or list(numbers) != list(range(len(paths))):
        expected = "one" if channels == 1 else f"{channels}, in one file or in files called {name}_0000, {name}_0001, …"
        names = some([path.name for path in paths], 4)
        raise UserError(
            f"{paths[0]}: case '{name}' has {counted(found, 'channel')} ({names}); the run learned from volumes of "
            f"{expected}"
        )
    return opened[0].slices


def _slices(cases: Sequence[VolumeCase], rule: VolumeSlices, skip: Container[int]) -> Iterator[tuple[int, Uint8]]:
    """Index and picture of every slice that is not skipped; one case is in memory at a time."""
    for case in cases:
        if all(index in skip for index in case.frames):
            continue
        channels = read_channels(case.channels)
        if len(channels[0]) != len(case.frames):
            raise UserError(f"{case.channels[0]}: has changed while it was read")
        for index, picture in zip(case.frames, slice_pictures(channels, rule), strict=True):
            if index not in skip:
                yield index, picture
        del channels
