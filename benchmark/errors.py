"""The exceptions that reach a user as a message instead of a traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._former_names import former_names

if not TYPE_CHECKING:  # mypy takes only what is there now
    __getattr__ = former_names(__name__)


class UserError(Exception):
    """The user's input was wrong: says what was found, what was expected and what to do (exit status 2)."""


class DamagedDataError(UserError):
    """A dataset is there but cannot be used as it is: a fault that `bench data verify` finds (exit status 1)."""


class MemoryShortError(UserError):
    """There is too little memory to read a file: no check of it has failed, for nothing is known of it."""


class SegbenchWarning(UserWarning):
    """Something to know before a result is trusted; a run's record holds it too."""


class PluginWarning(UserWarning):
    """A plugin was left out: names its file, what is wrong with it, and what to do. All others work."""
