"""Which score of single classes belongs to a score: the one that it is made of, with its direction and its classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..evaluation.class_scores import BETWEEN, OF_CLASS, ClassScore
from ..runs.stored import StoredRun
from ..types import Metric, ScoreInfo

_MADE_OF = {
    **dict.fromkeys(("miou", "miou_defined", "miou_171", "miou_182", "iou_class", "iou_foreground", "fwiou"), "iou"),
    "iiou_class": "iiou",
    "foreground_iou": "iou_per_case",
    "foreground_dice": "dice_per_case",
    "foreground_dice_true": "dice_per_case",
    "ece_classwise": "ece",
    "ece": "",
}
"""Scores whose names do not say of which score of classes they are made; empty for one that is made of none."""

_WEIGHTED = ("fwiou",)
"""Scores that count classes unequally, which nobody means by the name of their score of a class."""

_OF_KINDS = {"_things": ("thing",), "_stuff": ("stuff", "background")}
"""What ends the name of a score of some classes alone, and the kinds of these classes."""


@dataclass(frozen=True)
class ScoreByClass:
    """A score of single classes, under its name in the tables by class, and the classes that are compared by it.

    places : of these classes in `family.classes_of`.
    """

    family: Metric
    what: ScoreInfo
    places: tuple[int, ...]
    names: tuple[str, ...]

    @property
    def sign(self) -> int:
        """1 where a higher score is better, else -1."""
        return 1 if self.what.higher_is_better else -1


def score_by_class(metric: Metric, score: ScoreInfo, run: StoredRun) -> ScoreByClass | None:
    """The score of single classes that a score is made of: IoU of mIoU, Dice of Dice, PQ of PQ of things.

    None where the table by class holds none such, as of pixel accuracy and of scores of whole images.

    Parameters
    ----------
    metric, score : the compared score with its family.
    run : one of the compared runs, whose families and table by class are searched.
    """
    if isinstance(metric, ClassScore):
        return _of(metric.family, metric.what, metric.places, run)
    own = next((what for what in metric.class_scores if what.name == score.name), None)
    if own is not None:
        return _of(metric, own, _places(metric, run, None), run)
    name, kinds = score.name, next((kinds for end, kinds in _OF_KINDS.items() if score.name.endswith(end)), None)
    for end in (*_OF_KINDS, "_um", "_per_image"):
        name = name.removesuffix(end)
    wanted = _MADE_OF.get(name, name.removeprefix("mean_"))
    for family in (metric, *run.metrics):
        for what in family.class_scores:
            if what.name == wanted:
                return _of(family, what, _places(family, run, kinds), run)
    table = run.record.per_class
    places = _places(metric, run, kinds)
    held = [place for place in places if wanted in table.get(metric.classes_of(run.info)[place].name, {})]
    return _of(metric, replace(score, name=wanted), held, run)


def made_of_class_score(run: StoredRun, name: str | None) -> str | None:
    """The score that is made of a score of single classes: mIoU of IoU, where `iou` is asked for class by class.

    Where a family has several, its main one, else the first; where it has none, the mean over all of its classes.
    Any other name as it is.
    """
    every = [(family, score) for family in run.metrics for score in family.scores]
    if name is None or any(name == score.name for _, score in every):
        return name
    family = next((each for each in run.metrics if any(what.name == name for what in each.class_scores)), None)
    if family is None:
        return name
    every.sort(key=lambda found: found[1].name != run.record.main_score)
    for metric, score in every:
        by = score_by_class(metric, score, run)
        if by is not None and by.family == family and by.what.name == name and score.name not in _WEIGHTED:
            return score.name
    return f"{name}{OF_CLASS}{BETWEEN.join(each.name for each in family.classes_of(run.info))}"


def _places(family: Metric, run: StoredRun, kinds: Sequence[str] | None) -> list[int]:
    return [n for n, each in enumerate(family.classes_of(run.info)) if kinds is None or each.kind in kinds]


def _of(family: Metric, what: ScoreInfo, places: Sequence[int], run: StoredRun) -> ScoreByClass | None:
    classes = family.classes_of(run.info)
    names = tuple(classes[place].name for place in places)
    return ScoreByClass(family, what, tuple(places), names) if names else None
