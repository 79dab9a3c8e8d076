"""Guessing the classes of a folder of masks, and writing the guess down with what each line rests on."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...errors import MemoryShortError
from ...io.images.limits import open_image
from ...io.images.masks import refuse_inks, refuse_object_in_alpha, shown
from ...io.images.read import palette_color, read_array
from ...text import counted
from ...types import Array, UserError
from .checked_values import MAX_LABEL, Color
from .classes_file import FILE, free_color
from .grouping import GuessedGroup
from .layout import Places
from .masks import color_runs, equal_channels
from .naming import Guess, written
from .splits import SPLITS

MAX_MASKS = 1000
"""Largest number of masks that are read, spread evenly over the folder."""
_MAX_TOLD = 10
"""Largest number of masks that are named with what is wrong with them."""

MAX_CLASSES = 256
_VOID = 255
_WHITE, _VOC_VOID = 0xFFFFFF, 0xE0E0C0
_MIN_NUMBERS, _MANY_NUMBERS = 4, 32
"""Values from which on a mask may hold numbers of objects; so many in a mask, as a mean, are hardly classes."""
_MOST = 0.9
_BORDER_PX = 9
"""What is nowhere so wide is a border."""


@dataclass(frozen=True)
class Seen:
    """What one mask holds: pixels by value, or by colour as 0xRRGGBB; colours of its palette by value.

    thin: how many pixels of each void candidate (255; white and the VOC palette's last colour) lie in thin borders.
    shown: pixels by what a mask of two tones shows, where that is something else than it stores.
    pieces: parts of one value, but for 0, that hang together; where there are so many values that they may be numbers
    of objects.
    """

    path: Path
    kind: str
    pixels: Mapping[int, int]
    palette: Mapping[int, Color] = field(default_factory=dict)
    thin: Mapping[int, int] = field(default_factory=dict)
    shown: Mapping[int, int] | None = None
    pieces: int | None = None


@dataclass(frozen=True)
class _Guess:
    """Pixels of every class (key: value or colour), which of them is void, and why."""

    task: str
    why: str
    keys: tuple[int, ...]
    void: int | None = None
    why_void: str = ""


def inspect(
    name: str,
    masks: Sequence[Path],
    progress: Callable[[int, int], None] | None = None,
    called: Guess | None = None,
    places: Places | None = None,
    group: GuessedGroup | None = None,
) -> str:
    """The text of the `classes.yaml` that these masks seem to need.

    Parameters
    ----------
    name : str
        What the data set is to be called.
    masks : sequence of Path
        Files that `images.read_array` decodes.
    progress : callable, optional
        Called with (done, in all).
    called : Guess, optional
        How images and masks are called, where they differ.
    places : Places, optional
        Where they lie, where that is not images/ and masks/.
    group : GuessedGroup, optional
        By which names seem to say what goes together; of two groups, which are too few for three splits, it is only
        told.

    Raises
    ------
    UserError
        Naming the file, where the masks are no label maps: too many values, one value alone, probabilities, grey
        images and RGB ones mixed.
    """
    chosen = [masks[n * len(masks) // min(len(masks), MAX_MASKS)] for n in range(min(len(masks), MAX_MASKS))]
    seen = _as_shown(_look_at_all(chosen, progress))
    colored = any(one.kind == "colors" for one in seen)
    seen = [_as_colors(one, seen) if colored else _as_values(one) for one in seen]
    lines = _place_lines(places) + _name_lines(called) + _group_lines(group)
    total: Counter[int] = Counter()
    for one in seen:
        total.update(one.pixels)
    if not colored and are_numbers(seen):
        return _numbered_text(name, seen, len(masks), lines)
    _refuse_no_labels(seen, total)
    guess = _guess_colors(total, seen) if colored else _guess_values(total, seen)
    return _text(name, guess, total, seen, len(masks), colored, lines)


def _look_at_all(paths: Sequence[Path], progress: Callable[[int, int], None] | None) -> list[Seen]:
    """Read masks. Raises UserError that names all that are no masks, or the first `_MAX_TOLD` of very many."""
    seen: list[Seen] = []
    wrong: list[str] = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for done, one in enumerate(pool.map(_seen_or_why_not, paths), 1):
            if isinstance(one, Seen):
                seen.append(one)
            else:
                wrong.append(one)
            if progress is not None:
                progress(done, len(paths))
            if len(wrong) > _MAX_TOLD:
                pool.shutdown(cancel_futures=True)
                break
    if len(wrong) == 1:
        raise UserError(wrong[0])
    if wrong:
        many = f"more than {_MAX_TOLD}" if len(wrong) > _MAX_TOLD else str(len(wrong))
        told = [f"- {each}" for each in wrong[:_MAX_TOLD]]
        raise UserError("\n".join([f"{many} of {counted(len(paths), 'mask')} cannot be used:", *told]))
    return seen


def _seen_or_why_not(path: Path) -> Seen | str:
    try:
        return look(path)
    except MemoryShortError:
        raise
    except UserError as error:
        return str(error)


def look(path: Path) -> Seen:
    """Read one mask: `kind` is `values`, `grey rgb` or `colors`.

    Raises UserError for an image that is no mask.
    """
    values = read_array(path)
    if values.ndim > 2:
        refuse_inks(path)
        refuse_object_in_alpha(values, str(path))
    if values.ndim == 3 and values.shape[2] in (1, 2):
        values = values[:, :, 0]
    if values.ndim == 2 and values.dtype.kind in "biu":
        pixels = _counts(values)
        thin = {_VOID: _thin(values == _VOID)} if _VOID in pixels else {}
        pieces = _pieces(values) if len(pixels) >= _MIN_NUMBERS else None
        return Seen(path, "values", pixels, _palette(path, pixels), thin, _shown_counts(path, values), pieces)
    if values.ndim != 3 or values.shape[2] not in (3, 4) or values.dtype != np.uint8:
        raise UserError(
            f"{path}: is of shape {values.shape} and {values.dtype}; expected a mask of height x width with label "
            "values, or RGB colours of 8 bits"
        )
    _, lengths, keys = color_runs(values)
    found, places = np.unique(keys, return_inverse=True)
    if found.size > 16 * MAX_CLASSES:
        raise UserError(f"{path}: holds {found.size} colours; a mask has one per class. Is it a photograph?")
    counts = np.bincount(places, weights=lengths).astype(np.int64)
    pixels = dict(zip(found.tolist(), counts.tolist(), strict=True))
    thin = {}
    for key in {_WHITE, _VOC_VOID} & pixels.keys():
        color = np.array([key >> 16, key >> 8 & 255, key & 255], np.uint8)
        thin[key] = _thin((values[:, :, :3] == color).all(axis=2))
    return Seen(path, "grey rgb" if equal_channels(values) else "colors", pixels, {}, thin)


def _counts(values: Array) -> dict[int, int]:
    found, counts = np.unique(values, return_counts=True)
    return dict(zip((int(v) for v in found), counts.tolist(), strict=True))


def _shown_counts(path: Path, stored: Array) -> dict[int, int] | None:
    try:
        seen = shown(path, stored)
    except UserError:  # no mask of two tones
        return None
    return None if seen is stored or np.array_equal(seen, stored) else _counts(seen)


def _as_shown(seen: Sequence[Seen]) -> list[Seen]:
    """Masks of two tones by what they show, where all are of that kind; label maps by what they store."""
    as_shown = [one if one.shown is None else replace(one, pixels=one.shown, palette={}) for one in seen]
    tones = {value for one in as_shown for value in one.pixels}
    binary = tones <= {0, 1} or tones <= {0, _VOID}
    return as_shown if binary and any(one.shown is not None for one in seen) else list(seen)


def _thin(where: Array) -> int:
    """Pixels that lie in no square of `_BORDER_PX` pixels."""
    mask = where.astype(np.uint8)
    wide = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((_BORDER_PX, _BORDER_PX), np.uint8))
    return int(np.count_nonzero(mask)) - int(np.count_nonzero(wide))


def _palette(path: Path, pixels: Mapping[int, int]) -> dict[int, Color]:
    """Colours of the palette of an image that has one, by value."""
    if path.suffix.lower() == ".npy":
        return {}
    try:
        with open_image(path) as image:
            flat = image.getpalette("RGB") if image.mode == "P" else None
    except (OSError, ValueError, SyntaxError):  # a TIFF that only its own reader knows; its colours are not needed
        return {}
    if flat is None:
        return {}
    return {v: (flat[3 * v], flat[3 * v + 1], flat[3 * v + 2]) for v in pixels if 3 * v + 2 < len(flat)}


def _as_values(one: Seen) -> Seen:
    """A grey image that was saved as RGB, by its values."""
    if one.kind == "values":
        return one
    thin = {_VOID: one.thin[_WHITE]} if _WHITE in one.thin else {}
    return Seen(one.path, one.kind, {key & 255: n for key, n in one.pixels.items()}, {}, thin)


def _as_colors(one: Seen, seen: Sequence[Seen]) -> Seen:
    if one.kind == "values":
        other = next(s.path for s in seen if s.kind == "colors")
        raise UserError(
            f"'{one.path}' is a grey or palette image and '{other}' an RGB one; masks are to be all of one kind"
        )
    return one


def _refuse_no_labels(seen: Sequence[Seen], total: Counter[int]) -> None:
    if len(total) < 2:
        what = f"hold the value {next(iter(total))} alone" if total else "are empty"
        raise UserError(f"all {len(seen)} masks below '{seen[0].path.parent}' {what}; there is nothing to tell apart")
    most = max(seen, key=lambda one: len(one.pixels))
    # Resized or lossy two-valued masks: nearly all is the two values, and a little of everything lies between.
    two = sum(n for _, n in total.most_common(2))
    blurred = len(total) > 16 and two > 0.9 * total.total()
    if len(total) > MAX_CLASSES or blurred:
        raise UserError(
            f"the masks below '{seen[0].path.parent}' hold {len(total)} different values, '{most.path}' alone "
            f"{len(most.pixels)}: these are no labels of classes. Were they resized with interpolation, saved as JPEG "
            f"once, or are they probabilities? Numbers of objects of one class are read where {FILE} says 'masks: "
            "instances'; of objects of several classes they go into instances/."
        )


def are_numbers(seen: Sequence[Seen]) -> bool:
    """Whether masks seem to hold numbers of objects: from 1 on in each of them or very many, more in some than in
    others, and nearly every one of one piece. Classes are not counted anew in every mask, nor all of one piece."""
    counts = [len(one.pixels.keys() - {0}) for one in seen]
    many = [one for one in seen if one.pieces is not None]
    numbers = sum(len(one.pixels.keys() - {0}) for one in many)
    in_a_row = sum(max(one.pixels) == count for one, count in zip(seen, counts, strict=True))
    return (
        2 * len(many) >= len(seen)
        and len(set(counts)) > 1
        and (in_a_row >= _MOST * len(seen) or sum(counts) >= _MANY_NUMBERS * len(seen))
        and numbers >= _MOST * sum(one.pieces or 0 for one in many)
    )


def _pieces(values: Array) -> int:
    """Parts of one value, but for 0, that hang together by sides or corners, of a map (H, W) of integers."""
    from skimage import measure

    label: Any = measure.label
    return int(label(values, connectivity=2, return_num=True)[1])


def _numbered_text(name: str, seen: Sequence[Seen], in_all: int, placed: Sequence[str]) -> str:
    """`classes.yaml` of masks that hold numbers of objects."""
    objects = sum(len(one.pixels.keys() - {0}) for one in seen)
    return "\n".join(
        [
            "# What segbench believes of this folder. Every line is a guess: read it over, and put in the right names.",
            f"# It rests on {len(seen)} of {in_all} masks, which hold {objects:,} objects.",
            "",
            f"name: {_quoted(name)}",
            "",
            "# Masks hold numbers of objects of one class, and 0 for background. Guessed: each has its own, nearly all",
            "# of one piece. If these are classes, write 'masks: values' and 'task: multiclass', and list them.",
            f"{'coding' if any(line.startswith('masks:') for line in placed) else 'masks'}: instances",
            "task: binary",
            "",
            "classes:",
            '  - {id: 0, name: "background", kind: background}',
            '  - {id: 1, name: "object", kind: thing}',
            "",
            *placed,
            *_OPTIONAL,
            "",
        ]
    )


def _guess_values(total: Counter[int], seen: Sequence[Seen]) -> _Guess:
    for pair, why in (
        ((0, 1), "all masks hold only 0 and 1"),
        ((0, 255), "all masks hold only 0 and 255"),
        ((0, MAX_LABEL), "all masks hold only 0 and 65535"),
    ):
        if set(total) <= set(pair):
            return _Guess("binary", why, (0, pair[1]))
    if set(total) == {0, 1, _VOID} and not any({1, _VOID} <= one.pixels.keys() for one in seen):
        return _Guess("binary", "every mask holds only 0 and 255, or only 0 and 1", (0, 1))
    void, why_void = _void_value(total, seen)
    keys = tuple(sorted(set(total) - {void}))
    if keys == (0, 1):
        return _Guess("binary", "all masks hold only 0 and 1, and 255 to ignore", keys, void, why_void)
    return _Guess("multiclass", f"the masks hold {len(keys)} values", keys, void, why_void)


def _void_value(total: Counter[int], seen: Sequence[Seen]) -> tuple[int | None, str]:
    others = sorted(set(total) - {_VOID})
    if _VOID not in total or len(others) < 2:
        return None, ""
    part = sum(one.thin.get(_VOID, 0) for one in seen) / total[_VOID]
    if part > 0.5:
        return _VOID, f"{part:.0%} of the pixels of 255 lie in thin borders, as is usual for pixels that do not count"
    # Two values besides may be grey levels, such as 0, 60 and 255, that somebody chose to be seen.
    if others[-1] < 100 and (len(others) > 2 or others[-1] - others[0] == 1):
        return _VOID, f"255 stands far from the other values ({others[0]} to {others[-1]}), though not as thin borders"
    return None, ""


def _guess_colors(total: Counter[int], seen: Sequence[Seen]) -> _Guess:
    void, why_void = None, ""
    for key in (_VOC_VOID, _WHITE):
        part = sum(one.thin.get(key, 0) for one in seen) / total[key] if key in total else 0
        if part > 0.5 and len(total) > 2:
            void, why_void = key, f"{part:.0%} of the pixels of this colour lie in thin borders"
            break
    keys = tuple(key for key, _ in sorted(total.items(), key=lambda item: (-item[1], item[0])) if key != void)
    if 0 in keys:
        keys = (0, *(key for key in keys if key != 0))  # black is background by custom
    task = "binary" if len(keys) == 2 else "multiclass"
    return _Guess(task, f"the masks hold {len(keys)} colours", keys, void, why_void)


def _text(
    name: str,
    guess: _Guess,
    total: Counter[int],
    seen: Sequence[Seen],
    in_all: int,
    colored: bool,
    placed: Sequence[str],
) -> str:
    coding = "colors" if colored else "values"
    kinds = {one.kind for one in seen}
    palette = any(one.palette for one in seen)
    held = "RGB colours" if colored else f"{'indices of palette' if palette else 'grey'} images"
    if "grey rgb" in kinds and not colored:
        held += f", {'some' if 'values' in kinds else 'all'} saved as RGB with equal channels"
    some = "" if len(seen) == in_all else f" (spread evenly; the other {in_all - len(seen)} may hold more)"
    lines = [
        "# What segbench believes of this folder. Every line is a guess: read it over, and put in the right names.",
        f"# It rests on {len(seen)} of {in_all} masks{some}.",
        "",
        f"name: {_quoted(name)}",
        "",
        f"# binary (background and one foreground) or multiclass. Guessed: {guess.why}.",
        f"task: {guess.task}",
        "",
        f"# How masks hold classes: values or colors. Guessed: {held}.",
        f"{'coding' if any(line.startswith('masks:') for line in placed) else 'masks'}: {coding}",
        "",
        "# kind: background, stuff or thing (something that can be counted).",
        "classes:",
        *_class_lines(guess, total, seen, colored),
        "",
    ]
    if guess.void is not None:
        color = f", color: {list(_rgb(guess.void))}" if colored else ""
        lines += [
            f"# Pixels that do not count. Guessed: {guess.why_void}. {_share(guess.void, total, seen)}.",
            f"ignore: {{id: {_VOID}{color}}}",
        ]
    else:
        free = next((value for value in range(_VOID, 0, -1) if colored or value not in total), _VOID)
        lines += ["# Label value of pixels that do not count:", f"# ignore: {free}"]
    return "\n".join([*lines, "", *placed, *_OPTIONAL, ""])


def _place_lines(places: Places | None) -> list[str]:
    if places is None:
        return []
    lines = [
        "# Where files lie: * stands for any name, {stem} for an image's without ending, {name} for a part of it.",
        f"# Guessed: {places.pairs} of {places.images} images have a mask so.",
        *places.layout.lines(),
    ]
    if places.others:
        lines.append(f"# These would fit as masks too: {', '.join(places.others)}.")
    if places.layout.region:
        lines.append("# Pixels outside of the region count nowhere. Guessed: one large round piece in every file.")
    return [*lines, ""]


def _group_lines(group: GuessedGroup | None) -> list[str]:
    if group is None:
        return []
    line = f"group: {_quoted(group.expression)}"
    if group.groups < len(SPLITS):
        return [
            f"# Names begin in {group.groups} ways. If these are films or patients, write so, with lists of samples in",
            "# splits/*.txt: frames of one film are alike, and count in intervals and tests as if each stood alone.",
            f"# {line}",
            "",
        ]
    return [
        "# What goes together, such as a film or a patient, by a regular expression of names: no split parts it, and",
        "# of 5 or more each counts once in intervals and tests. Guessed: names begin alike.",
        line,
        "",
    ]


def _name_lines(called: Guess | None) -> list[str]:
    if called is None:
        return []
    left_out = called.masks - called.pairs
    rest = f"; the other {left_out} are left out" if left_out else ""
    return [
        "# How files are called, without their endings: {name} stands for the sample.",
        f"# Guessed: {called.pairs} of {called.masks} masks have an image so{rest}.",
        f"names: {written(called.names)}",
        "",
    ]


_OPTIONAL = (
    "# What is known besides; all of it is optional.",
    "# pixel_size_um: 0.5          # of one pixel, or [height, width]",
    "# frames_per_second: 25",
    '# licence: "CC BY 4.0"',
    '# citation: "who to cite"',
)


def _class_lines(guess: _Guess, total: Counter[int], seen: Sequence[Seen], colored: bool) -> list[str]:
    palette: dict[int, Color] = {}
    for one in seen:
        palette = {**one.palette, **palette}
    background = max(guess.keys, key=lambda key: (total[key], -key)) if 0 in guess.keys else None
    taken: set[Color] = set(map(_rgb, guess.keys)) if colored else set()
    lines = []
    for number, key in enumerate(guess.keys):
        # Binary masks are read as 0 and 1, whatever stands for the foreground.
        label = number if colored or guess.task == "binary" else key
        if colored and label >= _VOID and guess.void is not None:
            label += 1
        is_background = label == 0 and (guess.task == "binary" or key == background)
        color = _rgb(key) if colored else palette.get(key, palette_color(label % 256))
        if not colored:
            color = color if color not in taken else free_color(label, taken)
            taken.add(color)
        called = "background" if is_background else "foreground" if guess.task == "binary" else f"class {label}"
        kind = ", kind: background" if is_background else ""
        held = "" if colored or key == label else f"value {key}: "
        lines += [
            f"  # {held}{_share(key, total, seen)}",
            f"  - {{id: {label}, name: {_quoted(called)}, color: {list(color)}{kind}}}",
        ]
    return lines


def _share(key: int, total: Counter[int], seen: Sequence[Seen]) -> str:
    masks = sum(key in one.pixels for one in seen)
    return f"{total[key]:,} pixels ({total[key] / total.total():.2%}) in {masks} of {len(seen)} masks"


def _rgb(key: int) -> Color:
    return key >> 16, key >> 8 & 255, key & 255


def _quoted(text: str) -> str:
    """Text as YAML and JSON both read it."""
    return json.dumps(text, ensure_ascii=False)
