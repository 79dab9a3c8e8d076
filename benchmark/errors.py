"""The exceptions that reach a user as a message instead of a traceback."""


class UserError(Exception):
    """The user's input was wrong: says what was found, what was expected and what to do (exit status 2)."""


class DamagedDataError(UserError):
    """A dataset is there but cannot be used as it is: a fault that `bench data verify` finds (exit status 1)."""
