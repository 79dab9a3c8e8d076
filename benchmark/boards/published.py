"""Scores that others published, beside the boards: never ranked with our own, with their sources and conditions."""

from __future__ import annotations

import csv
import importlib.resources
from collections.abc import Sequence
from io import StringIO

from tabulate import tabulate

from ..registry import dataset_class
from ..types import DatasetInfo, UserError
from .markdown import escape

TABLE = "published_scores.csv"
_PROVENANCE = {"primary": "the authors' own page or paper", "secondary": "cited by others"}


def published_section(dataset: str, parts: Sequence[str] = ()) -> list[str]:
    """Lines of markdown: every published score of a dataset; nothing where there is none.

    `parts` are what rows on a part of a split were scored on, such as `107 of 1449 samples`: that no score of the whole
    stands beside theirs is said of each.
    """
    own, related = _names(dataset)
    rows = [row for row in _rows() if row["dataset"] in own | related]
    if not rows:
        return []
    body = [
        [
            *(escape(row["method"]), escape(row["metric"]), f"{escape(row['score'])} {_unit(row['unit'])}".strip()),
            *(_where(row, own), escape(row["comparable_note"]), escape(row["source"])),
            _PROVENANCE.get(row["provenance"], escape(row["provenance"])),
        ]
        for row in rows
    ]
    headers = ["method", "metric", "score", "scored on", "conditions", "source", "provenance"]
    apart = f" None of them is of the same images as the rows above on {' and on '.join(parts)}." if parts else ""
    return [
        "## Published scores",
        "",
        "For orientation, not ranked: other test images, training data or test-time tricks than the rows above. Scores "
        f"compare only where split, labels, metric and conditions are the same.{apart}",
        "",
        tabulate(body, headers=headers, tablefmt="github", disable_numparse=True),
        "",
    ]


def _names(dataset: str) -> tuple[set[str], set[str]]:
    """Names of a dataset, and of those whose published scores stand on its board as theirs."""
    try:
        info: DatasetInfo = dataset_class(dataset).info
    except UserError:  # a plugin that is not here
        return {dataset}, set()
    return {info.name, *info.aliases}, set(info.related)


def _rows() -> Sequence[dict[str, str]]:
    text = importlib.resources.files("segbench.published").joinpath(TABLE).read_text(encoding="utf-8")
    return list(csv.DictReader(StringIO(text)))


def _where(row: dict[str, str], own: set[str]) -> str:
    split = escape(row["split"])
    return split if row["dataset"] in own else f"{escape(row['dataset'])} {split}"


def _unit(unit: str) -> str:
    return {"percent": "%", "percentage points": "pp"}.get(unit, "")
