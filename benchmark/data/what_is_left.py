"""Whether the label values of some samples leave anything to learn from and to score.

`data verify`, `run`, `evaluate` and `doctor` ask the same questions here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..text import runs_of, some
from ..types import ClassInfo, DatasetInfo

Pixels = Mapping[int, int]
"""Number of pixels of each label value."""


@dataclass(frozen=True)
class Left:
    """Why nothing can come of some samples, "" where something can; and what is to be known of it."""

    refusal: str = ""
    warnings: tuple[str, ...] = ()


def left_to_score(info: DatasetInfo, what: str, samples: Iterable[Pixels]) -> Left:
    """Whether a perfect prediction would have a score, and another one than a prediction that is everywhere the same.

    Parameters
    ----------
    info : of the dataset.
    what : the samples, as the subject of a sentence: "split 'test'".
    samples : the label values of each.
    """
    pixels = _in_all(samples)
    found = _classes(info, pixels)
    if not pixels:
        return Left()
    if not found:
        return Left(f"{what} holds nothing but void ({_void(info, pixels)}): no pixel is left to score. {_ADVICE}")
    (only, *others) = found
    if others or len(info.classes) < 2:
        return Left()
    background = only.id != info.foreground if info.task == "binary" else _is_background(only)
    if background and (ignored := _void(info, pixels)):
        return Left(
            f"{what} holds '{only.name}' alone, and {ignored}, which does not count: the ignored value is the only "
            f"foreground there is, so no score says anything. {_ADVICE}"
        )
    if info.task == "binary" and background:
        named = next(c.name for c in info.classes if c.id == info.foreground)
        return Left(
            f"{what} holds '{only.name}' alone: without a pixel of '{named}' no score is defined. Take a split that "
            "holds some, or look whether the masks were read as they are meant."
        )
    same = f"{what} holds '{only.name}' alone: a prediction that says so everywhere is perfect, and scores say nothing"
    return Left(warnings=(same,))


def left_to_learn(
    info: DatasetInfo, what: str, samples: Iterable[Pixels], scored: Iterable[Pixels], *, few: bool = False
) -> Left:
    """Whether anything can be learned from training samples, and which classes they never show.

    Parameters
    ----------
    info : of the dataset.
    what : the samples, as the subject of a sentence.
    samples, scored : the label values of each training sample, and of each that is scored.
    few : there are few samples on purpose; classes that the scored ones lack too are not told of.
    """
    pixels = _in_all(samples)
    found = _classes(info, pixels)
    if not pixels:
        return Left()
    if not found:
        return Left(f"{what} holds nothing but void ({_void(info, pixels)}): nothing can be learned from it. {_ADVICE}")
    in_scored = _classes(info, _in_all(scored))
    missing = [c for c in info.classes if c not in found and (c in in_scored or not few)]
    if not missing:
        return Left()
    if len(found) == 1 and len(info.classes) > 2:
        return Left(warnings=(f"{what} holds '{found[0].name}' alone: no other class can be learned from it",))
    asked = [c.name for c in missing if c in in_scored]
    also = f"; scored samples hold {_quoted(asked)}" if asked else ""
    return Left(warnings=(f"{what} holds no pixel of {_quoted([c.name for c in missing])}{also}",))


_ADVICE = (
    "If that is a class, do not ignore it: correct 'ignore' in classes.yaml, or ignore_label in the dataset's info."
)


def _in_all(samples: Iterable[Pixels]) -> Counter[int]:
    total: Counter[int] = Counter()
    for one in samples:
        total.update(one)
    return total


def _classes(info: DatasetInfo, pixels: Pixels) -> list[ClassInfo]:
    """Scored classes that occur."""
    return [c for c in info.classes if pixels.get(c.id)]


def _is_background(entry: ClassInfo) -> bool:
    """Whether a class says that it is background: many who list their classes give no kind."""
    return entry.kind == "background" or entry.name.strip().lower() in ("background", "bg")


def _void(info: DatasetInfo, pixels: Pixels) -> str:
    """Label values that occur and do not count, for a sentence."""
    return runs_of(sorted(value for value, n in pixels.items() if n and value in info.void))


def _quoted(names: list[str]) -> str:
    return some([f"'{name}'" for name in names], 5)
