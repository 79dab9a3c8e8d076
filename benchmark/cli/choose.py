"""Asking at the terminal for a missing argument: prints a numbered list, and takes a name or a number."""

from __future__ import annotations

import shutil
from typing import Any

import typer

from ..text import printable, shown


def choose(what: str) -> str:
    """The name of one of what `bench list` lists, by its number or its name; what is neither is taken as it is.

    A method may have a name that no list holds, such as `smp:Unet/resnet18`.
    """
    from ..commands.listing import listing

    entries: list[dict[str, Any]] = listing(what)  # type: ignore[arg-type]
    width = shutil.get_terminal_size().columns
    longest = max(len(entry["name"]) for entry in entries)
    for number, entry in enumerate(entries, 1):
        line = f"{number:>3}  {printable(entry['name']):<{longest}}  {printable(entry['summary'])}"
        typer.echo(shown(line, width - 1), err=True)
    one = what.removesuffix("s")
    while True:
        answer = str(typer.prompt(f"{one} (number or name)", err=True)).strip()
        if not answer.isdecimal():
            return answer
        if 1 <= int(answer) <= len(entries):
            return str(entries[int(answer) - 1]["name"])
        typer.echo(f"a number from 1 to {len(entries)}, please", err=True)
