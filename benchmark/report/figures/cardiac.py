"""Figures and the table of verdicts of runs on beating hearts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...boards.markdown import with_interval
from ...cardiac.agreement import HUMAN_RANGE_PP, NAMES, Agreement, verdict_in_words
from ...figures.cardiac.agreement import bland_altman
from ...figures.cardiac.pages import PAGE, small_multiples, volume_loops
from ...figures.cardiac.run_plots import Film
from ...metrics.cardiac import Cardiac
from ...text import UNDEFINED, counted, number, shown
from ...types import Dataset, Metric
from ..html import Html, tag
from ..overlays import Album, Kept
from ..sections import Entry, Section
from .runs import Drawn, drawn, photograph

MAX_DRAWN = 2
"""Number of runs whose hearts are drawn."""
MIN_BEATS = 3
"""Fewer beats than these make no plot of their agreement."""


def heart_figures(section: Section) -> list[Drawn]:
    """Area curves and agreement plots of the best runs; nothing where no heart was measured."""
    found: list[Drawn] = []
    runs = 0
    for entry in section.detailed:
        metric = _family(entry.metrics)
        if metric is None or entry.info is None or not (measured := entry.of(metric)):
            continue
        found += _of(entry, metric.agreement(measured, entry.info))
        runs += 1
        if runs == MAX_DRAWN:
            break
    return found


def film_strip(best: Kept, dataset: Dataset, album: Album) -> list[Html]:
    """One beat of a heart as this run saw it; nothing where no heart was measured or no sequence has a beat."""
    metric = _family(best.entry.metrics)
    film = None if metric is None else Film.of(dataset, best.found.files)
    if metric is None or film is None or best.entry.info is None or album.full:
        return []
    for sample_id in film.wanted:
        sample = dataset.load(sample_id, ("labels",))
        film.add(sample, best.labels(dataset, sample))
    measured = best.entry.of(metric)
    draw = film.strip(metric.agreement(measured, best.entry.info), metric.in_order(measured, film.group))
    if draw is None:
        return []
    label = shown(best.entry.label)
    alt = f"Frames of one beat of {film.group} with the ventricle as predicted by {label} and its true outline."
    caption = (
        f"{label}: of the predicted beats of {film.group} the one whose ejection fraction lies nearest to their median."
    )
    picture = photograph(draw, alt, caption)
    album.bytes += len(picture)
    return [tag("h4", "One beat"), tag("div", picture, class_="plots")]


def _family(metrics: Iterable[Metric]) -> Cardiac | None:
    """The cardiac family among those that an entry was measured with."""
    return next((metric for metric in metrics if isinstance(metric, Cardiac)), None)


def _of(entry: Entry, agreement: Agreement) -> list[Drawn]:
    label = shown(entry.label)
    most = PAGE[0] * PAGE[1]
    sides = list(zip(agreement.predictions, agreement.truths, strict=True))
    beats = sum(len(heart.beats) for heart in agreement.truths)
    alt = (
        f"Area of the ventricle over time in {counted(len(sides[:most]), 'sequence')}, predicted by {label} and true; "
        f"{len(agreement.pairs)} of {counted(beats, 'true beat')} found."
    )
    first = f"the first {most} of {len(sides)} sequences" if len(sides) > most else counted(len(sides), "sequence")
    caption = f"{label}: area curves of {first}, prediction (solid) and truth (dashed)."
    found = [drawn(lambda: small_multiples(sides[:most]), alt, caption, "wide")]
    alt = f"Volume of the ventricle against its rate of change in the same sequences, predicted by {label} and true."
    caption = f"{label}: volume loops of {first}, once around per beat; mean of the beats (thick) and of the true ones."
    found.append(drawn(lambda: volume_loops(sides[:most]), alt, caption, "wide"))
    if len(agreement.pairs) < MIN_BEATS:
        return found
    groups = [agreement.truths[pair.sequence].track.name for pair in agreement.pairs]
    for measure, name in NAMES.items():
        true, predicted = ([100 * getattr(beat, measure) for beat in side] for side in agreement.matched)
        limits = agreement.limits(measure)
        alt = (
            f"Bland-Altman plot of {name} for {label}: {counted(len(true), 'beat')}, bias "
            f"{number(limits.bias, '+.2f')} points, limits of agreement {number(limits.low, '+.2f')} to "
            f"{number(limits.high, '+.2f')}."
        )
        caption = f"{label}: {name}, difference from the truth against the mean of both, beat by beat (Bland–Altman)."
        found.append(drawn(lambda t=true, p=predicted, n=name: bland_altman(t, p, n, "%", groups), alt, caption))  # type: ignore[misc]
    return found


def verdicts(section: Section) -> tuple[str, Html] | None:
    """Heading and table of the errors of every run against the human range; None where no heart was measured."""
    rows = [entry for entry in section.entries if _agreement(entry) is not None][:200]
    if not rows:
        return None
    heads = [
        "method",
        "beats found",
        "FS minor, pp",
        "verdict",
        "FS major, pp",
        "verdict",
        "EF, pp",
        "heart rate, beats/min",
    ]
    low, high = HUMAN_RANGE_PP
    caption = (
        f"Errors per beat in percentage points (pp) with 95 % intervals. Human annotators differ by {low:g} to "
        f"{high:g} pp in fractional shortening (FS); a verdict needs an interval wholly on one side, and 80 % of the "
        "beats found."
    )
    table = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", [tag("th", head, scope="col") for head in heads])),
        tag("tbody", [_row(entry) for entry in rows]),
    )
    label = "Verdicts against the human range"
    scrolled = tag("div", table, class_="scroll", tabindex=0, role="region", aria_label=label)
    return "Against human annotators", scrolled


def _agreement(entry: Entry) -> Mapping[str, Any] | None:
    found = entry.record.details.get(Cardiac.name, {})
    agreement = found.get("agreement") if isinstance(found, dict) else None
    return agreement if isinstance(agreement, dict) else None


def _row(entry: Entry) -> Html:
    scores = entry.record.scores
    rate = scores.get("beat_detection_rate")
    found = None if rate is None else rate.value

    def error(name: str) -> str:
        score = scores.get(name)
        return with_interval(score, ".2f")

    def said(name: str) -> str:
        score = scores.get(name)
        return UNDEFINED if score is None else verdict_in_words(score.low, score.high, found)

    cells = [
        number(found, ".0%"),
        *(error("fs_minor_error_pp"), said("fs_minor_error_pp")),
        *(error("fs_major_error_pp"), said("fs_major_error_pp")),
        *(error("ef_error_pp"), error("heart_rate_error_bpm")),
    ]
    return tag("tr", tag("th", entry.label, scope="row"), [tag("td", cell) for cell in cells])
