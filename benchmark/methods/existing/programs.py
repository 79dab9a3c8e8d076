"""Programs of any language that segment a folder of images: started without a shell, timed, memory measured."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from ...errors import UserError
from ...io.fingerprints import file_sha256
from ...text import printable

PLACES = ("{images}", "{out}")
"""What stands in a command for the folders of images and of label maps."""
POLL_S = 0.02
"""Seconds between two looks at a program's memory."""
MAX_SHOWN_BYTES = 2_000
"""Bytes of a failed program's output that a message shows the end of."""
_INTERPRETERS = ("python", "bash", "sh", "octave", "Rscript", "julia", "node", "perl", "ruby", "java", "matlab")


@dataclass(frozen=True)
class Finished:
    """A program that went well: seconds that it took, and peak resident memory of it and all that it started."""

    seconds: float
    peak_memory_mb: float


def words_of(command: str) -> list[str]:
    """The words of a command, split as a shell does and given to none.

    Raises UserError for one that cannot be split, or does not say where images lie and label maps go.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UserError(f"command:{command}: cannot be split into words ({error})") from None
    missing = [place for place in PLACES if not any(place in word for word in words)]
    if missing or not words:
        raise UserError(
            f"command:{command}: names no {' and no '.join(missing)}. Write the program's words with {{images}} for "
            "the folder of images that it reads and {out} for the folder of label maps that it writes, for example "
            "-m command:'python segment.py {images} {out}'."
        )
    return words


def name_of(command: str) -> str:
    """What a program is called in a record: its script, or its file, without the folders above it."""
    try:
        words = shlex.split(command)
    except ValueError:
        return "program"
    names = [Path(word).name for word in words if not word.startswith("-") and not set(PLACES) & {word}]
    if len(names) > 1 and names[0].rstrip("0123456789.").removesuffix(".exe") in _INTERPRETERS:
        return names[1]
    return names[0] if names else "program"


def command_sha256(words: Sequence[str]) -> str:
    """SHA-256 of a command: of its words, and of the content of every file that they name, the program's included.

    Raises UserError for a program that is not there.
    """
    import hashlib

    program = shutil.which(words[0])
    if program is None:
        raise UserError(f"'{words[0]}' is no program that could be started here. Name it with its path.")
    lines = [f"program {file_sha256(Path(program))}"]
    for word in words[1:]:
        path = Path(word)
        lines.append(f"file {file_sha256(path)}" if path.is_file() else f"word {word}")
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def run_program(words: Sequence[str], images: Path, out: Path, log: Path) -> Finished:
    """Run a program on a folder of images; what it prints goes into `log`.

    Raises
    ------
    UserError
        For one that cannot be started or fails, with its exit status and the last lines that it printed.
    KeyboardInterrupt
        After Ctrl-C, once it has ended.
    """
    given = [word.replace("{images}", str(images)).replace("{out}", str(out)) for word in words]
    begun = time.perf_counter()
    try:
        with log.open("wb") as file:
            process = subprocess.Popen(
                given,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for this process, which then ends all that the program started
            )
    except OSError as error:
        raise UserError(f"'{words[0]}' cannot be started ({error.strerror or error})") from None
    peak = 0.0
    try:
        while process.poll() is None:
            peak = max(peak, _memory_mb(process.pid))
            time.sleep(POLL_S)
    except BaseException:
        _end(process)
        raise
    if process.returncode:
        raise UserError(f"'{shlex.join(words)}' {_ended(process.returncode)}.{_last_lines(log)}")
    return Finished(time.perf_counter() - begun, peak)


def _memory_mb(pid: int) -> float:
    """Resident memory of a process and all that it has started, in 10^6 bytes; 0 of one that has ended."""
    total = 0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                total += each.memory_info().rss
    return total / 1e6


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program with all that it has started."""
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ended(status: int) -> str:
    if status > 0:
        return f"failed with exit status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


def _last_lines(log: Path) -> str:
    text = log.read_bytes()[-MAX_SHOWN_BYTES:].decode("utf-8", "replace").strip()
    lines = [printable(line) for line in text.splitlines() if line.strip()][-5:]
    return " It said:\n  " + "\n  ".join(lines) if lines else " It said nothing."
