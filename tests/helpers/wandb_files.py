"""What W&B has written offline, read by its own messages: a log of LevelDB's format, of which each record is one."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_BLOCK, _HEADER = 32768, 7


def history(path: Path) -> list[dict[str, Any]]:
    """Every row that was logged, with its `_step`."""
    return [
        {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        for record in _records(path)
        if record.WhichOneof("record_type") == "history"
    ]


def settings(path: Path) -> dict[str, Any]:
    """The configuration of the run."""
    found: dict[str, Any] = {}
    for record in _records(path):
        kind = record.WhichOneof("record_type")
        updates = {"config": record.config, "run": record.run.config}
        for item in updates[kind].update if kind in updates else ():
            found[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
    return found


def identity(path: Path) -> str:
    """The id of the run, by which its parts belong together."""
    return next(str(record.run.run_id) for record in _records(path) if record.WhichOneof("record_type") == "run")


def _records(path: Path) -> Iterator[Any]:
    from wandb.proto import wandb_internal_pb2 as messages

    content, place, parts = path.read_bytes(), _HEADER, b""
    while place + _HEADER <= len(content):
        if _BLOCK - place % _BLOCK < _HEADER:
            place += _BLOCK - place % _BLOCK
            continue
        length, kind = struct.unpack("<HB", content[place + 4 : place + _HEADER])
        parts += content[place + _HEADER : place + _HEADER + length]
        place += _HEADER + length
        if kind in (1, 4):  # whole, or the last of several parts
            record = messages.Record()
            record.ParseFromString(parts)
            yield record
            parts = b""
