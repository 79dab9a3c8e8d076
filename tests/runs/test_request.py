"""Requests: what the command line reads is what a request writes, for every option of every command."""

from __future__ import annotations

import json
import shlex
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import typer
from typer.testing import CliRunner

from places import ROOT
from segbench.cli.options import request_command
from segbench.runs import data_requests, request, stored_requests
from segbench.runs.cardiac.request import CardiacRequest
from segbench.runs.options import Option, Parameter, command_line, parameters

REQUESTS = [
    *(
        each
        for module in (request, stored_requests, data_requests)
        for name, each in vars(module).items()
        if name.endswith("Request")
    ),
    CardiacRequest,
]
RECORDED = sorted((ROOT / "leaderboards").rglob("record.json"))


def _read(kind: type, words: list[str]) -> Any:
    """The request that a command line stands for."""
    app, found = typer.Typer(), []

    def command(request: Any, json: bool, quiet: bool) -> None:
        assert not json
        assert not quiet
        found.append(request)

    request_command(app, kind, command, "Example: none")
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return found[0]


def _another(each: Parameter) -> Any:
    """A value of a field's type that is not its default."""
    kind = each.type
    options = [part for part in get_args(kind) if part is not type(None)] if each.default is None else [kind]
    kind = options[0]
    if get_origin(kind) is Literal:
        return next((word for word in get_args(kind) if word != each.default), each.default)
    if get_origin(kind) is tuple:
        each_is = next(iter(get_args(get_args(kind)[0])), get_args(kind)[0])  # the first of several types
        return (each_is("a b"), each_is("c"))
    if each.name == "settings":
        return {"learning_rate": 0.01, "size": [256, 256], "view": "two words", "flip": True, "window": None}
    if each.name == "roots":
        return {"medaka": Path("data/my medaka"), "isbi2012": Path("b")}
    if each.name == "slurm":
        return {"partition": "gpu", "constraint": "a100|h100"}
    low = each.declared.low or 0 if isinstance(each.declared, Option) else 0
    chosen = {bool: not each.default, int: low + 1, float: 0.25, str: "it's", Path: Path("a b/c")}[kind]
    return chosen if chosen != each.default else low


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_command_line_asks_for_the_same_again(kind: type) -> None:
    declared = parameters(kind)
    assert len(declared) == len(fields(kind))
    full = kind(**{each.name: _another(each) for each in declared})
    left_out = {
        each.name: each.default for each in declared if isinstance(each.declared, Option) and not each.declared.kept
    }
    words = shlex.split(command_line("run", full))
    assert words[:2] == ["bench", "run"]
    assert _read(kind, words[2:]) == replace(full, **left_out)


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_default_is_not_written(kind: type) -> None:
    needed = {each.name: _another(each) for each in parameters(kind) if each.required}
    words = shlex.split(command_line("run", kind(**needed)))[2:]
    assert _read(kind, words) == kind(**needed)
    flags = [word for word in words if word.startswith("--")]
    assert len(flags) == sum(each.required for each in parameters(kind) if isinstance(each.declared, Option))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parent.name)
def test_the_commands_of_stored_records_are_written_as_they_were(path: Path) -> None:
    command = json.loads(path.read_text(encoding="utf-8"))["command"]
    program, verb, *words = shlex.split(command)
    assert program == "bench"
    kind = {"run": request.RunRequest, "evaluate": request.EvaluateRequest}[verb]
    assert _read(kind, words).command() == command
