"""What lies in a dataset's folders: names of files and what is wrong with them. Nothing is decoded."""

from __future__ import annotations

import os
import re
import shlex
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..errors import DamagedDataError, UserError
from ..text import counted
from ..types import DatasetInfo

_UNSAFE = frozenset('/\\:*?"<>|')
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


class Rooted(Protocol):
    """What a message says of a dataset."""

    @property
    def info(self) -> DatasetInfo:
        """What is true of it."""

    @property
    def root(self) -> Path:
        """Where it lies."""


@dataclass(frozen=True)
class Listing:
    """Files of a folder by what stands before the ending of their names, in order; and one sentence per bad name."""

    files: Mapping[str, Path]
    faults: tuple[str, ...] = ()


def listing(folder: Path, ending: str) -> Listing:
    """List the files of a folder whose names end so, in any case; hidden files are no part of a layout.

    A folder that does not exist gives an empty listing. Of two files that differ in the case of the ending alone the
    first is taken and a fault tells of both. Links and folders are listed as files: reading them says what they are.

    Raises
    ------
    DamagedDataError
        If the folder cannot be listed.
    """
    files: dict[str, Path] = {}
    faults: list[str] = []
    for name in sorted(_names(folder)):
        stem = name[: -len(ending)]
        if not stem or name.startswith(".") or name[-len(ending) :].lower() != ending.lower():
            continue
        path = folder / name
        wrong = wrong_name(stem)
        if wrong:
            faults.append(f"{path}: {wrong}, so it is no sample. Rename it, and whatever belongs to it.")
        elif stem in files:
            faults.append(twice(stem, files[stem], path))
        else:
            files[stem] = path
    return Listing(files, tuple(faults))


def listing_of_groups(folder: Path, ending: str) -> Listing:
    """As `listing`, of every folder in a folder; a sample that two of them hold is of the first, with a fault."""
    files: dict[str, Path] = {}
    faults: list[str] = []
    for group in sorted(folder / name for name in _names(folder) if not name.startswith(".")):
        if group.is_symlink() and not group.exists():
            faults.append(f"{group}: is a link that leads nowhere; expected a folder of samples")
        elif group.is_dir():
            found = listing(group, ending)
            faults += [*found.faults, *(twice(i, files[i], path) for i, path in found.files.items() if i in files)]
            files |= {i: path for i, path in found.files.items() if i not in files}
    return Listing(files, tuple(faults))


def any_case(path: Path) -> Path | None:
    """The path, or the one with its suffix in capitals, whichever is there (a broken link counts); else None."""
    if os.path.lexists(path):
        return path
    other = path.with_name(path.name[: -len(path.suffix)] + path.suffix.upper())
    return other if os.path.lexists(other) else None


def twice(sample_id: str, first: Path, second: Path) -> str:
    """The sentence for two files of one sample."""
    return f"'{first}' and '{second}' both give the sample '{sample_id}'; keep one of them"


def wrong_name(name: str) -> str:
    """Why a name cannot be a sample id, "" if it can.

    >>> wrong_name("frame 7 é"), wrong_name("../x")
    ('', "its name holds '/'")
    """
    if _PLAIN.fullmatch(name):  # nearly every name: folders of 118287 files are listed
        return ""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is no UTF-8"
    bad = sorted({c for c in name if c in _UNSAFE or not (c.isprintable())})
    if bad:
        return f"its name holds {', '.join(map(repr, bad))}"
    return "its name begins with a dot" if name.startswith(".") else ""


def clashes(paths: Mapping[str, Path]) -> list[str]:
    """One sentence per pair of ids that differ only in case or in Unicode normalisation."""
    first: dict[str, str] = {}
    faults = []
    for sample_id, path in paths.items():
        other = first.setdefault(_folded(sample_id), sample_id)
        if other != sample_id:
            faults.append(
                f"'{paths[other]}' and '{path}' differ only in case or in Unicode normalisation, so other file systems "
                "and prediction folders cannot tell them apart; rename one of them"
            )
    return faults


def near_names(lacking: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """For each of these names a hint at one that differs only in case or in Unicode normalisation, "" without one."""
    folded: dict[str, list[str]] = {}
    for name in names:
        folded.setdefault(_folded(name), []).append(name)
    hints = {}
    for name in lacking:
        found = next((other for other in folded.get(_folded(name), ()) if other != name), None)
        near = f" There is '{found}', which differs in case or in Unicode normalisation: rename it."
        hints[name] = near if found else ""
    return hints


def unpaired(images: Mapping[str, Path], labelled: Collection[str], expected: str) -> list[str]:
    """One sentence per image that has no label map; `expected` names the folder where it should be."""
    lacking = {name: path for name, path in images.items() if name not in labelled}
    hints = near_names(lacking, labelled) if lacking else {}
    return [
        f"{path}: has no label map; expected one in '{expected}'. Fetch it again, or take the image away.{hints[name]}"
        for name, path in lacking.items()
    ]


def refuse(faults: Sequence[str], dataset: Rooted) -> None:
    """Raise the first fault as a UserError, and say how many more there are: a split is never silently smaller."""
    if faults:
        first = faults[0] if faults[0].endswith(".") else f"{faults[0]}."
        rest = len(faults) - 1
        more = f" There {'is' if rest == 1 else 'are'} {counted(rest, 'more fault')}." if rest else ""
        command = f"bench data verify {dataset.info.name} --root {shlex.quote(str(dataset.root))}"
        raise UserError(f"{first}{more} Run '{command}' for all.")


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 (names are all that is asked for)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DamagedDataError(f"'{folder}' cannot be listed ({error.strerror}); expected a readable folder") from error


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
