"""The page as one file: sections, styles and script, with a policy that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
from collections.abc import Sequence

from ..boards.comparison_document import Comparison
from ..boards.people import People
from ..text import UNDEFINED, counted, interval, number, p_value, some
from .figures.arrangement import plots
from .figures.classes import matrix_of
from .figures.runs import Drawn
from .html import Html, folded_table, joined, tag
from .overlays import Album
from .sections import Section
from .table import board

GENERATOR = "segbench report"
MAX_CONFUSIONS = 15
"""Number of confusions that are listed."""


def page(sections: Sequence[Html], links: Sequence[tuple[str, str]], lead: str, album: Album) -> str:
    """A whole HTML document.

    Parameters
    ----------
    sections : sequence of Html
    links : sequence of (str, str)
        Id and title of every section.
    lead : str
        The sentence at the top.
    album : Album
        The pictures that the sections use.
    """
    style, script = _asset("report.css"), _asset("report.js")
    title = "Segmentation report"
    contents = [tag("li", tag("a", text, href=f"#{name}")) for name, text in links]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="generator", content=GENERATOR),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        # A browser that is given no icon asks the server for one.
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        tag("style", style),
    )
    body = tag(
        "body",
        album.html(),
        tag("header", tag("h1", title), tag("p", lead), tag("nav", tag("ul", contents), aria_label="Sections")),
        tag("main", sections),
        tag("script", script),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def section_html(
    section: Section,
    number_: int,
    figures: Sequence[Drawn],
    extra: Sequence[Html | None],
    overlays: Sequence[Html | None],
) -> Html:
    """One section: what was found, the board, tables, figures, overlays."""
    name = f"section-{number_}"
    warning = tag(
        "p",
        tag("strong", "SYNTHETIC data"),
        ", made by segbench: the scores say that a method works, not how good it is on real images. They are never "
        "ranked beside real ones.",
        class_="synthetic",
    )
    return tag(
        "section",
        tag("h2", section.title, id=name),
        warning if section.synthetic else None,
        [tag("p", sentence, class_="answer" if k == 0 else None) for k, sentence in enumerate(answers(section))],
        None if section.people is None else tag("p", section.people.sentence, " ", _against_people(section.people)),
        board(section, number_),
        _details(section),
        [
            tag("h3", "Plots") if figures else None,
            plots(figures) if figures else None,
        ],
        extra,
        tag("h3", "Samples"),
        overlays,
        [tag("p", note, class_="note") for note in section.notes],
        aria_labelledby=name,
    )


def answers(section: Section) -> list[str]:
    """What the comparison says, in sentences."""
    entries = [entry for entry in section.entries if entry.value is not None]
    score = section.main_score
    if not entries:
        return [f"{score} is undefined for every run."]
    best = entries[0]
    value = UNDEFINED if best.main is None else interval(best.main.value, best.main.low, best.main.high)
    level = [entry.label for entry in entries if entry.value == best.value]
    if section.compared is None:
        verb = "has" if len(entries) == 1 else "leads with"
        only = f"{best.label} {verb} {score} {value}." if len(level) == 1 else _level(level, score, value)
        return [only, *([section.why_not] if section.why_not else [])]
    found = section.compared
    first, ties = found.rows[0], found.not_told_from_best
    level = [row.label for row in found.rows if row.value == first.value]
    value = interval(first.value, first.low, first.high)
    if found.methods is not None:
        value = f"{value} (mean over seeds)"
    if len(level) > 1:
        lines = [_level(level, score, value)]
    elif ties:
        lines = [f"{first.label} leads with {score} {value}, but cannot be told from {some(ties, 4)}."]
    else:
        lines = [f"{first.label} is better than {found.all_others}, beyond chance: {score} {value}."]
    lines += [found.close_calls] if found.close_calls else []
    return lines + ([f"{found.not_counted}."] if found.not_counted else []) + _families(found)


def _against_people(people: People) -> str:
    """Which runs lie where against the human range, the best ones first."""
    by_verdict: dict[str, list[str]] = {}
    for label, verdict in people.verdicts.items():
        by_verdict.setdefault(verdict, []).append(label)
    verdicts = "; ".join(f"{verdict}: {some(labels, 4)}" for verdict, labels in by_verdict.items())
    return f"By that range, {verdicts}."


def _level(labels: Sequence[str], score: str, value: str) -> str:
    return f"{some(labels, 4)} have the same {score}, {value}: none leads."


def _families(found: Comparison) -> list[str]:
    if found.families is None:
        return []
    pair = found.families.told
    gap = interval(pair.value, pair.low, pair.high, "+.4f")
    chance = "beyond chance" if pair.significant else "which could be chance"
    kind = "run" if found.methods is None else "method"
    return [f"Best learned {kind} against best classical one, {pair.a} less {pair.b}: {gap}, {chance}."]


def _details(section: Section) -> list[Html | None]:
    """Tables that open on demand."""
    return [
        _over_seeds(section),
        _differences(section),
        _robustness(section),
        _samples(section),
        _winners(section),
        _confused(section),
    ]


def _robustness(section: Section) -> Html | None:
    """What each method loses on images that were made worse, a row for each corruption and level."""
    cells: dict[tuple[str, int], dict[str, str]] = {}
    for line in section.robustness:
        for point in line.points:
            lost = interval(point.relative_drop, point.drop_low, point.drop_high, "+.1%")
            text = f"{number(point.value, '.4f')}, {lost}"
            cells.setdefault((point.corruption, point.level), {})[line.label] = text
    labels = [line.label for line in section.robustness]
    rows = [
        [f"{name}:{level}", *(row.get(label, UNDEFINED) for label in labels)] for (name, level), row in cells.items()
    ]
    mean = [number(line.mean_relative_drop, "+.1%") for line in section.robustness]
    note = (
        "Images were made worse, level 1 to 5, for prediction alone. The score, and which part of the score on images "
        "as they are is lost, with its paired 95 % interval."
    )
    return folded_table(
        section.title, "Robustness", note, ["images", *labels], [*rows, ["mean loss", *mean]] if rows else []
    )


def _over_seeds(section: Section) -> Html | None:
    """The mean of every method that was trained with several seeds, and how much its trainings differ."""
    if section.compared is None or section.compared.methods is None:
        return None
    rows = [
        [
            each.label,
            interval(each.value, each.low, each.high, ".4f"),
            number(each.std, ".4f"),
            ", ".join(number(value, ".4f") for value in each.values),
            str(each.rank_low) if each.rank_low == each.rank_high else f"{each.rank_low}–{each.rank_high}",
        ]
        for each in section.compared.methods
    ]
    note = (
        "The mean over seeds with its 95 % interval for other samples and these trainings; the standard deviation over "
        "seeds; the ranks that a method may have, for other samples and other trainings."
    )
    return folded_table(
        section.title, "Methods over their seeds", note, ["method", "mean", "sd", "by seed", "rank"], rows
    )


def _differences(section: Section) -> Html | None:
    if section.compared is None:
        return None
    best = section.compared.rows[0].label
    rows = []
    for each in section.compared.pairs:
        if best not in (each.a, each.b):
            continue
        sign = 1 if each.a == best else -1
        low, high = (each.low, each.high) if sign > 0 else (_less(each.high), _less(each.low))
        value = each.value if sign > 0 else _less(each.value)
        better, worse = (each.wins, each.losses)[::sign]
        rows.append(
            [
                each.b if sign > 0 else each.a,
                interval(value, low, high, "+.4f"),
                p_value(each.p_adjusted),
                number(each.effect if sign > 0 else _less(each.effect), ".2f"),
                f"{better} / {each.ties} / {worse}",
            ]
        )
    n = len(section.compared.pairs)
    if section.compared.methods is None:
        kind, test = "run", "Paired on the same samples; p is adjusted for {} together ({})"
    else:
        kind, test = "method", "For other samples and other trainings; p is adjusted for {} together ({})"
    heads = [kind, f"{best} less {kind}", "p, adjusted", "effect", "samples better / equal / worse"]
    tests = test.format(counted(n, "pair"), section.compared.correction)
    note = f"{tests}; effect: mean difference per sample over its standard deviation."
    return folded_table(section.title, f"How far {best} is ahead of each {kind}", note, heads, rows)


def _samples(section: Section) -> Html | None:
    if section.compared is None:
        return None
    rows = []
    for each in section.compared.per_sample.furthest_apart:
        values = [(value, label) for label, value in each.values.items() if value is not None]
        if values:
            high, low = (pick(values, key=lambda item: item[0]) for pick in (max, min))
            rows.append([each.sample, f"{high[0]:.4f} {high[1]}", f"{low[0]:.4f} {low[1]}"])
    return folded_table(
        section.title, "Samples on which the runs are furthest apart", "", ["sample", "highest", "lowest"], rows
    )


def _winners(section: Section) -> Html | None:
    if section.compared is None or len(section.compared.per_class) < 2:
        return None
    rows = []
    for each in section.compared.per_class:
        best = each.values.get(each.winners[0])
        rows.append([each.name, f"{number(best, '.4f')} ({each.by})", ", ".join(each.winners[:4])])
    return folded_table(section.title, "Winner of every class", "", ["class", "best", "run"], rows)


def _confused(section: Section) -> Html | None:
    """The largest confusions of the best run, where a matrix has too many cells to read."""
    entry = section.detailed[0] if section.detailed else None
    matrix = None if entry is None else matrix_of(entry)
    if entry is None or entry.info is None or matrix is None or len(matrix) < 4:
        return None
    heads = [c.name for c in entry.info.classes] + ["other"]
    total = matrix.sum(axis=1)
    cells = [
        (int(matrix[a, b]), a, b) for a in range(len(matrix)) for b in range(matrix.shape[1]) if a != b and matrix[a, b]
    ]
    rows = [
        [heads[a], heads[b], f"{pixels:,}", f"{pixels / total[a]:.1%}"]
        for pixels, a, b in sorted(cells, key=lambda c: (-c[0], c[1], c[2]))[:MAX_CONFUSIONS]
    ]
    title = f"What {entry.label} confuses most"
    return folded_table(section.title, title, "", ["true", "predicted", "pixels", "of the true class"], rows)


def not_ranked(rows: Sequence[tuple[str, str]]) -> Html | None:
    """Runs that stand on no board, each with the reason."""
    if not rows:
        return None
    items = [tag("li", tag("strong", name), f": {why}") for name, why in rows]
    return tag("section", tag("h2", "Not ranked", id="not-ranked"), tag("ul", items), aria_labelledby="not-ranked")


def _less(value: float | None) -> float | None:
    return None if value is None else -value


def _asset(name: str) -> Html:
    """A file of ours that goes into the page as it is."""
    text = importlib.resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return joined(Html(text))


def _policy(style: str, script: str) -> str:
    """Our own style and script and embedded pictures, nothing else: no request leaves the page."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
