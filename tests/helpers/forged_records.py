"""Records that say something else than what was measured."""

from __future__ import annotations

import json
from pathlib import Path


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
