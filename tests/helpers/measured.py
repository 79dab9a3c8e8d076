"""What a process takes: its own processor time and memory, which none of this one's are added to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_STARTER = """
import json, os, sys
quiet = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
process = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[1:]], os.environ, file_actions=quiet)
_, status, used = os.wait4(process, 0)
print(json.dumps([status, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""
"""A small Python that starts the one that is measured: a process inherits the peak memory of the one that forks it."""


def measure(words: Sequence[str | Path], cache: Path) -> tuple[float, float]:
    """Processor time in seconds and peak memory in MB of Python with these words and this `$SEGBENCH_CACHE`."""
    environment = os.environ | {"SEGBENCH_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-S", "-c", _STARTER, *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    status, seconds, memory = json.loads(done.stdout)
    if status:
        raise SystemExit(f"{' '.join(map(str, words))} ended with {status}")
    return seconds, memory
