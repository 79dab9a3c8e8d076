"""What earlier commands found in the files of a root, kept in the user's cache folder so that none is read again."""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from .._version import __version__
from ..io.disposable_database import DisposableDatabase, Row
from ..io.fingerprints import file_stamp
from ..types import Dataset, Part
from .locations import cache_home
from .self_defined import definition_of

PARTS: tuple[Part, ...] = ("image", "labels", "instances", "objects", "panoptic")

Stamps: TypeAlias = Mapping[Part, str]
"""Of each part that was read, or that has no files: what the files were when they were read."""

_APPLICATION, _FORMAT = 0x53654742, 4
_SCHEMA = (
    "CREATE TABLE files (path BLOB PRIMARY KEY, sha256 TEXT, seal BLOB) WITHOUT ROWID",
    "CREATE TABLE samples (id BLOB PRIMARY KEY, image_pixels TEXT, labels_pixels TEXT, turned TEXT, label_counts TEXT,"
    " image BLOB, labels BLOB, instances BLOB, objects BLOB, panoptic BLOB) WITHOUT ROWID",
)
_READERS = (".", "own_folder", "../io/images")
"""Folders of the code by which files are listed, read and checked, as seen from this one."""
_SAVE_EVERY = 5000
"""New entries are written down this often, so that a process that is killed loses no more."""


class Content(NamedTuple):
    """Hashes of the pixels of a sound sample, None where there are none or all are equal; and what else is asked of it.

    turned : the part and the orientation that a tag of its file states, such as "image 6"; "" where none does.
    counts : number of pixels of every label value, as JSON; None where it has no labels.
    """

    image: str | None
    labels: str | None
    turned: str = ""
    counts: str | None = None


