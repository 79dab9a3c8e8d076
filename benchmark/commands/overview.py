"""`bench` alone: the runs in this folder, the data that was found, and the command to try next."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..data.locations import data_home
from ..errors import UserError
from ..runs.find import run_folders
from ..runs.folder import RECORD
from ..runs.record import Record, read_record

RUNS = Path("runs")


@dataclass(frozen=True)
class Overview:
    """What lies here.

    Parameters
    ----------
    runs : number of run folders below `runs`.
    latest : the record of the newest, where it can be read.
    data_home : folder of data sets.
    data : names of the folders there that hold something.
    next : commands, the first of which is the most likely.
    """

    runs: int
    latest: Record | None
    data_home: Path
    data: tuple[str, ...]
    next: tuple[str, ...]


def overview() -> Overview:
    """Look at the working folder and at the folder of data sets; nothing of the data is read."""
    folders = run_folders(RUNS) if RUNS.is_dir() else []
    latest = None
    if folders:
        try:
            latest = read_record(max(folders, key=lambda folder: (folder / RECORD).stat().st_mtime))
        except (UserError, OSError):
            latest = None
    home = data_home()
    try:
        shown = (p for p in home.iterdir() if p.is_dir() and not p.name.startswith("."))
        data = tuple(sorted(p.name for p in shown if next(p.iterdir(), None) is not None))
    except OSError:
        data = ()
    return Overview(len(folders), latest, home, data, _next(len(folders), latest))


def _next(runs: int, latest: Record | None) -> tuple[str, ...]:
    if not runs:
        return ("bench run --dataset medaka --method unet", "bench list datasets", "bench list methods")
    if latest is not None and not latest.complete and latest.command.startswith("bench run "):
        return (f"{latest.command} --resume",)
    if runs == 1:
        return ("bench report runs --out report", "bench run --help")
    return ("bench compare runs", "bench report runs --out report", "bench leaderboard runs --out boards")
