"""Short labels of runs that are shown together: on a board, in a comparison, in a plot."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import PurePosixPath

from ..runs.record import Record
from ..text import counted, whole_characters

RESERVED = frozenset({"class", "by", "winners", "sample"})
"""Keys that stand beside labels in the documents of a comparison, so that no label may be one of them."""

_STARTED, _MEMBERS = "init=", "members="
"""Begin words that are always named: the weights that a training starts from, and the runs that are joined."""

_RUN = re.compile(r"(.+-.+)-([0-9a-f]{8})")
"""Name of a run folder as `bench run` makes it."""

_MAX_MEMBERS = 3
"""Number of methods that are named of joined runs."""

_LOOKED_FOR = ("epochs", "size", "base_channels", "loss")
"""Settings by which a reader tells networks apart, before others that tell them apart as well."""


def run_hash(record: Record) -> str:
    """The end of a run's id, which tells it from other runs of its method."""
    return record.run_id.rpartition("-")[2]


def configuration(record: Record, *without: str) -> str:
    """The method, its settings and the dataset's as text, but for the seed and these keys."""
    method = record.method.model_dump(exclude={"seed", "chosen", "n_train", *without})
    return json.dumps([method, record.dataset.options], sort_keys=True, default=str)


def distinct_labels(labels: Sequence[str], records: Sequence[Record]) -> list[str]:
    """Labels that stand for one run each: one that is there several times gets the end of the run's id, and of a run
    that was made several times the moment."""
    labels = [whole_characters(label) for label in labels]
    for telling in (run_hash, lambda record: f"made {record.created[:19]}"):
        counts = Counter(labels)
        labels = [
            label if counts[label] == 1 else f"{label} {telling(record)}"
            for label, record in zip(labels, records, strict=True)
        ]
    return labels


def board_labels(records: Sequence[Record]) -> list[str]:
    """Names of methods; of one that is there several times with what tells its rows apart, in the command's words.

    Rows whose commands set the same, as those of a learning curve, have the same name.
    """
    words = _row_words(records)
    alike: dict[str, list[Sequence[str]]] = {}
    for record, own in zip(records, words, strict=True):
        alike.setdefault(record.method.name, []).append(own)
    return [
        _named(record.method.name, _telling(own, alike[record.method.name]))
        for record, own in zip(records, words, strict=True)
    ]


def _named(name: str, parts: Sequence[str]) -> str:
    return f"{name} ({', '.join(parts)})" if parts else name


def _telling(own: Sequence[str], every: Sequence[Sequence[str]]) -> list[str]:
    """Few of a row's words that together no other row has; where others have all of its words, those it needs besides.

    Weights that a training starts from, and joined runs, are always named. Of words that tell as much, the preset
    comes first, then how long a network was trained, the size of its images, its width and its loss.

    >>> rows = [["quick"], ["quick", "depth=3"], ["standard", "depth=3", "crop=64"]]
    >>> [_telling(row, rows) for row in rows]
    [['quick'], ['quick', 'depth=3'], ['standard']]
    >>> _telling(["quick"], [["quick"], ["quick"]])
    []
    >>> _telling(["quick", "init=city"], [["quick", "init=city"]])
    ['init=city']
    >>> _telling(["reduction=1", "epochs=15"], [["reduction=1", "epochs=15"], ["reduction=2", "epochs=5"]])
    ['epochs=15']
    """

    def worth(word: str) -> tuple[int, int]:
        key = word.partition("=")[0]
        place = _LOOKED_FOR.index(key) if key in _LOOKED_FOR else len(_LOOKED_FOR)
        return sum(word not in r for r in rivals), 1 if word == own[0] and "=" not in word else -place

    others = [set(words) for words in every if set(words) != set(own)]
    rivals = [words for words in others if not words > set(own)]
    told: set[str] = set()
    while rivals:
        best = max((word for word in own if word not in told), key=worth)
        told.add(best)
        rivals = [words for words in rivals if told <= words]
    named = [word for word in own if word in told or word.startswith((_STARTED, _MEMBERS))]
    return named or [word for word in own[:1] if others]


def comparison_labels(records: Sequence[Record]) -> list[str]:
    """A label for each run: the method, and what differs between the runs of that method: settings, labels, seed, or
    where predictions came from."""
    words = [
        list(dict.fromkeys([*own, *_labels_and_seed(record), *_predictions(record)]))
        for own, record in zip(_row_words(records), records, strict=True)
    ]
    alike: dict[str, list[Sequence[str]]] = {}
    for record, own in zip(records, words, strict=True):
        alike.setdefault(record.method.name, []).append(own)
    labels = []
    for record, own in zip(records, words, strict=True):
        parts = _telling(own, alike[record.method.name])
        parts += [run_hash(record)] if record.method.name in RESERVED and not parts else []
        labels.append(_named(record.method.name, parts))
    return distinct_labels(labels, records)


def _labels_and_seed(record: Record) -> list[str]:
    method = record.method
    labels = [] if method.n_train is None else [counted(round(method.n_train), "label")]
    return labels + ([] if method.seed is None else [f"seed {method.seed}"])


