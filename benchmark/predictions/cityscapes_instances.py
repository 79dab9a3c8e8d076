"""Predicted objects with confidences as files: the Cityscapes text format with a mask image for each object.

Reference: evalInstanceLevelSemanticLabeling.py of cityscapesScripts 2.3.0 (`readPredInfo`, `assignGt2Preds`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from ..io.images.masks import shown
from ..io.images.read import read_array
from ..io.images.rle import encode_rle, rle_size
from ..io.listing import files_below
from ..io.text_files import read_text
from ..types import Array, Dataset, DatasetInfo, Object, Prediction, UserError
from .matching import Found, SampleIds, extra_warnings, match_files, refuse_duplicates, refuse_missing
from .other_splits import of_other_splits

LIST = "_pred.txt"
"""How the name of a list of objects ends."""


@dataclass(frozen=True)
class ListedObject:
    """One line of a list of objects: the mask's file, the label value and the confidence."""

    mask: Path
    label: int
    score: float

    def read(self) -> Object:
        """Decode the mask; raises UserError naming it if it is none."""
        stored = read_array(self.mask)
        mask = _foreground(stored, str(self.mask))
        _refuse_inverted(self.mask, stored, mask)
        return Object(self.label, encode_rle(mask), self.score)


@dataclass(frozen=True)
class ObjectList:
    """The predicted objects of one image: a text file, and a mask image for each object."""

    sample_id: str
    path: Path
    objects: tuple[ListedObject, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The text file, then the masks."""
        return (self.path, *(listed.mask for listed in self.objects))

    def read(self, dataset: Dataset) -> Prediction:
        """Decode the masks one by one; they are kept run-length encoded, as an image may have hundreds.

        Raises
        ------
        UserError
            Naming the mask that cannot be decoded or is of another size than the truth.
        """
        truth = dataset.load(self.sample_id, ("labels",)).labels
        if truth is None:
            raise UserError(f"sample '{self.sample_id}' has no ground truth, so it cannot be scored")
        shape: tuple[int, int] = truth.shape
        return Prediction(objects=tuple(self._read(listed, shape) for listed in self.objects))

    def _read(self, listed: ListedObject, shape: tuple[int, int]) -> Object:
        found = listed.read()
        height, width = rle_size(found.mask, str(listed.mask))
        if (height, width) != shape:
            raise UserError(
                f"{listed.mask}: is {height} x {width}, the ground truth of '{self.sample_id}' is "
                f"{shape[0]} x {shape[1]} (height x width). Write masks at the size of the truth."
            )
        return found


def find_objects(dataset: Dataset, ids: Sequence[str], path: Path, *, partial: bool = False) -> Found | None:
    """Match predicted objects with samples.

    Parameters
    ----------
    dataset : Dataset
    ids : sequence of str
        The samples of the split.
    path : Path
        A folder that holds, in any depth, one `<sample id>_pred.txt` per sample with a line `mask label score` per
        object; or a `.json` file of COCO results. A mask is an image (PNG) beside or below the text file in which
        everything but 0 is the object; its path is relative to the text file, may hold spaces, and must stay inside
        `path`. The label is one of the dataset's things. Lines with a label that the dataset knows but does not score
        by instances (a stuff class, or a thing that is left out of the evaluation) are skipped with a warning, as the
        official tool skips them without one. A text file without lines says that there are no objects.
    partial : bool
        Accept that samples have no prediction.

    Returns
    -------
    Found, or None if `path` holds no objects

    Raises
    ------
    UserError
        Naming samples without or with several predictions, and the file and line of what is wrong in them.
    """
    if path.is_file():
        if path.suffix.lower() != ".json":
            return None
        from .coco_results import find_results

        return find_results(dataset, ids, path, partial=partial)
    candidates = files_below(path, {".txt"})
    if not any(candidate.name.endswith(LIST) for candidate in candidates):
        return _find_yolo(dataset, ids, candidates, path, partial)
    matched, extra = match_files(dataset, SampleIds(ids), candidates, path)
    refuse_duplicates(matched, path)
    where = of_other_splits(dataset, ids, extra, path)
    refuse_missing(ids, matched, path, extra, partial, where)
    files: dict[str, ObjectList] = {}
    skipped: dict[int, int] = {}
    for sample_id in ids:
        if sample_id in matched:
            objects = read_list(matched[sample_id][0], path, dataset.info, skipped)
            files[sample_id] = ObjectList(sample_id, matched[sample_id][0], objects)
    return Found(files, (*extra_warnings(extra, where), *_skip_warnings(skipped, dataset.info)), kind="objects")


def _find_yolo(
    dataset: Dataset, ids: Sequence[str], candidates: Sequence[Path], path: Path, partial: bool
) -> Found | None:
    from .coco_results import takes_results
    from .yolo_results import find_yolo

    if not candidates or not takes_results(dataset.info):
        return None
    return find_yolo(dataset, ids, candidates, path, partial=partial)


def read_list(path: Path, folder: Path, info: DatasetInfo, skipped: dict[int, int]) -> tuple[ListedObject, ...]:
    """Objects of one text file below `folder`; how often a label was skipped is added up in `skipped`.

    Raises UserError, naming file and line, for a line that is no object, or a mask outside the folder.
    """
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    things = {c.id for c in info.classes if c.kind == "thing"}
    inside = folder.resolve()
    found: dict[Path, tuple[int, ListedObject]] = {}
    for number, line in enumerate(lines, 1):
        where = f"{path}, line {number}"
        if not line.strip():
            continue
        name, label, score = _parse(line, where)
        if label not in info.predictable:
            known = ", ".join(f"{c.id} ({c.name})" for c in info.classes if c.kind == "thing")
            raise UserError(f"{where}: label {label} is none of {info.name}'s. Expected a thing: {known}.")
        if label not in things:
            skipped[label] = skipped.get(label, 0) + 1
            continue
        mask = _mask_path(name, path, inside, where)
        if mask in found:
            raise UserError(f"{where}: names the mask of line {found[mask][0]} again. List each object once.")
        found[mask] = number, ListedObject(mask, label, score)
    return tuple(listed for _, listed in found.values())


def _parse(line: str, where: str) -> tuple[str, int, float]:
    """Mask name, label value and score of one line."""
    parts = line.strip().rsplit(maxsplit=2)
    if len(parts) != 3:
        raise UserError(f"{where}: is '{_short(line)}'; expected 'mask label score', as in 'masks/0.png 26 0.93'")
    name, label, score = parts
    try:
        value, confidence = float(label), float(score)
    except ValueError:
        value = confidence = math.nan
    if not value.is_integer() or not math.isfinite(confidence):
        raise UserError(
            f"{where}: the label is '{_short(label)}' and the score '{_short(score)}'; expected a label value and a "
            "finite number"
        )
    return name, int(value), confidence


def _mask_path(name: str, path: Path, inside: Path, where: str) -> Path:
    """The mask's file, which lies inside the predictions' folder even when every link is followed."""
    if Path(name).is_absolute() or PureWindowsPath(name).anchor:
        raise UserError(
            f"{where}: the mask '{_short(name)}' is an absolute path; expected one relative to the text file"
        )
    try:
        resolved = (path.parent / name).resolve()
        exists = resolved.is_file()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL byte, links in a circle
        reason = error.strerror if isinstance(error, OSError) else _short(str(error))
        raise UserError(f"{where}: the mask '{_short(name)}' is no usable path ({reason})") from error
    if not resolved.is_relative_to(inside):
        raise UserError(
            f"{where}: the mask '{_short(name)}' lies outside of '{inside}'. Keep masks inside that folder."
        )
    if not exists:
        raise UserError(f"{where}: the mask '{_short(name)}' does not exist below '{path.parent}'")
    return resolved


def _foreground(values: Array, where: str) -> Array:
    """Mask (H, W) bool of a decoded image; of a palette image the indices count, and colour channels must agree."""
    if values.ndim == 3 and values.shape[2] in (3, 4) and (values[:, :, :1] == values[:, :, 1:3]).all():
        values = values[:, :, 0]
    if values.ndim != 2 or values.dtype.kind not in "biu":
        raise UserError(
            f"{where}: has shape {values.shape} and type {values.dtype}; expected a grey PNG in which everything but 0 "
            "is the object"
        )
    return values.astype(bool)


def _refuse_inverted(path: Path, stored: Array, mask: Array) -> None:
    """Raise UserError for a mask of two tones that shows the object where the official tool finds none."""
    try:
        seen = shown(path, stored)
    except UserError:  # it is no mask of two tones: the values count
        return
    if seen is not stored and (seen.astype(bool) != mask).any():
        raise UserError(
            f"{path}: shows its object in another place than the official tool finds it, which takes everything but "
            "the value 0. Save it as a grey PNG with a black background."
        )


def _skip_warnings(skipped: dict[int, int], info: DatasetInfo) -> tuple[str, ...]:
    if not skipped:
        return ()
    names = {c.id: c.name for c in (*info.classes, *info.unscored)}
    listed = ", ".join(f"{label} ({names[label]}): {count}" for label, count in sorted(skipped.items()))
    return (f"{sum(skipped.values())} objects have labels without an instance score and were skipped: {listed}",)


def _short(text: str, most: int = 80) -> str:
    shown = text.strip()
    return shown if len(shown) <= most else f"{shown[:most]}…"
