"""Python's search for cycles rests while thousands of records are read, and only then."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import segbench
from places import ROOT
from segbench.boards.compare_groups import records_below
from segbench.io.collector import collector_paused
from segbench.runs.find import find_runs

RECORDS = [*sorted((ROOT / "leaderboards" / "records").glob("isbi2012-unet-*"))[:3]]


@pytest.fixture
def eager() -> Iterator[list[str]]:
    """A collector that begins after every other object, and what it has done."""
    before, done = gc.get_threshold(), []

    def note(phase: str, _: dict[str, Any]) -> None:
        done.append(phase)

    gc.set_threshold(1, 1, 1)
    gc.callbacks.append(note)
    yield done
    gc.callbacks.remove(note)
    gc.set_threshold(*before)


def test_it_rests_within_and_is_on_after() -> None:
    with collector_paused():
        assert not gc.isenabled()
        with collector_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_is_on_after_an_error() -> None:
    with pytest.raises(KeyError), collector_paused():
        raise KeyError
    assert gc.isenabled()


def test_one_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with collector_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize("read", [find_runs, records_below, segbench.load_runs])
def test_no_search_while_records_are_read(read: Any, eager: list[str]) -> None:
    paths: list[Path] = RECORDS
    read(paths)  # what is imported by the way
    eager.clear()
    begun = len(eager)
    found = read(paths)
    assert len(found)
    assert len(eager) - begun < 20  # what pytest and this line make
