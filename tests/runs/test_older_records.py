"""Records of older schemas and versions are read as what they are: listed, marked, never ranked beside today's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from committed_records import on_whole_split

import segbench
from commands import Run, printed_json
from places import GOLDEN, ROOT
from segbench.errors import UserError
from segbench.runs.migrations import SCHEMA_VERSION, STEPS, migrated
from segbench.runs.record import Record, read_record
from segbench.runs.versions import other_versions

RECORDS = ROOT / "leaderboards" / "records"
FIRST = GOLDEN / "records" / "isbi2012-threshold-a6b39aa7"
"""The first record that was committed, without the folder of its data."""


def copied(name: str, target: Path, **metrics: str) -> Path:
    """A committed run in a folder of its own, with other versions of its metrics in its record."""
    (source,) = on_whole_split(name)
    folder = target / source.name
    shutil.copytree(source, folder)
    content = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    content["metrics"] |= metrics
    content["run_id"] += "-older" if metrics else ""
    (folder / "record.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Three runs of an older metric, the best of all methods among them, and two of today's."""
    runs = tmp_path / "runs"
    for name in ("isbi2012-unet-0b805e1a", "isbi2012-fpn-*", "isbi2012-constant-*"):
        copied(name, runs / "older", partition="0")
    for name in ("isbi2012-fcn-*", "isbi2012-chan-vese-*"):
        copied(name, runs / "today")
    return runs


def test_the_first_record_is_read(bench: Run) -> None:
    text = (FIRST / "record.json").read_text(encoding="utf-8")
    content = json.loads(text)
    assert "statistics_sha256" not in content
    record = read_record(FIRST)
    assert record.model_dump(mode="json")["scores"] == content["scores"]
    assert record.statistics_sha256 is None
    assert record.cost.macs_per_image is None
    table = segbench.load_runs(FIRST)
    assert table[table.is_main].value.tolist() == [content["scores"]["v_rand"]["value"]]
    assert (FIRST / "record.json").read_text(encoding="utf-8") == text
    # Its values follow from its statistics to this day; its intervals are those of its time, which is said.
    done = bench("verify", FIRST, "--json")
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 1
    assert checks["score v_rand"]["detail"].startswith("low stored 0.84")
    assert "value" not in checks["score v_rand"]["detail"]


def renamed(old: str, new: str) -> Any:
    return lambda content: {(new if key == old else key): value for key, value in content.items()}


def test_older_schemas_are_brought_to_todays_step_by_step() -> None:
    steps = [renamed("a", "b"), renamed("b", "c")]
    for version, key in ((1, "a"), (2, "b"), (3, "c")):
        given = {"schema_version": version, key: 5}
        assert migrated(given, steps) == {"schema_version": 3, "c": 5}
        assert given == {"schema_version": version, key: 5}


def test_every_schema_has_its_step() -> None:
    assert len(STEPS) + 1 == SCHEMA_VERSION == Record.model_fields["schema_version"].default
    assert migrated({"schema_version": SCHEMA_VERSION}) == {"schema_version": SCHEMA_VERSION}


def test_a_newer_schema_is_refused_with_what_to_do(tmp_path: Path) -> None:
    folder = copied("isbi2012-constant-*", tmp_path)
    path = folder / "record.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | {"schema_version": SCHEMA_VERSION + 1}), encoding="utf-8")
    with pytest.raises(UserError, match=r"record\.json: has schema version \d+, which a newer segbench wrote.*Update"):
        read_record(folder)


@pytest.mark.parametrize("version", [None, 0, -1, "1", 1.0, True])
def test_what_is_no_schema_version_is_refused(tmp_path: Path, version: object) -> None:
    folder = copied("isbi2012-constant-*", tmp_path)
    path = folder / "record.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | {"schema_version": version}), encoding="utf-8")
    with pytest.raises(UserError, match="expected a whole number from 1"):
        read_record(folder)


def test_other_versions_of_dataset_and_metrics_are_named() -> None:
    record = read_record(FIRST)
    assert other_versions(record) == ()
    data = record.dataset.model_copy(update={"version": "0"})
    older = record.model_copy(update={"dataset": data, "metrics": {"partition": "1", "gone": "4"}})
    assert [str(each) for each in other_versions(older)] == [
        "dataset isbi2012 0 (here 1)",
        "metric gone 4 (unknown here)",
    ]
    elsewhere = record.model_copy(update={"dataset": record.dataset.model_copy(update={"name": "of-a-plugin"})})
    assert [str(each) for each in other_versions(elsewhere)] == ["dataset of-a-plugin 1 (unknown here)"]


@pytest.mark.slow
@pytest.mark.slow
def test_a_board_shows_older_runs_after_todays_and_says_so(bench: Run, mixed: Path) -> None:
    done = bench("leaderboard", mixed, "--out", "boards")
    assert done.returncode == 0, done.stderr
    page = (mixed.parent / "boards" / "isbi2012.md").read_text(encoding="utf-8")
    _, today, older = page.split("\n## ")[:3]
    assert "| fcn " in today
    assert "Of another version" not in today
    assert "| unet " not in today
    assert "| unet " in older
    assert "Of another version: metric partition 0 (here 1). These scores cannot be computed again" in older
    front = (mixed.parent / "boards" / "README.md").read_text(encoding="utf-8")
    assert front.index("**fcn** leads") < front.index("Of another version") < front.index("**unet** leads")


@pytest.mark.slow
@pytest.mark.slow
def test_older_runs_are_in_the_report(bench: Run, mixed: Path) -> None:
    made = printed_json(bench("report", mixed, "--out", "report", "--json"))
    assert [(section["runs"], section["compared"]) for section in made["sections"]] == [(2, True), (3, False)]
    page = (mixed.parent / "report" / "index.html").read_text(encoding="utf-8")
    assert page.count("Of another version: metric partition 0 (here 1).") == 1


@pytest.mark.slow
def test_older_runs_are_rows_that_are_marked(mixed: Path) -> None:
    table = segbench.load_runs(mixed)
    main = table[table.is_main]
    assert len(main) == 5
    assert set(main[~main.is_current].method) == {"unet", "fpn", "constant"}
    assert set(main[~main.is_current].metrics) == {"binary-overlap 1, partition 0"}


@pytest.mark.slow
@pytest.mark.parametrize("command", ["verify", "explain", "compare"])
def test_what_cannot_be_computed_again_is_said(bench: Run, mixed: Path, command: str) -> None:
    runs = sorted((mixed / "older").iterdir())
    done = bench(command, *(runs if command == "compare" else runs[:1]))
    assert done.returncode == 2
    assert "was made with version 0 of metric partition, this is version 1" in done.stderr
    assert "score it again" in done.stderr
