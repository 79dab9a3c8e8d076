"""Standard streams that nobody reads any more, or that are closed, stop no command and change no exit status."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any, TextIO


def prepare() -> None:
    """Make stdin, stdout and stderr safe for what follows.

    - A closed one leads nowhere. Else the next file that is opened gets its number, and what a library prints lands
      in that file.
    - Where the reader of stdout has gone, such as `head`, the command goes on to its end, for its exit status and its
      files. Any other error of stdout stays one: the result would be lost.
    - Where stderr cannot be written, for whatever reason, what is said there is lost and nothing else.
    - A path of odd bytes, or a terminal that knows no umlauts, is shown with backslashes.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is taken. Programs that are started from here are to have it too.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdout = _prepared(sys.stdout, sys.__stdout__, 1, BrokenPipeError)
    sys.stderr = _prepared(sys.stderr, sys.__stderr__, 2, OSError)


class _Forgiving(io.FileIO):
    """A standard stream that leads nowhere from its first error on; it is raised unless it is of a kind forgiven."""

    def __init__(self, number: int, forgiven: type[OSError]) -> None:
        super().__init__(number, "w", closefd=False)
        self._forgiven = forgiven

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            # Also for what is still buffered: the interpreter writes it at the end, and would fail again.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if not isinstance(error, self._forgiven):
                raise
            return super().write(data)


def _prepared(stream: TextIO | None, original: TextIO | None, number: int, forgiven: type[OSError]) -> TextIO:
    """The stream to use in place of one; `original` is what the interpreter began with. A closed one is None."""
    if stream is None:
        return Path(os.devnull).open("w", encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.reconfigure(errors="backslashreplace")
    if stream is not original or (sys.platform == "win32" and stream.isatty()):
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Forgiving(number, forgiven)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering or stream.write_through,
    )
