"""Reliability diagrams of the runs of a section that were scored for calibration."""

from __future__ import annotations

from ...figures.calibration import reliability_diagram
from ...metrics.calibration import Calibration, reliability
from ...text import number
from ..sections import Section
from .runs import Drawn, drawn, names


def calibration_figures(section: Section) -> list[Drawn]:
    """One diagram with a line for each of the detailed runs; none where no run has probabilities."""
    scored = [(entry, entry.family(tuple(Calibration.columns))) for entry in section.detailed]
    found = [(entry, reliability(entry.of(family))) for entry, family in scored if family is not None]
    drawn_ones = [(entry, bins) for entry, bins in found if bins]
    if not drawn_ones:
        return []
    labels = names([entry for entry, _ in drawn_ones])
    runs = [(label, bins) for label, (_, bins) in zip(labels, drawn_ones, strict=True)]
    errors = [entry.record.scores["ece"].value for entry, _ in drawn_ones]
    told = ", ".join(f"{label} {number(error, '.3f')}" for label, error in zip(labels, errors, strict=True))
    alt = f"Part of the pixels that are right against the confidence of {len(runs)} runs. ECE: {told}."
    caption = (
        "Reliability: above, how often a pixel of this confidence is right, which is on the dashed line where "
        f"probabilities hold; below, how many pixels have it. Expected calibration error: {told}."
        f"{section.part_shown([entry for entry, _ in drawn_ones])}"
    )
    return [drawn(lambda: reliability_diagram(runs, section.title), alt, caption)]
