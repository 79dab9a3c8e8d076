"""The text of a guessed `classes.yaml`: every line with what it rests on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from ...io.images.read import palette_color
from .checked_values import Color
from .class_list import free_color
from .classes_guess import ClassesGuess
from .grouping import GuessedGroup
from .layout import Places
from .mask_contents import VOID, MaskContents, pixels_in_all
from .naming import Guess, written
from .splits import SPLITS

_OPTIONAL = (
    "# What is known besides; all of it is optional.",
    "# pixel_size_um: 0.5          # of one pixel, or [height, width]",
    "# frames_per_second: 25",
    '# licence: "CC BY 4.0"',
    '# citation: "who to cite"',
)

_MOST = 0.6
"""A class is one of lines where so large a part of its pixels lies in such."""


def numbered_text(name: str, seen: Sequence[MaskContents], in_all: int, placed: Sequence[str]) -> str:
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


def classes_text(
    name: str, guess: ClassesGuess, seen: Sequence[MaskContents], in_all: int, placed: Sequence[str]
) -> str:
    """`classes.yaml` of masks that hold classes.

    Parameters
    ----------
    name : str
        What the data set is to be called.
    guess : ClassesGuess
    seen : sequence of MaskContents
        The masks that were read.
    in_all : int
        Number of masks there are.
    placed : sequence of str
        Lines from `place_lines` and `name_lines`.
    """
    total, colored = pixels_in_all(seen), guess.colored
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
        *_class_lines(guess, total, seen),
        "",
    ]
    if guess.void is not None:
        label, color = (VOID, f", color: {list(_rgb(guess.void))}") if colored else (guess.void, "")
        lines += [
            f"# Pixels that do not count. Guessed: {guess.why_void}. {_share(guess.void, total, seen)}.",
            f"ignore: {{id: {label}{color}}}",
        ]
    else:
        free = next((value for value in range(VOID, 0, -1) if colored or value not in total), VOID)
        lines += ["# Label value of pixels that do not count:", f"# ignore: {free}"]
    return "\n".join([*lines, "", *placed, *_OPTIONAL, ""])


def place_lines(places: Places | None) -> list[str]:
    """Where files lie, where that is not images/ and masks/."""
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


def group_lines(group: GuessedGroup | None) -> list[str]:
    """By which names seem to say what goes together."""
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


def name_lines(called: Guess | None) -> list[str]:
    """How images and masks are called, where they differ."""
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


def _class_lines(guess: ClassesGuess, total: Counter[int], seen: Sequence[MaskContents]) -> list[str]:
    colored = guess.colored
    palette: dict[int, Color] = {}
    for one in seen:
        palette = {**one.palette, **palette}
    background = max(guess.keys, key=lambda key: (total[key], -key)) if 0 in guess.keys else None
    taken: set[Color] = set(map(_rgb, guess.keys)) if colored else set()
    lines = []
    for number, key in enumerate(guess.keys):
        # Binary masks are read as 0 and 1, whatever stands for the foreground.
        label = number if colored or guess.task == "binary" else key
        if colored and label >= VOID and guess.void is not None:
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
            *_line_hint(key, total, seen, is_background=is_background),
            f"  - {{id: {label}, name: {_quoted(called)}, color: {list(color)}{kind}}}",
        ]
    return lines


def _line_hint(key: int, total: Counter[int], seen: Sequence[MaskContents], *, is_background: bool) -> list[str]:
    """Which metrics see more of a class that is made of lines, such as vessels, than its pixels do."""
    part = sum(one.lines.get(key, 0) for one in seen) / total[key]
    if part < _MOST:
        return []
    return [
        f"  # Of its pixels {part:.0%} lie in thin lines: --metric centreline (clDice) and --metric topology tell",
        "  # whether these hang together."
        + (" They leave out what is called background: give it a name, such as membrane." if is_background else ""),
    ]


def _share(key: int, total: Counter[int], seen: Sequence[MaskContents]) -> str:
    masks = sum(key in one.pixels for one in seen)
    return f"{total[key]:,} pixels ({total[key] / total.total():.2%}) in {masks} of {len(seen)} masks"


def _rgb(key: int) -> Color:
    return key >> 16, key >> 8 & 255, key & 255


def _quoted(text: str) -> str:
    """Text as YAML and JSON both read it."""
    return json.dumps(text, ensure_ascii=False)
