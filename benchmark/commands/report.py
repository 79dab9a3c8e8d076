"""`bench report`: one page of runs, for people: boards, plots and overlays, with nothing to fetch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..boards.comparable import ranks, why_not_ranked
from ..io.atomic import write_text
from ..io.reporter import Reporter
from ..predictions.find import find_predictions
from ..registry import hooks, metrics
from ..report.figures.classes import class_figures
from ..report.figures.partition import partition_figures
from ..report.figures.runs import Drawn, section_figures
from ..report.html import Html, tag
from ..report.open_sections import open_section, ordered_groups
from ..report.overlays import Album, Kept, key, overlays
from ..report.page import GENERATOR, not_ranked, page, section_html
from ..report.sections import Entry, Section
from ..runs.find import find_runs
from ..runs.folder import PREDICTIONS
from ..runs.open_data import open_dataset
from ..runs.request import ReportRequest as ReportRequest
from ..text import counted
from ..types import Dataset, UserError

PAGE = "index.html"
OVERLAID = 4
"""The samples of so many runs that kept their predictions are shown."""
KEEP = "bench run … --save-predictions"


def report(request: ReportRequest, reporter: Reporter) -> dict[str, Any]:
    """Write `index.html`; equal runs give equal bytes. What was written: {page, bytes, runs, sections, not_ranked}.

    Raises
    ------
    UserError
        Where there is no run, or the folder holds anything but an earlier page.
    """
    refuse_foreign(request.out)
    found = find_runs(request.runs, reporter.warn)
    groups = ordered_groups(found)
    album = Album()
    written: list[Html] = []
    about: list[dict[str, Any]] = []
    links: list[tuple[str, str]] = []
    with reporter.progress("report") as update:
        for number, (comparable, members) in enumerate(groups):
            update(number, len(groups), comparable.dataset)
            section = open_section(comparable, members, reporter)
            html, summary = _filled(section, number, request.root, album, reporter)
            written.append(html)
            place = {"dataset": comparable.dataset, "origin": comparable.origin, "split": comparable.split}
            about.append({**place, **summary})
            links.append((f"section-{number}", section.title))
        update(len(groups), len(groups), "")
    left_out = [(record.run_id, why_not_ranked(record)) for _, record in found if not ranks(record)]
    if (unranked := not_ranked(left_out)) is not None:
        written.append(unranked)
        links.append(("not-ranked", "Not ranked"))
    names = ", ".join(dict.fromkeys(comparable.dataset for comparable, _ in groups))
    on = f" on {names}" if names else ""
    lead = f"{counted(len(found), 'run')}{on}. Runs stand in one section where they may be compared."
    text = page(written, links, lead, album)
    write_text(request.out / PAGE, text)
    return {
        "page": str(request.out / PAGE),
        "bytes": len(text.encode("utf-8", "backslashreplace")),
        "runs": len(found),
        "sections": about,
        "not_ranked": [{"run_id": name, "why": why} for name, why in left_out],
    }


def refuse_foreign(folder: Path) -> None:
    """A folder takes the page when it is empty or new, or holds an earlier page."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"'{folder}' is a file; --out is to be a folder for {PAGE}")
    held = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if not held:
        return
    mark = f'<meta name="generator" content="{GENERATOR}">'
    if PAGE not in held or mark not in _start(folder / PAGE):
        raise UserError(
            f"'{folder}' is not empty and holds no page of 'bench report' ('{held[0]}'); choose another --out"
        )


def _start(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(4096)


def _filled(
    section: Section, number: int, root: Path | None, album: Album, reporter: Reporter
) -> tuple[Html, dict[str, Any]]:
    """A section's markup and what is to be said of it on the terminal."""
    figures: list[Drawn] = []
    families = metrics().values()
    own = [draw for _, draw in hooks(families, "report_figures")]
    for draw in (section_figures, class_figures, partition_figures, *own):
        try:
            figures += draw(section)
        except UserError as error:
            reporter.warn(f"a figure of {section.title} is left out: {error}")
    extra: list[Html] = []
    for _, make in hooks(families, "report_table"):
        if (found := make(section)) is not None:
            extra += [tag("h3", found[0]), found[1]]
    before = album.bytes
    shown = _overlaid(section, root, album, reporter)
    summary = {
        "runs": len(section.entries),
        "compared": section.compared is not None,
        "figures": len(figures),
        "overlays": album.bytes > before,
    }
    return section_html(section, number, figures, extra, shown), summary


def _overlaid(section: Section, root: Path | None, album: Album, reporter: Reporter) -> list[Html]:
    """Overlays of the runs that kept their predictions, or a sentence that says how to get them."""
    entries = [entry for entry in section.opened if (entry.folder / PREDICTIONS).is_dir()]
    if not entries:
        return [_said(f"No run kept its predictions. Run again with {KEEP} to see samples here.")]
    try:
        dataset = _dataset(entries[0], root, reporter)
    except UserError as error:
        reporter.say(f"no overlays of {section.title}: {error}")
        return [_said(f"The images of {section.name} were not found. Say where they are with --root DIR.")]
    written: list[Html] = []
    try:
        kept = [_kept(entry, dataset) for entry in entries[:OVERLAID]]
        for head, figures in overlays(section, kept, dataset, album):
            written += [tag("h4", head), tag("div", figures, class_="overlays")]
        for _, make in hooks(kept[0].entry.metrics, "report_strip"):
            written += make(kept[0], dataset, album)
    except UserError as error:
        reporter.warn(f"overlays of {section.title} end early: {error}")
        section.notes.append("Some samples are left out: predictions, images and statistics do not belong together.")
    if album.full:
        section.notes.append("Further samples are left out, to keep the page small.")
    if len(entries) > OVERLAID:
        section.notes.append(f"Samples of the best {OVERLAID} of {len(entries)} runs that kept their predictions.")
    if dataset.info.task == "binary":
        section.notes.append("Of a prediction that holds probabilities, what is above 0.5 is shown.")
    return [key(dataset.info, pair=len(entries) > 1), *written] if written else written


def _said(text: str) -> Html:
    return tag("p", text, class_="note")


def _dataset(entry: Entry, root: Path | None, reporter: Reporter) -> Dataset:
    """The data that a run was scored on. Raises UserError where it is not there."""
    data = entry.record.dataset
    source = data.origin if root is None else "auto"
    dataset, location = open_dataset(data.name, root, source, data.options, reporter, may_synthesize=False)
    if location.origin != data.origin or dataset.info.version != data.version:
        raise UserError(f"the data below '{location.root}' is not that of {entry.record.run_id}")
    return dataset


def _kept(entry: Entry, dataset: Dataset) -> Kept:
    assert entry.statistics is not None
    scored = {s.sample_id for s in entry.statistics}
    ids = dataset.ids(entry.record.dataset.split)
    if len(scored) == entry.record.dataset.n:
        ids = tuple(i for i in ids if i in scored)
    if not scored <= set(ids):
        raise UserError(f"samples of {entry.record.run_id} are not below '{dataset.root}'")
    return Kept(entry, find_predictions(dataset, ids, entry.folder / PREDICTIONS))
