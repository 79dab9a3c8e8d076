"""The sentences below the figure of a paper: what is shown, how it was chosen, and what must not be overlooked."""

from __future__ import annotations

from collections.abc import Sequence

from ..runs.record import Record
from ..text import counted, samples_of, some
from .panel_choice import Rule, sentence_of
from .panel_document import PanelFigure


def caption(figure: PanelFigure, rule: Rule | None, records: Sequence[Record]) -> list[str]:
    """The sentences in order, warnings first; `rule` is None where samples were not chosen by the score."""
    return [
        *_warnings(figure),
        _what(figure),
        *_chosen(figure, rule),
        *_details(figure),
        *(["Striped: not scored."] if any(each.color is None for each in figure.legend) else []),
        *_inputs(records),
    ]


def _warnings(figure: PanelFigure) -> list[str]:
    synthetic = figure.origin == "synthetic"
    return ["SYNTHETIC DATA, made by a program: not to be shown as real images."] if synthetic else []


def _what(figure: PanelFigure) -> str:
    options = f", {figure.options}" if figure.options else ""
    shown = "where the predictions are wrong" if figure.errors else "the predictions"
    columns = f"image, {'truth and ' if figure.truth else ''}{shown}"
    names = some([run.label for run in figure.runs], len(figure.runs))
    below = f"; below each its {figure.title} on that sample alone" if figure.truth else ""
    return (
        f"{figure.dataset} ({figure.summary}){options}, {figure.protocol}, {samples_of(figure.n, figure.whole_n)}: "
        f"{columns} of {names}{below}."
    )


def _chosen(figure: PanelFigure, rule: Rule | None) -> list[str]:
    shown = counted(len(figure.samples), "sample")
    if rule is not None:
        found = [sentence_of(rule, len(figure.samples), figure.title)]
    elif figure.rule == "samples":
        found = [f"Shown: {shown} that {'were' if len(figure.samples) > 1 else 'was'} chosen by hand."]
    else:
        found = [f"Shown: {shown} evenly over the order of the names."]
    if figure.rule != "samples" and figure.candidates < figure.n:
        found.append(
            f"Chosen among {samples_of(figure.candidates, figure.n)}: those whose prediction every run keeps and whose "
            "score is defined."
        )
    if not figure.truth:
        found.append("The labels of this split are not public: no truth is shown, and no score.")
    return found


def _details(figure: PanelFigure) -> list[str]:
    """Where the details lie of which the figure is made, and that scores are not theirs."""
    cropped = [(each.id, each.crop) for each in figure.samples if each.crop is not None]
    if not cropped:
        return []
    places = [
        f"of {sample_id} {crop.width} x {crop.height} of {crop.of_width} x {crop.of_height} pixels from x = {crop.x}, "
        f"y = {crop.y}"
        for sample_id, crop in cropped
    ]
    found = [f"Details: {'; '.join(places)} (upper left corner)."]
    by = {crop.by for _, crop in cropped}
    if "errors" in by:
        found.append(
            "A detail lies around the largest connected region that any run has wrong, so it is no typical one."
        )
    if "middle" in by:
        nothing = [sample_id for sample_id, crop in cropped if crop.by == "middle"]
        found.append(f"Nothing is wrong in {some(nothing, len(nothing))}: shown is the middle.")
    return found + (["Scores are of the whole samples."] if figure.truth else [])


def _inputs(records: Sequence[Record]) -> list[str]:
    """What was done to the images before they were predicted, which the figure shows as they are."""
    worse = sorted({record.method.corruption for record in records if record.method.corruption is not None})
    return [f"The runs saw images made worse ({', '.join(worse)}); shown are the images as they are."] if worse else []