class VerificationCache:
    """Sound samples and hashes of files of one root; without a path it remembers for this command alone.

    Advisory: what is missing, damaged or out of date is read again. Every entry is sealed: a short hash of what it says
    and of path, size, times and inode of the files that it was made from, and for samples of the code that checks them.
    So an entry is used only for the very files and by the very code that it was made with, and a flipped bit voids it.

    Parameters
    ----------
    path : of the SQLite file.
    root : of the dataset; files below it are known by their path from there.
    code : stands for the code and the classes by which a sample is sound.
    """

    def __init__(self, path: Path | None = None, root: Path = Path(), code: str = "") -> None:
        self._database = None if path is None else DisposableDatabase(path, _SCHEMA, _APPLICATION, _FORMAT)
        self._prefix = f"{root.absolute()}{os.sep}"
        self._code = code
        self._files: dict[str, Row] = {}
        self._samples: dict[str, Row] = {}
        self._new_files: dict[str, Row] = {}
        self._new_samples: dict[str, Row] = {}

    @classmethod
    def of(cls, dataset: Dataset) -> VerificationCache:
        """What is known of the root of a dataset, in `$SEGBENCH_CACHE/verified`."""
        try:
            code = _code(dataset)
        except (OSError, TypeError):  # a class without a file: nobody can tell when it changes
            return cls()
        root = dataset.root.resolve()
        chosen: Any = getattr(dataset, "settings", None)  # options may change what the same files mean
        usual = chosen is None or chosen == type(chosen)()
        what = os.fsencode(root) + (b"" if usual else repr(chosen).encode())
        name = f"{dataset.info.name}-{hashlib.sha256(what).hexdigest()[:16]}.sqlite"
        return cls(cache_home() / "verified" / name, dataset.root, code)

    def recall_files(self, paths: Iterable[Path]) -> None:
        """Look up what is known of these files, for `sha256` to answer."""
        names = [name for path in paths if (name := self._name(path)) not in self._files]
        self._files |= self._select("SELECT path, sha256, seal FROM files WHERE path IN", names)

    def sha256(self, path: Path, stamp: str) -> str | None:
        """SHA-256 of a file with this stamp (`file_stamp`), None where it is not known."""
        name = self._name(path)
        row = self._files.get(name)
        if row is None or not isinstance(row[0], str) or row[1] != _seal(name, stamp, row[0]):
            return None
        return row[0]

    def add_file(self, path: Path, stamp: str, sha256: str) -> None:
        """Remember the SHA-256 of a file whose stamp was taken before it was read."""
        name = self._name(path)
        self._files[name] = self._new_files[name] = (sha256, _seal(name, stamp, sha256))
        self._save_some()

    def stamps(self, dataset: Dataset, sample_id: str, parts: Iterable[Part]) -> Stamps | None:
        """Stamps of these parts and of those that have no files; None if a file cannot be found, or if all have none.

        Dataset.files is asked for every part.
        """
        wanted, some = set(parts), False
        found: dict[Part, str] = {}
        try:
            for part in PARTS:
                paths = dataset.files(sample_id, part)
                if part in wanted or not paths:
                    found[part] = "\n".join(f"{self._name(path)} {file_stamp(path)}" for path in paths)
                    some = some or bool(paths)
        except OSError:
            return None
        return found if some else None

    def recall_samples(self, ids: Sequence[str]) -> None:
        """Look up what is known of these samples, for `content` to answer."""
        columns = ", ".join(("image_pixels", "labels_pixels", "turned", "label_counts", *PARTS))
        query = f"SELECT id, {columns} FROM samples WHERE id IN"
        self._samples |= self._select(query, [sample_id for sample_id in ids if sample_id not in self._samples])

    def content(self, sample_id: str, stamps: Stamps | None) -> Content | None:
        """The content of a sample that was found sound in these very files, these parts and perhaps more together."""
        row = self._samples.get(sample_id)
        if row is None or not stamps:
            return None
        content = Content(*row[:4])
        seals = dict(zip(PARTS, row[4:], strict=True))
        sound = all(seals[part] == self._seal_of(sample_id, part, stamp, content) for part, stamp in stamps.items())
        return content if sound else None

    def add_sample(self, sample_id: str, stamps: Stamps | None, content: Content) -> None:
        """Remember that a sample is sound; its stamps were taken before it was read."""
        if stamps:
            seals = {part: self._seal_of(sample_id, part, stamp, content) for part, stamp in stamps.items()}
            self._samples[sample_id] = self._new_samples[sample_id] = (*content, *map(seals.get, PARTS))
            self._save_some()

    def save(self) -> None:
        """Write down what is new, where that is possible: a full disk or a read-only home is no fault of the data."""
        if self._database is not None and (self._new_files or self._new_samples):
            self._database.write(
                {
                    "REPLACE INTO files VALUES (?, ?, ?)": _rows(self._new_files),
                    "REPLACE INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)": _rows(self._new_samples),
                }
            )
        self._new_files, self._new_samples = {}, {}

    def _save_some(self) -> None:
        if len(self._new_files) + len(self._new_samples) >= _SAVE_EVERY:
            self.save()

    def _select(self, query: str, names: Sequence[str]) -> dict[str, Row]:
        if self._database is None:
            return {}
        return {os.fsdecode(row[0]): row[1:] for row in self._database.select(query, [*map(os.fsencode, names)])}

    def _name(self, path: Path) -> str:
        return str(path.absolute()).removeprefix(self._prefix)

    def _seal_of(self, sample_id: str, part: Part, stamp: str, content: Content) -> bytes:
        pixels = {"image": content.image, "labels": content.labels}.get(part)
        return _seal(self._code, sample_id, part, stamp, str(pixels), content.turned, str(content.counts))


def _seal(*words: str) -> bytes:
    return hashlib.blake2b("\0".join(words).encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _rows(entries: Mapping[str, Row]) -> list[Row]:
    return [(os.fsencode(name), *row) for name, row in entries.items()]


def _code(dataset: Dataset) -> str:
    """Stands for the code and the classes by which a sample is sound: after a change every sample is checked again."""
    digest = hashlib.sha256(f"{__version__} {dataset.info} {definition_of(dataset)}".encode())
    bases = [base for base in type(dataset).__mro__ if base.__module__ not in ("builtins", "typing", "abc")]
    here = Path(__file__).parent
    readers = sorted(path for folder in _READERS for path in (here / folder).glob("*.py"))
    for file in dict.fromkeys((*map(inspect.getfile, bases), *map(str, readers))):
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()
