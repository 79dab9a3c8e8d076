"""Runs as a tidy table."""

from __future__ import annotations

import json
import math
import shutil
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


def test_a_row_says_what_its_record_says() -> None:
    paths = [path for name in ("isbi2012-unet", "voc2012-dinov3") for path in sorted(RECORDS.glob(f"{name}*"))[:2]]
    records = {record.run_id: record for record in map(read_record, paths)}
    rows = segbench.load_runs(paths).to_dict("records")
    assert [(row["run_id"], row["score"]) for row in rows] == [
        (run_id, name) for run_id, record in sorted(records.items()) for name in record.scores
    ]
    for row in rows:
        record = records[row["run_id"]]
        score, data, method = record.scores[row["score"]], record.dataset, record.method
        told = {key: row[key] for key in ("value", "low", "high", "unit", "higher_is_better")}
        assert told == {key: getattr(score, key) for key in told}
        assert (row["n"], row["whole_n"], row["split"]) == (data.n, data.whole_n or data.n, data.split)
        assert (row["method"], row["oracle"]) == (method.name, method.oracle)
        assert row["seed"] == method.seed or (math.isnan(row["seed"]) and method.seed is None)
        assert row["is_main"] == (row["score"] == record.main_score)
        assert Path(row["folder"]).name == row["run_id"]


def test_undefined_scores_are_nan(tmp_path: Path) -> None:
    first = sorted(RECORDS.glob("camvid-unet-*"))[0]
    run = shutil.copytree(first, tmp_path / first.name)
    content = json.loads((run / "record.json").read_text(encoding="utf-8"))
    name = next(iter(content["scores"]))
    content["scores"][name] |= {"value": None, "low": None}
    (run / "record.json").write_text(json.dumps(content), encoding="utf-8")
    table = segbench.load_runs(tmp_path).set_index("score")
    assert table.loc[name, ["value", "low"]].isna().all()
    assert table.loc[name, "high"] == content["scores"][name]["high"]


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
