"""Names of runs where several stand together: on a board, in a comparison, in a plot."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from ..runs.record import Record

MAX_SETTINGS = 3
"""Number of settings that are named to tell a row of a board from others of the same method."""


RESERVED = frozenset({"class", "by", "winners", "sample"})
"""Keys that stand beside labels in the documents of a comparison, so that no label may be one of them."""


def run_hash(record: Record) -> str:
    """The end of a run's id, which tells it from other runs of its method."""
    return record.run_id.rpartition("-")[2]


def configuration(record: Record, *without: str) -> str:
    """The method and its settings as text, but for the seed and these keys."""
    method = record.method.model_dump(exclude={"seed", "chosen", "n_train", *without})
    return json.dumps(method, sort_keys=True, default=str)


def distinct_labels(labels: Sequence[str], records: Sequence[Record]) -> list[str]:
    """Labels that stand for one run each: one that is there several times gets the end of the run's id."""
    counts = Counter(labels)
    return [
        label if counts[label] == 1 else f"{label} {run_hash(record)}"
        for label, record in zip(labels, records, strict=True)
    ]


def board_labels(records: Sequence[Record]) -> list[str]:
    """Names of methods; of one that is there several times, with the preset and what the command set."""
    counts = Counter(record.method.name for record in records)
    names = []
    for record in records:
        name = record.method.name
        if counts[name] > 1:
            words = [record.method.preset or "", *_settings(record.command)]
            more = ", …" if len(words) > MAX_SETTINGS else ""
            name += f" ({', '.join(filter(None, words[:MAX_SETTINGS]))}{more})"
        names.append(name)
    return names


def comparison_labels(records: Sequence[Record]) -> list[str]:
    """A label for each run: the method, and what differs between the runs of that method (seed, preset, labels)."""
    by_method: dict[str, list[Record]] = {}
    for record in records:
        by_method.setdefault(record.method.name, []).append(record)
    labels = []
    for record in records:
        parts = [
            text.format(getattr(record.method, key))
            for key, text in (("seed", "seed {}"), ("preset", "{}"), ("train_fraction", "{:.0%} of labels"))
            if getattr(record.method, key) is not None
            and len({getattr(other.method, key) for other in by_method[record.method.name]}) > 1
        ]
        parts += [run_hash(record)] if record.method.name in RESERVED and not parts else []
        labels.append(f"{record.method.name} ({', '.join(parts)})" if parts else record.method.name)
    return distinct_labels(labels, records)


def plot_labels(records: Sequence[Record]) -> list[str]:
    """Names of methods for plots; of one that is there with several settings, with the end of a run's id.

    All points of a learning curve have the label of its first.
    """
    curves = [configuration(record, "train_fraction") for record in records]
    first: dict[str, str] = {}
    settings: dict[str, set[str]] = {}
    for record, curve in zip(records, curves, strict=True):
        first.setdefault(curve, run_hash(record))
        settings.setdefault(record.method.name, set()).add(curve)
    return [
        f"{record.method.name} {first[curve]}" if len(settings[record.method.name]) > 1 else record.method.name
        for record, curve in zip(records, curves, strict=True)
    ]


def _settings(command: str) -> list[str]:
    """What a command line sets itself, the weights of another run first."""
    try:
        words = shlex.split(command)
    except ValueError:
        return []
    pairs = list(pairwise(words))
    weights = [f"weights of {run.rpartition('-')[2]}" for key, run in pairs if key == "--weights"]
    return weights + [setting for key, setting in pairs if key == "--set"]
