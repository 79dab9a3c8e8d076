"""`bench report`: one page of runs, for people: boards, plots and overlays, with nothing to fetch."""

from __future__ import annotations

from pathlib import Path

from ..io.atomic import is_temporary, write_text
from ..io.reporter import Reporter
from ..report.build import ReportSummary, build_page
from ..report.page import GENERATOR
from ..runs.find import find_runs
from ..runs.remote import folders_of
from ..runs.stored_requests import ReportRequest as ReportRequest
from ..types import UserError

PAGE = "index.html"


def report(request: ReportRequest, reporter: Reporter) -> ReportSummary:
    """Write `index.html`; equal runs give equal bytes.

    Raises
    ------
    UserError
        Where there is no run, or the folder holds anything but an earlier page.
    """
    refuse_foreign(request.out)
    found = find_runs(folders_of(request.runs, reporter), reporter.warn)
    built = build_page(found, request.root, reporter)
    write_text(request.out / PAGE, built.text)
    return ReportSummary(
        page=str(request.out / PAGE),
        bytes=len(built.text.encode("utf-8", "backslashreplace")),
        runs=len(found),
        sections=built.sections,
        not_ranked=built.not_ranked,
    )


def refuse_foreign(folder: Path) -> None:
    """A folder takes the page when it is empty or new, or holds an earlier page.

    Raises UserError for any other folder.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"'{folder}' is a file; --out is to be a folder for {PAGE}")
    there = folder.iterdir() if folder.is_dir() else ()
    held = sorted(path.name for path in there if not is_temporary(path))  # but for what a kill has left
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
