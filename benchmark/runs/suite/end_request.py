"""A request to end a suite, as a file in its folder: it reaches the process that runs it where signals do not."""

from __future__ import annotations

import getpass
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

from ...io.atomic import write_text
from ...io.text_files import read_json
from ...text import printable

REQUEST = "end-request.json"
LOOK_S = 1.0
"""Seconds between two looks for the file: network file systems are slow to answer."""


def ask_to_end(folder: Path) -> None:
    """Ask the process that runs the suite of a folder to end in order."""
    write_text(folder / REQUEST, json.dumps({"by": f"{_user()} on {socket.gethostname()}"}) + "\n")


def forget_request(folder: Path) -> None:
    """Take an earlier wish away."""
    (folder / REQUEST).unlink(missing_ok=True)


class EndRequested:
    """Whether somebody wants the suite of a folder to end; may be asked often, and says so once."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._path, self._say = folder / REQUEST, say
        self._asked, self._next_look = False, 0.0

    def __call__(self) -> bool:
        if not self._asked and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_S
            if self._path.exists():
                self._asked = True
                self._say(f"stopping: {self._by()} asked for it with --cancel")
        return self._asked

    def _by(self) -> str:
        try:
            return printable(str(read_json(self._path)["by"]))[:200]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return "somebody"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"
