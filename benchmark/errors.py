"""The one exception that reaches a user as a message instead of a traceback."""


class UserError(Exception):
    """The user's input was wrong: says what was found, what was expected and what to do (exit status 2)."""
