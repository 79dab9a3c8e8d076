"""`segbench.compare`."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from .reporting import ShowProgress, reporter_for

if TYPE_CHECKING:
    from ..boards.comparison import Comparison


def compare(
    *runs: str | PathLike[str] | Iterable[str | PathLike[str]],
    score: str | None = None,
    target: float | None = None,
    resamples: int = 2000,
    seed: int = 0,
    progress: ShowProgress = "auto",
) -> Comparison:
    """Say which run is better, by how much, and whether it could be chance: what `bench compare` does.

    Parameters
    ----------
    *runs : paths
        Two runs or more that were scored on the same samples: what `segbench.run` returned, run folders, folders of
        them, or sequences of these.
    score : str, optional
        Name of the score to compare; by default the dataset's main score.
    target : float, optional
        Say too how many labels each method needs for this score, from runs on several fractions of them.
    resamples : int
        Bootstrap samples and permutations, from 100.
    seed : int
        Seed of the bootstrap.
    progress : bool, "auto" or Reporter
        Bars always, never, or where someone watches: in a notebook and at a terminal.

    Returns
    -------
    Comparison
        Ranks, paired differences with intervals and p values, costs, winners by class and by sample. A notebook shows
        it as a table; `plot()` draws it; `to_json()` is what `bench compare --json` prints.

    Raises
    ------
    UserError
        For fewer than two runs, runs that are not comparable (with the reason), or a score that one of them lacks.

    Examples
    --------
    >>> found = compare("runs", score="dice")                                          # doctest: +SKIP
    >>> found.runs[0].label, found.differences[0].p_adjusted                            # doctest: +SKIP
    """
    from ..commands.compare import compare as do_compare
    from ..runs.options import refuse_out_of_range
    from ..runs.request import CompareRequest

    request = CompareRequest(runs=_paths(runs), score=score, target=target, resamples=resamples, seed=seed)
    refuse_out_of_range(request)
    return do_compare(request, reporter_for(progress))


def _paths(given: Iterable[str | PathLike[str] | Iterable[str | PathLike[str]]]) -> tuple[Path, ...]:
    found: list[Path] = []
    for each in given:
        found += [Path(each)] if isinstance(each, str | PathLike) else map(Path, each)
    return tuple(found)
