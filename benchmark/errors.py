"""The one exception that reaches a user as a message instead of a traceback."""


class UserError(Exception):
    """The user's input was wrong: says what was found, what was expected and what to do (exit status 2)."""


def printable(text: str) -> str:
    """Text from outside as a terminal may print it: control characters, which could move the cursor, are replaced."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)
