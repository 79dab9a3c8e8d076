"""Runs that a page is made of, and what it holds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from places import ROOT
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.commands.report import ReportRequest, report
from segbench.data.locations import MARKER
from segbench.io.reporter import Reporter
from segbench.predictions.find import write_prediction
from segbench.registry import make_dataset
from segbench.report.build import ReportSummary
from segbench.report.table import SHOWN
from segbench.types import Prediction
from synthetic_roots import write_hearts

RECORDS = ROOT / "leaderboards" / "records"
SCRIPT = "<script>alert(1)</script>"
NAMES = ("unet-0b805e1a", "fcn-9770c3aa", "threshold-146d703e", "canny-e3c52ecd", "constant-14779940")
QUIET = Reporter(quiet=True)


def write_many(folder: Path, count: int) -> None:
    """Records of made-up scores, from best to worst, beside the statistics of one run."""
    source = RECORDS / "isbi2012-unet-0b805e1a"
    record = json.loads((source / "record.json").read_text())
    for k in range(count):
        value = 1 - k / count
        record["run_id"] = f"isbi2012-m{k}-{k:08x}"
        record["method"]["name"] = f"m{k}"
        record["scores"]["v_rand"] |= {"value": value, "low": value - 0.01, "high": value + 0.01}
        record["cost"]["predict_ms_per_image"] = 1.0 + k
        (folder / f"m{k}").mkdir(parents=True)
        (folder / f"m{k}" / "record.json").write_text(json.dumps(record))
        shutil.copy(source / "statistics.parquet", folder / f"m{k}")


def write_runs(folder: Path) -> Path:
    """Runs of two datasets: five committed ones without predictions, two SYNTHETIC ones with them."""
    for name in NAMES:
        shutil.copytree(RECORDS / f"isbi2012-{name}", folder / "runs" / f"isbi2012-{name}")
    root = write_hearts(folder / "hearts", sequences=2, frames=14)
    (root / MARKER).write_text("{}")
    dataset = make_dataset("medaka", root, {"view": "lateral"})
    for name, shift in ((SCRIPT, 1), ("shifted", 5)):
        predictions = folder / "predictions" / str(shift)
        for sample_id in dataset.ids("test"):
            labels = np.asarray(dataset.load(sample_id, ("labels",)).labels)
            write_prediction(predictions, sample_id, Prediction(labels=np.roll(labels, shift, axis=1)), dataset.info)
        evaluate_files(
            EvaluateRequest(
                "medaka",
                predictions,
                name,
                "test",
                root,
                out=folder / "runs" / f"shift-{shift}",
                workers=0,
                settings={"view": "lateral"},
                save_predictions=True,
                plots=False,
            ),
            QUIET,
        )
    return folder


def page_of(folder: Path) -> ReportSummary:
    """The page of these runs."""
    return report(ReportRequest((folder / "runs",), folder / "page", folder / "hearts"), QUIET)


def long_page(folder: Path) -> Path:
    """The page of more runs than are tested against each other, or laid out at once."""
    write_many(folder / "runs", SHOWN + 50)
    found = report(ReportRequest((folder / "runs",), folder / "page"), QUIET)
    assert [(section.runs, section.compared) for section in found.sections] == [(SHOWN + 50, False)]
    return Path(found.page)
