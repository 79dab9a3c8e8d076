"""The committed runs that tests begin from: chosen by what they are, so that another record changes no test."""

from __future__ import annotations

import json
from pathlib import Path

from places import ROOT

RECORDS = ROOT / "leaderboards" / "records"


def on_whole_split(pattern: str) -> list[Path]:
    """Folders of committed runs by name, of those scored on a whole split; no cross-validation."""
    found = []
    for folder in sorted(RECORDS.glob(pattern)):
        dataset = json.loads((folder / "record.json").read_text(encoding="utf-8"))["dataset"]
        if dataset["folds"] is None and dataset.get("whole_n") is None:
            found.append(folder)
    return found
