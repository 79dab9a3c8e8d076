"""`segbench.compare` and `segbench.check`."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from .places import places_of
from .reporting import ShowProgress, reporter_for

if TYPE_CHECKING:
    from ..boards.check_result import CheckResult
    from ..boards.comparison_document import Comparison


def compare(
    *runs: str | PathLike[str] | Iterable[str | PathLike[str]],
    dataset: str | None = None,
    split: str | None = None,
    score: str | None = None,
    target: float | None = None,
    resamples: int = 2000,
    seed: int = 0,
    blocks: int | None = None,
    by_class: bool = False,
    out: str | PathLike[str] | None = None,
    progress: ShowProgress = "auto",
) -> Comparison:
    """Say which run is better, by how much, and whether it could be chance: what `bench compare` does.

    Parameters
    ----------
    *runs : paths
        Two runs or more: what `segbench.run` returned, run folders, folders of them, addresses (`https://…`) of an
        index of results, or sequences of these. Runs that were scored on the same samples are compared with each other.
    dataset, split : str, optional
        Compare runs on this dataset, on this split alone.
    score : str, optional
        Name of the score to compare; by default the dataset's main score. `iou@car` is that of a class,
        `iou@car,person` the mean of several, `iou@things` or `iou@stuff` that of all classes of a kind.
    target : float, optional
        Say too how many labels each method needs for this score, from runs on several fractions of them.
    resamples : int
        Bootstrap samples, at least 100; p values use ten times as many swaps, or as many for scores that are no
        function of sums (AP).
    seed : int
        Seed of the bootstrap.
    blocks : int, optional
        Draw and swap so many consecutive samples of a film or stack together, from 2, where there are fewer than 5 of
        these: neighbouring frames are alike, and count as independent otherwise.
    by_class : bool
        Compare the runs on every class too, with p values that are adjusted for all classes together.
    out : path, optional
        A file to write: `.csv` has a row for each pair of runs, and with `by_class` for each class; `.json` has all
        that is returned.
    progress : bool, "auto" or Reporter
        Bars always, never, or where someone watches: in a notebook and at a terminal.

    Returns
    -------
    Comparison
        Ranks, paired differences with intervals and p values, costs, winners by class and by sample. A notebook shows
        it as a table; `plot()` draws it; `to_json()` is what `bench compare --json` prints. Where the runs form several
        groups it is that of the largest one, and `groups` holds them all; `alone` names the runs without a counterpart.

    Raises
    ------
    UserError
        For fewer than two runs, runs of which no two are comparable (with the reason), or a score that none has.

    Examples
    --------
    >>> found = compare("runs", score="dice")                                          # doctest: +SKIP
    >>> found.runs[0].label, found.differences[0].p_adjusted                            # doctest: +SKIP
    >>> compare("runs", score="iou@car", out="car.csv")                                # doctest: +SKIP
    """
    from ..commands.compare import compare as do_compare
    from ..runs.options import as_typed
    from ..runs.stored_requests import CompareRequest

    request = as_typed(
        CompareRequest(
            runs=places_of(runs),
            dataset=dataset,
            split=split,
            score=score,
            target=target,
            resamples=resamples,
            seed=seed,
            blocks=blocks,
            by_class=by_class,
            out=None if out is None else Path(out),
        )
    )
    return do_compare(request, reporter_for(progress))


def check(
    baseline: str | PathLike[str],
    runs: str | PathLike[str] = "runs",
    *,
    tolerance: float = 0.005,
    slowdown: float | None = None,
    score: str | None = None,
    strict: bool = False,
    update: bool = False,
    junit: str | PathLike[str] | None = None,
    summary: str | PathLike[str] | None = None,
    progress: ShowProgress = "auto",
) -> CheckResult:
    """Say whether a method got worse than its baseline, by more than tolerance and noise: what `bench check` does.

    Parameters
    ----------
    baseline : path
        Folder of the run folders to hold the runs against.
    runs : path
        Folder of the runs to check.
    tolerance : float
        A smaller loss never fails; in the score's unit, from 0.
    slowdown : float, optional
        Also fail where fitting or predicting takes this many times as long, from 1.
    score : str, optional
        Name of the score; by default each run's main score.
    strict : bool
        Also fail where the baseline lacks a run, or a run was not finished; else a warning names them.
    update : bool
        Make the runs the new baseline instead.
    junit, summary : path, optional
        Write JUnit XML; append a summary in markdown.
    progress : bool, "auto" or Reporter
        Bars always, never, or where someone watches: in a notebook and at a terminal.

    Returns
    -------
    CheckResult
        `ok` is False where a run got worse, or the test set could not have shown a loss. A notebook shows it as a
        table; `plot()` draws it.

    Raises
    ------
    UserError
        For a baseline without runs, a run that is missing, or runs that are not comparable with their baseline.

    Examples
    --------
    >>> check("leaderboards/baseline", "runs").ok                                       # doctest: +SKIP
    """
    from ..commands.check import check as do_check
    from ..runs.options import as_typed
    from ..runs.stored_requests import CheckRequest

    request = as_typed(
        CheckRequest(
            baseline=Path(baseline),
            runs=Path(runs),
            tolerance=tolerance,
            slowdown=slowdown,
            score=score,
            strict=strict,
            update=update,
            junit=None if junit is None else Path(junit),
            summary=None if summary is None else Path(summary),
        )
    )
    return do_check(request, reporter_for(progress))
