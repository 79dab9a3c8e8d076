"""Commands that are imported when they are called, so that each pays for its own imports and `--help` is quick."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from ..errors import UserError
from .system_errors import sentence_of

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN: dict[str, Any] = {"rich_markup_mode": None, "add_completion": False, "pretty_exceptions_enable": False}
"""Of every typer application: plain help takes a third of the time of rich help."""


_AROUND_NAMES = 4
"""Columns beside the names in a list of commands: two before them and two behind."""


@dataclass(frozen=True)
class Command:
    """How a command is made.

    Parameters
    ----------
    function : `module:name` of what does it, a module of this room.
    epilog : stands below the options in `--help`: examples, separated by semicolons, get a line each there.
    request : `module:name` of the request whose fields declare its options, a module of `segbench.runs`; of a function
        whose parameters say their options themselves, empty.
    """

    function: str
    epilog: str
    request: str = ""

    def help(self) -> str:
        """What `--help` says of it, from its docstring."""
        return self._function().__doc__ or ""

    def made(self, name: str) -> Any:
        """The command itself, with all options."""
        app = typer.Typer(**PLAIN)
        if self.request:
            from .options import request_command

            module, _, kind = self.request.partition(":")
            request = getattr(import_module(f"...runs.{module}", __name__), kind)
            request_command(app, request, self._function(), _in_lines(self.epilog), name)
        else:
            app.command(name, epilog=_in_lines(self.epilog))(self._function())
        return typer.main.get_command(app)

    def _function(self) -> Callable[..., None]:
        module, _, name = self.function.partition(":")
        found: Callable[..., None] = getattr(import_module(f"..{module}", __name__), name)
        return found


def _in_lines(examples: str) -> str:
    """Examples with a line each, which click leaves as they are, so that each can be copied."""
    head, _, commands = examples.partition(": ")
    return "\n  ".join([f"\b\n{head}:", *commands.split("; ")])


class Commands(MutableMapping[str, Any]):
    """Commands of a group by name, each made when it is first asked for; what is set is there as it is."""

    def __init__(self, declared: Mapping[str, Command]) -> None:
        self._commands: dict[str, Any] = dict(declared)

    def __getitem__(self, name: str) -> Any:
        if isinstance(found := self._commands[name], Command):
            found = self._commands[name] = found.made(name)
        return found

    def __setitem__(self, name: str, command: Any) -> None:
        self._commands[name] = command

    def __delitem__(self, name: str) -> None:
        del self._commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._commands)

    def __len__(self) -> int:
        return len(self._commands)

    def without_options(self) -> dict[str, Any]:
        """Every command as a list of them shows it: those that are not made yet with their help alone."""
        return {
            name: TyperCommand(name, help=each.help()) if isinstance(each, Command) else each
            for name, each in self._commands.items()
        }


class LazyGroup(TyperGroup):
    """A group whose help makes none of its commands."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a pipe that breaks or a file that ends too early within it is a failure with a message.

        Typer takes them for a reader of stdout that has gone and for a prompt that got no answer: it would end with
        exit status 1, which is that of a failed check, and say nothing or "Aborted!".
        """
        try:
            return super().invoke(ctx)
        except (BrokenPipeError, EOFError) as error:
            raise UserError(sentence_of(error) or str(error)) from error

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands, each with a sentence that is whole."""
        del ctx
        shown: Any = self.commands.without_options() if isinstance(self.commands, Commands) else self.commands
        room = formatter.width - max(map(len, shown)) - _AROUND_NAMES
        with formatter.section("Commands"):
            formatter.write_dl([(name, _sentence(each.help or "", room)) for name, each in shown.items()])


def _sentence(text: str, room: int) -> str:
    """The first sentence of a help text; what follows a semicolon or colon is left out where it does not fit a line."""
    paragraph = " ".join(text.strip().partition("\n\n")[0].split())
    first = re.split(r"(?<=[.?]) ", paragraph)[0].removesuffix(".")
    if len(first) >= room:
        first = re.split("[;:] ", first)[0]
    return first if first.endswith("?") else f"{first}."


def group(app: typer.Typer, declared: Mapping[str, Command], **groups: Any) -> Any:
    """The group of a typer application with commands that are made when they are called, and groups after them."""
    # Only of an application with options of its own there is a command, which has those of completion too.
    made: Any = typer.main.get_command(app) if app.registered_callback else typer.main.get_group(app)
    made.commands = Commands(declared)
    for name, each in groups.items():
        each.name = name
        made.commands[name] = each
    return made
