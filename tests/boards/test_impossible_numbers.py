"""A record with a number that nothing can be computed with is left out by name, and the others are ranked."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from forged_records import change

from commands import Run
from places import ROOT
from segbench.runs.record import MAX_STATED, read_record
from segbench.types import UserError

RECORDS = ROOT / "leaderboards" / "records"
SOUND, FORGED = "isbi2012-canny-e3c52ecd", "isbi2012-threshold-146d703e"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name in (SOUND, FORGED):
        shutil.copytree(RECORDS / name, tmp_path / "runs" / name)
    return tmp_path / "runs"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cost__parameters", 10**400),
        ("cost__macs_per_image", 10**400),
        ("cost__macs_per_image", -(10**400)),
        ("cost__best_batch", 10**400),
        ("cost__train_s", 10**400),
        ("cost__train_s", 1e308),
        ("cost__peak_memory_mb", 1e308),
        ("dataset__folds", 0),
        ("dataset__folds", 1),
        ("dataset__folds", 10**400),
        ("dataset__n", -1),
        ("dataset__n", 10**400),
        ("dataset__whole_n", 0),
        ("method__seed", 10**400),
        ("method__n_train", -1.0),
        ("method__n_train", 1e308),
        ("method__train_fraction", 0.0),
        ("method__train_fraction", 1e308),
        ("scores__dice__value", 1e308),
        ("scores__dice__n", 10**400),
    ],
)
def test_it_is_not_read_and_the_field_is_named(runs: Path, key: str, value: object) -> None:
    change(runs / FORGED, **{key: value})
    with pytest.raises(UserError, match=f"{FORGED}.*'{key.replace('__', '.')}' is wrong"):
        read_record(runs / FORGED)


@pytest.mark.parametrize(
    ("key", "value"),
    [("cost__parameters", 10**400), ("cost__macs_per_image", 10**400), ("dataset__folds", 0)],
)
def test_it_is_named_and_the_others_are_compared(bench: Run, runs: Path, key: str, value: object) -> None:
    other = shutil.copytree(runs / SOUND, runs / "other")
    change(other, run_id="isbi2012-canny-00000001", method__name="other")
    change(runs / FORGED, **{key: value})
    for command, status in (("compare", 0), ("table", 0), ("leaderboard", 2)):
        done = bench(command, runs)
        assert done.returncode == status, done.stderr
        said = "".join((done.stdout + done.stderr).split())
        assert f"{FORGED}/record.json:'{key.replace('__', '.')}'iswrong" in said


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cost__parameters", MAX_STATED),
        ("cost__macs_per_image", -MAX_STATED),
        ("cost__best_batch", MAX_STATED),
        ("cost__train_s", 1e300),
        ("dataset__folds", 2**63 - 1),
        ("dataset__n", 2**63 - 1),
        ("scores__dice__value", 1e150),
        ("scores__dice__n", 2**63 - 1),
    ],
)
def test_the_largest_numbers_that_are_read_stop_nobody(bench: Run, runs: Path, key: str, value: object) -> None:
    """Two seeds of it, so that means over seeds are computed too."""
    change(runs / FORGED, **{key: value})
    again = shutil.copytree(runs / FORGED, runs / "again")
    change(again, run_id="isbi2012-threshold-00000001", method__seed=1)
    for command in ("leaderboard", "compare"):
        done = bench(command, runs)
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode in (0, 2)
