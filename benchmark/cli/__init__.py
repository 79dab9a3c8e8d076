"""The command line, `bench`: reads arguments, calls a command, prints what it returns.

Everything heavy is imported inside the commands, so that `bench --help` is quick.
"""

from __future__ import annotations

import atexit
import functools
import gc
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO


def main() -> None:
    """Run `bench`. Exit status: 0 fine, 1 a check failed, 2 wrong input, 130 interrupted."""
    from ..errors import UserError
    from ..io.address_space import load_linear_algebra
    from ..io.interrupts import ended_like_ctrl_c
    from . import standard_streams
    from .system_errors import refuse_too_little_memory, sentence_of
    from .unread_check import reporting_usage_errors

    atexit.register(_end_without_search)
    standard_streams.prepare()
    if refused := refuse_too_little_memory():
        _fail(refused)
    try:
        load_linear_algebra()
        with _plugins_told(), ended_like_ctrl_c(), reporting_usage_errors(sys.argv[1:]):
            _command()(_spread_settings(sys.argv[1:]), prog_name="bench")
    except UserError as error:
        _fail(str(error))
    except Exception as error:
        if (sentence := sentence_of(error)) is None:
            raise
        _fail(sentence)


def _end_without_search() -> None:
    """Look for no cycles among all that was imported, which would only make the end later.

    Where PyTorch was, they are looked for: what its compiler imports counts what is left, and tells it at length.
    """
    if "torch" not in sys.modules:
        gc.freeze()


@functools.cache
def _command() -> Any:
    """All commands and options; made once, for a command with its options takes a while."""
    from .app import bench

    return bench()


def _spread_settings(words: list[str]) -> list[str]:
    """`--set a=1 b=2` as `--set a=1 --set b=2`; every other word stays as it is.

    >>> _spread_settings(["run", "--set", "a=1", "b=2", "--seed", "3"])
    ['run', '--set', 'a=1', '--set', 'b=2', '--seed', '3']
    """
    spread: list[str] = []
    for position, word in enumerate(words):
        follows = position > 1 and spread[-2:-1] == ["--set"] and "=" in word and not word.startswith("-")
        spread += ["--set", word] if follows else [word]
    return spread


@contextmanager
def _plugins_told() -> Iterator[None]:
    """Plugins that are left out are told as every warning is, each once."""
    from ..errors import PluginWarning
    from ..text import printable

    as_before = warnings.showwarning
    told = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if not issubclass(category, PluginWarning):
            as_before(message, category, filename, lineno, file, line)
        elif str(message) not in told:
            told.add(str(message))
            print(f"warning: {printable(str(message))}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", PluginWarning)
        warnings.showwarning = show
        yield


def _fail(message: str) -> None:
    from ..io.address_space import address_space
    from ..text import printable

    print(f"bench: {printable(message)}", file=sys.stderr)
    if address_space() is not None:
        # Libraries that have run out of addresses crash while Python takes them down.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(2)
    sys.exit(2)
