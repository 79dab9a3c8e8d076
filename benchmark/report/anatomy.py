"""Causes of the errors of a section's runs, and truth that looks wrong, from label maps that are read once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..evaluation.anatomy import BOUNDARY_PX, CAUSES, agreed_against_truth, anatomy_statistic
from ..evaluation.error_points import Anatomy, anatomy, points_differences
from ..evaluation.library_conventions import official
from ..evaluation.scores import defined
from ..figures.error_causes import error_causes
from ..text import counted, interval, number
from ..types import Array, Dataset, Metric, Statistic
from .figures.arrangement import plots
from .figures.classes import TRIPLES
from .figures.runs import drawn
from .html import Html, folded_table, tag
from .overlays import Album, Kept, doubtful
from .sections import Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_PIXELS = 200_000_000
"""Pixels of all label maps up to which a page reads them, which takes a minute; of more `bench explain` does."""
MAX_DOUBTFUL = 6
"""Number of samples whose truth looks wrong that are shown."""
MIN_DOUBTFUL = 0.005
"""Part of the counted pixels that all methods see otherwise from which on a sample is shown."""
GOOD = 0.8
"""Part of the best run's score from which on a method is a good one."""


@dataclass
class LabelMapsRead:
    """What one pass over the label maps of runs gives: causes of errors of each, and where good ones agree.

    doubts : of a sample, how many counted pixels all good methods see otherwise than its truth, and as a part.
    """

    statistics: list[list[Statistic]]
    doubts: dict[str, tuple[int, float]] = field(default_factory=dict)


def section_anatomy(
    section: Section, kept: Sequence[Kept], dataset: Dataset, album: Album
) -> tuple[list[Html], list[Html]]:
    """A stacked bar of the causes of each run's errors, and samples whose truth looks wrong; nothing for other scores.

    Raises UserError where predictions, images and statistics do not belong together.
    """
    family = kept[0].entry.family(TRIPLES)
    if family is None or section.main is None:
        return [], []
    score = explained_score(family, section.main_score, dataset)
    groups = {s.sample_id: s.group for s in kept[0].entry.of(family)}
    if score is None or not groups:
        return [], []
    pixels = np.asarray(dataset.load(next(iter(groups)), ("labels",)).labels).size * len(groups) * len(kept)
    if pixels > MAX_PIXELS:
        return [tag("p", _TOO_MANY.format(round(pixels / 1e6)), class_="note")], []
    good = good_methods(section, kept)
    read = _read(groups, kept, good, dataset)
    found = {
        run.entry.label: anatomy(family, dataset.info, score, statistics)
        for run, statistics in zip(kept, read.statistics, strict=True)
    }
    defined = {label: each for label, each in found.items() if not math.isnan(each.loss)}
    written = _bars(section.title, list(defined), score, list(defined.values())) if defined else []
    return written, _doubtful(read, good, dataset, album)


_TOO_MANY = "What errors come from is not computed here for label maps of {:,} megapixels: 'bench explain RUN' does."


def explained_score(family: Metric, main: str, dataset: Dataset) -> str | None:
    """The main score where it is one of pairs of labels, else the first of the family that is."""
    known = official(dataset.info, [score.name for score in family.scores])
    return main if main in known else next(iter(known), None)


def good_methods(section: Section, kept: Sequence[Kept]) -> list[Kept]:
    """Of each method the best run, of those that come near the best one; empty where these are fewer than two."""
    values = [run.entry.value for run in kept]
    best = max((value for value in values if value is not None), default=None)
    found: dict[str, Kept] = {}
    for run, value in zip(kept, values, strict=True):
        if value is not None and best is not None and section.higher_is_better and value >= GOOD * best:
            found.setdefault(run.entry.record.method.name, run)
    return list(found.values()) if len(found) > 1 else []


def _read(groups: Mapping[str, str], kept: Sequence[Kept], good: Sequence[Kept], dataset: Dataset) -> LabelMapsRead:
    read = LabelMapsRead([[] for _ in kept])
    for sample_id, group in groups.items():
        sample = dataset.load(sample_id, ("labels",))
        truth = np.asarray(sample.labels)
        maps = [run.labels(dataset, sample) for run in kept]
        for statistics, labels in zip(read.statistics, maps, strict=True):
            statistics.append(anatomy_statistic(sample_id, truth, labels, dataset.info, group=group))
        if good:
            chosen = [labels for run, labels in zip(kept, maps, strict=True) if run in good]
            pixels = int(agreed_against_truth(truth, chosen, dataset.info).sum())
            counts = int((~np.isin(truth, list(dataset.info.void))).sum())
            read.doubts[sample_id] = (pixels, pixels / max(counts, 1))
    return read


