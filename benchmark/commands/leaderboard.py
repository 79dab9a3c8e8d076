"""`bench leaderboard`: markdown boards of stored runs, and the same for machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..boards.board import boards, write_boards, write_plots
from ..boards.rank_spans import rank_spans
from ..boards.ranking import RankedGroup, ranking
from ..io.reporter import Reporter
from ..runs.find import find_runs


@dataclass(frozen=True)
class LeaderboardRequest:
    """What the user asked for: run folders or folders of them, and the folder for the pages.

    `pages` : whether the pages are wanted without a folder too; their ranks are tested pair by pair, which takes a
    while.
    """

    runs: tuple[Path, ...] = (Path("runs"),)
    out: Path | None = None
    pages: bool = True


@dataclass(frozen=True)
class Leaderboard:
    """Groups of comparable runs with their ranks, the pages by file name, and the files that were written."""

    groups: list[RankedGroup]
    pages: Mapping[str, str]
    files: tuple[Path, ...] = ()


def leaderboard(request: LeaderboardRequest, reporter: Reporter) -> Leaderboard:
    """Rank all runs that may be compared, each once; equal runs give equal bytes.

    Raises
    ------
    UserError
        Where there is no run, or one of a dataset that is not known.
    """
    found = find_runs(request.runs, reporter.warn)
    records = [record for _, record in found]
    wanted = request.pages or request.out is not None
    pages = boards(records, rank_spans(found)) if wanted else {}
    files: tuple[Path, ...] = ()
    if request.out is not None:
        write_boards(pages, request.out)
        files = (*(request.out / name for name in pages), *write_plots(records, request.out))
        reporter.say(f"wrote {', '.join(map(str, files))}")
    return Leaderboard(ranking(records), pages, files)
