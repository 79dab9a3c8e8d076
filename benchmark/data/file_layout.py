"""Where the files of a dataset lie: its samples, splits and groups, by names alone. Nothing is decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from string import Formatter
from typing import Any, ClassVar

from ..io.text_files import read_text
from ..settings import Settings, check_settings
from ..types import DatasetDefaults, DatasetInfo, Part, UserError
from .listing import (
    Listing,
    any_case,
    clashes,
    listing,
    listing_of_groups,
    near_names,
    refuse,
    twice,
    unpaired,
    wrong_name,
)

_NOUNS: Mapping[Part, str] = {"instances": "instance map"}


@dataclass(frozen=True, init=False)
class FileLayout(DatasetDefaults):
    """One file per part and sample below a root folder: which there are, and what is wrong with their names.

    `FileDataset`, which reads them, says what the attributes mean.
    """

    root: Path
    settings: Any = field(default=Settings(), init=False)

    info: ClassVar[DatasetInfo]
    paths: ClassVar[Mapping[Part, str]] = {}
    split_lists: ClassVar[str] = ""
    split_folders: ClassVar[Mapping[str, str]] = {}
    images_labelled: ClassVar[bool] = True
    sought: ClassVar[str] = "label maps of {name}"
    example: ClassVar[str] = "image_001"
    rule_parts: ClassVar[tuple[Part, ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        info = cls.__dict__.get("info")
        if isinstance(info, DatasetInfo) and not info.layout and isinstance(cls.paths, Mapping):
            shown = " and ".join(map(str, cls.paths.values()))
            cls.info = replace(info, layout=shown.translate(str.maketrans("{}", "<>")))
        for part, path in cls.paths.items() if isinstance(cls.paths, Mapping) else ():
            _refuse_placeholders(f"{cls.__name__}.paths['{part}']", path, ("id", "split", "group"))
        _refuse_placeholders(f"{cls.__name__}.split_lists", cls.split_lists, ("split",))

    def __init__(self, root: Path | str, **settings: Any) -> None:
        """Check the settings, and find what lies below the root. Raises UserError where one is wrong, or nothing is."""
        checked = check_settings(self.info.settings, f"dataset {self.info.name}", settings)
        object.__setattr__(self, "root", Path(root))
        object.__setattr__(self, "settings", checked)
        self.__post_init__()

    def __post_init__(self) -> None:  # also of a class that is a dataclass of its own, which is built without settings
        if not isinstance(self.settings, self.info.settings):
            object.__setattr__(self, "settings", self.info.settings())
        object.__setattr__(self, "root", self.layout_root(Path(self.root)))
        if not self.holds_data():
            sought = self.sought.format(name=self.info.name, **dict(self.settings))
            raise UserError(
                f"no {sought} below '{self.root}'. Expected {self.info.layout}. "
                f"Run 'bench data describe {self.info.name}'."
            )

    def layout_root(self, root: Path) -> Path:
        """The folder that holds the layout, which the given one is by default."""
        return root

    def holds_data(self) -> bool:
        """Whether anything can be used below the root, by default a label map.

        Raises UserError for a class that says neither where its label maps are nor which samples there are.
        """
        if type(self).readable is FileLayout.readable and "labels" not in self.paths:
            raise UserError(
                f"class {type(self).__name__} of {self.info.name} names no label maps. Add them to its paths, such "
                "as 'labels': 'masks/{split}/{id}.png', or override 'readable'."
            )
        return bool(self.readable())

    def ids(self, split: str) -> tuple[str, ...]:
        """Samples of a split, in the order of its list or by name; `all` is every sample that has labels.

        Raises UserError for an unknown split, and for one that is not whole.
        """
        if split != "all" and split not in self.info.splits:
            raise UserError(f"{self.info.name} has no split '{split}'. Available: {', '.join(self.info.splits)}, all.")
        if self.split_lists:
            names = self.readable() if split == "all" else self.listed(split)
            refuse(self.incomplete(split), self)
            return names
        wanted = self.labelled_splits() if split == "all" else (split,)
        for name in wanted:
            refuse(self.incomplete(name), self)
        chosen = tuple(i for name in wanted for i in self._of(name))
        if not chosen:
            raise UserError(
                f"split '{split}' of {self.info.name} is empty below '{self.root}'. Expected {self.info.layout}."
            )
        return chosen

    def group(self, sample_id: str) -> str:
        """The folder of a sample's group, where the paths have one; else all samples are of one group."""
        if not self._in_groups:
            return self.info.name
        self.refuse_unknown(sample_id)
        return self._places[sample_id][1].parent.name

    def place(self, sample_id: str) -> int:
        """The place of a sample in its group, 0 where samples stand alone."""
        del sample_id
        return 0

    def files(self, sample_id: str, part: Part) -> tuple[Path, ...]:
        """The one file of a part, if it exists."""
        if self._in_folders:
            self.refuse_unknown(sample_id)
        if not self.pattern(part):
            return ()
        path = any_case(self._path(sample_id, part))
        return (path,) if path is not None else ()

    def check_counts(self) -> list[str]:
        """Splits have their official sizes; reads no pixels."""
        faults = []
        for split in self.labelled_splits():
            part, path = self.info.part_of(split, dict(self.settings)), self._list(split)
            official = self.info.splits[split].official_size if part is None else part.size
            if self.split_lists and self.info.splits[split].holds and not path.exists():
                continue  # a union of others, which needs no list
            try:
                found = len(self.ids(split)) if self.split_lists else len(self._of(split))
            except UserError as error:
                faults.append(str(error))
                continue
            if official not in (None, found) and self.split_lists:
                faults.append(f"{path}: split '{split}' has {found} names; official {official}")
            elif official not in (None, found):
                faults.append(f"split '{split}' has {found} label maps below '{self.root}'; official {official}")
        return faults

    def check_pairs(self) -> list[str]:
        """Files and listed names that lack their counterparts, and names that are taken twice; decodes nothing."""
        faults = clashes(self._of(None))
        for split in self.info.splits if self._in_folders else ("all",):
            faults += self.incomplete(split)
            found, labels = (
                {part: self._listing(part, split) for part in self.paths if part != "labels"},
                self._of(split),
            )
            faults += [fault for listed in found.values() for fault in listed.faults]
            images = found.pop("image", Listing({})).files
            if images and not labels:
                where = self._folder("labels", split)
                faults.append(f"split '{split}': none of its {len(images)} images has a label map in '{where}'")
            for part in ("image", *self.rule_parts):
                faults += self._without(part, split)
            alone = [path for listed in found.values() for i, path in listed.files.items() if i not in labels]
            faults += [f"{path}: has no label map; fetch it" for path in alone if self._in_folders]
        for split, info in self.info.splits.items() if self.split_lists and images else ():
            strange = [] if info.labelled else [i for i in self._names(split) if i not in images]
            faults += [f"{self._list(split)}: names '{i}', which has no image" for i in strange]
        return list(dict.fromkeys(faults))

    def readable(self) -> tuple[str, ...]:
        """Every sample that has labels, whether or not its split is whole."""
        return tuple(self._of(None))

    def incomplete(self, split: str) -> list[str]:
        """What would silently make a split smaller, or leave some of it out of the scores of its further parts.

        Files and listed names without label maps, label maps without a further part that others have, and names that
        are taken twice.
        """
        where = str(self._folder("labels", split))
        if self._in_folders:
            labels = self._of(split)
            images = self._listing("image", split).files if labels else {}
            lacking = [fault for part in self.rule_parts for fault in self._without(part, split)]
            return [*self._faults.get(split, ()), *unpaired(images, labels, where), *lacking]
        maps = self._listing("labels", "")
        if split != "all":
            return list(maps.faults)
        owners = dict(self._listing("image", "").files) if self.images_labelled else {}
        for part in self.rule_parts:
            owners |= self._listing(part, "").files
        named = {i: self._list(name) for name in self.labelled_splits() for i in self._names(name)}
        named = {i: path for i, path in named.items() if i not in maps.files}
        hints = near_names(named, maps.files)
        missing = [
            f"{path}: '{i}' has no label map in '{where}'. Fetch it again.{hints[i]}" for i, path in named.items()
        ]
        return [*maps.faults, *unpaired(owners, maps.files, where), *missing]

    def listed(self, split: str) -> tuple[str, ...]:
        """The samples that the list of a split names. Raises UserError for a list that cannot be used."""
        path = self._list(split)
        try:
            lines = (line.strip() for line in read_text(path).splitlines())
            names = tuple(line for line in lines if line)
        except (OSError, ValueError) as error:
            raise UserError(
                f"the list of split '{split}' of {self.info.name}, '{path}', cannot be read ({error}). "
                f"Expected {self.info.layout}. Use --split all to take every labelled image."
            ) from error
        for name in names:
            if wrong_name(name):
                raise UserError(f"{path}: '{name[:80]}' is no image name; expected one such as {self.example} per line")
        if len(set(names)) < len(names) or not names:
            raise UserError(f"{path}: {'is empty' if not names else 'names an image twice'}. Fetch it again.")
        return names

    def refuse_unknown(self, sample_id: str) -> None:
        """Raise UserError for a sample that there is not."""
        if self._in_folders:
            known = sample_id in self._places
        else:
            known = not wrong_name(sample_id) and any(self.files(sample_id, part) for part in self.paths)
        if not known:
            raise UserError(f"{self.info.name} has no sample '{sample_id}' below '{self.root}'")

    def labelled_splits(self) -> tuple[str, ...]:
        """Splits that make up `all`: by default those that have labels and are part of every copy."""
        return tuple(name for name, split in self.info.splits.items() if split.labelled and not split.optional)

    def pattern(self, part: Part) -> str:
        """The path of a part with its placeholders, by the settings; "" where there is no such part."""
        return self.paths.get(part, "")

    @property
    def _in_folders(self) -> bool:
        return "{split}" in self.pattern("labels")

    @property
    def _in_groups(self) -> bool:
        return "{group}" in self.pattern("labels")

    @cached_property
    def _places(self) -> dict[str, tuple[str, Path]]:
        """Split and first file of every sample, in folders; a split without labels is listed by its images."""
        found: dict[str, tuple[str, Path]] = {}
        faults: dict[str, tuple[str, ...]] = {}
        for split, info in self.info.splits.items():
            here = self._listing("labels", split)
            if not info.labelled and not here.files:
                here = self._listing("image", split)
            both = [twice(i, found[i][1], path) for i, path in here.files.items() if i in found]
            faults[split] = (*here.faults, *both)
            found |= {i: (split, path) for i, path in here.files.items() if i not in found}
        self._faults.update(faults)
        return found

    @cached_property
    def _faults(self) -> dict[str, tuple[str, ...]]:
        """What is wrong with names of files, by split."""
        return {}

    def _of(self, split: str | None) -> Mapping[str, Path]:
        """Label maps of a split, or of all."""
        if not self._in_folders:
            return self._listing("labels", "").files
        wanted = self.labelled_splits() if split is None else (split,)
        return {i: path for i, (of, path) in self._places.items() if of in wanted}

    def _list(self, split: str) -> Path:
        return self.root / self.split_lists.format(split=split)

    def _names(self, split: str) -> tuple[str, ...]:
        """The names of a list, none if it is missing or broken."""
        try:
            return self.listed(split) if self.split_lists else ()
        except UserError:
            return ()

    def _without(self, part: Part, split: str) -> list[str]:
        """Label maps of a split that lack a part which others have."""
        found, where = self._listing(part, split).files, self._folder(part, split)
        alone = [path for i, path in self._of(split).items() if i not in found] if found else []
        what = _NOUNS.get(part, part)
        return [f"{path}: has no {what}; fetch it into '{where}', as others have one there" for path in alone]

    def _folder(self, part: Part, split: str) -> Path:
        """Where the files of a part lie, or the folders of its groups."""
        folder = Path(self.pattern(part)).parent.as_posix().removesuffix("/{group}")
        return self.root / folder.format(split=self.split_folders.get(split, split))

    def _listing(self, part: Part, split: str) -> Listing:
        """Files of a part; none where the dataset has no such part."""
        path = Path(self.pattern(part))
        if not path.name.startswith("{id}"):
            return Listing({})
        ending, folder = path.name.removeprefix("{id}"), self._folder(part, split)
        return listing_of_groups(folder, ending) if path.parent.name == "{group}" else listing(folder, ending)

    def _path(self, sample_id: str, part: Part) -> Path:
        split = self._places[sample_id][0] if self._in_folders else ""
        group = self.group(sample_id) if self._in_groups else ""
        names = {"id": sample_id, "split": self.split_folders.get(split, split), "group": group}
        return self.root / self.pattern(part).format(**names)


def _refuse_placeholders(what: str, path: Any, known: Sequence[str]) -> None:
    if not isinstance(path, str):
        return  # the registry says so
    found = [name for _, name, _, _ in Formatter().parse(path) if name is not None]
    if not set(found) <= set(known):
        raise UserError(f"{what} is '{path}'; expected no other placeholders than {{{'} and {'.join(known)}}}")
    if "group" in found and not ("split" in found and Path(path).parent.name == "{group}"):
        raise UserError(f"{what} is '{path}'; expected {{group}} as the folder that holds the files, below {{split}}")
