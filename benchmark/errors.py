"""The exceptions that reach a user as a message instead of a traceback."""


class UserError(Exception):
    """The user's input was wrong: says what was found, what was expected and what to do (exit status 2)."""


class DamagedDataError(UserError):
    """A dataset is there but cannot be used as it is: a fault that `bench data verify` finds (exit status 1)."""


def printable(text: str) -> str:
    """Text from outside as a terminal may print it: control characters, which could move the cursor, are replaced."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def counted(number: int, what: str) -> str:
    """A number with what it counts, a regular English noun in the singular.

    >>> counted(1, "sample"), counted(0, "labelled sample")
    ('1 sample', '0 labelled samples')
    """
    return f"{number} {what}{'' if number == 1 else 's'}"


def runs_of(values: list[int], most: int = 8) -> str:
    """Label values with runs written as 3-9.

    >>> runs_of([0, 1, 2, 5])
    '0-2, 5'
    """
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    texts = [str(low) if low == high else f"{low}-{high}" for low, high in runs]
    return ", ".join(texts[:most]) + (", …" if len(texts) > most else "")
