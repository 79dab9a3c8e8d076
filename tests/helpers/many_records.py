"""A store of many runs: committed records, each again and again under a seed and an id of its own."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from itertools import count, cycle, islice
from pathlib import Path

from places import ROOT
from segbench.runs.binding import content_sha256
from segbench.runs.folder import RECORD, STATISTICS
from segbench.runs.identity import recorded_identity
from segbench.runs.record import Record, run_id_of

RECORDS = ROOT / "leaderboards" / "records"


def write_store(folder: Path, datasets: Sequence[str], records: int) -> None:
    """Write run folders with valid records that say the digests of their content; statistics are shared by links."""
    models = [each for name in datasets for each in sorted(RECORDS.glob(f"{name}-*")) if _is_bound(each)]
    copies = {model: folder / ".statistics" / model.name for model in models}
    (folder / ".statistics").mkdir(parents=True)
    for model, copy in copies.items():
        shutil.copyfile(model / STATISTICS, copy)
    for seed, model in zip(count(1000), islice(cycle(models), records)):
        content = json.loads((model / RECORD).read_text(encoding="utf-8"))
        content["method"]["seed"] = seed
        record = Record.model_validate(content)
        identity = recorded_identity(record, content)
        if record.method.from_elsewhere:
            identity["predictions_sha256"] = content["method"]["config"]["predictions_sha256"] = f"{seed:064x}"
        content["run_id"] = run_id_of(record.dataset.name, record.method.name, identity)
        content["content_sha256"] = content_sha256(content)
        place = folder / content["run_id"]
        place.mkdir()
        (place / RECORD).write_text(json.dumps(content, indent=2), encoding="utf-8")
        os.link(copies[model], place / STATISTICS)


def _is_bound(folder: Path) -> bool:
    content = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    return STATISTICS in (content.get("evidence") or {})
