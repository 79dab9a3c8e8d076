"""Forgeries by somebody who computes every hash, id, score and digest again: what is refused, and what is as stated.

`docs/trust.md` says how many of which kind there are.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from forged_records import bind_anew, change

from places import ROOT
from segbench.boards.validation import validate
from segbench.commands.run import RunRequest, run
from segbench.errors import UserError
from segbench.evaluation.scoring import score
from segbench.evaluation.statistics import Statistics
from segbench.io.reporter import Reporter
from segbench.runs.record import read_record, write_record
from segbench.runs.stored import open_run, open_unchecked
from segbench.types import Statistic
from synthetic_roots import write_stacks

QUIET = Reporter(quiet=True)
COMMAND = "bench run --dataset isbi2012 --method threshold --root stack --set max_images=2 --set fit_images=2"
Forge = Callable[[Path], None]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs as they are sent in: of their record and their statistics alone."""
    folder = tmp_path_factory.mktemp("careful")
    labels = write_stacks(folder / "stack") / "train-labels.tif"
    # Shifted against the images, the truth is not reached by the method.
    tifffile.imwrite(labels, np.roll(tifffile.imread(labels), 1, axis=2), photometric="minisblack")
    for method, settings in (("threshold", {"max_images": 2, "fit_images": 2}), ("constant", {})):
        request = RunRequest("isbi2012", method, root=folder / "stack", out=folder / method, plots=False)
        _, record = run(dataclasses.replace(request, settings=settings), QUIET)
        sent = folder / "sent" / record.run_id
        sent.mkdir(parents=True)
        for name in ("record.json", "statistics.parquet"):
            shutil.copyfile(folder / method / name, sent / name)
        if method == "threshold":
            change(sent, command=COMMAND)
        bind_anew(sent)
    return folder / "sent"


@pytest.fixture
def sent(made: Path, tmp_path: Path) -> Path:
    """The run of threshold, beside the other."""
    shutil.copytree(made, tmp_path / "sent")
    return next((tmp_path / "sent").glob("isbi2012-threshold-*"))


def says(**changes: object) -> Forge:
    """A forgery of what the record says."""
    return lambda folder: change(folder, **changes)


def counts(metric: str, name: str, value: float, *, every: bool = True) -> Forge:
    """A forgery of statistics: a column multiplied by a value, from which the whole record follows then."""

    def forge(folder: Path) -> None:
        items: list[Statistic] = []
        for item in open_run(folder).statistics:
            columns: dict[str, Any] = {key: np.array(column) for key, column in item.columns.items()}
            if item.metric == metric and (every or not any(other.metric == metric for other in items)):
                columns[name] = (columns[name] * value).astype(columns[name].dtype)
            items.append(dataclasses.replace(item, columns=columns))
        _follow(folder, items)

    return forge


def _follow(folder: Path, items: list[Statistic]) -> None:
    """Write statistics, and the record that follows from them."""
    found, statistics = open_unchecked(folder), Statistics(items)
    statistics.to_parquet(folder / "statistics.parquet", found.metrics)
    scored = score(statistics, found.metrics, found.info)
    update = {"statistics_sha256": statistics.sha256(), "scores": scored.scores, "per_class": scored.per_class}
    update |= {"class_intervals": scored.class_intervals}
    write_record(folder, found.record.model_copy(update=update))


def better(folder: Path) -> None:
    """Every wrong pixel of the overlap moved to the right place: the truth stays as it was."""
    items = []
    for item in open_run(folder).statistics:
        columns: dict[str, Any] = {key: np.array(column) for key, column in item.columns.items()}
        if item.metric == "binary-overlap":
            truth, pixels = columns["truth"], columns["pixels"]
            labels = np.unique(truth)
            columns = {
                "truth": labels,
                "prediction": labels.copy(),
                "pixels": np.array([int(pixels[truth == label].sum()) for label in labels]),
            }
        items.append(dataclasses.replace(item, columns=columns))
    _follow(folder, items)


