"""`bench leaderboard`: markdown boards of stored runs, and the same for machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..boards.board import boards, write_boards
from ..boards.board_plots import write_plots
from ..boards.over_datasets import over_datasets
from ..boards.rank_spans import rank_spans
from ..boards.ranking import RankedGroup, ranking
from ..io.reporter import Reporter
from ..runs.find import find_runs
from ..runs.remote import folders_of
from ..runs.stored_requests import LeaderboardRequest as LeaderboardRequest
from ..types import UserError


@dataclass(frozen=True)
class Leaderboard:
    """Groups of comparable runs with their ranks, the pages by file name, and the files that were written."""

    groups: list[RankedGroup]
    pages: Mapping[str, str]
    files: tuple[Path, ...] = ()


def leaderboard(request: LeaderboardRequest, reporter: Reporter, *, pages: bool = True) -> Leaderboard:
    """Rank all runs that may be compared, each once; equal runs give equal bytes.

    `pages` says whether the pages are wanted without a folder too: their ranks are tested pair by pair, which takes a
    while.

    Raises
    ------
    UserError
        Where there is no run, or one of a dataset that is not known, or options are given that are of no board.
    """
    if request.key is not None or request.signers is not None:
        raise UserError("--key goes with --sign RUN, and --signers with --validate RUN")
    found = find_runs(folders_of(request.runs or (Path("runs"),), reporter), reporter.warn)
    records = [record for _, record in found]
    wanted = pages or request.out is not None
    texts = boards(records, rank_spans(found), over_datasets(found)) if wanted else {}
    files: tuple[Path, ...] = ()
    if request.out is not None:
        write_boards(texts, request.out)
        files = (*(request.out / name for name in texts), *write_plots(records, request.out))
        reporter.say(f"wrote {', '.join(map(str, files))}")
    return Leaderboard(ranking(records), texts, files)
