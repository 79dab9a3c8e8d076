"""The command `bench cardiac`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from . import output

if TYPE_CHECKING:
    from ..runs.cardiac.request import CardiacRequest


def cardiac(request: CardiacRequest, json: bool, quiet: bool) -> None:
    """Heart rate, shortening and ejection fraction of beating hearts, beat by beat, with plots.

    With --truth also the Dice of the masks and the errors, compared with the range of human annotators: 5 to 12
    percentage points of fractional shortening. Exit status 1 if no ventricle was found in a whole film.
    """
    from ..commands.cardiac import cardiac as do_cardiac
    from . import cardiac_output

    reporter = output.reporter(quiet)
    with output.interruptible("; the same command goes on where it stopped"):
        found = do_cardiac(request, reporter)
    if json:
        reporter.tell_noted()
    cardiac_output.document(found, json, quiet)
    if found.no_ventricle:
        raise typer.Exit(1)
