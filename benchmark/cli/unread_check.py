"""Output files of `bench check` when its command line cannot be parsed: no verdict of an earlier check is left.

A usage error ends `bench` before the command begins, so the files are looked for in the words themselves.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_USAGE_ERROR = 2
_MESSAGE = "The command line of 'bench check' could not be read, so nothing was checked; its error output says why."


@contextmanager
def reporting_usage_errors(words: Sequence[str]) -> Iterator[None]:
    """Write the files of `bench check --junit FILE --summary FILE` where what is done within ends with a usage error.

    `words` are those after `bench`. At any other end, a `UserError` too, the command writes them itself.
    """
    try:
        yield
    except SystemExit as ended:
        if ended.code == _USAGE_ERROR and next((word for word in words if not word.startswith("-")), "") == "check":
            with contextlib.suppress(Exception):  # the usage error is what the user is to see
                _write(file_of("--junit", words), file_of("--summary", words))
        raise


def file_of(option: str, words: Sequence[str]) -> Path | None:
    """The file that words give for an option, the last one; None without, or where another option stands in its place.

    >>> str(file_of("--junit", ["check", "--junit", "a.xml", "--odd"])), file_of("--junit", ["--junit", "--odd"])
    ('a.xml', None)
    """
    found = None
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "--":
            break
        name, equals, value = word.partition("=")
        if name == option and (given := value if equals else following) and not given.startswith("-"):
            found = Path(given)
    return found


def _write(junit: Path | None, summary: Path | None) -> None:
    from ..boards.regression_output import junit_of_error, summary_of_error
    from ..commands.check import append
    from ..io.atomic import write_output

    if junit is not None:
        write_output(junit, junit_of_error(_MESSAGE))
    if summary is not None:
        append(summary, summary_of_error(_MESSAGE))
