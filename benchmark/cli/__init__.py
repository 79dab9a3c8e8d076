"""The command line, `bench`: reads arguments, calls a command, prints what it returns.

Everything heavy is imported inside the commands, so that `bench --help` is quick.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run `bench`. Exit status: 0 fine, 1 a check failed, 2 wrong input, 130 interrupted."""
    from ..errors import UserError
    from .app import app

    try:
        app(prog_name="bench")
    except UserError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of a pipe, such as `head`, has gone; that is no fault of the run.
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        _fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")


def _fail(message: str) -> None:
    print(f"bench: {message}", file=sys.stderr)
    sys.exit(2)
