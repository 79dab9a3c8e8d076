"""The board of a section: one row per run, with the means to sort and to filter it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..evaluation.scores import NO_WIDTH, Score, has_no_width
from ..runs.time_limit import trained_part
from ..text import UNDEFINED, about_time_marks, between, counted, number, time_marks
from .html import Html, joined, tag
from .rows import pooled
from .sections import Entry, Section

SHOWN = 200
"""Rows beyond these wait in a template, which a browser reads but does not lay out, until they are asked for."""

_WIDE, _HIGH, _MARGIN = 120, 16, 4


@dataclass(frozen=True)
class Column:
    """One column: its head, what its cells show, and the number they are sorted by (None: by their text)."""

    head: str
    cell: Callable[[Entry], str | Html]
    key: Callable[[Entry], float | int | None] | None = None
    descending: bool = False
    title: str = ""


def board(section: Section, number: int) -> Html:
    """The table with its controls; `number` tells the boards of a page apart."""
    columns = _columns(section)
    together = pooled(section.entries)
    entries = (*together, *section.person_entries)
    rows = [_rows(entry, columns) for entry in entries]
    head = tag("tr", [_head(place, column) for place, column in enumerate(columns)])
    name = f"board-{number}"
    said = f"{section.note}{_of_seeds(together, section.compared is not None)}{_no_width(entries)}"
    table = tag(
        "table",
        tag("caption", f"{section.title}: {said}"),
        tag("thead", head),
        tag("tbody", Html("".join(rows[:SHOWN]))),
        id=name,
    )
    waiting = tag("template", tag("table", tag("tbody", Html("".join(rows[SHOWN:])))) if rows[SHOWN:] else None)
    return tag(
        "div",
        _controls(section, name),
        tag("div", table, class_="scroll", tabindex=0, role="region", aria_label=f"Board of {section.title}"),
        waiting,
        tag("p", tag("button", f"Show {SHOWN} more", type="button", class_="more", hidden=True)),
        tag(
            "noscript",
            tag("p", "Sorting and filtering need JavaScript." + _truncated(len(rows))),
        ),
        class_="board",
        data_shown=SHOWN,
    )


def _truncated(rows: int) -> str:
    return f" Without it only the first {SHOWN} of {rows} rows are shown." if rows > SHOWN else ""


def _controls(section: Section, name: str) -> Html:
    families = sorted({entry.record.method.family for entry in (*section.entries, *section.person_entries)})
    options = [tag("option", "all families", value=""), *(tag("option", f, value=f) for f in families)]
    return tag(
        "div",
        tag(
            "label",
            "Filter ",
            tag("input", type="search", class_="find", aria_controls=name, placeholder="method, device, commit …"),
        ),
        tag("label", "Family ", tag("select", options, class_="family", aria_controls=name)),
        tag(
            "output",
            counted(len(section.entries) + len(section.person_entries), "run"),
            class_="count",
            aria_live="polite",
        ),
        class_="controls",
    )


def _head(place: int, column: Column) -> Html:
    button = tag("button", column.head, type="button", title=column.title or None)
    return tag(
        "th",
        button,
        scope="col",
        aria_sort="ascending" if place == 0 else "none",
        data_kind="text" if column.key is None else "number",
        data_first="descending" if column.descending else None,
        class_=None if column.key is None else "number",
    )


def _of_seeds(rows: Sequence[Entry], tested: bool) -> str:
    """What a row of several seeds shows; empty where there is none."""
    if not any(entry.members for entry in rows):
        return ""
    rank = (
        "the ranks that it may have for other samples and other trainings" if tested else "the rank of the middle one"
    )
    return (
        f". A row of several seeds has the means of their scores, intervals and costs, and {rank}; "
        "± is the standard deviation over seeds, which no interval of a single run holds"
    )


def _no_width(entries: Sequence[Entry]) -> str:
    """What an interval of a single point means; empty where there is none."""
    alike = any(has_no_width(entry.main) for entry in entries)
    return f". An interval of no width is no certainty. {NO_WIDTH}" if alike else ""


def _rows(entry: Entry, columns: Sequence[Column]) -> Html:
    """A row, and below it those of its members, which the script folds."""
    return joined(_row(entry, columns), *(_row(member, columns, "seed") for member in entry.members))


def _row(entry: Entry, columns: Sequence[Column], class_: str | None = None) -> Html:
    # Thousands of rows: cells are put together by hand.
    cells = []
    for place, column in enumerate(columns):
        name, scope = ("th", ' scope="row"') if place == 1 else ("td", "")
        content = joined(column.cell(entry))
        if column.key is not None:
            value = column.key(entry)
            known = value is not None and math.isfinite(value)
            scope += f' class="number" data-v="{value!r}"' if known else ' class="number" data-v=""'
        cells.append(f"<{name}{scope}>{content}</{name}>")
    return tag("tr", Html("".join(cells)), class_=class_, data_family=entry.record.method.family)


def _columns(section: Section) -> list[Column]:
    others = list(dict.fromkeys(n for e in section.entries[:50] for n in e.record.scores if n != section.main_score))
    whisker = _Whisker(section)
    return [
        Column("rank", _rank, lambda e: e.rank, title="first and last rank that the run may have"),
        Column("method", _method),
        _score(section, section.main_score),
        Column(
            *("95 % interval", whisker, lambda e: None if e.main is None else e.main.low, section.higher_is_better),
            title="on one scale for all runs; an arrow points at those further off",
        ),
        *_against_people(section),
        Column("family", lambda e: e.record.method.family),
        Column("labels", lambda e: number(e.record.method.n_train, ",.0f"), lambda e: e.record.method.n_train),
        *_costs(section),
        *(_score(section, name) for name in others),
        Column("seed", _seeds, lambda e: e.record.method.seed),
        Column("preset", lambda e: _word(e.record.method.preset)),
        Column("device", lambda e: _word(e.record.cost.device)),
        Column("commit", _commit),
        Column("run", lambda e: counted(len(e.members), "run") if e.members else e.record.run_id),
    ]


def _against_people(section: Section) -> list[Column]:
    """Where the main score lies against the human range; no column without people."""
    if section.people is None:
        return []
    told = section.people.verdicts
    verdicts = {e.record.run_id: told[e.label] for e in section.entries if e.label in told}
    return [Column("against people", lambda e: verdicts.get(e.record.run_id, UNDEFINED), title=section.people.sentence)]


def _costs(section: Section) -> list[Column]:
    """Costs that any run has."""
    kinds: tuple[tuple[str, str, str, float, str], ...] = (
        (
            "fit s",
            "train_s",
            ",.1f",
            1,
            "; ".join(["seconds to fit", *about_time_marks(map(_time_marks, section.entries))]),
        ),
        ("ms/image", "predict_ms_per_image", ",.1f", 1, "milliseconds to predict one image"),
        ("GMAC", "macs_per_image", ",.1f", 1e9, "thousand million multiply-accumulate operations per image"),
        ("parameters", "parameters", ",.0f", 1, "trained parameters"),
        ("memory MB", "peak_memory_mb", ",.0f", 1, "peak memory"),
    )

    def column(head: str, key: str, form: str, unit: float, title: str) -> Column:
        def value(entry: Entry) -> float | None:
            found = getattr(entry.record.cost, key)
            return None if found is None else found / unit

        def told(entry: Entry) -> str:
            return number(value(entry), form) + (time_marks(*_time_marks(entry)) if key == "train_s" else "")

        return Column(head, told, value, title=title)

    return [
        column(*kind) for kind in kinds if any(getattr(e.record.cost, kind[1]) is not None for e in section.entries)
    ]


def _time_marks(entry: Entry) -> tuple[bool, float | None]:
    return entry.record.started_elsewhere, trained_part([entry.record])


def _score(section: Section, name: str) -> Column:
    def score(entry: Entry) -> Score | None:
        return entry.record.scores.get(name)

    def cell(entry: Entry) -> str | Html:
        found = score(entry)
        if found is None:
            return UNDEFINED
        value: str | Html = number(found.value, ".4f")
        if name == section.main_score and entry.spread is not None:
            value = joined(value, tag("span", f" ± {entry.spread:.4f}", class_="spread"))
        if name != section.main_score or found.low is None or found.high is None:
            return value
        # Where the column of intervals has no room.
        return joined(value, tag("small", between(found.low, found.high), class_="narrow"))

    def key(entry: Entry) -> float | None:
        found = score(entry)
        return None if found is None else found.value

    higher = next((s.higher_is_better for e in section.entries if (s := score(e)) is not None), True)
    return Column(name, cell, key, higher, f"{'higher' if higher else 'lower'} is better")


def _rank(entry: Entry) -> str:
    if entry.rank is None:
        return UNDEFINED
    return str(entry.rank) if entry.rank_high in (None, entry.rank) else f"{entry.rank}–{entry.rank_high}"


def _method(entry: Entry) -> Html:
    synthetic = entry.record.dataset.origin == "synthetic"
    seeds = counted(len(entry.members), "seed")
    unfold = tag("button", seeds, type="button", class_="seeds", aria_expanded="false", hidden=True)
    return joined(
        entry.label,
        [" ", unfold] if entry.members else None,
        tag("small", " SYNTHETIC", class_="synthetic") if synthetic else None,
    )


def _seeds(entry: Entry) -> str:
    return ", ".join(_word(each.record.method.seed) for each in entry.members or (entry,))


def _word(value: object) -> str:
    return UNDEFINED if value is None else str(value)


def _commit(entry: Entry) -> str:
    found = entry.record.environment
    return (found.commit or "")[:8] + ("+changes" if found.dirty else "") or UNDEFINED


class _Whisker:
    """Draws a run's main score with its interval, on one scale for the whole section."""

    def __init__(self, section: Section) -> None:
        scores = [e.main for e in section.entries if e.main is not None and e.main.value is not None]
        # A few runs far behind would press all others into one spot: the scale holds the best three quarters.
        kept = scores[: max(2, math.ceil(0.75 * len(scores)))]
        ends = [v for s in kept for v in (s.low, s.value, s.high) if v is not None and math.isfinite(v)]
        self._low, self._high = (min(ends), max(ends)) if ends else (0.0, 1.0)

    def __call__(self, entry: Entry) -> Html:
        score = entry.main
        if score is None or score.value is None:
            return joined(UNDEFINED)
        drawn = self._mark(score.value)
        text = number(score.value, ".4f")
        if score.low is not None and score.high is not None:
            text = between(score.low, score.high)
            if self._holds(score.value):
                drawn = f'<path d="M{self._at(score.low)} 4v8m0-4H{self._at(score.high)}m0-4v8"></path>{drawn}'
        return Html(
            f'<svg viewBox="0 0 {_WIDE} {_HIGH}" width="{_WIDE}" height="{_HIGH}" aria-hidden="true" class="whisker">'
            f"{drawn}</svg><small>{text}</small>"
        )

    def _mark(self, value: float) -> str:
        """A dot at a value, or an arrow at the end beyond which it lies."""
        if self._holds(value):
            return f'<circle cx="{self._at(value)}" cy="{_HIGH // 2}" r="3"></circle>'
        path = f"M{_MARGIN + 6} 3l-6 5l6 5" if value < self._low else f"M{_WIDE - _MARGIN - 6} 3l6 5l-6 5"
        return f'<path d="{path}"></path>'

    def _holds(self, value: float) -> bool:
        return self._low <= value <= self._high

    def _at(self, value: float) -> str:
        part = (value - self._low) / (self._high - self._low) if self._high > self._low else 0.5
        return f"{_MARGIN + min(1.0, max(0.0, part)) * (_WIDE - 2 * _MARGIN):.1f}".removesuffix(".0")
