"""cityscapesScripts' own evaluation of objects, run on files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cityscapesscripts.evaluation import evalInstanceLevelSemanticLabeling as official_objects  # noqa: N813


def official_averages(
    root: Path, predictions: Path, truth_file: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """The averages, such as `allAp`, of the predictions in a folder against the `val` split of a root.

    `truth_file` is where the script writes what it collects of the truth; nothing may be there yet.
    """
    monkeypatch.setattr(np, "in1d", np.isin, raising=False)  # removed from NumPy, still used there
    monkeypatch.setattr(official_objects, "writeDict2JSON", lambda *_: None)  # knows no NumPy numbers
    args = official_objects.args
    changed = {
        "predictionPath": str(predictions),
        "predictionWalk": None,
        "gtInstancesFile": str(truth_file),
        "quiet": True,
        "JSONOutput": False,
    }
    for key, value in changed.items():
        monkeypatch.setattr(args, key, value)
    truths = [str(path) for path in sorted(root.glob("gtFine/val/*/*_instanceIds.png"))]
    lists = [official_objects.getPrediction(truth, args) for truth in truths]
    averages: dict[str, Any] = official_objects.evaluateImgLists(lists, truths, args)["averages"]
    return averages
