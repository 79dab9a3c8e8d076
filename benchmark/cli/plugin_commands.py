"""Commands for those who write plugins: `new`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from . import output
from .options import Json, Quiet


class Kind(StrEnum):
    """What a plugin can be."""

    dataset = "dataset"
    method = "method"
    metric = "metric"


def new(
    kind: Annotated[Kind, typer.Argument(help="What to begin.")],
    name: Annotated[str, typer.Argument(help="Its name: small letters, digits, - and _.")],
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a commented template that works as it is into the first folder of $SEGBENCH_PLUGINS."""
    from ..commands.new import new_plugin

    made = new_plugin(kind.value, name)
    if json:
        output.document(made)
        return
    print("\n".join(made.files))
    for line in made.next:
        output.reporter(quiet).say(f"next: {line}")
