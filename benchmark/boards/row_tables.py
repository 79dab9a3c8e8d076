"""The tables of a board: seven columns for people, and all other numbers of the same rows to be unfolded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tabulate import tabulate

from ..evaluation.scores import Score
from ..registry import dataset_class, hooks, metrics
from ..runs.record import Record, recorded_info, told_in_details
from ..text import UNDEFINED, number, time_marks
from .comparable import official_metrics
from .findings import short_time
from .labels import board_labels, run_hash
from .markdown import escape, with_interval
from .people import HumanRange, is_person
from .rank_spans import RankSpan, Spans
from .seed_groups import SeedGroup

FAMILY_SIGNS = {"learned": "●", "classical": "■", "external": "◆", "human": "✚"}
"""Stands before a method's name; the plots' points have the same shapes."""

_AGAINST_PEOPLE = "against people"


def legend(records: Sequence[Record]) -> str:
    """The signs of the families that are there, in words."""
    there = {record.method.family for record in records}
    return ", ".join(f"{sign} {family}" for family, sign in FAMILY_SIGNS.items() if family in there)


def time_to_fit(row: SeedGroup) -> str:
    """How long it took to fit, in one number, and a mark where that is not a whole training."""
    seconds = row.record.cost.train_s
    return UNDEFINED if seconds is None else short_time(seconds) + time_marks(*row.time_marks)


def row_table(ranked: Sequence[tuple[int, SeedGroup]], spans: Spans, human: HumanRange | None = None) -> str:
    """Rank, method, main score, the dataset's second score, what it cost, and the labels it was fitted on.

    Where people are among the rows, the verdict against their range stands in the second score's place.
    """
    first = ranked[0][1].record
    second = _AGAINST_PEOPLE if human else _second_score(first)
    names = board_labels([row.record for _, row in ranked])
    rankless = not any(rank for rank, _ in ranked)
    body = []
    for (rank, row), name in zip(ranked, names, strict=True):
        method, cost = row.record.method, row.record.cost
        cells = [
            _rank(rank, spans.get(row.middle.run_id)),
            f"{FAMILY_SIGNS.get(method.family, '')} {escape(name)}".strip(),
            _with_spread(row),
            *([_against(human, row.record) if human else _told(row.record, second)] if second else []),
            time_to_fit(row),
            UNDEFINED if cost.predict_ms_per_image is None else short_time(cost.predict_ms_per_image / 1000),
            number(method.n_train, ",.0f"),
        ]
        body.append(cells[1:] if rankless else cells)
    headers = ["rank", "method", escape(first.main_score), *([escape(second)] if second else [])]
    headers += ["time to fit", "per image", "labels"]
    return tabulate(body, headers=headers[1:] if rankless else headers, tablefmt="github", disable_numparse=True)


def detail_tables(ranked: Sequence[tuple[int, SeedGroup]]) -> list[str]:
    """Lines of two tables with all scores, and with costs and origins, of the rows, to be unfolded."""
    first = ranked[0][1].record
    main = first.main_score
    names = [main, *(name for name in first.scores if name != main and name not in _told_elsewhere(first))]
    labels = [escape(label) for label in board_labels([row.record for _, row in ranked])]
    rows = [row for _, row in ranked]
    scores = [
        [label, *(with_interval(row.record.scores.get(name)) for name in names)]
        for label, row in zip(labels, rows, strict=True)
    ]
    costs = [[label, *_costs(row)] for label, row in zip(labels, rows, strict=True)]
    return [
        "<details><summary>More scores, costs and commits of these rows</summary>",
        "",
        tabulate(scores, headers=["method", *map(escape, names)], tablefmt="github", disable_numparse=True),
        "",
        tabulate(costs, headers=_COST_HEADERS, tablefmt="github", disable_numparse=True),
        "",
        "</details>",
        "",
    ]


_COST_HEADERS = ["method", "family", "preset", "seeds", "fit s", "ms/image", "GMAC/image", "parameters", "memory MB"]
_COST_HEADERS += ["device", "commit", "run"]


def _costs(row: SeedGroup) -> list[Any]:
    """What the runs of a row are and cost, in the order of `_COST_HEADERS` without the method."""
    record, cost = row.record, row.record.cost
    commit = escape((record.environment.commit or "")[:8]) + ("+changes" if record.environment.dirty else "")
    return [
        record.method.family,
        escape(record.method.preset or UNDEFINED),
        len(row.records),
        number(cost.train_s, ".1f") + time_marks(*row.time_marks),
        number(cost.predict_ms_per_image, ".1f"),
        number(None if cost.macs_per_image is None else cost.macs_per_image / 1e9, ".1f"),
        number(cost.parameters, ",d"),
        number(cost.peak_memory_mb, ".0f"),
        escape(cost.device or UNDEFINED),
        commit or UNDEFINED,
        ", ".join(escape(run_hash(record)) for record in row.records),
    ]


def _told_elsewhere(record: Record) -> set[str]:
    """Scores that are of families which a user added, or have a section of their own."""
    own = {*official_metrics(record), *recorded_info(record.dataset).further_metrics}
    added = {s.name for name, family in metrics().items() if name not in own for s in family.scores}
    added -= {s.name for name, family in metrics().items() if name in own for s in family.scores}
    return added | told_in_details(record)


def _second_score(record: Record) -> str:
    """The name of the score that stands beside the main one; empty where the record has none."""
    told: str = dataset_class(record.dataset.name).info.second_score
    if told in record.scores:
        return told
    others = (name for name in record.scores if name != record.main_score and name not in _told_elsewhere(record))
    return next(others, "")


def _told(record: Record, name: str) -> str:
    """A score in a cell: with what its family has to say about it, else its value alone."""
    score: Score | None = record.scores.get(name)
    if score is None:
        return UNDEFINED
    for _, told in hooks((f for f in metrics().values() if name in {s.name for s in f.scores}), "score_in_words"):
        return str(told(record, name))
    return number(score.value, ".4f")


def _against(human: HumanRange, record: Record) -> str:
    return UNDEFINED if is_person(record) else human.verdict(record.main)


def _rank(rank: int, span: RankSpan | None) -> str:
    if not rank:
        return UNDEFINED
    return str(rank) if span is None else span.told(rank)


def _with_spread(row: SeedGroup) -> str:
    text = with_interval(row.record.main)
    return text if row.spread is None else f"{text} ± {row.spread:.4f} ({len(row.records)} seeds)"
