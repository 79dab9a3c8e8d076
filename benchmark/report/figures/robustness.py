"""Figures of robustness: the score of each method against the level of what was done to the images."""

from __future__ import annotations

from ...boards.robustness import panels
from ...figures.robustness import robustness_curves
from ...io.documents import plain_json
from ...text import counted, number
from ..sections import Section
from .runs import Drawn, drawn


def robustness_figures(section: Section) -> list[Drawn]:
    """One figure with a panel for each corruption; none where no run was made on corrupted images."""
    lines = section.robustness
    if not lines:
        return []
    content = plain_json(list(lines))
    names = ", ".join(panels(lines))
    told = "; ".join(f"{line.label} loses {number(line.mean_relative_drop, '.1%')} on average" for line in lines)
    alt = f"{section.main_score} of {counted(len(lines), 'method')} against the level of {names}: {told}."
    caption = (
        "Robustness: the score on images that were made worse for prediction alone, by level (0: as they are), with "
        "its 95 % interval."
    )
    return [drawn(lambda: robustness_curves(content, section.main_score, section.title), alt, caption, "wide")]
