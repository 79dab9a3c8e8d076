"""`segbench.slice_runs` and `segbench.plan`: questions to stored runs other than which is better."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from .reporting import ShowProgress, reporter_for

if TYPE_CHECKING:
    from ..boards.plan_document import SizePlan
    from ..boards.slice_document import Sliced


def slice_runs(
    *runs: str | PathLike[str] | Iterable[str | PathLike[str]],
    by: str | Sequence[str],
    score: str | None = None,
    bins: int = 4,
    root: str | PathLike[str] | None = None,
    permutations: int = 2000,
    seed: int = 0,
    progress: ShowProgress = "auto",
) -> Sliced:
    """Score parts of the samples, the worst first, and test whether it is worse by more than chance: `bench slice`.

    Parameters
    ----------
    *runs : paths
        One run or several on the same samples: what `segbench.run` returned, run folders, or sequences of these.
    by : str, or sequence of str
        `FILE.csv:COLUMN`, class, size, position, brightness or blur.
    score : str, optional
        Name of the score; by default the dataset's main score.
    bins : int
        Parts that numbers are cut into, of equally many samples, 2 to 50.
    root : path, optional
        Where images and labels lie, for all but tables and class.
    permutations : int
        Permutations of the test, from 100.
    seed : int
        Seed of the permutations.
    progress : bool, "auto" or Reporter
        Bars always, never, or where someone watches: in a notebook and at a terminal.

    Returns
    -------
    Sliced
        An answer in a sentence, and the slices with scores, intervals, gaps and p values. A notebook shows it as a
        table; `to_json()` is what `bench slice --json` prints.

    Raises
    ------
    UserError
        For runs that are not comparable, a property that there is not, a CSV file that cannot be used, and images or
        labels that are not found.

    Examples
    --------
    >>> found = slice_runs("runs/voc2012-unet", by=["class", "cameras.csv:camera"])      # doctest: +SKIP
    >>> found.answer, found.slices[0].scores[0].p_adjusted                               # doctest: +SKIP
    """
    from ..commands.slice import slice_runs as do_slice
    from ..runs.options import as_typed
    from ..runs.stored_requests import SliceRequest

    request = as_typed(
        SliceRequest(
            runs=_folders(runs),
            by=(by,) if isinstance(by, str) else tuple(by),
            score=score,
            bins=bins,
            root=None if root is None else Path(root),
            permutations=permutations,
            seed=seed,
        )
    )
    return do_slice(request, reporter_for(progress))


def plan(
    *runs: str | PathLike[str] | Iterable[str | PathLike[str]],
    score: str | None = None,
    width: float | None = None,
    difference: float | None = None,
    seconds_per_label: float | None = None,
    out: str | PathLike[str] | None = None,
    progress: ShowProgress = "auto",
) -> SizePlan:
    """Say how many images a test set takes for an interval or a difference: what `bench plan` does.

    Parameters
    ----------
    *runs : paths
        A run, two to compare, or several of a learning curve: what `segbench.run` returned, run folders, folders of
        them, or sequences of these.
    score : str, optional
        Name of the score; by default the dataset's main score.
    width : float, optional
        Full width that the 95 % interval is to have, in the score's unit; by default half of what it is now.
    difference : float, optional
        Difference that is to be seen, in the score's unit; by default the one between the two runs.
    seconds_per_label : float, optional
        Time to label one image, for the time that labelling takes.
    out : path, optional
        Folder for a plot, as SVG and PNG.
    progress : bool, "auto" or Reporter
        Bars always, never, or where someone watches: in a notebook and at a terminal.

    Returns
    -------
    SizePlan
        The sizes that are needed, and width and visible difference by size. A notebook shows it as a table; `plot()`
        draws it; `to_json()` is what `bench plan --json` prints.

    Raises
    ------
    UserError
        For runs that are not comparable, a score that they lack, too few samples, and targets that are not above 0.

    Examples
    --------
    >>> found = plan("runs/isbi2012-unet", "runs/isbi2012-fcn", difference=0.005)        # doctest: +SKIP
    >>> found.needed[1].units, found.needed[1].units_high                               # doctest: +SKIP
    """
    from ..commands.plan import plan as do_plan
    from ..runs.stored_requests import PlanRequest

    request = PlanRequest(
        runs=_folders(runs),
        score=score,
        width=width,
        difference=difference,
        seconds_per_label=seconds_per_label,
        out=None if out is None else Path(out),
    )
    return do_plan(request, reporter_for(progress))


def _folders(given: Iterable[str | PathLike[str] | Iterable[str | PathLike[str]]]) -> tuple[Path, ...]:
    """The folders of runs. Raises UserError where there are none."""
    from ..errors import UserError

    found: list[Path] = []
    for each in given:
        found += map(Path, [each] if isinstance(each, str | PathLike) else each)
    if not found:
        raise UserError("no run is given: expected a run folder, or what segbench.run returned")
    return tuple(found)