def _bars(where: str, labels: Sequence[str], score: str, found: Sequence[Anatomy]) -> list[Html]:
    def draw() -> Figure:
        return error_causes(labels, score, found)

    told = "; ".join(
        f"{label}: " + ", ".join(f"{name} {number(each.points[name], '.1f')}" for name in CAUSES if each.pixels[name])
        for label, each in zip(labels, found, strict=True)
    )
    alt = f"Points of {score} that each cause of errors takes. {told}."
    caption = (
        f"What is lost of {score}, in percentage points, by cause. Parts add up to the whole loss: each is the "
        f"mean gain, over all orders, of setting its pixels right. A border may lie {BOUNDARY_PX} pixels elsewhere. "
        "The line below a bar is the 95 % interval of the whole loss."
    )
    rules = [tag("li", tag("strong", name), f": {rule}") for name, rule in CAUSES.items()]
    summary = tag(
        "details", tag("summary", "What the causes mean, in the order in which they are asked for"), tag("ul", rules)
    )
    return [
        tag("h4", "What the errors come from"),
        plots([drawn(draw, alt, caption, "wide")]),
        *(
            table
            for table in (_points(where, labels, score, found), _differences(where, labels, found))
            if table is not None
        ),
        summary,
    ]


def _points(where: str, labels: Sequence[str], score: str, found: Sequence[Anatomy]) -> Html | None:
    """The points of every cause with their intervals, a column for each run."""

    def row(name: str) -> list[str]:
        return [name, *(interval(each.points[name], *_ends(each.intervals[name]), ".2f") for each in found)]

    rows = [row(name) for name in CAUSES if any(each.pixels[name] for each in found)]
    lost = [interval(each.loss, *_ends(each.loss_interval), ".2f") for each in found]
    note = f"Points of {score} lost to each cause, with 95 % intervals of drawn samples, or groups of them."
    return folded_table(
        where, "Points of every cause with intervals", note, ["cause", *labels], [*rows, ["all", *lost]]
    )


def _differences(where: str, labels: Sequence[str], found: Sequence[Anatomy]) -> Html | None:
    """By how many points each run loses more than the first to every cause, both on the same drawn samples."""
    apart = [points_differences(found[0], other) for other in found[1:]]
    rows = [
        [name, *(interval(each[name].points, *_ends(each[name].interval), "+.2f") for each in apart)]
        for name in (*CAUSES, "all")
        if name == "all" or any(each.pixels[name] for each in found)
    ]
    note = f"Points that a run loses more than {labels[0]}, with paired 95 % intervals: both on the same drawn samples."
    title = f"How the causes differ from those of {labels[0]}"
    return folded_table(where, title, note, ["cause", *labels[1:]], rows) if apart else None


def _ends(found: tuple[float, float]) -> tuple[float | None, float | None]:
    return defined(found[0]), defined(found[1])


def _doubtful(read: LabelMapsRead, good: Sequence[Kept], dataset: Dataset, album: Album) -> list[Html]:
    """Samples on which all good methods agree with each other and not with the truth, the most doubtful first."""
    chosen = [(part, pixels, i) for i, (pixels, part) in read.doubts.items() if part >= MIN_DOUBTFUL]
    chosen.sort(key=lambda item: (-item[0], item[2]))
    if not chosen or album.full:
        return []
    names = [run.entry.label for run in good]
    many = counted(len(chosen), "sample")
    text = (
        f"On {many} {', '.join(names[:-1])} and {names[-1]} agree with each other, and not with the label, on "
        f"{100 * MIN_DOUBTFUL:.1f} % or more of the pixels, farther than {BOUNDARY_PX} pixels from any border that "
        "would explain it. Either all are wrong in the same way, or the label is: look."
    )
    figures = []
    for part, pixels, sample_id in chosen[:MAX_DOUBTFUL]:
        if album.full:
            break
        sample = dataset.load(sample_id, ("labels",))
        maps: list[Array] = [run.labels(dataset, sample) for run in good]
        mask = agreed_against_truth(np.asarray(sample.labels), maps, dataset.info)
        title = f"{sample_id}: {pixels:,} pixels ({100 * part:.1f} %) that all see otherwise"
        figures.append(doubtful(dataset, album, sample_id, maps[0], mask, title))
    return [tag("h4", "Truth that looks wrong"), tag("p", text), tag("div", figures, class_="overlays")]
