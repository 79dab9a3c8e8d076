"""The document of a figure of a paper, made of its runs and of the samples that were chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .._version import __version__
from ..runs.stored import StoredRun
from .comparable import Comparable, whole_n
from .panel_caption import caption
from .panel_choice import ChosenSamples
from .panel_document import PanelColor, PanelCrop, PanelFigure, PanelRun, PanelSample
from .panel_runs import ScoresBySample
from .paper_words import title_of


def panel_figure(
    runs: Sequence[StoredRun],
    labels: Sequence[str],
    scores: ScoresBySample,
    chosen: ChosenSamples,
    legend: Sequence[tuple[str, str | None]],
    crops: Mapping[str, PanelCrop],
    *,
    errors: bool,
) -> PanelFigure:
    """What a figure shows, with its caption; its file and size are not known yet.

    `labels` are the names of the runs, `legend` the names and colours of what occurs, `crops` the details by sample.
    """
    records = [run.record for run in runs]
    data, key, info = records[0].dataset, Comparable.of(records[0]), scores.info
    unit = "fraction" if info is None else info.unit
    figure = PanelFigure(
        file="",
        dataset=data.name,
        summary=runs[0].info.summary,
        origin=data.origin,
        protocol=key.protocol,
        split=data.split,
        options=key.options,
        n=data.n,
        whole_n=whole_n(records),
        score=records[0].main_score,
        title=title_of(records[0].main_score, unit),
        unit=unit,
        higher_is_better=info is None or info.higher_is_better,
        rule=chosen.how,
        candidates=chosen.candidates,
        truth=info is not None,
        errors=errors and info is not None,
        width_cm=0,
        height_cm=0,
        dpi=0,
        runs=[
            PanelRun(run_id=record.run_id, label=label, method=record.method.name, family=record.method.family)
            for record, label in zip(records, labels, strict=True)
        ],
        samples=[_sample(sample_id, scores, crops.get(sample_id)) for sample_id in chosen.ids],
        legend=[PanelColor(name=name, color=color) for name, color in legend],
        caption=[],
        segbench=__version__,
    )
    return figure.model_copy(update={"caption": caption(figure, chosen.rule, records)})


def _sample(sample_id: str, scores: ScoresBySample, crop: PanelCrop | None) -> PanelSample:
    if scores.info is None:
        return PanelSample(id=sample_id, scores=[], mean=None, crop=crop)
    values = scores.values[:, scores.ids.index(sample_id)]
    return PanelSample(id=sample_id, scores=[float(value) for value in values], mean=float(np.mean(values)), crop=crop)
