"""A wall clock that is set by days while a process runs; every other clock of the system runs on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from preloaded import compiled

DAYS = 5 * 86400
"""Seconds; what looks at ages of files knows no longer ones."""
_NEVER = 10**12


@dataclass(frozen=True)
class JumpingClock:
    """A compiled library that stands before the system's clock in processes that are started with `environment`."""

    library: Path
    folder: Path

    @classmethod
    def compiled(cls, folder: Path) -> JumpingClock:
        """Compile it into a folder; the test is skipped where that cannot be."""
        return cls(compiled("jumping_clock", folder), folder)

    def environment(self, seconds: int, after: int = _NEVER) -> dict[str, str]:
        """Of a process whose clock jumps by so many seconds at its `after`-th look, or once it is told by `jump`."""
        variables = {
            "LD_PRELOAD": str(self.library),
            "CLOCK_JUMP_FILE": str(self._file(seconds)),
            "CLOCK_JUMP_COUNTS": str(self._counts(seconds)),
            "CLOCK_JUMP_S": str(seconds),
            "CLOCK_JUMP_AFTER": str(after),
        }
        return {**os.environ, **variables}

    def jump(self, seconds: int) -> None:
        """Let the clocks of all processes with `environment(seconds)` jump now."""
        self._file(seconds).touch()

    def back(self, seconds: int) -> None:
        """Set them right again."""
        self._file(seconds).unlink()

    def jumped(self, seconds: int) -> bool:
        """Whether they have."""
        return self._file(seconds).exists()

    def looks(self, seconds: int) -> int:
        """How often the busiest process with `environment(seconds)` has looked at its clock."""
        return max(map(int, self._counts(seconds).read_text().split()))

    def forget_looks(self, seconds: int) -> None:
        """Let `looks` speak of processes that are started from now on."""
        self._counts(seconds).unlink(missing_ok=True)

    def _file(self, seconds: int) -> Path:
        return self.folder / f"jumped-{seconds}"

    def _counts(self, seconds: int) -> Path:
        return self.folder / f"looks-{seconds}"
