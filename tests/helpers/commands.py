"""What tests that run `bench` share."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

Run = Callable[..., "subprocess.CompletedProcess[str]"]
"""Runs `bench` with these arguments; fixtures `bench` and `bench_process`."""


def printed_json(done: subprocess.CompletedProcess[str]) -> Any:
    """The one JSON document on stdout of a command that went well."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
