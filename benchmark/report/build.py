"""From run folders to the page: its sections with figures, tables, samples and notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..boards.comparable import ranks, why_not_ranked
from ..boards.people import people_beside
from ..boards.robustness import corrupted_beside
from ..io.documents import Document
from ..io.reporter import Reporter
from ..registry import hooks, metrics
from ..runs.find import FoundRun
from ..text import counted
from ..types import UserError
from .figures.classes import class_figures
from .figures.partition import partition_figures
from .figures.robustness import robustness_figures
from .figures.runs import Drawn, section_figures
from .html import Html, tag
from .open_sections import open_section, ordered_groups
from .overlays import Album
from .page import not_ranked, page, section_html
from .samples import section_samples
from .sections import Section
from .slices import section_slices


class SectionSummary(Document):
    """What a section of the page shows; `compared` : its runs were tested against each other."""

    dataset: str
    origin: str
    split: str
    runs: int
    compared: bool
    figures: int
    overlays: bool


class LeftOut(Document):
    """A run that is not ranked, and why."""

    run_id: str
    why: str


class ReportSummary(Document):
    """What `bench report` wrote."""

    page: str
    bytes: int
    runs: int
    sections: list[SectionSummary]
    not_ranked: list[LeftOut]


@dataclass(frozen=True)
class BuiltPage:
    """The text of a page and what it shows."""

    text: str
    sections: list[SectionSummary]
    not_ranked: list[LeftOut]


def build_page(found: Sequence[FoundRun], root: Path | None, reporter: Reporter) -> BuiltPage:
    """Build the page of runs; equal runs give equal text.

    Parameters
    ----------
    found : sequence of FoundRun
    root : Path or None
        Where the images lie; None looks in the default places.
    reporter : Reporter
    """
    groups = ordered_groups(found)
    album = Album()
    written: list[Html] = []
    summaries: list[SectionSummary] = []
    links: list[tuple[str, str]] = []
    beside: set[str] = set()
    with reporter.progress("report") as update:
        for number, (comparable, members) in enumerate(groups):
            update(number, len(groups), comparable.dataset)
            people = people_beside(comparable, found, lambda run: run.record)
            corrupted = corrupted_beside(comparable, [run.record for run in members], found, lambda run: run.record)
            beside |= {record.run_id for _, record in (*people, *corrupted)}
            section = open_section(comparable, members, people, corrupted, reporter)
            html, summary = _filled(section, number, root, album, reporter)
            written.append(html)
            summaries.append(summary)
            links.append((f"section-{number}", section.title))
        update(len(groups), len(groups), "")
    left_out = [
        LeftOut(run_id=r.run_id, why=why_not_ranked(r)) for _, r in found if not ranks(r) and r.run_id not in beside
    ]
    if (unranked := not_ranked([(each.run_id, each.why) for each in left_out])) is not None:
        written.append(unranked)
        links.append(("not-ranked", "Not ranked"))
    unranked_on = sorted(record.dataset.name for _, record in found)
    names = ", ".join(dict.fromkeys([*(comparable.dataset for comparable, _ in groups), *unranked_on]))
    on = f" on {names}" if names else ""
    lead = f"{counted(len(found), 'run')}{on}. Runs stand in one section where they may be compared."
    return BuiltPage(page(written, links, lead, album), summaries, left_out)


def _filled(
    section: Section, number: int, root: Path | None, album: Album, reporter: Reporter
) -> tuple[Html, SectionSummary]:
    """A section's markup and what is to be said of it on the terminal."""
    figures = _figures(section, reporter)
    extra: list[Html] = []
    for _, make in hooks(metrics().values(), "report_table"):
        if (found := make(section)) is not None:
            extra += [tag("h3", found[0]), found[1]]
    extra += section_slices(section, root, reporter)
    before = album.bytes
    shown = section_samples(section, root, album, reporter)
    data = section.entries[0].record.dataset
    summary = SectionSummary(
        dataset=data.name,
        origin=data.origin,
        split=data.split,
        runs=len(section.entries),
        compared=section.compared is not None,
        figures=len(figures),
        overlays=album.bytes > before,
    )
    return section_html(section, number, figures, extra, shown), summary


def _figures(section: Section, reporter: Reporter) -> list[Drawn]:
    figures: list[Drawn] = []
    own = [draw for _, draw in hooks(metrics().values(), "report_figures")]
    for draw in (section_figures, robustness_figures, class_figures, partition_figures, *own):
        try:
            figures += draw(section)
        except UserError as error:
            reporter.warn(f"a figure of {section.title} is left out: {error}")
    return figures
