"""Where a stored block differs from what the statistics give: the place, both values, and how many more places."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from places import ROOT
from segbench.runs.differences import first_difference
from segbench.runs.stored import open_unchecked
from segbench.runs.stored_checks import stored_checks

RECORDS = ROOT / "leaderboards" / "records"

BLOCK: dict[str, Any] = {
    "unit": "beats",
    "truth": [{"rate": 2.0, "flags": []}, {"rate": 2.5, "flags": ["implausible"]}],
    "none": None,
}


def _changed(**at: Any) -> dict[str, Any]:
    """The block with other values at places such as `truth/1/flags`."""
    made = copy.deepcopy(BLOCK)
    for place, value in at.items():
        *above, last = [int(part) if part.isdigit() else part for part in place.split("/")]
        inner: Any = made
        for part in above:
            inner = inner[part]
        inner[last] = value
    return made


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (_changed(), ""),
        (_changed(unit="Hz"), "unit: 'Hz' stored, 'beats' from the statistics"),
        (_changed(none=0), "none: 0 stored, None from the statistics"),
        (
            _changed(**{"truth/1/flags": []}),
            "truth[1].flags: [] stored, ['implausible'] from the statistics",
        ),
        (
            _changed(**{"truth/1/flags": [], "truth/0/rate": 3.0}),
            "truth[0].rate: 3.0 stored, 2.0 from the statistics, and 1 more place",
        ),
        (
            _changed(**{"truth/0/rate": 2.0000000000000004}),
            "truth[0].rate: 2.0000000000000004 stored, 2.0 from the statistics",
        ),
        (_changed(truth=BLOCK["truth"] * 40), "truth: 80 items stored, 2 items from the statistics"),
        (_changed(more=1), "more: 1 stored, nothing from the statistics"),
        ({"unit": "beats", "none": None}, "truth: nothing stored, 2 items from the statistics"),
        ([], "[] stored, 3 items from the statistics"),
        ({}, "unit: nothing stored, 'beats' from the statistics, and 2 more places"),
        (_changed(unit="x" * 1000), f"unit: 'x{'x' * 57}… stored, 'beats' from the statistics"),
        (_changed(**{"a\x1b[31m": 1}), "a?[31m: 1 stored, nothing from the statistics"),
    ],
)
def test_the_first_place_and_both_values(stored: Any, said: str) -> None:
    assert first_difference(stored, BLOCK) == said


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON)
def test_something_is_said_of_whatever_differs_and_only_of_that(one: Any, other: Any) -> None:
    assert (first_difference(one, other) == "") == (one == other or one is other)
    assert first_difference(one, one) == ""


def test_a_run_says_where_its_block_differs(tmp_path: Path) -> None:
    (model,) = RECORDS.glob("medaka-threshold-*")
    folder = shutil.copytree(model, tmp_path / model.name)
    content = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    name, block = "cardiac", content["cardiac"]
    assert _block_check(folder, name) == (True, "the block")
    frame = block["sequences"][1]["frames"][7]
    key = next(key for key, value in frame.items() if isinstance(value, float))
    was, frame[key] = frame[key], 1234.5
    block["added"] = [1, 2]
    (folder / "record.json").write_text(json.dumps(content), encoding="utf-8")
    told = f"sequences[1].frames[7].{key}: 1234.5 stored, {was!r} from the statistics, and 1 more place"
    assert _block_check(folder, name) == (False, told)
    del content["cardiac"]
    (folder / "record.json").write_text(json.dumps(content), encoding="utf-8")
    assert _block_check(folder, name) == (False, "is not in the record")


def test_a_block_that_no_statistics_give_is_found(tmp_path: Path) -> None:
    model = min(RECORDS.glob("isbi2012-threshold-*"))
    folder = shutil.copytree(model, tmp_path / model.name)
    content = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    name = next(iter(content["metrics"]))
    content[name] = {"made": "up"}
    (folder / "record.json").write_text(json.dumps(content), encoding="utf-8")
    assert _block_check(folder, name) == (False, "does not follow from the statistics")


def _block_check(folder: Path, name: str) -> tuple[bool | None, str]:
    (found,) = [check for check in stored_checks(open_unchecked(folder)) if check.name == name]
    return found.ok, found.detail
