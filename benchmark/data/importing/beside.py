"""Files of shapes that lie beside pictures and are called as these are: which picture each is of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ...text import some
from ...types import UserError
from .items import Item, Notes, Shape
from .pictures import stored_size, upright
from .places import Places, pictures_below

_ENDING = re.compile(r"[-_. ]*(roi|rois|roiset|overlay|annotations?|objects?)$", re.IGNORECASE)
"""What tools and people add to the name of a picture; a set of ROIs may also be called nothing else."""


class Beside:
    """The pictures of a source by their names, to which files of shapes belong."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._pictures = [path.resolve() for path in pictures_below(places.root)]
        self._taken: dict[Path, Path] = {}

    def item(self, path: Path, shapes: Sequence[Shape], picture: Path) -> Item:
        """The picture with the shapes of a file."""
        relative = picture.relative_to(self._places.root)
        return Item(PurePosixPath(relative.as_posix()), picture, upright(*stored_size(picture)), shapes, str(path))

    def picture(self, path: Path) -> Path:
        """The picture that a file is of: of its name, in its folder or else anywhere in the source.

        Raises UserError where there is none, or several, or another file is of the same picture.
        """
        stem = path.name.partition(path.suffix)[0] if path.suffix else path.name
        bare = _ENDING.sub("", stem)
        known = [p for p in self._pictures if {p.name, p.stem} & ({stem, bare} if bare else {stem})]
        if not known and not bare and len(self._pictures) == 1:
            known = self._pictures
        found = [p for p in known if p.parent == path.parent] or known
        if len(found) != 1:
            there = f"it may be {some([p.name for p in found], 3)}" if found else "there is none in the source"
            raise UserError(
                f"{path}: of which picture it is, its name does not say: {there}. Expected '{bare or 'NAME'}' with "
                f"an ending such as .tif, and this file called '{bare or 'NAME'}{path.suffix}'"
            )
        first = self._taken.setdefault(found[0], path)
        if first != path:
            raise UserError(
                f"{path}: is of the picture '{found[0].name}', and so is '{first.name}'; expected one of them"
            )
        return found[0]

    def note_rest(self, notes: Notes, kind: str) -> None:
        """Note pictures without a file of shapes."""
        for picture in self._pictures:
            if picture not in self._taken:
                notes.skip("picture", f"no {kind} belongs to it", str(picture))
