"""`segbench.table` and `segbench.panels`: the results table and the qualitative figure of a paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .places import places_of
from .reporting import ShowProgress, reporter_for

if TYPE_CHECKING:
    from ..boards.panel_document import PanelFigure
    from ..commands.table import WrittenTable


def table(
    *runs: str | PathLike[str] | Iterable[str | PathLike[str]],
    scores: str | Sequence[str] = (),
    by_class: bool = False,
    format: Literal["markdown", "latex", "csv"] | None = None,  # noqa: A002
    out: str | PathLike[str] | None = None,
    dataset: str | None = None,
    split: str | None = None,
    source: Literal["real", "synthetic"] | None = None,
    intervals: bool = True,
    tests: bool = True,
    percent: bool = True,
    progress: ShowProgress = "auto",
) -> WrittenTable:
    """Make the results table of a paper: methods and scores, or methods and classes. What `bench table` does.

    Parameters
    ----------
    *runs : paths
        What `segbench.run` returned, run folders, folders of them, addresses (`https://…`) of an index of results, or
        sequences of these; by default the folder `runs`.
    scores : str, or sequence of str
        Names of the scores to show; by default the main score and up to four others. With `by_class` the one of the
        classes, by default `iou`.
    by_class : bool
        A column for each class instead, and the main score behind them.
    format : "markdown", "latex" or "csv", optional
        By default by the ending of `out`, `.md`, `.tex` or `.csv`; else markdown.
    out : path, optional
        A file to write the table into.
    dataset, split : str, optional
        Show runs on this dataset, on this split alone.
    source : "real" or "synthetic", optional
        Show runs on such data alone.
    intervals, tests, percent : bool
        95 % intervals beside the values; marks on what paired tests cannot tell from the best; fractions in percent.
    progress : bool, "auto" or Reporter
        Bars always, never, or where someone watches: in a notebook and at a terminal.

    Returns
    -------
    WrittenTable
        `text` in the format that was asked for, `table` with all values, and the `file`. A notebook shows it as a
        table; `to_json()` is what `bench table --json` prints.

    Raises
    ------
    UserError
        Where no runs, or several groups of runs, could be its rows, for a score that is not there, and for a file whose
        name says no format.

    Examples
    --------
    >>> print(table("runs", dataset="camvid", scores=["miou", "dice"]).text)            # doctest: +SKIP
    """
    from ..commands.table import table as do_table
    from ..runs.options import as_typed
    from ..runs.stored_requests import TableRequest

    request = as_typed(
        TableRequest(
            runs=places_of(runs),
            scores=(scores,) if isinstance(scores, str) else tuple(scores),
            by_class=by_class,
            format=format,
            out=None if out is None else Path(out),
            dataset=dataset,
            split=split,
            source=source,
            intervals=intervals,
            tests=tests,
            percent=percent,
        )
    )
    return do_table(request, reporter_for(progress))


def panels(
    *runs: str | PathLike[str] | Iterable[str | PathLike[str]],
    out: str | PathLike[str],
    samples: str | Sequence[str] = (),
    pick: Literal["worst", "best", "typical", "spread", "disagree"] | None = None,
    count: int = 4,
    errors: bool = False,
    crop: str | Sequence[str] = (),
    width: str = "16cm",
    dpi: int = 300,
    root: str | PathLike[str] | None = None,
    progress: ShowProgress = "auto",
) -> PanelFigure:
    """Draw samples with their truth and every run's prediction beside each other: what `bench panels` does.

    Parameters
    ----------
    *runs : paths
        Runs on the same samples that kept their predictions, a column each: what `segbench.run` returned, run folders,
        folders of them, addresses (`https://…`) of an index of results, or sequences of these.
    out : path
        The figure, a file that ends in `.pdf`, `.svg` or `.png`.
    samples : str, or sequence of str
        Ids of the samples to show.
    pick : "worst", "best", "typical", "spread" or "disagree", optional
        Choose samples by the mean of the runs' main score: the worst, the best, those nearest to the median, or evenly
        from worst to best, which is the default; `disagree` takes those where the runs lie furthest apart.
    count : int
        Number of samples to choose, 1 to 100.
    errors : bool
        Show where each prediction is wrong, and how.
    crop : str, or sequence of str
        Details to show: `ID:x,y,width,height` of a sample, in pixels from its upper left corner; `x,y,width,height` of
        all others; or `width,height`, around the largest region that a run has wrong.
    width : str
        Width of the figure with its unit, cm, mm, in or pt; without one it is in cm.
    dpi : int
        Pixels per inch of a PNG file, and of pictures in PDF and SVG, 50 to 1200.
    root : path, optional
        Where the images lie; by default where the runs found them.
    progress : bool, "auto" or Reporter
        Bars always, never, or where someone watches: in a notebook and at a terminal.

    Returns
    -------
    PanelFigure
        The samples and their scores, and `caption`, which says how they were chosen. A notebook shows it as a table;
        `to_json()` is what `bench panels --json` prints.

    Raises
    ------
    UserError
        For a file whose name says no format, a width that is too small for the columns, runs that were not scored on
        the same samples or keep no predictions, a sample that is not there, a detail that reaches out of its image, and
        where images are not found.

    Examples
    --------
    >>> found = panels("runs/medaka-unet", "runs/medaka-fcn", out="panels.pdf")         # doctest: +SKIP
    >>> " ".join(found.caption), found.samples[0].scores                                # doctest: +SKIP
    """
    from ..commands.panels import panels as do_panels
    from ..errors import UserError
    from ..runs.options import as_typed
    from ..runs.stored_requests import PanelsRequest

    if not runs:
        raise UserError("no run is given: expected a run folder, or what segbench.run returned")
    request = as_typed(
        PanelsRequest(
            runs=places_of(runs),
            out=Path(out),
            samples=(samples,) if isinstance(samples, str) else tuple(samples),
            pick=pick,
            count=count,
            errors=errors,
            crop=(crop,) if isinstance(crop, str) else tuple(crop),
            width=width,
            dpi=dpi,
            root=None if root is None else Path(root),
        )
    )
    return do_panels(request, reporter_for(progress))
