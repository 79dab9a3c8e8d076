"""Runs as a tidy table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import segbench
from places import ROOT
from segbench.errors import UserError
from segbench.runs.record import read_record

RECORDS = ROOT / "leaderboards" / "records"


@pytest.mark.slow
def test_every_score_of_every_run_is_a_row() -> None:
    table = segbench.load_runs(RECORDS)
    records = [read_record(path.parent) for path in RECORDS.glob("*/record.json")]
    assert len(table) == sum(len(record.scores) for record in records)
    assert table.is_main.sum() == len(records)
    best = table[table.is_main & table.folds.isna() & (table.dataset == "isbi2012")].nlargest(1, "value").iloc[0]
    assert (best.method, best.score, best.family) == ("unet", "v_rand", "learned")
    assert best.low < best.value < best.high
    assert Path(best.folder).is_dir()


def test_paths_may_be_one_or_many() -> None:
    first, second, *_ = sorted(RECORDS.iterdir())
    assert segbench.load_runs(str(first)).run_id.nunique() == 1
    assert segbench.load_runs([first, second]).run_id.nunique() == 2


def test_no_runs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run folders"):
        segbench.load_runs(tmp_path)


def test_a_record_holds_each_frame_of_a_film_on_one_line() -> None:
    (path,) = RECORDS.glob("medaka-threshold-*/record.json")
    record = read_record(path.parent)
    text = record.to_json()
    assert text == path.read_text(encoding="utf-8")
    content = json.loads(text)
    frames = [frame for film in content["cardiac"]["sequences"] for frame in film["frames"]]
    assert len(frames) == 550
    assert sum('{ "frame": ' in line for line in text.splitlines()) == 550
    assert content == record.model_dump(mode="json")


def test_names_that_look_like_frames_stay_as_they_are() -> None:
    (path,) = RECORDS.glob("isbi2012-constant-*/record.json")
    odd = 'a {\n "frame": 1,\n "b": 2}'
    record = read_record(path.parent).model_copy(update={"command": odd})
    assert json.loads(record.to_json())["command"] == odd
