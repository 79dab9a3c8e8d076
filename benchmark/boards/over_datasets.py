"""A board over datasets: the mean rank of the methods that were run on all of them, for the front page.

Real and synthetic data never stand in one table, and a part of a split stands in none.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from ..evaluation.comparison import Paired
from ..evaluation.mean_ranks import MeanRank, mean_ranks
from ..runs.find import FoundRun
from ..runs.presets import preset_names
from ..runs.stored import open_run
from ..runs.versions import other_versions
from ..text import UNDEFINED, number, some
from ..types import Float64, UserError
from .comparable import Comparable, badness, is_a_part, samples_together
from .markdown import escape, how_to_read, with_interval
from .ranking import board_groups
from .seed_groups import SeedGroup

MIN_SHARED = 3
"""Methods that also have a row on another dataset, from which on a dataset takes part."""


@dataclass(frozen=True)
class Column:
    """One dataset of a table: its comparable runs, and the row of every method."""

    key: Comparable
    rows: Mapping[str, SeedGroup]

    @property
    def score(self) -> str:
        """The score that ranks."""
        return next(iter(self.rows.values())).record.main_score

    def badness(self, method: str) -> float:
        """The main score of a method, lower for what is better."""
        main = self.rows[method].record.main
        return float("inf") if main is None else badness(main.value, main.higher_is_better)


@dataclass(frozen=True)
class OverDatasets:
    """A table over datasets of one origin: `ranked` are methods with a row on each, from best to worst."""

    origin: str
    columns: tuple[Column, ...]
    ranked: tuple[tuple[str, MeanRank], ...]
    incomplete: tuple[str, ...]
    parts: tuple[str, ...]


def over_datasets(found: Sequence[FoundRun]) -> list[OverDatasets]:
    """The tables over datasets that runs allow: one of real data, one of synthetic data, each of two datasets or more.

    Of every dataset the first group of comparable runs on its board counts that is of a whole split and of today's
    versions. A dataset whose statistics cannot be opened is left out.
    """
    folders = {run.record.run_id: run.folder for run in found}
    groups = board_groups([run.record for run in found])
    tables = []
    for origin in ("real", "synthetic"):
        columns, parts = _columns([(key, rows) for key, rows in groups if key.origin == origin])
        table = _table(origin, columns, parts, folders)
        tables += [table] if table is not None else []
    return tables


def over_datasets_section(tables: Sequence[OverDatasets]) -> list[str]:
    """Lines of markdown for the front page; none without a table."""
    return [] if not tables else ["## Over datasets", "", *(line for table in tables for line in _lines(table))]


def _columns(groups: Sequence[tuple[Comparable, list[SeedGroup]]]) -> tuple[list[Column], list[str]]:
    """The first whole group of every dataset, and what was left out because it is of a part of its split."""
    first: dict[str, Column] = {}
    parts: list[str] = []
    for key, rows in groups:
        every = [record for row in rows for record in row.records]
        if is_a_part(every):
            options = f", {key.options}" if key.options else ""
            parts.append(f"{key.dataset}, {key.protocol}{options} ({samples_together(every)})")
        elif key.dataset not in first and not other_versions(every[0]) and (by_method := _by_method(rows)):
            first[key.dataset] = Column(key, by_method)
    return list(first.values()), parts


def _sharing(columns: Sequence[Column]) -> list[Column]:
    """The datasets that share enough methods with others."""
    count = Counter(name for column in columns for name in column.rows)
    kept = [column for column in columns if sum(count[name] > 1 for name in column.rows) >= MIN_SHARED]
    return kept if len(kept) == len(columns) else _sharing(kept)


def _by_method(rows: Sequence[SeedGroup]) -> dict[str, SeedGroup]:
    """Of every method that was fitted here on all labels the row with the fewest settings of its own.

    What starts from weights that were trained elsewhere saw more than these labels, and what joins runs is made of
    others' rows.
    """
    found: dict[str, SeedGroup] = {}
    for row in sorted(rows, key=_own_settings):
        if row.record.fitted and not row.partial and not _more(row.record.method.config):
            found.setdefault(row.record.method.name, row)
    return found


def _more(config: Mapping[str, Any]) -> bool:
    return bool(config.get("init") or config.get("weights") or config.get("members"))


def _own_settings(row: SeedGroup) -> tuple[int, int, str]:
    """Sort key of the rows of a method: plain ones first, then the cheapest preset; its score plays no part."""
    record = row.records[0]
    try:
        words = shlex.split(record.command)
    except ValueError:
        words = []
    presets = [name for name in preset_names() if name == record.method.preset]
    own = sum(word in ("--set", "--init", "--freeze", "--weights") for word in words)
    return own, preset_names().index(presets[0]) if presets else len(preset_names()), record.run_id


def _table(
    origin: str, candidates: Sequence[Column], parts: Sequence[str], folders: Mapping[str, Path]
) -> OverDatasets | None:
    """None where fewer than two datasets share two methods, or their statistics are not there."""
    columns = _sharing(candidates)
    count = Counter(name for column in columns for name in column.rows)
    complete = sorted(name for name in count if count[name] == len(columns))
    if len(columns) < 2 or len(complete) < 2:
        return None
    draws = []
    for column in columns:
        try:
            draws.append(_draws(column, complete, folders))
        except UserError:
            return _table(origin, [other for other in columns if other is not column], parts, folders)
    values = [np.array([column.badness(name) for name in complete]) for column in columns]
    ranked = sorted(zip(complete, mean_ranks(values, draws), strict=True), key=lambda pair: (pair[1].value, pair[0]))
    incomplete = tuple(sorted(name for name in count if 1 < count[name] < len(columns)))
    return OverDatasets(origin, tuple(columns), tuple(ranked), incomplete, tuple(parts))


def _draws(column: Column, methods: Sequence[str], folders: Mapping[str, Path]) -> Float64:
    """The badness of methods on the same bootstrap samples of a dataset, (K, R); of several seeds their mean."""
    members = [[record.run_id for record in column.rows[name].records] for name in methods]
    ids = [run_id for each in members for run_id in each]
    runs = [open_run(folders[run_id]) for run_id in ids]
    metric, score = next((m, s) for m in runs[0].metrics for s in m.scores if s.name == column.score)
    paired = Paired(metric, runs[0].info, score, tuple(tuple(run.statistics.of(metric.name)) for run in runs))
    place = {run_id: number for number, run_id in enumerate(ids)}
    means = [paired.draws[[place[run_id] for run_id in each]].mean(axis=0) for each in members]
    found: Float64 = -paired.sign * np.array(means)
    return found


def _lines(table: OverDatasets) -> list[str]:
    names = [f"[{column.key.dataset}]({column.key.dataset}.md)" for column in table.columns]
    kind = "SYNTHETIC data" if table.origin == "synthetic" else "Real data, whole splits"
    heads = [
        "method",
        "mean rank",
        *(f"{name} {escape(c.score)}" for name, c in zip(names, table.columns, strict=True)),
    ]
    rows = [
        [escape(name), f"{rank.value:.2f} [{rank.low:.2f}, {rank.high:.2f}]", *_cells(table, name)]
        for name, rank in table.ranked
    ]
    rows += [[escape(name), UNDEFINED, *_cells(table, name)] for name in table.incomplete]
    about = "Mean rank (1 is best) of methods that were fitted on all labels, without weights from other data."
    if table.origin == "synthetic":
        about += " Made by segbench, not real images: never ranked with real data."
    return [
        f"### {kind}: {len(table.columns)} datasets",
        "",
        about,
        "",
        tabulate(rows, headers=heads, tablefmt="github", disable_numparse=True),
        "",
        *how_to_read(_points(table)),
    ]


def _points(table: OverDatasets) -> list[str]:
    """What a reader of the ranks should know."""
    datasets = len(table.columns)
    points = [
        f"**Mean rank**: the {len(table.ranked)} methods with a row on each of the {datasets} datasets are ranked "
        "there by the main score. In brackets: 95 % bootstrap interval over datasets and, in each, samples or groups "
        "of them (docs/statistics.md).",
        "**Several rows of a method**: the one with fewest settings of its own counts, whatever it scores.",
    ]
    if datasets < 5:
        points.insert(1, f"**{datasets} datasets are few**: the intervals say little of others.")
    if table.incomplete:
        missing = some([escape(each) for each in table.incomplete])
        points.append(f"**Without a mean rank**, as a dataset is missing: {missing}.")
    if table.parts:
        parts = escape("; ".join(table.parts))
        points.append(f"**Left out**, as a part of a split is not ranked with whole ones: {parts}.")
    return points


def _cells(table: OverDatasets, name: str) -> list[str]:
    """The score of a method on every dataset, with its rank among those that are ranked."""
    ranked = [other for other, _ in table.ranked]
    cells = []
    for column in table.columns:
        if name not in column.rows:
            cells.append("not run")
            continue
        score = with_interval(column.rows[name].record.main)
        if name in ranked:
            mine = column.badness(name)
            below = sum(column.badness(other) < mine for other in ranked)
            level = sum(column.badness(other) == mine for other in ranked)
            score += f", rank {number(below + (level + 1) / 2, 'g')}"
        cells.append(score)
    return cells
