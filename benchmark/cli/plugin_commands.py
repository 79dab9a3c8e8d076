"""Commands for those who write plugins: `new`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from . import output
from .flags import Json, Quiet


class Kind(StrEnum):
    """What a plugin can be."""

    dataset = "dataset"
    method = "method"
    metric = "metric"


class Base(StrEnum):
    """What a method can begin with."""

    plain = "plain"
    classical = "classical"
    learned = "learned"


def new(
    kind: Annotated[Kind, typer.Argument(help="What to begin.")],
    name: Annotated[str, typer.Argument(help="Its name: small letters, digits, - and _.")],
    base: Annotated[
        Base, typer.Option(help="Of a method: with the search of classical methods, or with the training of networks.")
    ] = Base.plain,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a commented template that works as it is into the first folder of $SEGBENCH_PLUGINS.

    Without that variable it goes into the platform's data folder, where plugins are found too.
    """
    from ..commands.new import new_plugin

    made = new_plugin(kind.value, name, base.value)
    if json:
        output.document(made)
        return
    print("\n".join(made.files))
    for line in made.next:
        output.reporter(quiet).say(f"next: {line}")
