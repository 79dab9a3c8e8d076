"""The person on DRIVE's board: the committed counts give the agreement of two observers that was published."""

from __future__ import annotations

import statistics

import pandas as pd
from board_tests import RECORDS

from places import ROOT
from segbench.runs.record import read_record


def test_two_observers_agree_as_published() -> None:
    """Staal et al. 2004: accuracy 0.9473 with a standard deviation of 0.0048 over the 20 test images."""
    (folder,) = RECORDS.glob("drive-second-observer-*")
    counts = pd.read_parquet(
        folder / "statistics.parquet", columns=["metric", "sample", "truth", "prediction", "pixels"]
    )
    inside = counts[(counts["metric"] == "binary-overlap") & (counts["truth"] < 2)]
    shares = []
    for _, image in inside.groupby("sample"):
        alike = image.loc[image["truth"] == image["prediction"], "pixels"].sum()
        shares.append(float(alike / image["pixels"].sum()))
    assert len(shares) == 20
    mean, deviation = statistics.mean(shares), statistics.stdev(shares)
    assert (round(mean, 4), round(deviation, 4)) == (0.9473, 0.0048)
    page = (ROOT / "docs" / "people.md").read_text(encoding="utf-8")
    dice = read_record(folder).scores["dice"]
    assert f"{100 * mean:.2f} %" in page
    assert f"{100 * deviation:.2f} %" in page
    assert f"Dice is {dice.value:.3f} [{dice.low:.3f}, {dice.high:.3f}]" in " ".join(page.split())
