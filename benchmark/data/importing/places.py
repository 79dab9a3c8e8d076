"""Finding the files that annotations name. What a file says is not trusted: every path stays inside the source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from ...io.images.picture import PICTURE_SUFFIXES
from ...io.images.rle import short
from ...io.listing import files_below
from ...text import some
from ...types import UserError

MAX_FILES = 1_000_000
"""Files of a source."""

AS_JPEG = frozenset({".jfif", ".jpe"})
"""Endings of JPEG files that are called otherwise."""

_ANNOTATIONS = frozenset({"annotations", "annotation", "labels"})

SPLITS: Mapping[str, str] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
    "testing": "test",
}  # fmt: skip


class Places:
    """The pictures below a source, and which of them a name in it means."""

    def __init__(self, source: Path) -> None:
        folder = source if source.is_dir() else source.absolute().parent
        # Of one file of annotations the pictures lie beside the folder that all annotations are in.
        self.root = (folder.parent if source.is_file() and folder.name.lower() in _ANNOTATIONS else folder).resolve()
        self._by_name: dict[str, list[Path]] | None = None

    def named(
        self, name: object, base: Path, where: str, *, split: str = "", besides: Sequence[Path] = ()
    ) -> Path | None:
        """The picture that a name means: from `base`, from the root, else the one file below whose path ends so.

        None in a folder of another split is meant, by the `split` and by the name, and none below `besides`. Raises
        UserError for a name that is no path inside the source, and for one that several files have.
        """
        relative = self.relative(name, where)
        for folder in (base, self.root):
            path = self._inside(folder / relative, where)
            if path.is_file():
                return path
        tail = tuple(part for part in relative.parts if part != "..")
        wanted = split_in(tail[:-1]) or split
        known = [path for path in self._called(tail[-1]) if not any(path.is_relative_to(each) for each in besides)]
        if wanted:
            known = [path for path in known if split_in(path.relative_to(self.root).parts[:-1]) in ("", wanted)]
        for length in range(len(tail), 0, -1):
            found = [path for path in known if path.parts[-length:] == tail[-length:]]
            if len(found) > 1 and wanted:
                found = [path for path in found if split_in(path.relative_to(self.root).parts[:-1]) == wanted] or found
            if len(found) > 1:
                texts = some([f"'{path.relative_to(self.root)}'" for path in found], 2)
                raise UserError(
                    f"{where}: the picture {short(relative.as_posix())} may be {texts}; expected one file of this "
                    "name, or a path that says which. Import the parts one by one."
                )
            if found:
                return found[0]
        return None

    def relative(self, name: object, where: str) -> PurePosixPath:
        """A path as a file names it, with slashes; raises UserError for an absolute one, and for what is no path."""
        if not isinstance(name, str) or not name.strip() or len(name) > 4096 or "\0" in name:
            raise UserError(f"{where}: the picture is {short(name)}; expected the path of a file inside the source")
        if PureWindowsPath(name).anchor or PurePosixPath(name).is_absolute():
            raise UserError(f"{where}: the picture {short(name)} is an absolute path; expected one inside the source")
        return PurePosixPath(name.replace("\\", "/"))

    def _inside(self, path: Path, where: str) -> Path:
        """A path that lies inside the source also where every link is followed."""
        try:
            resolved = path.resolve()
        except (OSError, ValueError, RuntimeError) as error:
            raise UserError(f"{where}: {short(str(path))} is no usable path ({error})") from error
        if not resolved.is_relative_to(self.root):
            raise UserError(
                f"{where}: the path {short(str(path))} leads out of '{self.root}'. Give the folder that holds both "
                "the annotations and the pictures."
            )
        return resolved

    def _called(self, name: str) -> list[Path]:
        if self._by_name is None:
            self._by_name = {}
            for path in pictures_below(self.root):
                self._by_name.setdefault(path.name, []).append(path)
        return self._by_name.get(name, [])


def pictures_below(folder: Path) -> list[Path]:
    """Every picture below a folder; raises UserError where there are too many files."""
    return checked_number(files_below(folder, PICTURE_SUFFIXES | AS_JPEG), folder)


def checked_number(files: list[Path], folder: Path) -> list[Path]:
    """The files, if they are not too many; else raises UserError."""
    if len(files) > MAX_FILES:
        raise UserError(f"'{folder}' holds {len(files)} files; at most {MAX_FILES} are imported at once")
    return files


def split_in(parts: Iterable[str]) -> str:
    """The split that a name or the last of several folders stands for, "" for none.

    >>> split_in(["annotations", "instances_val2017"]), split_in(["photographs"])
    ('val', '')
    """
    for part in reversed(list(parts)):
        words = "".join(c if c.isalpha() else " " for c in part.lower()).split()
        found = next((SPLITS[word] for word in reversed(words) if word in SPLITS), "")
        if found:
            return found
    return ""
