"""Records that say something else than what was measured."""

from __future__ import annotations

import json
from pathlib import Path

from segbench.io.fingerprints import file_sha256
from segbench.runs.binding import content_sha256
from segbench.runs.identity import recorded_identity
from segbench.runs.record import read_content, read_record, run_id_of


def change(folder: Path, **changes: object) -> None:
    """Write other values into a record: `method__seed=3` sets `seed` in the block `method`."""
    record = json.loads((folder / "record.json").read_text())
    for path, value in changes.items():
        *parents, last = path.split("__")
        block = record
        for name in parents:
            block = block[name]
        block[last] = value
    (folder / "record.json").write_text(json.dumps(record))


def bind_anew(folder: Path) -> Path:
    """What a careful forger does last: give a record the id, the digests and the folder that follow from what it says.

    The folder that it is in then.
    """
    path = folder / "record.json"
    change(folder, evidence={"statistics.parquet": file_sha256(folder / "statistics.parquet")})
    record = read_record(folder)
    run_id = run_id_of(record.dataset.name, record.method.name, recorded_identity(record, read_content(path)))
    change(folder, run_id=run_id)
    change(folder, content_sha256=content_sha256(read_content(path)))
    return folder.rename(folder.with_name(run_id))
