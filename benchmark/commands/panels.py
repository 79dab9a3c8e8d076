"""`bench panels`: the qualitative figure of a paper, samples in rows and runs in columns, as PDF, SVG or PNG."""

from __future__ import annotations

from pathlib import Path

from ..boards.panel_choice import ChosenSamples, Rule, choose, defined_places, evenly
from ..boards.panel_document import PanelFigure as PanelFigure
from ..boards.panel_figure import panel_figure
from ..boards.panel_runs import ScoresBySample, panel_runs, sample_scores
from ..figures.lengths import CM_PER_INCH, inches
from ..figures.panel_sheet import MIN_PANE_CM, PageWidth, write_panels
from ..io.reporter import Reporter
from ..report.overlays import hexadecimal
from ..report.panel_crops import Crops
from ..report.panel_rows import PanelData, panel_grid
from ..runs.remote import folders_of
from ..runs.stored_requests import PanelsRequest as PanelsRequest
from ..types import UserError

_ENDINGS = (".pdf", ".svg", ".png")
_MAX_WIDTH_CM = 120.0
_PAGE_CM = 24.0
"""Height of the text of a page, above which a figure fits on none."""


def panels(request: PanelsRequest, reporter: Reporter) -> PanelFigure:
    """Write the figure of runs on the same samples; equal runs and data give equal bytes.

    Raises
    ------
    UserError
        For a file whose name says no format; a width that is none, or too narrow for the columns; runs that were not
        scored on the same samples, or keep no predictions; a sample that is not there; a detail that is none, or
        reaches out of its image; and where images are missing.
    """
    _refuse_file(request.out)
    if request.samples and request.pick is not None:
        raise UserError(f"--samples names what is shown, and --pick {request.pick} chooses it; give one of them")
    crops = Crops.of(request.crop)
    width = inches(request.width)
    runs = panel_runs(folders_of(request.runs, reporter), reporter.warn)
    page = _page(width, request.dpi, len(runs) + 1 + bool(runs[0].record.scores))
    data = PanelData.of(runs, request.root, reporter)
    scores = sample_scores(runs)
    if not data.scored:
        crops.refuse_without_truth()
    chosen = _chosen(request, data, scores, tuple(crops.named))
    crops.refuse_others(chosen.ids)
    if chosen.how != "samples" and len(chosen.ids) < request.count:
        reporter.warn(f"--count {request.count}: there are only {len(chosen.ids)} samples to choose from")
    grid, details = panel_grid(data, chosen.ids, scores, page, crops, errors=request.errors)
    legend = [(each.name, None if each.color is None else hexadecimal(each.color)) for each in grid.legend]
    made = panel_figure(runs, data.labels, scores, chosen, legend, details, errors=request.errors)
    _, height = write_panels(request.out, grid, page, " ".join(made.caption))
    made = made.model_copy(
        update={
            "file": str(request.out),
            "width_cm": round(width * CM_PER_INCH, 2),
            "height_cm": round(height / request.dpi * CM_PER_INCH, 2),
            "dpi": request.dpi,
        }
    )
    reporter.say(f"wrote {request.out}")
    if made.height_cm > _PAGE_CM:
        reporter.warn(
            f"{request.out} is {made.height_cm:.1f} cm high, more than a page holds. Show fewer samples with --count, "
            "or make it narrower with --width."
        )
    return made


def _refuse_file(out: Path) -> None:
    if out.suffix.lower() not in _ENDINGS:
        raise UserError(f"--out {out} says no format; expected a file that ends in {', '.join(_ENDINGS)}")
    if out.is_dir():
        raise UserError(f"--out {out} is a folder; expected the name of a file, such as {out}/panels.pdf")


def _page(width: float, dpi: int, columns: int) -> PageWidth:
    """The width of the page. Raises UserError where it is too narrow or too wide."""
    page = PageWidth(width, dpi, columns)
    if width * CM_PER_INCH > _MAX_WIDTH_CM:
        raise UserError(f"--width {width * CM_PER_INCH:.0f}cm is more than {_MAX_WIDTH_CM:.0f} cm; is the unit right?")
    if page.pane / dpi * CM_PER_INCH < MIN_PANE_CM:
        raise UserError(
            f"--width {width * CM_PER_INCH:.1f}cm leaves {max(page.pane, 0) / dpi * CM_PER_INCH:.1f} cm for each of "
            f"{columns} columns; at least {MIN_PANE_CM:.0f} cm are needed. Name fewer runs, or give a larger --width."
        )
    return page


def _chosen(request: PanelsRequest, data: PanelData, scores: ScoresBySample, cropped: tuple[str, ...]) -> ChosenSamples:
    """The samples that were named, by `--crop` too, that a rule chose by the scores, or evenly where none is scored."""
    named = request.samples or (() if request.pick or request.count != PanelsRequest.count else cropped)
    if named:
        return ChosenSamples(data.named(named), "samples", len(data.ids))
    if scores.info is None:
        if request.pick is not None:
            split = data.kept[0].entry.record.dataset.split
            raise UserError(
                f"--pick {request.pick} needs scores, and the labels of split {split} are not public. Name samples "
                "with --samples, or leave --pick out to show some evenly."
            )
        return ChosenSamples(tuple(data.ids[k] for k in evenly(len(data.ids), request.count)), "names", len(data.ids))
    shown = frozenset(data.ids)
    places = [place for place, sample_id in enumerate(scores.ids) if sample_id in shown]
    values = scores.values[:, places]
    rule: Rule = request.pick or "spread"
    found = choose(values, rule, request.count, higher_is_better=scores.info.higher_is_better)
    return ChosenSamples(tuple(scores.ids[places[k]] for k in found), rule, len(defined_places(values)))
