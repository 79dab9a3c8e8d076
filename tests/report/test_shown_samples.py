"""A report after plain runs shows pictures: every run keeps the predictions of a few samples, the same of every run."""

from __future__ import annotations

from pathlib import Path

import pytest
from evaluated_runs import truth

import segbench
from segbench.commands.report import ReportRequest, report
from segbench.io.reporter import Reporter
from segbench.predictions.stored import MAX_SHOWN, shown_ids
from synthetic_roots import write_stacks

pytestmark = pytest.mark.slow


def made(dataset: str, root: Path, runs: Path, *methods: str, **how: object) -> list[Path]:
    folders = [runs / method for method in methods]
    for folder in folders:
        segbench.run(dataset, folder.name, root=root, out=folder, plots=False, progress=False, **how)  # type: ignore[arg-type]
    return folders


@pytest.mark.filterwarnings("ignore::segbench.SegbenchWarning")
def test_runs_on_many_samples_keep_the_same_few(tmp_path: Path) -> None:
    root = truth(tmp_path / "masks", 60)
    one, other = made("folder", root, tmp_path / "runs", "constant", "mean-shape")
    names = {path.name for path in (one / "shown").iterdir()}
    assert 0 < len(names) <= MAX_SHOWN
    assert {path.name for path in (other / "shown").iterdir()} == names
    assert not (one / "predictions").exists()
    assert "shown" not in (one / "record.json").read_text()
    summary = report(ReportRequest((tmp_path / "runs",), tmp_path / "page", root), Reporter(quiet=True))
    assert summary.sections[0].overlays
    text = Path(summary.page).read_text(encoding="utf-8")
    assert "No run kept its predictions" not in text


@pytest.mark.filterwarnings("ignore::segbench.SegbenchWarning")
def test_a_stack_is_shown_page_by_page_and_whole_predictions_stay_apart(tmp_path: Path) -> None:
    root = write_stacks(tmp_path / "stacks")
    (plain,) = made("isbi2012", root, tmp_path / "runs", "constant")
    (whole,) = made("isbi2012", root, tmp_path / "whole", "constant", save_predictions=True)
    assert list((plain / "shown").glob("*.tif"))
    assert not (whole / "shown").exists()
    assert segbench.load_run(plain).record.run_id == segbench.load_run(whole).record.run_id
    summary = report(ReportRequest((tmp_path / "runs",), tmp_path / "page", root), Reporter(quiet=True))
    assert summary.sections[0].overlays


def test_few_samples_are_all_shown_and_many_evenly() -> None:
    assert shown_ids(["b", "a"]) == ("a", "b")
    assert shown_ids(["a"]) == ("a",)
    assert shown_ids([]) == ()
    many = shown_ids(f"{number:03d}" for number in range(1000))
    assert len(set(many)) == MAX_SHOWN
    assert (many[0], many[-1]) == ("000", "999")
