"""What a request and the command line share: each field of a request says once how it is asked for and written."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from ..errors import UserError
from ..text import unknown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Request = TypeVar("Request", bound="DataclassInstance")


@dataclass(frozen=True)
class Option:
    """An option of the command line, as `Annotated[type, Option(…)]` of a field that has the option's default.

    Parameters
    ----------
    help : for `--help`.
    flags : its names, such as `--dataset` and `-d`; by default the field's. `--plots/--no-plots` switches both ways.
    metavar : what stands for its value in `--help`.
    low, high : least and largest number that is taken.
    kept : whether it is part of the command line that makes the same result again. What only says how fast it is made,
        or to resume it, is not; where it goes stands at the end.
    read : of an option that is given several times, makes the field's value of its words.
    write : the reverse: the words of a value.
    choose : what `bench list` lists, of an option whose value is one of these; it is asked for where it was left out.
    """

    help: str
    flags: tuple[str, ...] = ()
    metavar: str | None = None
    low: int | None = None
    high: int | None = None
    kept: bool = True
    read: Callable[[Sequence[str]], Any] | None = None
    write: Callable[[Any], Iterable[str]] | None = None
    choose: str = ""

    def names(self, name: str) -> tuple[str, ...]:
        """The option's names, for a field of this name."""
        return self.flags or (f"--{name.replace('_', '-')}",)


@dataclass(frozen=True)
class Argument:
    """A positional argument of the command line, as `Annotated[type, Argument(…)]` of a field.

    `read` makes the field's value of its words, of one that may be given several times.
    """

    help: str
    metavar: str | None = None
    read: Callable[[Sequence[str]], Any] | None = None


@dataclass(frozen=True)
class Parameter:
    """A field of a request with its type and what the command line makes of it."""

    name: str
    type: Any
    declared: Option | Argument
    required: bool
    default: Any


def parameters(request: type) -> tuple[Parameter, ...]:
    """What the command line of a request takes, in order; a field without an option is for callers from Python."""
    return _parameters(request)


@functools.cache
def _parameters(request: type) -> tuple[Parameter, ...]:
    hints = get_type_hints(request, include_extras=True)
    found = []
    for each in fields(request):
        declared = [m for m in getattr(hints[each.name], "__metadata__", ()) if isinstance(m, Option | Argument)]
        if declared:
            default = _default(each)
            kind = hints[each.name].__origin__
            found.append(Parameter(each.name, kind, declared[0], default is MISSING, default))
    return tuple(found)


def command_line(command: str, request: Any, *more: str) -> str:
    """The command line that asks for the same again, as it is typed: `bench` and its `command_words`."""
    return shlex.join(["bench", *command_words(command, request, *more)])


def command_words(command: str, request: Any, *more: str) -> list[str]:
    """The words after `bench` that ask for the same again: what was asked for and is not the default.

    Arguments and options with a value come first, in the order of the fields, then options that are given several
    times, then switches, then `more`.
    """
    valued: list[str] = []
    repeated: list[str] = []
    switches: list[str] = []
    for each in parameters(type(request)):
        value = getattr(request, each.name)
        if not each.required and value == each.default:
            continue
        if isinstance(each.declared, Argument):
            valued += map(str, value if isinstance(value, tuple) else (value,))
        elif each.declared.kept:
            flag = each.declared.names(each.name)[0]
            if isinstance(value, bool):
                switches.append(flag.split("/")[not value])
            elif each.declared.write is not None:
                repeated += (word for text in each.declared.write(value) for word in (flag, text))
            else:
                valued += [flag, str(value)]
    return [*command.split(), *valued, *repeated, *switches, *more]


def as_typed(request: Request) -> Request:
    """A request that Python made, held to what the command line takes; NumPy's numbers in it become Python's.

    Raises
    ------
    UserError
        For a number that is too small or too large, and for a word that is none of the choices.
    """
    request = replace(request, **{each.name: _plain(getattr(request, each.name)) for each in fields(request)})
    _refuse_out_of_range(request)
    return request


def _refuse_out_of_range(request: Any) -> None:
    for each in parameters(type(request)):
        value = getattr(request, each.name)
        choices = [word for part in (each.type, *get_args(each.type)) for word in _words(part)]
        if choices and value is not None and value not in choices:
            raise UserError(unknown(each.name, str(value), choices))
        if isinstance(each.declared, Option) and isinstance(value, int | float):
            low, high = each.declared.low, each.declared.high
            if (low is not None and value < low) or (high is not None and value > high):
                upper = "" if high is None else f" to {high}"
                raise UserError(f"{each.name}={value}; expected a number from {low}{upper}")


def _plain(value: Any) -> Any:
    import numpy as np  # a command line that is only read does without

    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return type(value)(map(_plain, value)) if type(value) in (list, tuple) else value


def _words(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) is Literal else ()


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default
