"""Parts of the samples of a run: by a property of the images, by class, and by group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..data.sample_attributes import ATTRIBUTES
from ..evaluation.slicing import Slice, slices_of
from ..runs.stored import StoredRun
from ..text import some
from ..types import Dataset, Metric, Progress, UserError

GROUP = "group"
"""The property that is the group of a sample: its video, city or case."""


def slices_by(by: str, values: Sequence[str | float | None], bins: int, notes: list[str]) -> list[Slice]:
    """Slices by a property, with a note where numbers were cut into bins."""
    found = slices_of(by, values, bins)
    if any(each.between is not None for each in found):
        notes.append(f"{by}: numbers are cut at quantiles into {bins} parts of about equally many samples")
    return found


def class_slices(run: StoredRun, ids: Sequence[str], notes: list[str]) -> list[Slice]:
    """The samples that hold each class, as the statistics know: those of one sample may be in several.

    Classes that all of them hold are no slices, and are named in `notes`.

    Raises UserError where all hold the same classes, or no statistics tell.
    """
    names = {c.id: c.name for c in (*run.info.classes, *run.info.segment_classes)}
    for metric in run.metrics:
        sides = {s.sample_id: metric.truth_side(s) for s in run.statistics.of(metric.name)}
        key = next((k for k in ("truth", "category", "label") if all(k in side for side in sides.values())), None)
        if key is None or not sides:
            continue
        held = {sample_id: set(side[key].tolist()) for sample_id, side in sides.items()}
        found = [Slice("class", name, np.array([label in held[i] for i in ids])) for label, name in names.items()]
        parts = [each for each in found if each.member.any() and not each.member.all()]
        if not parts:
            raise UserError(f"--by class: every sample of '{run.folder}' holds the same classes")
        everywhere = [each.name for each in found if each.member.all()]
        if everywhere:
            notes.append(f"class: all samples hold {some(everywhere, 10)}, so no parts can be made by that")
        return parts
    raise UserError(f"'{run.folder}' has no statistics that say which classes a sample holds; use another --by")


def group_slices(run: StoredRun, metric: Metric) -> list[Slice]:
    """The samples of each group: of a video, a city or a case.

    Raises UserError where there are fewer than two groups.
    """
    groups = [s.group for s in run.statistics.of(metric.name)]
    found = slices_of(GROUP, [group or None for group in groups], 0)
    if len(found) < 2:
        raise UserError(f"--by {GROUP}: the samples of '{run.folder}' are of one group; use another --by")
    return found


def attribute_slices(
    by: str, ids: Sequence[str], dataset: Dataset, bins: int, notes: list[str], progress: Progress = lambda *_: None
) -> list[Slice]:
    """Slices by a property of the image or the labels of every sample (`ATTRIBUTES`).

    Raises UserError where no sample has it.
    """
    attribute = ATTRIBUTES[by]
    found: list[str | float | None] = []
    for done, sample_id in enumerate(ids, 1):
        sample = dataset.load(sample_id, (attribute.part,))
        found.append(attribute.of(sample, dataset.info))
        progress(done, len(ids), "")
    if all(value is None for value in found):
        what = "an image" if attribute.part == "image" else "an object"
        raise UserError(f"--by {by}: no sample below '{dataset.root}' has {what}")
    notes.append(f"{by}: {attribute.meaning}")
    return slices_by(by, found, bins, notes)
