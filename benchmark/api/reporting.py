"""Reporting to a Python program: warnings as warnings, messages as log entries, progress as bars if someone watches."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ..errors import SegbenchWarning, UserError
from ..io.reporter import Reporter
from ..types import Progress

ShowProgress: TypeAlias = bool | Literal["auto"] | Reporter
"""Bars always, never, or where someone watches: in a notebook and at a terminal. A reporter hears everything itself."""

_PACKAGE = str(Path(__file__).resolve().parents[1])
_log = logging.getLogger("segbench")


def reporter_for(progress: ShowProgress) -> Reporter:
    """Who tells what goes on.

    Raises
    ------
    UserError
        For another value than True, False, "auto" or a reporter.
    """
    if isinstance(progress, Reporter):
        return progress
    if progress not in (True, False, "auto"):
        raise UserError(f"progress={progress!r}; expected True, False or 'auto'")
    return PythonReporter(_someone_watches() if progress == "auto" else bool(progress))


class PythonReporter(Reporter):
    """Says everything to the logger `segbench`, warns by `warnings`, and shows bars on stderr or in a notebook."""

    def __init__(self, bars: bool) -> None:
        super().__init__(quiet=True)
        self.bars = bars

    def say(self, text: str) -> None:
        """Log what is going on."""
        self.write_log(text)
        _log.info(text)

    def warn(self, text: str) -> None:
        """Warn, in the name of the line that called segbench."""
        self.write_log(f"warning: {text}")
        if text not in self.warnings:
            self.warnings.append(text)
            warnings.warn(text, SegbenchWarning, stacklevel=_callers_level())

    @contextmanager
    def progress(self, what: str) -> Iterator[Progress]:
        """A bar; call what is yielded as `Progress` says."""
        if not self.bars:
            self.say(f"{what} …")
            yield lambda *_: None
            return
        with _bar(what) as bar:

            def update(done: int, total: int, text: str = "", left: float | None = None, /) -> None:
                news = bar.total != total or done == total
                bar.total, bar.left = total, left
                bar.set_postfix_str(text, refresh=False)
                bar.update(done - bar.n)
                if news:  # short work ends before the bar would draw itself again
                    bar.refresh()

            yield update


def _bar(what: str) -> Any:
    with warnings.catch_warnings():
        # Without ipywidgets it says so, and draws the bar as text: that is fine.
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        """Shows the seconds that it is told are left rather than those that follow from its units."""

        left: float | None = None

        @property
        def format_dict(self) -> dict[str, Any]:
            shown: dict[str, Any] = super().format_dict
            if self.left:
                shown["rate"] = (shown["total"] - shown["n"]) / self.left
                shown["bar_format"] = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"
            return shown

    return Bar(desc=what, leave=False)


def _someone_watches() -> bool:
    return sys.stderr.isatty() or _in_notebook()


def _in_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def _callers_level() -> int:
    """How many frames above the function that asks the first one lies that is not of this package.

    As `stacklevel` of a warning that it gives.
    """
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    return level
