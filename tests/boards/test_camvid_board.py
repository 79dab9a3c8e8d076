"""What the committed records of CamVid's 233 test images say: a network that was trained on them leads every classical
method by more than chance."""

from __future__ import annotations

from pathlib import Path

import segbench
from segbench.runs.record import read_record

RECORDS = Path(__file__).parents[2] / "leaderboards" / "records"


def test_the_best_network_from_scratch_is_ahead_of_every_classical_method() -> None:
    folders = {folder: read_record(folder) for folder in sorted(RECORDS.glob("camvid-*"))}
    whole = {
        folder: run for folder, run in folders.items() if run.dataset.n == 233 and run.method.train_fraction == 1.0
    }
    classical = {folder for folder, run in whole.items() if run.method.family == "classical"}
    networks = {
        folder: run.scores["miou"].value or 0.0
        for folder, run in whole.items()
        if run.method.family == "learned" and not run.method.config.get("init")
    }
    best = max(networks, key=lambda folder: networks[folder])
    assert len(classical) >= 8
    found = segbench.compare(best, *sorted(classical), progress=False)
    assert found.runs[0].run_id == whole[best].run_id
    assert (found.runs[0].rank_low, found.runs[0].rank_high) == (1, 1)
    ahead = [pair for pair in found.differences if pair.a == found.runs[0].label]
    assert len(ahead) == len(classical)
    assert all(pair.value is not None and pair.value > 0 for pair in ahead), ahead
    assert all(pair.p_adjusted is not None and pair.p_adjusted < 0.001 for pair in ahead), ahead
