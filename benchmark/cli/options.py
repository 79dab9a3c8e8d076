"""Options of commands: of each request those that its fields declare, and what every command has."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable
from enum import Enum, StrEnum
from inspect import Parameter, Signature
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import typer

from ..io.images.limits import TRUST_LARGE
from ..runs import options
from ..runs.options import Argument, parameters
from .flags import Json, Quiet, TrustLarge
from .output import interruptible

Request = TypeVar("Request")
Command = Callable[[Request, bool, bool], None]


def request_command(
    app: typer.Typer, request: type[Request], function: Command[Request], epilog: str, name: str | None = None
) -> None:
    """Make a command of a function of (request, json, quiet): its options are the request's, then `--json`, `--quiet`.

    Parameters
    ----------
    app : that gets the command, which is called as the function is.
    request : the request's class, whose fields declare their options.
    function : does it; its docstring is what `--help` says.
    epilog : stands below the options in `--help`.
    name : the command's; the function's where none is given.
    """

    def command(**given: Any) -> None:
        as_json, quiet = given.pop("json"), given.pop("quiet")
        if given.pop("trust_large"):
            os.environ[TRUST_LARGE] = "1"
        with interruptible():
            function(_request(request, given), as_json, quiet)

    command.__name__, command.__doc__ = function.__name__, function.__doc__
    declared = [_typer_parameter(each) for each in parameters(request)]
    shared = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
        for name, annotation in (("json", Json), ("quiet", Quiet), ("trust_large", TrustLarge))
    ]
    command.__dict__["__signature__"] = Signature([*declared, *shared])
    command.__annotations__ = {}
    app.command(name, epilog=epilog)(command)


def _request(kind: type[Request], given: dict[str, Any]) -> Request:
    """The request of what typer read."""
    values = {}
    for each in parameters(kind):
        value = given[each.name]
        if each.declared.read is not None:
            value = each.declared.read(value or [])
        elif get_origin(each.type) is tuple:
            value = tuple(value or ())
        values[each.name] = value.value if isinstance(value, Enum) else value
    return kind(**values)


def _typer_parameter(each: options.Parameter) -> Parameter:
    """A field of a request as typer wants it."""
    declared, kind, default = each.declared, each.type, each.default
    if get_origin(kind) is tuple or declared.read is not None:
        item = get_args(kind)[0] if declared.read is None else str
        kind, default = (list[item], None) if each.required else (list[item] | None, None)  # type: ignore[valid-type]
    elif (choices := _choices(kind)) is not None:
        kind = choices if type(None) not in get_args(kind) else choices | None
        default = None if default is None or each.required else choices(default)
    if isinstance(declared, Argument):
        info: Any = typer.Argument(metavar=declared.metavar, help=declared.help)
    else:
        flags = declared.names(each.name)
        asked = each.required and bool(declared.choose)
        info = typer.Option(
            *flags,
            metavar=declared.metavar,
            help=f"{declared.help} [required]" if asked else declared.help,
            min=declared.low,
            max=declared.high,
            callback=_asking(declared.choose, flags) if asked else None,
            autocompletion=_names(declared.choose) if declared.choose else None,
        )
        if asked:
            return Parameter(each.name, Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, info])
    default = Parameter.empty if each.required else default
    return Parameter(each.name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info])


def _asking(what: str, flags: tuple[str, ...]) -> Callable[[typer.Context, str | None], str | None]:
    """A check of an option that is needed: where it was left out it is asked for, if somebody is there to answer."""

    def given_or_asked(ctx: typer.Context, value: str | None) -> str | None:
        if value is not None or ctx.resilient_parsing:
            return value
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            ctx.fail(f"Missing option {' / '.join(map(repr, flags))}.")
        from .choose import choose

        return choose(what)

    return given_or_asked


def _names(what: str) -> Callable[[str], list[str]]:
    """What a shell completes: names of datasets, of methods."""

    def beginning_with(incomplete: str) -> list[str]:
        from ..commands.listing import listing

        names = [str(entry["name"]) for entry in listing(what)]  # type: ignore[arg-type]
        return [name for name in names if name.startswith(incomplete)]

    return beginning_with


def _choices(kind: Any) -> Any:
    """An enumeration of the words of a `Literal`, or of one that may be None; None for any other type."""
    if get_origin(kind) in (Union, types.UnionType):
        return next((found for part in get_args(kind) if (found := _choices(part)) is not None), None)
    if get_origin(kind) is not Literal:
        return None
    return StrEnum("Choice", {str(word): str(word) for word in get_args(kind)})