def _predictions(record: Record) -> list[str]:
    """Where predictions from elsewhere lay: by the last name of the path, and by all of it, where that tells more."""
    try:
        words = shlex.split(record.command)
    except ValueError:
        return []
    places = [value for key, value in pairwise(words) if key in ("--predictions", "-p")]
    return [f"from {name}" for place in places for name in dict.fromkeys((PurePosixPath(place).name, place))]


def plot_labels(records: Sequence[Record]) -> list[str]:
    """Names of methods for plots, as on boards; all points of a learning curve have the label of its first."""
    curves = [configuration(record, "train_fraction") for record in records]
    first: dict[str, Record] = {}
    for curve, record in zip(curves, records, strict=True):
        first.setdefault(curve, record)
    names = dict(zip(first, board_labels(list(first.values())), strict=True))
    return [names[curve] for curve in curves]


def _row_words(records: Sequence[Record]) -> list[list[str]]:
    """What makes each row; where only the runs that it starts from or joins are others than those of another row, also
    its labels and its seed, and last the ends of these runs' ids."""
    words, linked = [_words(record, records) for record in records], [_linked_runs(record) for record in records]
    rows: dict[tuple[str, frozenset[str]], set[tuple[str, ...]]] = {}
    keys = [(record.method.name, frozenset(own)) for record, own in zip(records, words, strict=True)]
    for key, runs in zip(keys, linked, strict=True):
        rows.setdefault(key, set()).add(runs)
    return [
        [*own, *_labels_and_seed(record), "+".join(run.rpartition("-")[2] for run in runs)]
        if len(rows[key]) > 1 and runs
        else own
        for record, own, key, runs in zip(records, words, keys, linked, strict=True)
    ]


def _linked_runs(record: Record) -> tuple[str, ...]:
    """Ids of the runs that a run joins, starts from, or has the weights of."""
    try:
        pairs = list(pairwise(shlex.split(record.command)))
    except ValueError:
        pairs = []
    named = [value.removeprefix(_STARTED) for _, value in pairs if value.startswith(_STARTED)]
    named += [value for key, value in pairs if key in ("--init", "--weights")]
    folders = [PurePosixPath(value).name for value in named]
    return (*map(str, record.method.config.get("runs") or []), *(name for name in folders if _RUN.fullmatch(name)))


def _words(record: Record, records: Sequence[Record]) -> list[str]:
    """What makes a row: its preset, what the command line sets itself, and whose weights it has.

    Of weights of one of these runs, the settings that are not that run's are named first.
    """
    preset = [record.method.preset] if record.method.preset else []
    try:
        words = shlex.split(record.command)
    except ValueError:
        return preset
    pairs = list(pairwise(words))
    dataset = record.dataset.name
    weights = [f"weights of {_source(run, dataset)}" for key, run in pairs if key == "--weights"]
    started = [f"{_STARTED}{start}" for key, start in pairs if key == "--init"]
    splits = [value for key, value in pairs if key == "--train-on"]
    settings = [value for key, value in pairs if key == "--set" and not value.startswith("members=")]
    chosen = [*_members(record), *splits, *(_short(each, dataset) for each in [*settings, *started])]
    return preset + list(dict.fromkeys(chosen + (_changed(record, records) if weights else []))) + weights


def _changed(record: Record, records: Sequence[Record]) -> list[str]:
    """Settings of a run that are other than those of the run whose weights it has, where that is one of these."""
    before = next((r for r in records if r.run_id == record.method.chosen.get("weights_of")), None)
    if before is None:
        return []
    mine, old = record.method.config, before.method.config
    return [f"{key}={json.dumps(value)}" for key, value in mine.items() if key not in old or old[key] != value]


def _members(record: Record) -> list[str]:
    """The methods of the runs that are joined, each with how many they are; of many methods the number of runs."""
    methods = Counter(map(str, record.method.config.get("methods") or []))
    if not methods:
        return []
    if len(methods) > _MAX_MEMBERS:
        return [f"{_MEMBERS}{methods.total()}"]
    return [_MEMBERS + "+".join(name if n == 1 else f"{n} {name}" for name, n in methods.items())]


def _short(setting: str, dataset: str) -> str:
    """A setting as `--set` takes it; of the weights that a training starts from only what they are.

    >>> _short("init=.real/models/espnetv2_city.pth", "camvid"), _short("init=runs/isbi2012-unet-cbe66748", "isbi2012")
    ('init=espnetv2_city', 'init=unet')
    >>> _short("init=runs/cityscapes-unet-cbe66748", "camvid"), _short("crop=64", "camvid")
    ('init=cityscapes-unet', 'crop=64')
    """
    key, _, value = setting.partition("=")
    return f"{_STARTED}{_source(value, dataset)}" if key == "init" else setting


def _source(path: str, dataset: str) -> str:
    """What weights are: the name of their file, or the method, and another dataset, of the run that holds them."""
    run = _RUN.fullmatch(PurePosixPath(path).name)
    return (PurePosixPath(path).stem if run is None else run[1]).removeprefix(f"{dataset}-")
