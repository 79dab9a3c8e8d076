"""A stored run as an object: its folder, its record, and what a notebook asks of them."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ..evaluation.scores import Score
    from ..runs.record import Record


@dataclass(frozen=True, repr=False)
class Run:
    """A run folder and its record. It may stand wherever the path of a run folder may.

    Attributes
    ----------
    folder : Path
        Holds `record.json`, `statistics.parquet` and all else that the run wrote.
    record : Record
        Everything that is known of the run, as `bench run --json` prints it.
    """

    folder: Path
    record: Record

    def __fspath__(self) -> str:
        """The path of the run folder."""
        return str(self.folder)

    @property
    def run_id(self) -> str:
        """`<dataset>-<method>-<short hash>`; the hash stands for everything that the result depends on."""
        return self.record.run_id

    @property
    def scores(self) -> dict[str, Score]:
        """Every score by its name, with the ends of its 95 % interval."""
        return self.record.scores

    @property
    def main(self) -> Score | None:
        """The score that ranks this dataset's runs; None where nothing was scored."""
        return self.record.scores.get(self.record.main_score)

    @property
    def warnings(self) -> list[str]:
        """What should be known before the result is trusted."""
        return self.record.warnings

    def per_sample(self, score: str | None = None) -> pd.Series[float]:
        """One score of every sample alone, from worst to best.

        Parameters
        ----------
        score : str, optional
            Name of a score; by default the main one. `iou@car` is that of a class.

        Returns
        -------
        pandas.Series
            (n,) float64 by sample id, in the score's unit; NaN where it is undefined, at the end.

        Raises
        ------
        UserError
            For a score that the run does not have, or where its statistics cannot be read.
        """
        import pandas as pd

        from ..evaluation.comparison import Paired
        from ..runs.stored import open_run
        from ..runs.stored_scores import with_score
        from ..text import unknown

        stored = with_score(open_run(self.folder), score)
        name = score or self.record.main_score
        known = {info.name: (metric, info) for metric in stored.metrics for info in metric.scores}
        if name not in known:
            raise UserError(unknown("score", name, known))
        metric, info = known[name]
        paired = Paired(metric, stored.info, info, (tuple(stored.statistics.of(metric.name)),))
        ids = [statistic.sample_id for statistic in paired.runs[0]]
        values = pd.Series(paired.per_sample[0], pd.Index(ids, name="sample"), name=name, dtype="float64")
        return values.sort_values(ascending=info.higher_is_better, kind="stable")

    def confusion(self, *, normalise: bool = False) -> pd.DataFrame:
        """The confusion matrix of all samples: a row for each true class, a column for each predicted one.

        Parameters
        ----------
        normalise : bool
            Divide every row by its sum, so that the diagonal is the accuracy (recall) of each class.

        Returns
        -------
        pandas.DataFrame
            Pixels, int64, or shares of rows, float64, NaN for a class without true pixels. Pixels that do not count are
            a last row `(ignored)`, labels that are no scored class a last column `(other)`, where there are any.

        Raises
        ------
        UserError
            Where the run's statistics cannot be read, or count no pairs of labels.
        """
        import pandas as pd

        from ..runs.stored import open_run
        from ..runs.stored_scores import confusion_of

        found = confusion_of(open_run(self.folder))
        index, columns = pd.Index(found.truth, name="truth"), pd.Index(found.predicted, name="prediction")
        return pd.DataFrame(found.shares if normalise else found.pixels, index=index, columns=columns)

    def plot(self) -> Figure:
        """Draw the scores that have the main score's unit, each with its 95 % interval."""
        from ..figures.score_intervals import Interval, score_intervals

        unit = "" if self.main is None else self.main.unit
        shown = {name: score for name, score in self.scores.items() if score.unit == unit}
        family = self.record.method.family
        rows = [Interval(name, score.value, score.low, score.high, family) for name, score in shown.items()]
        return score_intervals(rows, self.title, unit)

    @property
    def title(self) -> str:
        """What was run on what, in one line."""
        data, method = self.record.dataset, self.record.method
        origin = " (SYNTHETIC)" if data.origin == "synthetic" else ""
        scope = f"{data.folds}-fold cross-validation" if data.folds else f"split {data.split}"
        partial = "" if self.record.complete else ", partial"
        return f"{method.name} on {data.name}{origin}, {scope}, {data.samples}{partial}"

    def __repr__(self) -> str:
        main = self.main
        value = "nothing scored" if main is None else f"{self.record.main_score} {_with_interval(main)}"
        return f"<Run {self.title}: {value}; {str(self.folder)!r}>"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from ..boards.notebook import html_table

        headers = ["score", "value", "95 % interval", "unit"]
        rows = [[name, *_cells(score)] for name, score in self.scores.items()]
        return html_table(self.title, headers, rows, [f"run folder: {self.folder}", *self.warnings])


def load_run(path: str | PathLike[str]) -> Run:
    """The run of a run folder.

    Parameters
    ----------
    path : path
        A run folder that `segbench.run`, `bench run` or `bench evaluate` wrote.

    Raises
    ------
    UserError
        Where there is none, it cannot be read, a newer segbench wrote it, or it says complete without its statistics.

    Examples
    --------
    >>> run = load_run("leaderboards/records/isbi2012-unet-0b805e1a")                   # doctest: +SKIP
    >>> run.main.value, run.per_sample().head(3)                                        # doctest: +SKIP
    """
    from ..runs.folder import RECORD
    from ..runs.stored import read_whole_record

    folder = Path(fspath(path))
    return Run(folder.parent if folder.name == RECORD else folder, read_whole_record(folder))


def _cells(score: Score) -> list[str]:
    from ..text import between, number

    return [number(score.value, ".4f"), between(score.low, score.high), score.unit]


def _with_interval(score: Score) -> str:
    from ..text import interval

    return interval(score.value, score.low, score.high)
