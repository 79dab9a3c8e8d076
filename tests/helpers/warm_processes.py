"""Processes of their own that need not import torch: forked from one server that has it, which saves seconds each.

They are real processes in every other way: with their own environment, folder, output, signals and exit status.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

BENCH = "from segbench.cli import main; main()"
"""The code of the `bench` command."""

CONTEXT: Any = get_context("forkserver" if "forkserver" in get_all_start_methods() else "spawn")
CONTEXT.set_forkserver_preload(["torch", "torch._dynamo", "accelerate"])


@dataclass(frozen=True)
class WarmProcess:
    """A process under way, with the files that its output goes to."""

    process: BaseProcess
    output: Path

    @classmethod
    def start(
        cls, code: str, arguments: Sequence[object], cwd: Path, environment: Mapping[str, str] | None = None
    ) -> WarmProcess:
        """What `python -c code arguments` does, in a folder, with variables beside those of this process."""
        output = Path(mkdtemp(dir=cwd, prefix=".output-"))
        given = (code, [str(each) for each in arguments], cwd, {**os.environ, **(environment or {})}, output)
        process = CONTEXT.Process(target=_run, args=given)
        process.start()
        return cls(process, output)

    @property
    def returncode(self) -> int | None:
        """As of `subprocess.Popen`: None while it is under way, -N after signal N."""
        return self.process.exitcode

    def printed(self) -> str:
        """What it wrote to stdout until now."""
        return self._read("stdout")

    def communicate(self, timeout: float = 120) -> tuple[str, str]:
        """What it wrote to stdout and stderr, once it has ended.

        Raises
        ------
        TimeoutError
            If it does not end; it is killed then.
        """
        self.process.join(timeout)
        if self.returncode is None:
            self.process.kill()
            raise TimeoutError(f"still running after {timeout} s")
        return self.printed(), self._read("stderr")

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal; one that has ended gets none."""
        assert self.process.pid is not None
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()

    def _read(self, name: str) -> str:
        path = self.output / name
        return path.read_text(encoding="utf-8") if path.is_file() else ""


def _run(code: str, arguments: list[str], cwd: Path, environment: dict[str, str], output: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(output / name, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    sys.argv = ["-c", *arguments]
    exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
