"""What a suite's page says of differences of means over seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluated_runs import evaluated, truth

from segbench.boards.seed_differences import (
    SeedDifference,
    SeedRuns,
    SuiteDifferences,
    difference_lines,
    seed_differences,
)
from segbench.evaluation.comparison import holm
from segbench.runs.stored import open_run


def test_a_page_says_what_can_be_told_apart() -> None:
    def row(label: str, value: float, low: float, high: float) -> SeedDifference:
        return SeedDifference(
            label=label,
            family="learned",
            seeds=3,
            value=value,
            low=low,
            high=high,
            p=0.004,
            p_adjusted=0.012,
            better=low > 0,
            worse=high < 0,
        )

    rows = [row("wide|r", 0.02, 0.01, 0.03), row("same", 0.0, -0.01, 0.01), row("narrow", -0.2, -0.3, -0.1)]
    found = SuiteDifferences(
        title="isbi2012, split test",
        score="v_rand",
        higher_is_better=True,
        reference="unet",
        reference_seeds=3,
        rows=rows,
    )
    page = "\n".join(difference_lines(found))
    assert "| wide\\|r" in page
    for label, verdict in (("wide", "better"), ("same", "cannot be told apart"), ("narrow", "worse")):
        (line,) = (line for line in page.splitlines() if line.startswith(f"| {label}"))
        assert [cell.strip() for cell in line.split("|")[-4:-2]] == ["0.012", verdict]
    assert "adjusted for all rows of the table by Holm's procedure" in page


def test_rows_are_adjusted_for_all_that_are_held_against_the_reference(tmp_path: Path) -> None:
    """Of twelve that are as good as it, an interval by itself leaves out 0; all together none is told apart."""
    root = truth(tmp_path / "mine", 30)
    random = np.random.default_rng(7)
    alike = [
        SeedRuns(f"m{k}", "classical", (open_run(evaluated(root, tmp_path / f"runs/{k}", wrong, f"m{k}", seed=k)),))
        for k, wrong in enumerate(random.uniform(0.02, 0.3, (13, 30)).tolist())
    ]
    rows = seed_differences(alike[0], alike[1:], "dice")
    assert sum((row.low or 0) > 0 or (row.high or 0) < 0 for row in rows) == 1
    assert not any(row.better or row.worse for row in rows)
    assert [row.p_adjusted for row in rows] == pytest.approx(holm([row.p or 0.0 for row in rows]))
    assert seed_differences(alike[0], [alike[1]], "dice")[0].p == next(row.p for row in rows if row.label == "m1")
    far = SeedRuns("far", "classical", (open_run(evaluated(root, tmp_path / "runs/far", [0.45] * 30, "far")),))
    (worst,) = (row for row in seed_differences(alike[0], [*alike[1:], far], "dice") if row.label == "far")
    assert worst.worse
    assert worst.p_adjusted == pytest.approx(13 * (worst.p or 0.0))
