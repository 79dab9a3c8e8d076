"""Plots of beating hearts for a run folder and for `bench cardiac`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..cardiac.agreement import NAMES, Agreement
from ..cardiac.plots import write_cardiac_plots
from ..metrics.cardiac import Cardiac
from ..statistics import Statistics
from ..types import DatasetInfo, Metric


def write_run_plots(folder: Path, statistics: Statistics, metrics: Sequence[Metric], info: DatasetInfo) -> list[Path]:
    """The plots of a run's hearts, truth and prediction together; nothing where no heart was measured."""
    for metric in metrics:
        if isinstance(metric, Cardiac) and (measured := statistics.of(metric.name)):
            agreement = metric.agreement(measured, info)
            written = write_cardiac_plots(folder, agreement.predictions, agreement.truths, each=False)
            return written + write_agreement_plots(folder, agreement)
    return []


def write_agreement_plots(folder: Path, agreement: Agreement) -> list[Path]:
    """Bland and Altman's plot of each measure, over the beats that were found."""
    from ..cardiac.agreement_plots import bland_altman
    from ..plots import write_figure

    groups = [agreement.truths[pair.sequence].track.name for pair in agreement.pairs]
    written = []
    for measure, name in NAMES.items():
        true, found = ([100 * getattr(beat, measure) for beat in beats] for beats in agreement.matched)
        written += write_figure(
            folder / f"bland-altman-{measure.replace('_', '-')}",
            lambda t=true, f=found, n=name: bland_altman(t, f, n, "%", groups),  # type: ignore[misc]
        )
    return written
