"""What a board asks of a run that a third party submits, and which ranks could be otherwise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from committed_records import on_whole_split
from forged_records import change

from commands import Run, printed_json
from places import ROOT
from segbench.boards.board import boards
from segbench.boards.published import published_section
from segbench.boards.rank_spans import rank_spans
from segbench.boards.submission import SUBMITTED
from segbench.errors import UserError
from segbench.evaluation.statistics import Statistics
from segbench.runs.find import find_runs
from segbench.runs.stored import open_run
from segbench.types import Statistic

RECORDS = ROOT / "leaderboards" / "records"


@pytest.fixture
def submitted(tmp_path: Path) -> Path:
    """Three committed runs, of which the last is the one submitted."""
    chosen = on_whole_split("isbi2012-*")[:3]
    for folder in chosen:
        shutil.copytree(folder, tmp_path / "records" / folder.name)
    return tmp_path / "records" / chosen[-1].name


def checked(bench: Run, folder: Path) -> tuple[int, list[str]]:
    """Exit status, and the names of the checks that failed."""
    done = bench("leaderboard", "--validate", folder, "--json")
    return done.returncode, [each["name"] for each in json.loads(done.stdout)["checks"] if each["ok"] is False]


def test_a_sound_run_is_taken(bench: Run, submitted: Path) -> None:
    assert checked(bench, submitted) == (0, [])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"scores__v_rand__value": 0.999}, "score v_rand"),
        ({"scores__v_rand__low": 0.998}, "score v_rand"),
        ({"method__oracle": True}, "oracle"),
        ({"complete": False}, "complete"),
        ({"dataset__n": 6}, "size"),
        ({"per_class__cell__iou": 0.99}, "per_class"),
        ({"command": " "}, "command"),
    ],
)
def test_a_record_that_does_not_add_up_is_rejected(
    bench: Run, submitted: Path, changes: dict[str, object], expected: str
) -> None:
    change(submitted, **changes)
    code, failed = checked(bench, submitted)
    assert code == 1
    assert expected in failed


def test_statistics_of_another_truth_are_rejected(bench: Run, submitted: Path) -> None:
    """Scores may follow from the statistics, and these from nothing: the true pixels of a class are everyone's."""
    run = open_run(submitted)
    made_up = []
    for item in run.statistics:
        columns = dict(item.columns)
        if "pixels" in columns:
            columns["pixels"] = 2 * np.array(columns["pixels"], np.int64)
        made_up.append(Statistic(item.metric, item.sample_id, item.group, item.index, columns))
    Statistics(made_up).to_parquet(submitted / "statistics.parquet", run.metrics)
    code, failed = checked(bench, submitted)
    assert code == 1
    assert "truth" in failed


def test_a_folder_of_another_name_or_with_more_in_it_is_rejected(bench: Run, submitted: Path) -> None:
    (submitted / "weights.pt").write_bytes(b"anything")
    other = submitted.rename(submitted.with_name("better-name"))
    assert checked(bench, other) == (1, ["folder", "files"])


def test_a_folder_as_a_run_leaves_it_is_sound_and_what_stays_there_is_said(bench: Run, submitted: Path) -> None:
    for name in (".lock", "config.yaml", "log.txt"):
        (submitted / name).touch()
    (submitted / "predictions").mkdir()
    own = submitted.rename(submitted.with_name("own-name"))
    done = bench("leaderboard", "--validate", own)
    assert done.returncode == 0, done.stdout
    assert "files: not published: .lock, config.yaml, log.txt, predictions" in done.stdout
    assert f"folder: will be published as {submitted.name}" in done.stdout
    (own / "weights.pt").touch()
    assert checked(bench, own) == (1, ["folder", "files"])


def test_committed_records_hold_nothing_that_is_not_published() -> None:
    assert {path.name for path in RECORDS.glob("*/*")} <= SUBMITTED


def test_no_run_folder_is_one_message(bench: Run, tmp_path: Path) -> None:
    done = bench("leaderboard", "--validate", tmp_path)
    assert done.returncode == 2
    assert "is no run folder" in done.stderr


CHOSEN = ("unet-0b805e1a", "unet-9a4e8a9c", "fpn-31b96c03", "constant-14779940")


def test_boards_give_ranks_that_cannot_be_told_apart_as_spans() -> None:
    isbi = [run for run in find_runs([RECORDS]) if run[0].name.startswith("isbi2012-")]
    chosen = [run for run in isbi if run[0].name.partition("-")[2] in CHOSEN]
    records = [record for _, record in chosen]
    spans = rank_spans(chosen)
    # The cross-validation stands alone, with nothing to be told from.
    assert len(spans) == len(records) - 1 == 3
    alone = [record for record in records if record.dataset.folds is None]
    named = {record.method.name: (spans[record.run_id].first, spans[record.run_id].last) for record in alone}
    assert named == {"unet": (1, 2), "fpn": (1, 2), "constant": (3, 3)}
    page = boards(records, spans)["isbi2012.md"]
    assert "(at 5 % for all 3 pairs together, of which 2 differ)" in page
    assert "**5 samples** are few for a test: swaps alone give no p value below 1/16" in page
    assert "| 1–2 " in page
    assert "| 3 " in page
    assert "1–2" not in boards(records)["isbi2012.md"]


def test_a_run_without_statistics_is_never_ranked(tmp_path: Path) -> None:
    (folder,) = RECORDS.glob("isbi2012-fcn-*")
    (tmp_path / folder.name).mkdir()
    shutil.copyfile(folder / "record.json", tmp_path / folder.name / "record.json")
    with pytest.raises(UserError, match=r"has no statistics\.parquet\. Nothing proves its scores.* --resume"):
        find_runs([tmp_path])


@pytest.mark.slow
def test_published_scores_stand_apart_with_their_source(bench: Run) -> None:
    text = "\n".join(published_section("voc2012"))
    assert "not ranked" in text
    assert "| DeepLabv3 " in text
    assert "85.7 %" in text
    assert "arXiv:1706.05587" in text
    assert "voc2011 seg11valid" in text
    assert published_section("folder") == []
    found = printed_json(bench("leaderboard", RECORDS, "--json"))
    assert all("published" not in json.dumps(row["method"]) for group in found for row in group["rows"])