def alone(folder: Path) -> None:
    """Every sample in a group of its own, which makes intervals narrow."""
    _follow(folder, [dataclasses.replace(s, group=s.sample_id) for s in open_run(folder).statistics])


def without_a_sample(folder: Path) -> None:
    """The worst sample left out."""
    _follow(folder, [s for s in open_run(folder).statistics if s.sample_id != "slice-27"])
    ids = open_unchecked(folder).ids
    from segbench.io.fingerprints import ids_sha256

    change(folder, dataset__n=len(ids), dataset__ids_sha256=ids_sha256(ids))


def of_the_other(folder: Path) -> None:
    """The statistics of the run beside it, as its own."""
    other = next(folder.parent.glob("isbi2012-constant-*"))
    _follow(folder, list(open_run(other).statistics))


def without_overlap(folder: Path) -> None:
    """A family in which it does badly left out."""
    change(folder, metrics={"partition": read_record(folder).metrics["partition"]})
    kept = [s for s in Statistics.from_parquet(folder / "statistics.parquet", _families()) if s.metric == "partition"]
    Statistics(kept).to_parquet(folder / "statistics.parquet", [_families()["partition"]])
    _follow(folder, kept)


def _families() -> dict[str, Any]:
    from segbench.registry import metrics

    return dict(metrics())


def a_further_score(folder: Path) -> None:
    """One more score, that of another name."""
    scores = read_record(folder).model_dump(mode="json")["scores"]
    change(folder, scores=scores | {"best": scores["v_rand"]})


def _command(*more: str) -> str:
    return " ".join([COMMAND, *more])


REFUSED: dict[str, tuple[Forge, str]] = {
    "a score": (says(scores__v_rand__value=0.999), "score v_rand"),
    "the lower end of an interval": (says(scores__v_rand__low=0.99), "score v_rand"),
    "which scores are better": (says(scores__v_info__higher_is_better=False), "score v_info"),
    "a further score": (a_further_score, "score best"),
    "the main score": (says(main_score="dice"), "main_score"),
    "a class": (says(per_class__cell__iou=0.99), "per_class"),
    "an interval of a class": (says(class_intervals__cell__iou_high=0.99), "class_intervals"),
    "a category": (says(per_category={"all": {"iou": 1.0}}), "per_category"),
    "fewer samples": (says(dataset__n=4), "samples"),
    "other ids": (says(dataset__ids_sha256="0" * 64), "official ids"),
    "another split": (says(dataset__split="val", command=_command("--split", "val")), "official ids"),
    "all slices": (says(dataset__split="all", command=_command("--split", "all")), "official ids"),
    "a sample left out": (without_a_sample, "official ids"),
    "a family left out": (without_overlap, "all families"),
    "groups of one sample": (alone, "truth"),
    "synthetic data": (says(dataset__origin="synthetic"), "origin"),
    "options that the data have not": (says(dataset__options={"view": "best"}), "settings"),
    "not complete": (says(complete=False), "complete"),
    "an oracle": (says(method__oracle=True), "oracle"),
    "a family of methods": (says(method__family="learned"), "method"),
    "another method": (says(method__name="canny", command=COMMAND.replace("threshold", "canny")), "method"),
    "a preset that is none": (says(method__preset="best", command=_command("--preset", "best")), "method"),
    "another preset": (says(method__preset="paper", command=_command("--preset", "paper")), "settings"),
    "a preset in the record alone": (says(method__preset="paper"), "command"),
    "a setting": (says(method__config__max_images=9), "settings"),
    "a setting in the command": (says(command=COMMAND.replace("max_images=2", "max_images=9")), "settings"),
    "a setting that there is not": (says(method__config__secret=1), "method"),
    "a seed": (says(method__seed=7), "command"),
    "folds": (says(dataset__folds=5), "command"),
    "a part of the labels": (says(method__train_fraction=0.1), "command"),
    "a command that is none": (says(command="python train.py"), "command"),
    "a command of another kind": (says(command="bench evaluate -d isbi2012 -p masks"), "command"),
    "a command that cannot be read": (says(command="bench run 'isbi"), "command"),
    "the future": (says(created="2999-01-01T00:00:00+00:00"), "created"),
    "long ago": (says(created="1999-01-01T00:00:00+00:00"), "created"),
    "no time zone": (says(created="2026-11-26T00:00:00"), "created"),
    "negative time": (says(cost__train_s=-1.0), "cost"),
    "a part longer than the whole": (says(cost__earlier_train_s=1e6), "cost"),
    "endless time": (says(cost__predict_ms_per_image=1e300), "cost"),
    "negative memory": (says(cost__peak_memory_mb=-1.0), "cost"),
    "parameters beyond any": (says(cost__parameters=10**30), "cost"),
    "twice the pixels": (counts("binary-overlap", "pixels", 2), "agreement"),
    "negative pixels": (counts("binary-overlap", "pixels", -1), "possible"),
    "labels that there are not": (counts("binary-overlap", "prediction", 7), "possible"),
    "larger overlaps": (counts("partition", "s_ab", 30), "possible"),
    "no entropy": (counts("partition", "h_ab", 0), "possible"),
    "more foreground": (counts("partition", "foreground_pixels", 2, every=False), "agreement"),
}
STATED: dict[str, tuple[Forge, str]] = {
    "half the time": (says(cost__train_s=0.001), "cost"),
    "another number of parameters": (says(cost__parameters=12), "cost"),
    "a seed with its command": (says(method__seed=7, command=_command("--seed", "7")), "seed"),
    "labels trained on": (says(method__n_train=1.0), "training"),
    "a method of one's own": (says(method__name="mine", command=COMMAND.replace("threshold", "mine")), "method"),
    "a setting with its command": (
        says(method__config__max_images=9, command=COMMAND.replace("max_images=2", "max_images=9")),
        "training",
    ),
    "another truth's hash": (says(dataset__data_sha256="0" * 64), "comparable"),
    "statistics of another method": (of_the_other, "training"),
    "counts of a perfect prediction": (better, "training"),
}
UNREADABLE: dict[str, Forge] = {
    "another version of the data": says(dataset__version="2"),
    "another version of a metric": says(metrics={"partition": "0", "binary-overlap": "1"}),
    "a metric that there is not": says(metrics={"best": "1"}),
    "a schema of tomorrow": says(schema_version=99),
}


def test_what_was_not_forged_is_taken(sent: Path) -> None:
    assert validate(sent, None, QUIET).ok


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_whoever_bound_it(sent: Path, name: str) -> None:
    forge, expected = REFUSED[name]
    forge(sent)
    found = {check.name: check for check in validate(bind_anew(sent), None, QUIET).checks}
    assert {found[key].ok for key in ("run_id", "content", "evidence", "folder")} == {True}
    assert found[expected].ok is False, [(each.name, each.detail) for each in found.values() if not each.ok]


@pytest.mark.parametrize("name", STATED)
def test_what_nothing_proves_is_marked(sent: Path, name: str) -> None:
    forge, expected = STATED[name]
    forge(sent)
    found = validate(bind_anew(sent), None, QUIET)
    assert [each.name for each in found.checks if each.ok is False] == []
    assert {each.name: each.ok for each in found.checks}[expected] is None


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_this_version_cannot_compute_is_refused(sent: Path, name: str) -> None:
    UNREADABLE[name](sent)
    with pytest.raises(UserError):
        validate(sent, None, QUIET)


@pytest.mark.parametrize("name", [name for name in STATED if name != "another truth's hash"])
def test_none_of_them_passes_without_the_digest(sent: Path, name: str) -> None:
    """Who forgets to bind the record again is found out in every case."""
    forge, _ = STATED[name]
    forge(sent)
    assert not validate(sent, None, QUIET).ok


def test_the_page_has_these_figures() -> None:
    page = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")
    told = re.search(r"(\d+) forgeries .*?: (\d+) are refused .*? (\d+) are as stated", page, re.DOTALL)
    assert told is not None
    refused = len(REFUSED) + len(UNREADABLE)
    assert [int(each) for each in told.groups()] == [refused + len(STATED), refused, len(STATED)]
